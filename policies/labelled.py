"""Files of labelled prompts: what people say is right, for measuring what reads prompts.

Entry points: `PromptGroup` and `LabelledFile`, which each kind of label extends, and `read_labelled_file`.
"""

from pathlib import Path
from typing import Generic, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from policies.errors import LabelledSetError


class PromptGroup(BaseModel):
    """Prompts of one kind with the same right answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    category: str
    prompts: tuple[str, ...] = Field(min_length=1)


Group = TypeVar("Group", bound=PromptGroup)


class LabelledFile(BaseModel, Generic[Group]):
    """A file of labelled prompts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    half: str
    """What the file is for: "development" or "held-out"."""
    hide_errors: bool = False
    """Whether the errors are kept from view, so that nobody tunes on them."""
    groups: tuple[Group, ...]

    @property
    def prompts(self) -> list[str]:
        """All prompts, in the file's order."""
        return [prompt for group in self.groups for prompt in group.prompts]


Labelled = TypeVar("Labelled", bound=BaseModel)


def read_labelled_file(path: Path, kind: type[Labelled], example: str) -> Labelled:
    """Return the labelled prompts of a file; a LabelledSetError says what is wrong with it, and names an example."""
    try:
        return kind.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise LabelledSetError(
            f"The labelled prompts {path} cannot be read: {error}.",
            value=str(path),
            cure=f"Give a file like {example}.",
        ) from error
