"""Lessons: from a few prompts to the predictions that the vectors are to bring about, in several contexts.

Pure text, no torch. Entry points: `draw_lessons`, `preview_prompts`.
"""

from __future__ import annotations

import random as random_module
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from learn_vectors.concepts import Concept
from learn_vectors.options import LearnOptions, TrajectoryRecipe
from vectors.phrases import PERSON, Phrase, put_noun, state_all, with_article

_Pairs: TypeAlias = Sequence[tuple[str, str]]

_NEUTRAL = (f"a photo of a {PERSON}", f"a picture of a {PERSON}", f"an image of a {PERSON}")
_EXPLICIT = ("{a_word} photo of a person", "a picture of {a_word} person", "an image of a person, {word}")
"""How an unwanted word can be said; beside each, in `_NEUTRAL`, the same without it."""


@dataclass(frozen=True)
class Lesson:
    """What the prediction under `prompt`, steered by the sum of the `active` vectors, is to be.

    The target is a linear combination of the frozen model's predictions under other prompts.
    """

    prompt: str
    target: tuple[tuple[str, float], ...]
    """(prompt, coefficient); the coefficients sum to 1, "" is the empty prompt."""
    active: tuple[int, ...]
    """Numbers of the concepts whose vectors are added."""
    taught: tuple[int, ...]
    """Those of them that learn from it; the others are there so that they learn to live with them."""
    weight: float = 1.0
    """Of its error."""

    @property
    def prompts(self) -> tuple[str, ...]:
        """Every prompt whose prediction it needs."""
        return (self.prompt, *(text for text, _ in self.target))


def draw_lessons(options: LearnOptions, recipe: TrajectoryRecipe, count: int) -> list[Lesson]:
    """Draw as many lessons as asked; the same options and seed give the same ones.

    In predictions e of the frozen model, a lesson of a concept is e(base) -> e(stated). One of an anti-concept
    is e(p) -> e(p) - push * (e(explicit) - e(plain)) for a dangerous p, where `explicit` says the unwanted word of
    the same noun in the same setting and `plain` does not: what the word itself brings, and nothing else. For a
    harmless p it is e(p) -> e(p).
    Of several concepts each lesson takes one, or, in a share that the recipe gives, some at once, at most one of a
    set; then it states all that are concepts and pushes away what its prompt brings of one anti-concept.
    """
    draw = _Draw(options, recipe)
    return [draw.lesson() for _ in range(count)]


class _Draw:
    """Draws lessons, all from one random generator."""

    def __init__(self, options: LearnOptions, recipe: TrajectoryRecipe) -> None:
        self._options, self._recipe = options, recipe
        self._random = random_module.Random(options.seed)
        number = {concept.name: index for index, concept in enumerate(options.concepts)}
        in_a_set = {member for members in options.sets.values() for member in members}
        self._groups = [[number[member] for member in members] for members in options.sets.values()]
        for concept in options.concepts:
            if concept.name not in in_a_set:
                self._groups.append([number[concept.name]])

    def lesson(self) -> Lesson:
        """Draw one lesson."""
        concepts = self._options.concepts
        active = tuple(self._random.choice(group) for group in self._some_groups())
        stated = tuple(index for index in active if not concepts[index].is_anti)
        anti = [index for index in active if concepts[index].is_anti]
        pairs = [self._random.choice(_pairs(concepts[index])) for index in stated]
        whole = [pair for pair in pairs if PERSON not in pair[0].split()]
        noun, setting = self._random.choice(self._options.contexts), self._setting()
        if whole:  # prompts without a noun to put: the concept is taught by itself
            (negative, positive), alone = whole[0], (stated[pairs.index(whole[0])],)
            return Lesson(negative + setting, ((positive + setting, 1.0),), alone, alone)
        if anti and self._random.random() >= self._recipe.harmless_share:
            against = self._random.choice(anti)
            prompt, push = self._danger(concepts[against], noun, setting, needs_noun=bool(pairs))
            target = _stated(pairs, prompt, noun)
            return Lesson(prompt, ((target, 1.0), *push), active, (*stated, against))
        if pairs:
            prompt = put_noun(pairs[0][0], noun) + setting
            return Lesson(prompt, ((_stated(pairs, prompt, noun), 1.0),), active, stated)
        if self._options.things and self._random.random() < 0.5:
            noun = self._random.choice(self._options.things)
        prompt = put_noun(self._random.choice(_NEUTRAL), noun) + setting
        return Lesson(prompt, ((prompt, 1.0),), active, active, self._recipe.harmless_weight)

    def _danger(
        self, against: Concept, noun: str, setting: str, *, needs_noun: bool
    ) -> tuple[str, tuple[tuple[str, float], ...]]:
        """Return a prompt that brings what a concept is against, and the terms that push that away.

        Half of the prompts say it outright; and all where the noun is needed and the others have none.
        """
        word = against.negative_prompt or ""
        plain, said = self._random.choice(list(zip(_NEUTRAL, _EXPLICIT, strict=True)))
        explicit = put_noun(said.format(word=word, a_word=with_article(word)), noun) + setting
        plain = put_noun(plain, noun) + setting
        push = ((explicit, -self._recipe.push), (plain, self._recipe.push))
        innocent = [one for one in against.positive if PERSON in one.split() or not needs_noun]
        if innocent and self._random.random() < 0.5:
            return put_noun(self._random.choice(innocent), noun) + setting, push
        return explicit, push

    def _some_groups(self) -> list[list[int]]:
        """Take one group, or where concepts are taught together each of them with even chances."""
        some: list[list[int]] = []
        if self._random.random() < self._recipe.together_share:
            some = [group for group in self._groups if self._random.random() < 0.5]
        return some or [self._random.choice(self._groups)]

    def _setting(self) -> str:
        setting = self._random.choice(self._options.settings)
        return f" {setting}" if setting else ""


def _stated(pairs: _Pairs, prompt: str, noun: str) -> str:
    return state_all([Phrase.between(*pair) for pair in pairs], prompt, noun)


def _pairs(concept: Concept) -> list[tuple[str, str]]:
    return list(zip(concept.negative, concept.positive, strict=True))


def preview_prompts(options: LearnOptions, concept: Concept) -> tuple[str, ...]:
    """Return up to three prompts on which a vector's effect can be seen: what it is to change, unsteered."""
    bases = concept.positive if concept.is_anti else concept.base_prompts
    prompts = [put_noun(base, noun) for base in bases for noun in options.contexts]
    return tuple(dict.fromkeys(prompts))[:3]
