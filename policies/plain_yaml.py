"""YAML as people write it, and no more of it: what a hostile document could blow up by is refused before it is built.

Entry points: `composed`, `constructed`, `UnsoundYaml`. Without aliases a document is no larger than its text; bounded
in depth it cannot exhaust the stack; without tags every value is text, a number, a boolean, a date, nothing, a list or
a mapping.
"""

from typing import Any, Final

import yaml
from yaml.constructor import SafeConstructor
from yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, NodeEvent, ScalarEvent

MAX_DEPTH: Final = 24
"""Policies are five levels deep, configurations eight."""

MAX_BITS: Final = 128


class UnsoundYaml(ValueError):  # noqa: N818  it is about the text; what to call it is the reader's to say
    """What is wrong with the text, and in which line, from 1; None where that is not known."""

    def __init__(self, line: int | None, problem: str) -> None:
        super().__init__(problem if line is None else f"line {line}: {problem}")
        self.line = line
        self.problem = problem


def composed(text: str) -> yaml.Node | None:
    """Return the nodes of a text, whose keys are all plain; None for an empty one. Raises UnsoundYaml."""
    try:
        _check_events(text)
        root: yaml.Node | None = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise UnsoundYaml(line, f"{error.problem}") from error
    except yaml.YAMLError as error:
        raise UnsoundYaml(None, str(error)) from error
    _check_keys(root)
    return root


def constructed(root: yaml.Node | None) -> Any:
    """Return what the nodes say; raises UnsoundYaml, such as for the 30th of February."""
    if root is None:
        return None
    try:
        return _Constructor().construct_document(root)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise UnsoundYaml(line, f"{error.problem}") from error
    except UnsoundYaml:
        raise
    except (ValueError, OverflowError) as error:
        raise UnsoundYaml(None, f"a value cannot be read ({error})") from error


class _Constructor(SafeConstructor):
    """SafeConstructor reads hexadecimal numbers of any length, which Python then cannot write in a message."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Return what a node says."""
        value = super().construct_object(node, deep)
        if isinstance(value, int) and value.bit_length() > MAX_BITS:
            raise UnsoundYaml(_line(node), f"a number has more than {MAX_BITS} bits")
        return value


def _line(part: yaml.Node | yaml.Event) -> int | None:
    return None if part.start_mark is None else part.start_mark.line + 1


def _check_events(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, CollectionEndEvent):
            depth -= 1
        if not isinstance(event, NodeEvent):
            continue
        line = _line(event)
        if isinstance(event, AliasEvent) or event.anchor is not None:
            raise UnsoundYaml(line, "anchors and aliases are not read here; write it out")
        if isinstance(event, ScalarEvent | CollectionStartEvent) and event.tag is not None:
            raise UnsoundYaml(line, f"the tag {event.tag!r:.80} is not read here; leave it out")
        if isinstance(event, CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise UnsoundYaml(line, f"it is nested more than {MAX_DEPTH} deep")


def _check_keys(node: yaml.Node | None) -> None:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_keys(item)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise UnsoundYaml(_line(key), "a key is a list or a mapping; write a name")
            _check_keys(value)
