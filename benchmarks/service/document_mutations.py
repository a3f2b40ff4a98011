"""Hostile variants of a policy document, as files and as what stands in a request; the same ones for the same seed.

Entry points: `mutated_document`, `mutated_file`.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import yaml

from benchmarks.service.vector_mutations import NASTY

SOUND: Final[Mapping[str, Any]] = {
    "name": "people",
    "version": 3,
    "description": "Everybody, and nothing violent.",
    "fairness": [
        {"set": "gender", "target": {"woman": 0.5, "man": 0.5}, "when": "always", "leave": 0.1},
        {
            "set": "race",
            "target": {"black": 0.3, "white": 0.3, "asian": 0.4},
            "cases": [{"given": {"gender": "woman"}, "shares": {"black": 0.5, "asian": 0.5}}],
            "strength": 0.8,
        },
    ],
    "assignment": "ledger",
    "safety": [
        {"concept": "anti-sexual", "strength": 0.7},
        {"concept": "anti-violence", "by": "both", "negative_prompt": "violent"},
    ],
    "max_norm": 2.5,
    "sampling": {"min_guidance_scale": 2.0, "min_steps": 2, "schedulers": ["ddim", "euler"]},
    "phrases": "steer",
    "screen": {"categories": ["sexual"], "on_finding": "flag"},
}
"""A policy with every field."""

_NAMES: Final = (
    "woman",
    "wоman",
    "wo\u200bman",
    "WOMAN",
    "woman ",
    "../woman",
    "woman\n",
    "__class__",
    "女",
    "a" * 65,
)
"""Names that are one another's likes: with a Cyrillic о, with a zero-width space, and so on."""


def mutated_document(seed: int) -> Any:
    """Return a policy as it could stand in a request, with something wrong or unusual in it."""
    chance = random.Random(seed)
    document: Any = copy.deepcopy(dict(SOUND))
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        places = [place for place in _places(document) if place]
        if not places:
            break
        *into, last = chance.choice(places)
        part = document
        for key in into:
            part = part[key]
        _change(part, last, chance)
    return document


def mutated_file(seed: int) -> tuple[str, bytes]:
    """Return a file's suffix and its bytes: a document that is written well, written badly, or a trap."""
    chance = random.Random(seed)
    suffix = chance.choice((".yaml", ".yaml", ".json"))
    kind = chance.randrange(3)
    if kind == 0:
        return suffix, _written(mutated_document(seed), suffix)
    if kind == 1:
        return suffix, _garbled(_written(SOUND, suffix), chance)
    return suffix, chance.choice(_TRAPS)(chance)


