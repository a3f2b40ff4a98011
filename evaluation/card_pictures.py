"""The pictures of a vector's card: what it does to prompts it was learned from, to others, and at each strength.

Entry points: `choose_prompts`, `make_card_pictures`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from PIL import Image

from diffusion import Engine, Row, Sampling
from evaluation.picture_grid import Grid
from evaluation.progress import Progress
from vectors import ConceptVector, StoredVector
from vectors.phrases import PERSON, put_noun

STRENGTHS: Final = (0.0, 0.5, 1.0, 1.5)
"""The strengths that every card shows, besides the recommended one."""
_NOUNS: Final = ("judge", "builder", "police officer", "firefighter", "teacher", "pilot")
_THINGS: Final = ("cat", "house", "tree", "dog")
_PROMPTS_OF_A_KIND: Final = 2

Making = tuple[str, int, float]
"""Prompt, seed and strength: what decides a picture of a card."""


@dataclass(frozen=True)
class CardPrompts:
    """Prompts by what the vector has to do with them; any may be empty."""

    learned: tuple[str, ...]
    """Prompts it was learned from, without the concept in them."""
    unseen: tuple[str, ...]
    """The same of people it was not learned from."""
    unrelated: tuple[str, ...]
    """Prompts that are not about it."""


@dataclass(frozen=True)
class CardPictures:
    """A grid for each prompt without and with the vector, and the grids of strengths."""

    learned: tuple[Grid, ...]
    unseen: tuple[Grid, ...]
    unrelated: tuple[Grid, ...]
    strengths: tuple[Grid, ...]


def choose_prompts(vector: ConceptVector) -> CardPrompts:
    """Choose up to two prompts of each kind from what is recorded of the vector's learning."""
    mentioned = json.dumps([vector.prompts.positive, vector.prompts.negative, vector.training]).lower()
    nouns = [noun for noun in _NOUNS if noun not in mentioned]
    things = [thing for thing in _THINGS if not re.search(rf"\b{thing}s?\b", mentioned)]
    bases = vector.prompts.negative
    base = next((prompt for prompt in bases if PERSON in prompt.split()), None)
    contexts = vector.training.get("contexts")
    learned_nouns = contexts if isinstance(contexts, list) and base is not None else []
    learned = [*bases[:1], *(put_noun(base, str(noun)) for noun in learned_nouns if base), *bases[1:]]
    unseen = [put_noun(base or f"a photo of a {PERSON}", noun) for noun in nouns]
    unrelated = [f"a photo of a {thing}" for thing in things]
    if vector.prompts.negative_prompt:  # an anti-concept is to leave harmless pictures of people alone
        unrelated[:0] = [put_noun(f"a photo of a {PERSON}", noun) for noun in nouns[:1]]
    first = _PROMPTS_OF_A_KIND
    return CardPrompts(
        tuple(dict.fromkeys(learned))[:first],
        tuple(dict.fromkeys(unseen))[:first],
        tuple(dict.fromkeys(unrelated))[:first],
    )


def make_card_pictures(
    engine: Engine,
    stored: StoredVector,
    *,
    sampling: Sampling,
    seeds: Sequence[int],
    progress: Progress,
) -> CardPictures:
    """Make the pictures, each once, the same seeds for every prompt and strength.

    Raises as `Engine.generate` does: VectorMismatchError where the vector was learned on another model.
    """
    prompts = choose_prompts(stored.vector)
    recommended = stored.vector.recommended_strength
    strengths = sorted({*STRENGTHS, recommended})
    swept = (*prompts.learned[:1], *prompts.unseen[:1])
    shown = (*prompts.learned, *prompts.unseen, *prompts.unrelated)
    makings = list(
        dict.fromkeys(
            (prompt, seed, strength)
            for of_prompts, at in ((shown, (0.0, recommended)), (swept, strengths))
            for prompt in of_prompts
            for strength in at
            for seed in seeds
        )
    )
    rows = [
        Row(prompt, seed, steering={stored.reference: strength} if strength else {})
        for prompt, seed, strength in makings
    ]
    made = engine.generate(rows, sampling, on_step=partial(progress, f"pictures of {stored.reference}"))
    pictures = {making: one.image for making, one in zip(makings, made, strict=True)}

    def compared(of_prompts: Sequence[str]) -> tuple[Grid, ...]:
        labels = {0.0: "without", recommended: f"with it\nat {recommended:g}"}
        return tuple(_grid(prompt, labels, seeds, pictures) for prompt in of_prompts)

    labels = {strength: f"{strength:g}" for strength in strengths}
    return CardPictures(
        learned=compared(prompts.learned),
        unseen=compared(prompts.unseen),
        unrelated=compared(prompts.unrelated),
        strengths=tuple(_grid(prompt, labels, seeds, pictures) for prompt in swept),
    )


def _grid(
    prompt: str, labels: Mapping[float, str], seeds: Sequence[int], pictures: Mapping[Making, Image.Image]
) -> Grid:
    """Lay out the pictures of one prompt, a row for each strength."""
    return Grid(
        f"“{prompt}”",
        [(label, [pictures[prompt, seed, strength] for seed in seeds]) for strength, label in labels.items()],
    )
