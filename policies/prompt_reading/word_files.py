"""Files of words: the shipped ones in words/, and a user's, whose words are added.

Entry points: `shipped_words`, `added_words`, `merged`.
"""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from policies.errors import LexiconError

# libyaml's safe loader, where PyYAML was built with it: ten times as fast.
_FastLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def shipped_words(name: str) -> dict[str, Any]:
    """Return the content of a file in words/."""
    text = (files(__package__) / "words" / f"{name}.yaml").read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.load(text, Loader=_FastLoader)
    return content


def added_words(path: Path) -> object:
    """Return the content of a user's file, {} where it is empty; a LexiconError where it is no YAML."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise LexiconError(
            f"The lexicon {path} cannot be read: {error}.", value=str(path), cure="Give a YAML file."
        ) from error
    return {} if content is None else content


def merged(one: Mapping[str, object], other: Mapping[str, object]) -> dict[str, object]:
    """Return both, lists one after the other, mappings merged in turn."""
    result = dict(one)
    for key, value in other.items():
        before = result.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            result[key] = merged(before, value)
        elif isinstance(before, Sequence) and isinstance(value, Sequence) and not isinstance(value, str):
            result[key] = [*before, *value]
        else:
            result[key] = value
    return result
