"""Hostile variants of a vector's file, the same ones for the same seed.

Entry point: `mutated_vector`. Half are damaged bytes; the other half are well-formed in all but what they lie about,
many with a digest that is right again, so that what is behind the first checks is reached.
"""

from __future__ import annotations

import gzip
import io
import json
import pickle
import random
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

import torch

from vectors import ConceptVector
from vectors.file_format import content_of, read_vector

Json: TypeAlias = dict[str, Any]

NASTY: Final[Sequence[Any]] = (
    *(
        None,
        True,
        0,
        -1,
        1,
        2**31,
        2**63,
        2**64,
        -(2**63),
        10**400,
        0.5,
        -0.0,
        1e308,
        float("nan"),
        float("inf"),
    ),
    *(
        "",
        " ",
        "\0",
        "nan",
        "1e999",
        "../../etc/passwd",
        "A" * 5000,
        "\ud800",
        "жена",
        "\u202e\u200b",
        "<script>",
    ),
    *([], {}, [[]], [None], [0, 0, 0], [-1, 2, 2], [2**40] * 3, {"": {}}, [[[[[[[[[[]]]]]]]]]]),
)
"""What fields are not meant to hold."""


def mutated_vector(sound: bytes, seed: int) -> tuple[str, bytes]:
    """Return how a sound file was changed, and what became of it; `seed` decides both."""
    chance = random.Random(seed)
    way = chance.choice(_WAYS)
    return way.__name__.removeprefix("_"), way(sound, chance)


def _flipped_bits(sound: bytes, chance: random.Random) -> bytes:
    content = bytearray(sound)
    # Most of a file is values; its header is where there is something to get wrong.
    size = len(content) if chance.random() < 0.3 else 8 + _header_length(sound)
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        content[chance.randrange(size)] ^= 1 << chance.randrange(8)
    return bytes(content)


def _cut_short(sound: bytes, chance: random.Random) -> bytes:
    return sound[: chance.choice((0, 1, 7, 8, 9, chance.randrange(len(sound)), len(sound) - 1))]


def _grown(sound: bytes, chance: random.Random) -> bytes:
    more = chance.randbytes(chance.choice((1, 8, 4096)))
    where = chance.randrange(len(sound))
    return chance.choice((sound + more, more + sound, sound[:where] + more + sound[where:], sound + sound))


def _moved(sound: bytes, chance: random.Random) -> bytes:
    one, two = sorted(chance.sample(range(len(sound)), 2))
    return chance.choice((sound[:one] + sound[two:], sound[two:] + sound[one:two] + sound[:one], sound[::-1]))


def _other_length(sound: bytes, chance: random.Random) -> bytes:
    length = _header_length(sound)
    told = chance.choice((0, 1, length - 1, length + 1, len(sound), 2**31, 2**63, 2**64 - 1, length * 2))
    return struct.pack("<Q", told) + sound[8:]


def _other_header_text(sound: bytes, chance: random.Random) -> bytes:
    text = sound[8 : 8 + _header_length(sound)].decode()
    where = chance.randrange(len(text))
    header = chance.choice(
        (
            text[:where] + chance.choice('{}[],:"\\\0 é\u202e') + text[where + 1 :],
            text.replace(",", ",,", 1),
            text[:-1] + "," + text[1:],  # every key twice
            "[" * 50_000,
            '{"a":' * 50_000 + "1" + "}" * 50_000,
            '{"__metadata__":{"format_version":' + "9" * 5000 + "}}",
            "null",
            "[]",
            '"text"',
            "{}",
        )
    )
    return _with_header(sound, header.encode())


def _other_tensor_entry(sound: bytes, chance: random.Random) -> bytes:
    header = _header(sound)
    entry = header["vector"]
    match chance.randrange(6):
        case 0:
            entry[chance.choice(tuple(entry))] = chance.choice(NASTY)
        case 1:
            entry["data_offsets"] = [chance.choice((-4, 0, 4, 2**62)), chance.choice((0, 3, 2**62, 2**63))]
        case 2:
            entry["dtype"] = chance.choice(("F16", "BF16", "F64", "I8", "BOOL", "F8_E4M3", "f32", ""))
        case 3:
            entry["shape"] = chance.choice(([0], [-1], [2**32, 2**32], [1] * 5000, [1, 1, 1], "x", []))
        case 4:
            header[chance.choice(("vector2", "", "../vector", "__metadata__2"))] = dict(entry)
        case _:
            header["other"] = header.pop("vector")
    return _with_header(sound, _as_json(header))


