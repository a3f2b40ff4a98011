"""Results as JSON-able data.

Entry point: `as_data`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from evaluation.measures import Share


def as_data(result: object) -> Any:
    """Return a result as JSON-able data.

    A share becomes its value, interval and counts; a number that was not measured becomes null.
    """
    if isinstance(result, Share):
        return {
            "value": as_data(result.value),
            "interval": list(result.interval),
            "hits": result.hits,
            "total": result.total,
        }
    if isinstance(result, float):
        return result if math.isfinite(result) else None
    if is_dataclass(result):
        return {part.name: as_data(getattr(result, part.name)) for part in fields(result)}
    if isinstance(result, Mapping):
        return {key: as_data(value) for key, value in result.items()}
    if isinstance(result, Sequence) and not isinstance(result, str):
        return [as_data(value) for value in result]
    return result
