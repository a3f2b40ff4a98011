"""Answers that are asked for later, or twice: jobs, idempotency keys, pictures by their addresses.

Entry points: all of the errors.
"""

import math

from service.errors.root import ServiceError


class UnknownJobError(ServiceError):
    """A job that is not there, that is another tenant's, or that is not kept any more."""


class OtherModelError(ServiceError):
    """A job that was planned for another base model than a replica that claimed it serves."""


class UnreadablePlanError(ServiceError):
    """A job whose plan was written by another version of the service."""


class JobQueueFullError(ServiceError):
    """As many jobs wait as may; try again after `retry_after_s` seconds."""

    def __init__(self, max_waiting: int, retry_after_s: int) -> None:
        super().__init__(
            f"{max_waiting} jobs wait, and no more may.",
            cure=f"Try again in {retry_after_s} seconds.",
            value=max_waiting,
        )
        self.retry_after_s = retry_after_s


class KeyReusedError(ServiceError):
    """An Idempotency-Key came with another request before."""


class StillRunningError(ServiceError):
    """The first request with this Idempotency-Key is still being answered; try again after `retry_after_s` seconds."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(
            "The first request with this Idempotency-Key is still being answered.",
            field="Idempotency-Key",
            cure=f"Try again in {math.ceil(retry_after_s)} seconds: its answer is given again.",
        )
        self.retry_after_s = retry_after_s


class UnknownPictureError(ServiceError):
    """No picture is kept at this address, or not any more."""