def _places(part: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where every part of a document stands."""
    yield at
    pairs = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, value in pairs:
        yield from _places(value, (*at, key))


def _change(part: Any, key: Any, chance: random.Random) -> None:
    match chance.randrange(6):
        case 0:
            del part[key]
        case 1:
            part[key] = copy.deepcopy(chance.choice(NASTY))
        case 2 if isinstance(part, dict):
            part[chance.choice(_NAMES)] = part.pop(key)
        case 3 if isinstance(part, list):
            part += [copy.deepcopy(part[key])] * chance.choice((1, 2, 50))
        case 4:
            part[key] = chance.choice(_NAMES)
        case _:
            part[key] = {"a": [part[key]]}


def _written(document: Any, suffix: str) -> bytes:
    if suffix == ".json":
        return json.dumps(document, indent=_indent(document)).encode()
    try:
        return yaml.safe_dump(document, sort_keys=False).encode("utf-8", "surrogatepass")
    except (yaml.YAMLError, ValueError):  # what YAML cannot say, JSON can, which is YAML too
        return json.dumps(document).encode()


def _indent(document: Any) -> int | None:
    """Return how a JSON document is indented: every second one is on one line."""
    return 2 if len(str(document)) % 2 else None


def _garbled(content: bytes, chance: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    where = chance.randrange(len(lines))
    place = chance.randrange(len(content))
    match chance.randrange(7):
        case 0:
            del lines[where]
        case 1:
            lines.insert(where, lines[where])
        case 2:
            lines[where] = (
                chance.choice((b" ", b"\t", b"- ", b"? ", b"&a ", b"*a", b"!!", b"%", b"<<: ")) + lines[where]
            )
        case 3:
            chance.shuffle(lines)
        case 4:
            return content[:place]
        case 5:
            return content[:place] + chance.randbytes(chance.choice((1, 2, 16))) + content[place + 1 :]
        case _:
            return (
                content[:place]
                + chance.choice((b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"{", b"]", b"'"))
                + content[place:]
            )
    return b"".join(lines)


def _laughs(chance: random.Random) -> bytes:
    width, depth = chance.choice(((10, 9), (2, 40), (50, 5)))
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * width)}]" for i in range(1, depth)]
    return ("name: people\nversion: 1\n" + "\n".join(lines) + f"\nsafety: *a{depth - 1}\n").encode()


def _itself(chance: random.Random) -> bytes:
    return chance.choice(
        (
            b"&a [*a]",
            b"name: people\nversion: 1\nsafety: &a\n- *a\n",
            b"&a {name: people, version: 1, screen: *a}",
        )
    )


def _deep(chance: random.Random) -> bytes:
    depth = chance.choice((30, 300, 990, 5000, 60_000))
    opening, closing = chance.choice((("[", "]"), ('{"a": ', "}")))
    return f'{{"name": "people", "version": 1, "safety": {opening * depth}1{closing * depth}}}'.encode()


def _numbers(chance: random.Random) -> bytes:
    number = chance.choice(
        (
            "9" * 5000,
            "1" * 200_000,
            "1e999",
            "-1e999",
            ".inf",
            ".nan",
            "0x" + "f" * 5000,
            "1:" * 500 + "1",
            "0b" + "1" * 9999,
        )
    )
    field = chance.choice(("version", "max_norm", "name"))
    return f"name: people\nversion: 1\n{field}: {number}\n".encode()


def _tags(chance: random.Random) -> bytes:
    tag = chance.choice(
        (
            "!!python/object/apply:os.system ['true']",
            "!!python/name:os.system",
            "!!set {a, b}",
            "!!binary '@@@'",
            "!!timestamp 2026-02-30",
            "!!omap [a: 1]",
            "!!int x",
            "!!float x",
            "!!bool maybe",
            "!local x",
            "!<tag:yaml.org,2002:str> x",
        )
    )
    return chance.choice((f"name: people\nversion: {tag}\n", f"{tag}\n", f"- {tag}\n")).encode()


def _odd_keys(chance: random.Random) -> bytes:
    line = chance.choice(
        (
            "? [a, b]\n: 1",
            "? {a: b}\n: 1",
            "1: 2",
            "null: 1",
            "true: 1",
            "2026-02-30: 1",
            "<<: {version: 2}",
            "<<: [1]",
            "=: 1",
        )
    )
    return f"name: people\nversion: 1\n{line}\n".encode()


def _dates(chance: random.Random) -> bytes:
    date = chance.choice(("2026-02-30", "0000-00-00", "2026-01-01T99:99:99Z", "9999-12-31T23:59:59+99:99"))
    return f"name: people\nversion: {date}\n".encode()


def _other_text(chance: random.Random) -> bytes:
    text = "name: people\nversion: 1\n"
    return chance.choice(
        (
            text.encode("utf-16"),
            text.encode("utf-32"),
            b"\xef\xbb\xbf" + text.encode(),
            text.encode() + b"\x1b[2Jdescription: \x07\n",
            text.replace("\n", "\r").encode(),
            text.replace("\n", "\u2028").encode(),
            (text + f"description: {'x' * 300_000}\n").encode(),
            (text + "--- \n" + text).encode(),
            b"%YAML 9.9\n---\n" + text.encode(),
            b"",
            b"\0" * 100,
            chance.randbytes(500),
        )
    )


_TRAPS: Final[Sequence[Callable[[random.Random], bytes]]] = (
    _laughs,
    _itself,
    _deep,
    _numbers,
    _tags,
    _odd_keys,
    _dates,
    _other_text,
)
