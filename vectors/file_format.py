"""The vector's file: safetensors, the fp32 tensor "vector", string metadata; never pickled.

The map of unconditional rows, where they have one of their own, is a second tensor, "unconditional".

Entry points: `save_vector`, `load_vector`, and `read_vector` for a file's bytes. Writing is atomic; reading trusts
nothing in the file.
"""

from __future__ import annotations

import json
import os
import struct
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import safetensors
import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, Json, JsonValue, ValidationError

from vectors.concept import ConceptPrompts, ConceptVector, Halves
from vectors.errors import InvalidVectorError, VectorFormatError

FORMAT_VERSION = "1"
SUFFIX = ".safetensors"
TEMPORARY_SUFFIX = ".tmp"
# A map of 1280 channels at 2048 px is 5 MB of fp32; anything near this bound is not a concept vector.
MAX_FILE_BYTES = 64 * 2**20
# Headers that are written here have some 2 KB; this one holds hundreds of prompts and measured strengths.
MAX_HEADER_BYTES = 256 * 2**10

_TENSOR = "vector"
_UNCONDITIONAL = "unconditional"
_TOLD = {_TENSOR: "values", _UNCONDITIONAL: "unconditional values"}


def save_vector(vector: ConceptVector, path: Path) -> None:
    """Write `vector` to `path`, replacing a file that is there.

    At every moment `path` is the old file or the whole new one, also through a crash. Raises OSError where
    the disk refuses.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with staged(content_of(vector), path.parent) as temporary:
        os.replace(temporary, path)
    sync_folder(path.parent)


def load_vector(path: Path) -> ConceptVector:
    """Read a vector, whoever wrote the file.

    Raises VectorFormatError, naming the file and the cure, where it cannot be read, is not a safetensors file
    of this format, holds anything else than one or two finite fp32 [C, h, w], or was altered since it was written.
    """
    _check_size(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise VectorFormatError(path, f"cannot be read ({error}).") from error
    return read_vector(content, path)


def read_vector(content: bytes, source: Path | str) -> ConceptVector:
    """Read a vector from its file's bytes, whoever wrote them; raises as `load_vector` does, naming `source`."""
    header = _header(content, source)
    try:
        tensors = safetensors.deserialize(content)
    except safetensors.SafetensorError as error:
        raise _unreadable(source, error) from error
    metadata = _checked_metadata(source, header)
    maps = _checked_maps(source, dict(tensors), metadata)
    try:
        vector = ConceptVector(
            concept=metadata.concept,
            values=maps[_TENSOR],
            unconditional_values=maps.get(_UNCONDITIONAL),
            base_model=metadata.base_model,
            site=metadata.site,
            halves=metadata.halves,
            timesteps=metadata.timesteps,
            recommended_strength=metadata.recommended_strength,
            prompts=ConceptPrompts(**metadata.prompts),
            training=metadata.training,
            effect=metadata.effect,
        )
    except InvalidVectorError as error:
        raise VectorFormatError(source, f"does not hold a sound vector. {error}") from error
    if vector.digest != metadata.digest:
        raise VectorFormatError(
            source,
            f"was altered after it was written: its digest is {vector.digest}, its metadata say "
            f"{metadata.digest}; get it again from its source.",
        )
    return vector


def content_of(vector: ConceptVector) -> bytes:
    """The vector's file."""
    maps = dict(zip((_TENSOR, _UNCONDITIONAL), vector.maps, strict=False))
    return safetensors.torch.save(maps, metadata=_metadata_of(vector))


