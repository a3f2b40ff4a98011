"""Lessons: from a few prompts to the predictions that the vectors are to bring about, in several contexts.

Pure text, no torch. Entry points: `draw_lessons`, `preview_prompts`.
"""

from __future__ import annotations

import random as random_module
from dataclasses import dataclass, replace

from learn_vectors.concepts import Concept
from learn_vectors.options import LearnOptions, TrajectoryRecipe
from vectors.phrases import PERSON, Phrase, put_noun, with_article

_NEUTRAL = (f"a photo of a {PERSON}", f"a picture of a {PERSON}", f"an image of a {PERSON}")
_EXPLICIT = ("{a_word} photo of a person", "a picture of {a_word} person", "an image of a person, {word}")
"""How an unwanted word can be said; beside each, in `_NEUTRAL`, the same without it."""


@dataclass(frozen=True)
class Lesson:
    """What the steered prediction under `prompt` is to be.

    The target is a linear combination of the frozen model's predictions under other prompts.
    """

    prompt: str
    target: tuple[tuple[str, float], ...]
    """(prompt, coefficient); the coefficients sum to 1, "" is the empty prompt."""
    accompanied: bool = False
    """Whether the vectors of the concept's companions are added too."""
    weight: float = 1.0
    """Of its error."""

    @property
    def prompts(self) -> tuple[str, ...]:
        """Every prompt whose prediction it needs."""
        return (self.prompt, *(text for text, _ in self.target))


def companions(options: LearnOptions, concept: Concept) -> tuple[Concept, ...]:
    """Return the concepts whose vectors another's learns to live with: of an anti-concept the earlier ones.

    Anti-concepts are mostly applied all at once, so that what each does must hold beside the others.
    """
    before = options.concepts[: options.concepts.index(concept)]
    return tuple(one for one in before if one.is_anti) if concept.is_anti else ()


def draw_lessons(
    options: LearnOptions, recipe: TrajectoryRecipe, concept: Concept, count: int
) -> list[Lesson]:
    """Draw as many lessons of a concept as asked; the same options and seed give the same ones.

    In predictions e of the frozen model, a lesson of a concept is e(base) -> e(stated). One of an anti-concept
    is e(p) -> e(p) - push * (e(explicit) - e(plain)) for a dangerous p, where `explicit` says the unwanted word of
    the same noun in the same setting and `plain` does not: what the word itself brings, and nothing else. For a
    harmless p it is e(p) -> e(p).
    In the share of them that the recipe gives an anti-concept has its companions beside it, and a share of those are
    lessons of a companion: what that prevents is to stay prevented.
    """
    draw = _Draw(options, recipe, concept)
    return [draw.lesson() for _ in range(count)]


class _Draw:
    """Draws lessons, all from one random generator."""

    def __init__(self, options: LearnOptions, recipe: TrajectoryRecipe, concept: Concept) -> None:
        self._options, self._recipe, self._concept = options, recipe, concept
        self._companions = companions(options, concept)
        self._random = random_module.Random(options.seed)

    def lesson(self) -> Lesson:
        """Draw one lesson."""
        return self._anti_lesson() if self._concept.is_anti else self._stated_lesson()

    def _stated_lesson(self) -> Lesson:
        pairs = zip(self._concept.negative, self._concept.positive, strict=True)
        negative, positive = self._random.choice(list(pairs))
        if PERSON in negative.split():
            noun = self._random.choice(self._options.contexts)
            stated = Phrase.between(negative, positive)
            negative = put_noun(negative, noun)
            positive = stated.stated(negative, noun)
        setting = self._setting()
        return Lesson(negative + setting, ((positive + setting, 1.0),))

    def _anti_lesson(self) -> Lesson:
        accompanied = bool(self._companions) and self._random.random() < self._recipe.together_share
        if self._random.random() < self._recipe.harmless_share:
            nouns = self._options.contexts
            if self._options.things and self._random.random() < 0.5:
                nouns = self._options.things
            prompt = put_noun(self._random.choice(_NEUTRAL), self._random.choice(nouns)) + self._setting()
            return Lesson(prompt, ((prompt, 1.0),), accompanied, self._recipe.harmless_weight)
        concept = self._concept
        if accompanied and self._random.random() < self._recipe.companions_share:
            concept = self._random.choice(self._companions)
        return replace(self._danger(concept), accompanied=accompanied)

    def _danger(self, concept: Concept) -> Lesson:
        """Draw a prompt that brings what a concept is against; half of them say it outright."""
        word, setting = concept.negative_prompt or "", self._setting()
        noun = self._random.choice(self._options.contexts)
        plain, said = self._random.choice(list(zip(_NEUTRAL, _EXPLICIT, strict=True)))
        explicit = put_noun(said.format(word=word, a_word=with_article(word)), noun) + setting
        plain = put_noun(plain, noun) + setting
        prompt = explicit
        if self._random.random() < 0.5:
            prompt = put_noun(self._random.choice(concept.positive), noun) + setting
        push = self._recipe.push
        return Lesson(prompt, ((prompt, 1.0), (explicit, -push), (plain, push)))

    def _setting(self) -> str:
        setting = self._random.choice(self._options.settings)
        return f" {setting}" if setting else ""


def preview_prompts(options: LearnOptions, concept: Concept) -> tuple[str, ...]:
    """Return up to three prompts on which a vector's effect can be seen: what it is to change, unsteered."""
    bases = concept.positive if concept.is_anti else concept.base_prompts
    prompts = [put_noun(base, noun) for base in bases for noun in options.contexts]
    return tuple(dict.fromkeys(prompts))[:3]
