"""When a client that was refused is to try again.

Entry point: `retry_headers`.
"""

import math

import diffusion
import vectors
from service.errors import (
    AllowanceExceeded,
    EngineDownError,
    LoadFailedError,
    OutOfTimeError,
    UnsteeredImageError,
)

_HOPELESS = (
    LoadFailedError,
    OutOfTimeError,
    UnsteeredImageError,
    diffusion.NonFiniteError,
    vectors.VectorError,
)
"""Failures that another try would only meet again; one whose time was up would add to what took it so long."""

_ENGINE_BACK_AFTER_S = 5
"""When to come back to a replica whose engine failed: it has begun anew by then, or another replica answers."""


def retry_headers(error: Exception) -> dict[str, str]:
    """Return the headers that say when to try again, or that it is of no use; {} where nobody knows.

    `Retry-After` is everybody's; OpenAI's clients read the others, and would try what is hopeless by themselves.
    """
    if _is_hopeless(error):
        return {"x-should-retry": "false"}
    retry_after_s: float | None = getattr(error, "retry_after_s", None)
    if isinstance(error, diffusion.EngineFailedError | EngineDownError):
        retry_after_s = _ENGINE_BACK_AFTER_S
    if retry_after_s is None:
        return {}
    return {
        "Retry-After": str(math.ceil(retry_after_s)),
        "retry-after-ms": str(math.ceil(1000 * retry_after_s)),
        "x-should-retry": "true",
    }


def _is_hopeless(error: Exception) -> bool:
    """Whether another try would be refused as well."""
    match error:
        case diffusion.QueueFullError(requested=requested, limit=limit):
            return requested > limit
        case AllowanceExceeded(retry_after_s=None):
            return True
    return isinstance(error, _HOPELESS)
