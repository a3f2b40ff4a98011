"""What was measured of a vector, read from its flat metadata: figures, and figures over several strengths.

Pure data, no torch. Entry point: `Effect.of`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_UNSTEERED: Final = "_unsteered"


@dataclass(frozen=True)
class Figure:
    """One figure at the recommended strength, beside the same figure without the vector where that was measured."""

    name: str
    value: float
    unsteered: float | None = None


@dataclass(frozen=True)
class Effect:
    """A vector's `effect` by meaning: "success" and "success_unsteered" are one figure, "success@0.5" of a sweep."""

    figures: tuple[Figure, ...]
    sweeps: Mapping[str, tuple[tuple[float, float], ...]]
    """Figure -> (strength, value), by strength; from 0 where the figure without the vector was measured."""

    @classmethod
    def of(cls, effect: Mapping[str, float]) -> Effect:
        """Read an effect; a key that is not of one of these forms is a figure under its own name."""
        points: dict[str, list[tuple[float, float]]] = {}
        plain: dict[str, float] = {}
        for key, value in effect.items():
            name, _, strength = key.rpartition("@")
            if name and (at := _finite(strength)) is not None:
                points.setdefault(name, []).append((at, value))
            else:
                plain[key] = value
        for name, values in points.items():
            without = plain.get(name + _UNSTEERED)
            if without is not None and all(at != 0 for at, _ in values):
                values.append((0.0, without))
        figures = [
            Figure(name, value, plain.get(name + _UNSTEERED))
            for name, value in plain.items()
            if not (name.endswith(_UNSTEERED) and name.removesuffix(_UNSTEERED) in plain)
        ]
        return cls(tuple(figures), {name: tuple(sorted(values)) for name, values in points.items()})


def _finite(text: str) -> float | None:
    """Return the finite number that a text spells, or None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
