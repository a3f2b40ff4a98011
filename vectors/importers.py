"""Vectors from other projects' files.

Entry point: `import_interpret_diffusion`, for the files published with the method's paper (CVPR 2024,
arXiv 2311.17216).
"""

from __future__ import annotations

import hashlib
import json
import math
import pickle
from collections.abc import Mapping
from pathlib import Path

import torch

from vectors.concept import ConceptVector
from vectors.errors import InvalidVectorError, VectorFormatError

# Stable Diffusion's mid-block has 1280 channels and one place for each 64 x 64 pixels.
_CHANNELS = 1280
_PIXELS_PER_PLACE = 64
_TENSOR = "controlnet.fc1.weight"

# The authors' names for what has another name here; every other name stays.
_OUR_NAMES = {
    "female": "woman",
    "male": "man",
    "whiterace": "white",
    "blackrace": "black",
    "asianrace": "asian",
    "antisexual": "anti-sexual",
    "antiviolence": "anti-violence",
}


def import_interpret_diffusion(
    file: Path, concepts: Path | Mapping[str, int], *, base_model: str, resolution: int = 512
) -> list[ConceptVector]:
    """Read the authors' vectors: one for each named column, in the order of the columns.

    `file` is a torch file with one floating tensor "controlnet.fc1.weight" of shape [1280 * h * w, n], where
    h and w are `resolution` / 64 (in pixels). `concepts` maps the authors' names to columns, or is the JSON
    file that does; columns it does not name are left out, because the authors' training leaves them random.
    `base_model` is the fingerprint of the model the vectors were learned on.

    Only plain tensors are unpickled: a file that holds any other object is refused before it can run code.
    Raises VectorFormatError, naming the file and the cure, for that and for every other layout.
    """
    if resolution < _PIXELS_PER_PLACE or resolution % _PIXELS_PER_PLACE:
        raise InvalidVectorError(
            f"The resolution {resolution} must be a multiple of {_PIXELS_PER_PLACE} pixels."
        )
    side = resolution // _PIXELS_PER_PLACE
    columns = _columns(_read_names(concepts) if isinstance(concepts, Path) else concepts, file)
    weight = _read_weight(file, rows=_CHANNELS * side * side)
    file_digest = f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
    vectors = []
    for concept, (name, column) in columns.items():
        if not 0 <= column < weight.shape[1]:
            raise VectorFormatError(
                file,
                f"has the columns 0 to {weight.shape[1] - 1}, but {name!r} is given as column {column}; "
                "use the JSON file that belongs to it.",
            )
        try:
            vector = ConceptVector(
                concept=concept,
                values=weight[:, column].reshape(_CHANNELS, side, side),
                base_model=base_model,
                training={
                    "imported_from": "InterpretDiffusion",
                    "file": file.name,
                    "file_digest": file_digest,
                    "name": name,
                    "column": column,
                },
            )
        except InvalidVectorError as error:
            raise VectorFormatError(
                file, f"column {column} ({name!r}) makes no sound vector. {error}"
            ) from error
        vectors.append(vector)
    return vectors


def _read_names(path: Path) -> dict[str, int]:
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, OSError, RecursionError) as error:
        raise VectorFormatError(path, f"cannot be read as JSON ({error}).") from error
    if not isinstance(document, dict) or not all(type(column) is int for column in document.values()):
        raise VectorFormatError(path, 'must map names to columns, such as {"female": 0, "male": 1}.')
    return document


def _columns(names: Mapping[str, int], file: Path) -> dict[str, tuple[str, int]]:
    """Our name -> (the authors' name, its column), in the order of the columns."""
    columns: dict[str, tuple[str, int]] = {}
    for name, column in sorted(names.items(), key=lambda item: item[1]):
        concept = _OUR_NAMES.get(name, name)
        if concept in columns:
            raise VectorFormatError(
                file, f"{columns[concept][0]!r} and {name!r} are both {concept!r} here; import one at a time."
            )
        columns[concept] = (name, column)
    return columns


def _read_weight(file: Path, rows: int) -> torch.Tensor:
    if not file.is_file():
        raise VectorFormatError(file, "there is no such file; name the authors' torch file.")
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise VectorFormatError(
            file,
            "is not a torch file of plain tensors. Other pickled objects can run code as they are read, "
            "so they are refused; get the file from the authors.",
        ) from error
    except Exception as error:  # A damaged archive fails in as many ways as it can be damaged.
        raise VectorFormatError(file, f"is not a readable torch file ({error}); get it again.") from error
    weight = state.get(_TENSOR) if isinstance(state, Mapping) else None
    if not isinstance(weight, torch.Tensor):
        found = ", ".join(map(repr, list(state)[:5])) if isinstance(state, Mapping) else type(state).__name__
        raise VectorFormatError(
            file,
            f"has no tensor {_TENSOR!r} (found: {found or 'nothing'}); it is not of the authors' layout.",
        )
    if weight.ndim != 2 or weight.layout != torch.strided or not weight.is_floating_point():
        raise VectorFormatError(
            file, f"{_TENSOR} is {weight.dtype} {tuple(weight.shape)} instead of floating [1280 * h * w, n]."
        )
    if weight.shape[0] != rows:
        raise VectorFormatError(
            file, f"its vectors have {weight.shape[0]} values. {_resolution_hint(weight, rows)}"
        )
    return weight


def _resolution_hint(weight: torch.Tensor, rows: int) -> str:
    side = math.isqrt(weight.shape[0] // _CHANNELS)
    if side and weight.shape[0] == _CHANNELS * side * side:
        return (
            f"They were made at a resolution of {side * _PIXELS_PER_PLACE} pixels: import them with that one."
        )
    return (
        f"At the resolution asked for they would have {rows} (1280 * h * w); this is another kind of model."
    )
