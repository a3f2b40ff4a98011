"""Which vectors belong together, and which belong to a model.

Entry points: `check_compatible` for a vector and a loaded model; `check_comparable` and `check_combinable`
for two vectors. What does not fit raises VectorMismatchError, naming both sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vectors.errors import VectorMismatchError
from vectors.names import is_fingerprint, shortened

if TYPE_CHECKING:
    from vectors.concept import ConceptVector

_CURES = {
    "base model": "use vectors learned on one and the same model",
    "site": "use vectors learned at one and the same site",
    "shape": "call resized() if only the height and width differ",
    "maps": "give both unconditional values of their own, or neither, with dataclasses.replace",
    "halves": "set the same halves with dataclasses.replace",
    "timesteps": "set the same timesteps with dataclasses.replace",
}


def check_compatible(vector: ConceptVector, *, base_model: str, site: str, channels: int) -> None:
    """Raise VectorMismatchError unless `vector` was made for this model, site and number of channels.

    Height and width may differ: they follow the picture's size, and `ConceptVector.resized` adapts them.
    """
    differences = _differences(
        {"base model": vector.base_model, "site": vector.site, "channels": vector.shape[0]},
        {"base model": base_model, "site": site, "channels": channels},
    )
    if differences:
        told = "; ".join(f"{name}: the vector's {one}, the model's {two}" for name, one, two in differences)
        raise VectorMismatchError(
            f"The vector {vector.concept!r} does not fit the loaded model ({told}). "
            "Load the model it was learned on, or learn the concept on this model."
        )


def check_comparable(left: ConceptVector, right: ConceptVector) -> None:
    """Raise VectorMismatchError unless both vectors live in one space: model, site, shape and number of maps."""
    _check_same("compared", left, right, _space(left), _space(right))


def check_combinable(left: ConceptVector, right: ConceptVector) -> None:
    """Raise VectorMismatchError unless both are comparable and applied to the same halves and timesteps."""
    _check_same("combined", left, right, _application(left), _application(right))


def _check_same(
    verb: str,
    left: ConceptVector,
    right: ConceptVector,
    mine: Mapping[str, object],
    theirs: Mapping[str, object],
) -> None:
    differences = _differences(mine, theirs)
    if differences:
        told = "; ".join(f"{name}: {one} and {two}" for name, one, two in differences)
        cures = "; ".join(_CURES[name] for name, _, _ in differences)
        raise VectorMismatchError(
            f"The vectors {left.concept!r} and {right.concept!r} cannot be {verb} ({told}): {cures}."
        )


def _differences(mine: Mapping[str, object], theirs: Mapping[str, object]) -> list[tuple[str, str, str]]:
    return [(name, _told(mine[name]), _told(theirs[name])) for name in mine if mine[name] != theirs[name]]


def _told(value: object) -> str:
    return shortened(value) if isinstance(value, str) and is_fingerprint(value) else str(value)


def _space(vector: ConceptVector) -> dict[str, object]:
    return {
        "base model": vector.base_model,
        "site": vector.site,
        "shape": vector.shape,
        "maps": len(vector.maps),
    }


def _application(vector: ConceptVector) -> dict[str, object]:
    return _space(vector) | {"halves": vector.halves, "timesteps": vector.timesteps}