def _other_metadata(sound: bytes, chance: random.Random) -> bytes:
    header = _header(sound)
    metadata = header["__metadata__"]
    for _ in range(chance.choice((1, 1, 2, 4))):
        key = chance.choice(tuple(metadata) or ("concept",))
        match chance.randrange(4):
            case 0:
                metadata.pop(key, None)
            case 1:
                metadata[key] = chance.choice(NASTY)
            case 2:
                metadata[key] = _as_json(chance.choice(NASTY)).decode()
            case _:
                metadata[chance.choice(("format_version", "concept", "extra", "__proto__"))] = chance.choice(
                    ("1", "2", "../x", "Woman", "a" * 65, "-a", "woman\n", "woman@1")
                )
    return _with_header(sound, _as_json(header))


def _other_numbers(sound: bytes, chance: random.Random) -> bytes:
    """A file that is sound in itself, of a vector that should not be applied, or that is for something else."""
    vector = read_vector(sound, "the file")
    factor = chance.choice((0.0, 1e-9, 1e-3, 0.5, 2.0, 1e3, 1e9, 1e30))
    changed: Mapping[str, Callable[[], ConceptVector]] = {
        "values": lambda: replace(vector, values=vector.values * factor),
        "strength": lambda: replace(
            vector, recommended_strength=chance.choice((0.0, 1e-9, -1.0, 2.9, 3.1, 1e9))
        ),
        "timesteps": lambda: replace(
            vector, timesteps=chance.choice(((0, 1), (0, 1001), (999, 1000), (0, 10**8)))
        ),
        "site": lambda: replace(
            vector, site=chance.choice(("down_blocks.0", "mid_block.attentions.0", "x" * 999))
        ),
        "base_model": lambda: replace(vector, base_model=f"sha256:{chance.randbytes(32).hex()}"),
        "concept": lambda: replace(vector, concept=chance.choice(("new", "a", "0-0", "woman", "a" * 64))),
        "shape": lambda: replace(
            vector, values=torch.ones(chance.choice(((1, 1, 1), (1, 64, 64), (2000, 1, 1))))
        ),
        "unconditional_values": lambda: replace(
            vector, halves="both", unconditional_values=vector.values * factor
        ),
        "training": lambda: replace(vector, training={"deep": chance.choice(("x" * 20_000, [[1]] * 100))}),
    }
    try:
        content = content_of(changed[chance.choice(tuple(changed))]())
    except Exception:  # not even made: what was asked for is no vector
        return _other_values(sound, chance)
    # safetensors writes metadata in another order each time.
    return _with_header(content, json.dumps(_header(content), sort_keys=True).encode())


def _other_values(sound: bytes, chance: random.Random) -> bytes:
    content = bytearray(sound)
    begin = 8 + _header_length(sound)
    number = chance.choice((float("nan"), float("inf"), -float("inf"), 3e38, -0.0, 1e-45))
    where = begin + 4 * chance.randrange((len(sound) - begin) // 4)
    content[where : where + 4] = struct.pack("<f", number)
    return bytes(content)


def _another_kind_of_file(sound: bytes, chance: random.Random) -> bytes:
    zipped, state = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("vector.safetensors"), bytes(2**20))
    torch.save({"vector": torch.zeros(4)}, state)
    return chance.choice(
        (
            pickle.dumps({"vector": [1.0]}),
            gzip.compress(sound, mtime=0),
            gzip.compress(bytes(2**22), mtime=0),
            zipped.getvalue(),
            state.getvalue(),
            b"\x89PNG\r\n\x1a\n" + sound,
            b'{"vector": 1}',
            bytes(len(sound)),
            b"\xff" * len(sound),
            chance.randbytes(chance.choice((1, 8, 100, 10_000))),
        )
    )


_WAYS: Final[Sequence[Callable[[bytes, random.Random], bytes]]] = (
    _flipped_bits,
    _cut_short,
    _grown,
    _moved,
    _other_length,
    _other_header_text,
    _other_tensor_entry,
    _other_metadata,
    _other_numbers,
    _other_values,
    _another_kind_of_file,
)


def _header_length(content: bytes) -> int:
    length: int = struct.unpack_from("<Q", content)[0]
    return length


def _header(content: bytes) -> Json:
    header: Json = json.loads(content[8 : 8 + _header_length(content)])
    return header


def _as_json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=True).encode()


def _with_header(content: bytes, header: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header + content[8 + _header_length(content) :]