@contextmanager
def staged(content: bytes, folder: Path, *, is_synced: bool = True) -> Iterator[Path]:
    """A file, whole and, where `is_synced`, on disk, under a temporary name in `folder`; gone again on exit.

    The caller renames or links it to its final name, which makes it appear at once.
    """
    temporary = folder / f".{uuid.uuid4().hex}{TEMPORARY_SUFFIX}"
    try:
        # "x" rather than tempfile: the file gets the permissions of any other, so that a service may read it.
        with temporary.open("xb") as file:
            file.write(content)
            if is_synced:
                file.flush()
                os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Have a new name in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Metadata(BaseModel):
    """The metadata as they are in a file: strings, some of them JSON."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    format_version: Literal["1"]
    concept: str
    base_model: str
    site: str
    halves: Halves
    digest: str
    shape: Json[tuple[int, int, int]]
    timesteps: Json[tuple[int, int]]
    recommended_strength: Json[float]
    prompts: Json[dict[Literal["positive", "negative", "negative_prompt"], tuple[str, ...]]]
    training: Json[dict[str, JsonValue]]
    effect: Json[dict[str, float]]


def _metadata_of(vector: ConceptVector) -> dict[str, str]:
    return {
        "format_version": FORMAT_VERSION,
        "concept": vector.concept,
        "base_model": vector.base_model,
        "site": vector.site,
        "halves": vector.halves,
        "digest": vector.digest,
        "shape": json.dumps(vector.shape),
        "timesteps": json.dumps(vector.timesteps),
        "recommended_strength": json.dumps(vector.recommended_strength),
        "prompts": json.dumps(asdict(vector.prompts)),
        "training": json.dumps(vector.training),
        "effect": json.dumps(vector.effect),
    }


def _check_size(path: Path) -> None:
    if not path.is_file():
        raise VectorFormatError(path, "there is no such file; name a vector's .safetensors file.")
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise _too_large(path, size)


def _header(content: bytes, source: Path | str) -> dict[str, object]:
    """Return the metadata of a file's header, read no further than the header says, and that is not far."""
    if len(content) > MAX_FILE_BYTES:
        raise _too_large(source, len(content))
    length = struct.unpack_from("<Q", content)[0] if len(content) >= 8 else 0
    if not 0 < length <= min(MAX_HEADER_BYTES, len(content) - 8):
        raise _unreadable(
            source,
            f"its header is to have {length:,} of {len(content):,} bytes, and at most {MAX_HEADER_BYTES:,}",
        )
    try:
        header = json.loads(content[8 : 8 + length].decode("utf-8"), object_pairs_hook=_named_once)
        metadata = header.get("__metadata__", {})
    except (ValueError, RecursionError, AttributeError) as error:
        raise _unreadable(source, f"its header is not sound: {error}") from error
    if not isinstance(metadata, dict):
        raise _unreadable(source, f"its metadata are {metadata!r:.40}")
    return metadata


def _named_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """JSON would silently keep the last of two values of one key."""
    named = dict(pairs)
    if len(named) < len(pairs):
        raise ValueError("a key stands there twice")
    return named


def _unreadable(source: Path | str, problem: object) -> VectorFormatError:
    return VectorFormatError(
        source, f"is not a readable safetensors file ({problem}); get it again from its source."
    )


def _too_large(source: Path | str, size: int) -> VectorFormatError:
    return VectorFormatError(
        source, f"has {size:,} bytes, a vector has at most {MAX_FILE_BYTES:,}; this is another kind of file."
    )


def _checked_metadata(source: Path | str, metadata: dict[str, object]) -> _Metadata:
    version = metadata.get("format_version")
    if version is None:
        raise VectorFormatError(
            source,
            "is a safetensors file, but not a concept vector's (it has no format_version); "
            "vectors are written by save_vector, learn-vector or `trimtab vectors import`.",
        )
    if version != FORMAT_VERSION:
        raise VectorFormatError(
            source,
            f"has format version {version!r:.40}, this Trimtab reads {FORMAT_VERSION!r}; "
            "upgrade Trimtab or get the vector in the format it reads.",
        )
    try:
        return _Metadata.model_validate(metadata)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise VectorFormatError(
            source, f"has unsound metadata: {where}: {first['msg']}; get it again from its source."
        ) from error


def _checked_maps(
    source: Path | str, tensors: dict[str, dict[str, Any]], metadata: _Metadata
) -> dict[str, torch.Tensor]:
    if _TENSOR not in tensors or not tensors.keys() <= _TOLD.keys():
        raise VectorFormatError(
            source,
            f"holds the tensors {sorted(tensors)[:5]} instead of one named {_TENSOR!r}, and at most "
            f"{_UNCONDITIONAL!r} beside it; it is not a concept vector's.",
        )
    return {name: _checked_map(source, _TOLD[name], entry, metadata) for name, entry in tensors.items()}


def _checked_map(source: Path | str, told: str, entry: dict[str, Any], metadata: _Metadata) -> torch.Tensor:
    dtype, shape = entry["dtype"], tuple(entry["shape"])
    if dtype != "F32":
        raise VectorFormatError(
            source, f"holds {told} of type {dtype}; a vector's are F32: save it again in fp32."
        )
    if shape != metadata.shape:
        raise VectorFormatError(
            source,
            f"holds {told} of shape {shape}, its metadata say {metadata.shape}; get the file again.",
        )
    if 0 in shape:
        raise VectorFormatError(source, f"holds {told} of shape {shape}; it must be [C, h, w], none 0.")
    return torch.frombuffer(entry["data"], dtype=torch.float32).reshape(shape)
