"""A YAML file of concepts that are learned together, and a run's options read back.

Entry points: `read_concepts`, `read_options`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from learn_vectors.concepts import Concept, Rows
from learn_vectors.errors import OptionsError, RunDirectoryError
from learn_vectors.options import RECIPES, LearnOptions

EXAMPLE = """\
concepts:
  woman: {pos: a photo of a woman, neg: a photo of a person}
  man: {pos: a photo of a man, neg: a photo of a person}
  anti-violence: {pos: a photo of an angry person, negative_prompt: violent}
sets:
  gender: [woman, man]
"""


@dataclass(frozen=True)
class ConceptsFile:
    """What a file asks for; None where it leaves something open."""

    concepts: tuple[Concept, ...]
    sets: dict[str, tuple[str, ...]]
    contexts: tuple[str, ...] | None
    settings: tuple[str, ...] | None


class _Concept(BaseModel):
    model_config = ConfigDict(extra="forbid")
    pos: str | list[str]
    neg: str | list[str] = []
    negative_prompt: str | None = None
    halves: Rows | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    concepts: dict[str, _Concept]
    sets: dict[str, list[str]] = {}
    contexts: list[str] | None = None
    settings: list[str] | None = None


def read_concepts(path: Path) -> ConceptsFile:
    """Read a file of concepts; raises OptionsError, naming the file and the place, where it is not sound."""
    try:
        read = _File.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        raise OptionsError(f"{path} cannot be read as YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the whole file"
        raise OptionsError(f"{path}: {place}: {first['msg']}. Write it like this:\n{EXAMPLE}") from error
    try:
        concepts = tuple(
            Concept(_texts(one.pos), _texts(one.neg), one.negative_prompt, name, one.halves)
            for name, one in read.concepts.items()
        )
    except OptionsError as error:
        raise OptionsError(f"{path}: {error}") from error
    return ConceptsFile(
        concepts,
        {name: tuple(members) for name, members in read.sets.items()},
        None if read.contexts is None else tuple(read.contexts),
        None if read.settings is None else tuple(read.settings),
    )


def _texts(given: str | list[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def read_options(path: Path) -> tuple[LearnOptions, str]:
    """Read a run's options.json back: the options, and the name of the model they were for.

    Raises RunDirectoryError where it cannot be read.
    """
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        model: str = data.pop("model")["name"]
        recipe: dict[str, Any] = data.pop("recipe")
        kind = RECIPES[recipe.pop("name")]
        options = LearnOptions(
            concepts=tuple(
                Concept(**{key: _tupled(value) for key, value in one.items()}) for one in data.pop("concepts")
            ),
            sets={name: tuple(members) for name, members in data.pop("sets").items()},
            recipe=kind(**{key: _tupled(value) for key, value in recipe.items()}),
            **{key: _tupled(value) for key, value in data.items()},
        )
    except (OSError, ValueError, KeyError, TypeError, OptionsError) as error:
        raise RunDirectoryError(f"{path} is not the options of a run that can go on: {error!r}") from error
    return options, model


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
