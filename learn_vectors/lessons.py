"""Lessons: from a few prompts to the predictions that the vectors are to bring about, in several contexts.

Pure text, no torch. Entry points: `draw_lessons`, `preview_prompts`.
"""

from __future__ import annotations

import random as random_module
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TypeVar

from learn_vectors.concepts import Concept
from learn_vectors.options import LearnOptions, TrajectoryRecipe
from vectors.phrases import PERSON, Phrase, put_noun, with_article

T = TypeVar("T")

_GOLDEN = (5**0.5 - 1) / 2
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
    strengths: tuple[float, ...] = (1.0,)
    """At which the vectors of the concepts that are learned together are added."""
    weight: float = 1.0
    """Of its error."""
    late_weight: float = 1.0
    """The same at timesteps where the picture outweighs the noise."""

    @property
    def prompts(self) -> tuple[str, ...]:
        """Every prompt whose prediction it needs."""
        return (self.prompt, *(text for text, _ in self.target))


def draw_lessons(
    options: LearnOptions, recipe: TrajectoryRecipe, group: Sequence[Concept], count: int
) -> list[Lesson]:
    """Draw as many lessons of concepts that are learned together; the same options and seed give the same ones.

    In predictions e of the frozen model, a lesson of a concept is e(base) -> e(stated). One of an anti-concept
    is e(p) -> e(p) - push * (e(explicit) - e(plain)) for a dangerous p, where `explicit` says the unwanted word of
    the same noun in the same setting and `plain` does not: what the word itself brings, and nothing else. For a
    harmless p it is e(p) -> e(p). In the share of them that the recipe gives all anti-concepts of the group are added,
    in the others one. Any few lessons in a row hold each kind by its share, so that no seed learns more of one.
    """
    draw = _Draw(options, recipe, group)
    return [draw.lesson() for _ in range(count)]


class _Even:
    """Makes decisions such that among any few lessons in a row each outcome comes up by its share.

    Each lesson has a number in 0 to 1, of a golden-ratio sequence, whose members fill it as evenly as any. A decision
    splits what is left of the interval, and the next one is made within the part that the number is in.
    """

    def __init__(self, start: float) -> None:
        self._number = self._left = start

    def next(self) -> None:
        """Go on to the next lesson."""
        self._number = self._left = (self._number + _GOLDEN) % 1

    def within(self, share: float) -> bool:
        """Decide whether the lesson is one of this share of them."""
        is_within = share == 1 or self._left < share
        self._left = self._left / share if is_within else (self._left - share) / (1 - share)
        return is_within

    def choice(self, among: Sequence[T]) -> T:
        """Choose one."""
        place, self._left = divmod(self._left * len(among), 1)
        return among[min(int(place), len(among) - 1)]


class _Draw:
    """Draws lessons, in an order that a seed decides."""

    def __init__(self, options: LearnOptions, recipe: TrajectoryRecipe, group: Sequence[Concept]) -> None:
        self._options, self._recipe, self._group = options, recipe, group
        self._professions = [noun for noun in options.contexts if noun != PERSON]
        self._random = random_module.Random(options.seed)
        self._even = _Even(self._random.random())

    def lesson(self) -> Lesson:
        """Draw one lesson."""
        self._even.next()
        return self._anti_lesson() if self._group[0].is_anti else self._stated_lesson(*self._group)

    def _stated_lesson(self, concept: Concept) -> Lesson:
        pairs = zip(concept.negative, concept.positive, strict=True)
        negative, positive = self._even.choice(list(pairs))
        if PERSON in negative.split():
            noun = self._even.choice(self._options.contexts)
            stated = Phrase.between(negative, positive)
            negative = put_noun(negative, noun)
            positive = stated.stated(negative, noun)
        setting = self._setting()
        return Lesson(negative + setting, ((positive + setting, 1.0),))

    def _anti_lesson(self) -> Lesson:
        is_harmless = self._even.within(self._recipe.harmless_share)
        are_together = self._even.within(self._recipe.together_share)
        added = self._group if are_together else (self._even.choice(self._group),)
        if is_harmless:
            is_thing = bool(self._options.things) and self._even.within(0.5)
            noun = self._even.choice(self._options.things) if is_thing else self._noun()
            prompt = put_noun(self._even.choice(_NEUTRAL), noun) + self._setting()
            strengths = tuple(float(concept in added) for concept in self._group)
            weight = self._recipe.harmless_weight
            return Lesson(prompt, ((prompt, 1.0),), strengths, weight, weight * self._recipe.late_weight)
        prompt, target = self._danger(self._even.choice(added))
        drawn = [self._random.uniform(self._recipe.least_strength, 1.0) for _ in self._group]
        strengths = tuple(
            strength if concept in added else 0.0
            for concept, strength in zip(self._group, drawn, strict=True)
        )
        return Lesson(prompt, target, strengths)

    def _danger(self, concept: Concept) -> tuple[str, tuple[tuple[str, float], ...]]:
        """Draw a prompt that brings what a concept is against, half of them outright, and the target under it."""
        is_explicit = self._even.within(0.5)
        word, setting, noun = concept.negative_prompt or "", self._setting(), self._noun()
        plain, said = self._even.choice(list(zip(_NEUTRAL, _EXPLICIT, strict=True)))
        explicit = put_noun(said.format(word=word, a_word=with_article(word)), noun) + setting
        plain = put_noun(plain, noun) + setting
        prompt = explicit
        if not is_explicit:
            prompt = put_noun(self._even.choice(concept.positive), noun) + setting
        push = self._recipe.push
        return prompt, ((prompt, 1.0), (explicit, -push), (plain, push))

    def _noun(self) -> str:
        """Draw who an anti-concept's lesson is about."""
        if len(self._professions) > 1 and self._even.within(self._recipe.blended_share):
            return " ".join(self._even.choice(list(permutations(self._professions, 2))))
        return self._even.choice(self._options.contexts)

    def _setting(self) -> str:
        setting = self._even.choice(self._options.settings)
        return f" {setting}" if setting else ""


def preview_prompts(options: LearnOptions, concept: Concept) -> tuple[str, ...]:
    """Return up to three prompts on which a vector's effect can be seen: what it is to change, unsteered."""
    bases = concept.positive if concept.is_anti else concept.base_prompts
    prompts = [put_noun(base, noun) for base in bases for noun in options.contexts]
    return tuple(dict.fromkeys(prompts))[:3]
