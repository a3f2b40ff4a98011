"""Concept sets: the concepts among which fair generation chooses, such as gender = woman, man.

Pure data, no torch. Entry points: `ConceptSet`, `DEFAULT_SETS`, `read_sets` and `write_sets` (a library's sets.yaml).
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import yaml

from vectors.errors import InvalidSetError
from vectors.names import CONCEPT_RULE, is_concept_name


@dataclass(frozen=True)
class ConceptSet:
    """A named group of concepts of which a picture shows one; InvalidSetError where it is malformed."""

    name: str
    members: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in (self.name, *self.members):
            if not is_concept_name(name):
                raise InvalidSetError(f"{name!r} in the set {self.name!r} is not a name: use {CONCEPT_RULE}.")
        if len(self.members) < 2:
            raise InvalidSetError(
                f"The set {self.name!r} has {len(self.members)} members: it needs at least 2 to choose among."
            )
        if len(set(self.members)) < len(self.members):
            raise InvalidSetError(
                f"The set {self.name!r} names a member twice ({', '.join(self.members)}): name each once; "
                "shares other than equal ones are set by a policy's target."
            )


DEFAULT_SETS: Mapping[str, ConceptSet] = MappingProxyType(
    {
        "gender": ConceptSet("gender", ("woman", "man")),
        "race": ConceptSet("race", ("black", "white", "asian")),
    }
)


def read_sets(path: Path) -> dict[str, ConceptSet]:
    """Read sets from YAML, one `name: [member, member, ...]` per line.

    Raises InvalidSetError, naming the file, for anything else.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, OSError, RecursionError) as error:
        raise InvalidSetError(f"{path}: cannot be read as YAML: {error}") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise InvalidSetError(
            f"{path}: holds a {type(document).__name__}; write lines like 'age: [young, old]'."
        )
    try:
        return {name: ConceptSet(name, _members(name, members)) for name, members in document.items()}
    except InvalidSetError as error:
        raise InvalidSetError(f"{path}: {error}") from error


def write_sets(sets: Iterable[ConceptSet], path: Path) -> None:
    """Write sets as `read_sets` reads them; the old file stays until the new one is whole."""
    lines = {one.name: list(one.members) for one in sets}
    temporary = path.with_name(f".{uuid.uuid4().hex}.new")
    try:
        temporary.write_text(
            yaml.safe_dump(lines, default_flow_style=None, sort_keys=False), encoding="utf-8"
        )
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _members(name: object, members: object) -> tuple[str, ...]:
    if not isinstance(name, str):
        raise InvalidSetError(f"{name!r} is not text: put the set's name in quotes.")
    if not isinstance(members, list) or not all(isinstance(member, str) for member in members):
        raise InvalidSetError(
            f"The members of {name!r} are {members!r}: write a list of names, [young, old]."
        )
    return tuple(members)
