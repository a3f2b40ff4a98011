"""What is to be learned: one concept each, stated by prompts.

Entry point: `Concept`.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from learn_vectors.errors import OptionsError
from vectors import Halves
from vectors.phrases import with_article

Rows: TypeAlias = Literal[Halves, "each"]
"""Which rows of a guidance pair get the vector; "each": both, and each has a map of its own."""


@dataclass(frozen=True)
class Concept:
    """The concept that the `positive` prompts state and the `negative` ones leave open.

    With a `negative_prompt` it is an anti-concept: `positive` are prompts that the unwanted thing comes with, and
    the vector takes the place of the negative prompt; `negative` may be left out.
    Raises OptionsError for prompts that do not fit together.
    """

    positive: tuple[str, ...]
    negative: tuple[str, ...] = ()
    negative_prompt: str | None = None
    name: str = ""
    """The concept's name; "" makes one from the prompts."""
    halves: Rows | None = None
    """Which rows of a guidance pair get the vector; None leaves it to the recipe."""

    def __post_init__(self) -> None:
        if not self.positive or not all(prompt.strip() for prompt in self.positive):
            raise OptionsError("there is no positive prompt: give at least one, such as 'a photo of a woman'")
        if self.negative_prompt is None:
            if len(self.negative) != len(self.positive):
                raise OptionsError(
                    f"{len(self.positive)} positive and {len(self.negative)} negative prompts: give each positive "
                    "prompt its negative one ('a photo of a woman', 'a photo of a person'), or a negative prompt"
                )
            for positive, negative in zip(self.positive, self.negative, strict=True):
                if positive.split() == negative.split():
                    raise OptionsError(
                        f"{positive!r} is both positive and negative: there is nothing to learn"
                    )
        elif not self.negative_prompt.strip():
            raise OptionsError(
                "the negative prompt is empty: say what the vector is against, such as 'violent'"
            )
        elif self.negative and len(self.negative) != len(self.positive):
            raise OptionsError(
                f"{len(self.positive)} positive and {len(self.negative)} negative prompts: give as many"
            )
        if self.halves is not None and self.halves not in get_args(Rows):
            raise OptionsError(f"halves is {self.halves!r}: give one of {', '.join(get_args(Rows))}")
        if not self.name:
            object.__setattr__(self, "name", self._derived_name())

    @property
    def is_anti(self) -> bool:
        """Whether it is an anti-concept."""
        return self.negative_prompt is not None

    @property
    def base_prompts(self) -> tuple[str, ...]:
        """The prompts y-, one of each positive one: an anti-concept's default to the positive ones themselves."""
        return self.negative or self.positive

    def told_apart(self) -> dict[str, str]:
        """Return what a classifier by words tells the concept by: a text with it, and one without."""
        if self.negative_prompt is None:
            return {"yes": self.positive[0], "no": self.negative[0]}
        return {"yes": f"{with_article(self.negative_prompt)} photo", "no": "a photo"}

    def _derived_name(self) -> str:
        """Make a name of the words that the prompts differ in."""
        if self.negative_prompt is not None:
            return _slug(f"anti {self.negative_prompt}")
        old, new = self.negative[0].split(), self.positive[0].split()
        matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
        words = [
            word
            for tag, _, _, start, end in matcher.get_opcodes()
            if tag != "equal"
            for word in new[start:end]
        ]
        return _slug(" ".join(word for word in words if word not in ("a", "an")) or self.positive[0])


def _slug(words: str) -> str:
    """Turn words into a concept's name."""
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:64].rstrip("-") or "concept"
