"""What keeps a replica from serving: not ready, not able, not in time, or not as the policy wants it.

Entry points: all of the errors; those that pass say when to try again.
"""

from service.errors.root import ServiceError


class NotReadyError(ServiceError):
    """The model is still loading; try again after `retry_after_s` seconds."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("The model is still loading.", cure=f"Try again in {retry_after_s} seconds.")
        self.retry_after_s = retry_after_s


class LoadFailedError(ServiceError):
    """The model cannot be loaded, or a configured policy cannot be followed."""


class EngineDownError(ServiceError):
    """The engine broke down and will not recover: the process has to be restarted."""


class StateUnavailableError(ServiceError):
    """What replicas share cannot be reached; try again after `retry_after_s` seconds."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            "The state that the replicas share cannot be reached.",
            cure=f"Try again in {retry_after_s} seconds; the service's log says why.",
        )
        self.retry_after_s = retry_after_s


class ShuttingDownError(ServiceError):
    """This replica is about to end: another one, or its successor, answers after `retry_after_s` seconds."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            "This replica is shutting down.", cure=f"Ask another, or try again in {retry_after_s} seconds."
        )
        self.retry_after_s = retry_after_s


class TooManyConnectionsError(ServiceError):
    """As many connections are open as may; try again after `retry_after_s` seconds."""

    retry_after_s = 1

    def __init__(self, max_connections: int) -> None:
        super().__init__(
            f"{max_connections} connections are open, and no more may.",
            cure=f"Try again in {self.retry_after_s} second, and use connections more than once.",
            value=max_connections,
        )


class OutOfTimeError(ServiceError):
    """What was asked for was not made within the time that it was given."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(
            f"The images were not made within the {timeout_s:g} seconds that the request has.",
            field="timeout_s",
            value=timeout_s,
            cure="Allow more time, ask for fewer images or steps, or hand it in as a job: POST /jobs.",
        )
        self.timeout_s = timeout_s


class UnsteeredImageError(ServiceError):
    """An image came back without a vector that its policy asked for; it is never served."""


class ScreenFailedError(ServiceError):
    """Finished images could not be looked at as their policy asked for; they are never served."""


class AllBlockedError(ServiceError):
    """The screen left no picture to serve, in a format that has no other place to say so."""


class UnknownModelError(ServiceError):
    """Another model was asked for than the one that is loaded."""


class TracingError(ServiceError):
    """Traces were to be sent, and cannot be as it is configured or for want of what sends them."""
