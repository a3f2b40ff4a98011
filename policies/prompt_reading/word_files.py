"""Files of words: the shipped ones in words/, and a user's, whose words are added.

Entry points: `shipped_words`, `with_added`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from policies.errors import LexiconError

# libyaml's safe loader, where PyYAML was built with it: ten times as fast.
_SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Lists = TypeVar("Lists", bound=BaseModel)


def shipped_words(name: str) -> dict[str, Any]:
    """Return the content of a file in words/."""
    text = (files(__package__) / "words" / f"{name}.yaml").read_text(encoding="utf-8")
    loader = _SafeLoader(text)
    try:
        content: dict[str, Any] = loader.get_single_data()
    finally:
        loader.dispose()
    return content


def with_added(
    shipped: Mapping[str, object],
    added: Iterable[Path],
    lists: type[Lists],
    *,
    kind: str,
    guide: str,
    as_lists: Callable[[object], object] = lambda own: own,
) -> Lists:
    """Return the shipped words with those of a user's files, brought into the form of `lists` by `as_lists`.

    A LexiconError says what is wrong in a file; it calls the file a `kind` and names the `guide` to it.
    """
    content = lists.model_validate(as_lists(shipped)).model_dump(exclude_unset=True)
    for path in added:
        own = as_lists(_content(path, kind))
        try:
            content = _merged(content, lists.model_validate(own).model_dump(exclude_unset=True))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise LexiconError(
                f"The {kind} {path} is not usable at {place or 'its top'}: {first['msg']}.",
                value=str(path),
                cure=f"Give lists as in {guide}; quote words that YAML reads as yes or no.",
            ) from error
    return lists.model_validate(content)


def _content(path: Path, kind: str) -> object:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise LexiconError(
            f"The {kind} {path} cannot be read: {error}.", value=str(path), cure="Give a YAML file."
        ) from error
    return {} if content is None else content


def _merged(one: Mapping[str, object], other: Mapping[str, object]) -> dict[str, object]:
    """Return both, lists one after the other, mappings merged in turn."""
    result = dict(one)
    for key, value in other.items():
        before = result.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            result[key] = _merged(before, value)
        elif isinstance(before, Sequence) and isinstance(value, Sequence) and not isinstance(value, str):
            result[key] = [*before, *value]
        else:
            result[key] = value
    return result
