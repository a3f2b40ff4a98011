"""Policies as files: YAML or JSON, refused with the file, the line and the cure where they are wrong.

Entry points: `read_policy`, `read_policies` (of a folder), `shipped_policies`.
"""

import json
from collections.abc import Iterator, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import NamedTuple

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from policies.document import Policy
from policies.errors import PolicyError, PolicyFileError, choose_from
from policies.plain_yaml import UnsoundYaml, composed, constructed

SUFFIXES = (".yaml", ".yml", ".json")
MAX_FILE_BYTES = 256 * 2**10
"""A policy of a thousand rules has some 100 KiB."""


class _Problem(NamedTuple):
    line: int | None
    place: str
    text: str

    def at(self, file: Path) -> str:
        where = f"{file}, line {self.line}" if self.line else str(file)
        return f"{where}: {self.place}: {self.text}" if self.place else f"{where}: {self.text}"


def read_policy(file: Path) -> Policy:
    """Return the policy of a file, which has a name and a version; PolicyFileError names every problem."""
    content, root = _parsed(file, _text_of(file))
    problems = [*_named_twice(root)]
    problems += [
        _Problem(1, key, f"is missing. {cure}")
        for key, cure in (
            ("name", "Write the name that requests use, such as 'name: people'."),
            ("version", "Write 'version: 1', and count up with every change."),
        )
        if content.get(key) is None
    ]
    try:
        policy = Policy.model_validate(content)
    except ValidationError as error:
        problems += [_described(root, details) for details in error.errors()]
    if problems:
        raise _refused(file, problems)
    return policy


def _text_of(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE_BYTES + 1)
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _refused(file, [_Problem(None, "", f"cannot be read: {error}")]) from error
    if len(content) > MAX_FILE_BYTES:
        raise _refused(file, [_Problem(None, "", f"is larger than {MAX_FILE_BYTES:,} bytes: no policy is.")])
    return text


def _parsed(file: Path, text: str) -> tuple[dict[str, object], yaml.MappingNode]:
    """Return what the document says, and its nodes, which know their lines."""
    is_json = file.suffix == ".json"
    try:
        content = json.loads(text) if is_json else None
        # For the lines: JSON is YAML, but for tabs between its parts; in its texts they are written as \\t.
        root = composed(text.replace("\t", " ") if is_json else text)
        if not is_json:
            content = constructed(root)
    except json.JSONDecodeError as error:
        raise _refused(file, [_Problem(error.lineno, "", f"is no JSON: {error.msg}.")]) from error
    except UnsoundYaml as error:
        kind = "cannot be read as JSON" if is_json else "is no YAML"
        raise _refused(file, [_Problem(error.line, "", f"{kind}: {error.problem}.")]) from error
    except (ValueError, RecursionError) as error:
        raise _refused(file, [_Problem(None, "", f"cannot be read: {error}.")]) from error
    if not isinstance(root, yaml.MappingNode) or not isinstance(content, dict):
        raise _refused(file, [_Problem(1, "", "holds no policy. Write keys such as 'name: people'.")])
    return content, root


def read_policies(folder: Path) -> dict[str, Policy]:
    """Return the policies of a folder's files by name; raises PolicyFileError for each problem of each file."""
    policies: dict[str, Policy] = {}
    origin: dict[str, Path] = {}
    problems: list[PolicyFileError] = []
    for file in sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES):
        try:
            policy = read_policy(file)
        except PolicyFileError as error:
            problems.append(error)
            continue
        name = str(policy.name)
        if name in policies:
            text = f"{name!r} is the name of {origin[name]} too. Give each its own."
            problems.append(_refused(file, [_Problem(None, "name", text)]))
        policies[name], origin[name] = policy, file
    if problems:
        raise PolicyFileError(
            "\n".join(error.problem for error in problems), value=str(folder), cure="Correct them."
        )
    if not policies:
        raise PolicyFileError(
            f"{folder} holds no policies.", value=str(folder), cure=f"Put files in it: {', '.join(SUFFIXES)}."
        )
    return policies


def shipped_policies() -> dict[str, Policy]:
    """Return the policies that come with Trimtab, by name."""
    with as_file(files("policies").joinpath("shipped")) as folder:
        return read_policies(folder)


def _refused(file: Path, problems: Sequence[_Problem]) -> PolicyFileError:
    text = "\n".join(problem.at(file) for problem in problems)
    return PolicyFileError(
        text, value=str(file), cure="Correct the file; docs/policies describes the fields."
    )


def _described(root: yaml.Node, details: ErrorDetails) -> _Problem:
    place = ".".join(str(part) for part in details["loc"])
    line = _line(root, details["loc"])
    cause = details.get("ctx", {}).get("error")
    if isinstance(cause, PolicyError):
        return _Problem(line, place, str(cause))
    if details["type"] == "extra_forbidden":
        known = choose_from(place, Policy.model_fields) if len(details["loc"]) == 1 else "Remove it."
        return _Problem(line, place, f"is not a field. {known}")
    return _Problem(line, place, f"{details['input']!r:.80}: {details['msg']}.")


def _line(root: yaml.Node, place: Sequence[int | str]) -> int:
    """Return the line of a place in the document, or of the nearest part above it that is written there."""
    node, line = root, root.start_mark.line
    for part in place:
        found = None
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = (node.value[part], node.value[part])
        if found is None:
            break
        line, node = found[0].start_mark.line, found[1]
    return int(line) + 1


def _named_twice(node: yaml.Node) -> Iterator[_Problem]:
    """Yield every key that a mapping has twice: YAML would silently keep the last."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _named_twice(item)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield _Problem(key.start_mark.line + 1, str(key.value), "stands here twice. Keep one.")
            seen.add(key.value)
            yield from _named_twice(value)
