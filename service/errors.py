"""What the service itself refuses, as one tree; `http_errors` maps it and the other rooms' errors to HTTP.

ServiceError
├── RequestError               a request that cannot be followed (a ValueError, so that pydantic places it)
│   ├── EmptyPromptError
│   ├── OverlongPromptError
│   ├── TooManyImagesError
│   ├── TooManyStepsError
│   ├── ImpossibleStepsError
│   ├── TooFewStepsError
│   ├── TooLittleGuidanceError
│   ├── SchedulerNotAllowedError
│   ├── UnknownSchedulerError
│   ├── ImpossibleSizeError
│   ├── ImageTooLargeError
│   └── UnknownPolicyError
├── UnknownVectorError         a vector was asked for that is not loaded
├── NotReadyError              the model is still loading
├── LoadFailedError            the model cannot be loaded, or a configured policy cannot be followed
├── EngineDownError            the engine broke down and will not recover
├── StateUnavailableError      what replicas share cannot be reached
├── UnsteeredImageError        an image came back without a vector that its policy asked for
└── ScreenFailedError          finished images could not be looked at as their policy asked for
"""


class ServiceError(Exception):
    """The root of the service's errors: what is wrong, in which field, with which value, and the cure."""

    def __init__(self, problem: str, *, cure: str, value: object = None, field: str | None = None) -> None:
        super().__init__(f"{problem} {cure}")
        self.problem = problem
        self.cure = cure
        self.value = value
        self.field = field


class RequestError(ServiceError, ValueError):
    """A request that cannot be followed."""


class EmptyPromptError(RequestError):
    """A prompt without a word."""


class OverlongPromptError(RequestError):
    """A prompt of which the model would not read the end."""


class TooManyImagesError(RequestError):
    """More images than one request may ask for."""


class TooManyStepsError(RequestError):
    """More inference steps than an image may take."""


class ImpossibleStepsError(RequestError):
    """A number of inference steps that the scheduler cannot take."""


class TooFewStepsError(RequestError):
    """Fewer inference steps than the policy asks for, or than its vectors take to be added."""


class TooLittleGuidanceError(RequestError):
    """Less guidance than the policy asks for, or than its negative prompt needs to act."""


class SchedulerNotAllowedError(RequestError):
    """A scheduler that the policy does not allow."""


class UnknownSchedulerError(RequestError):
    """A scheduler that is not offered."""


class ImpossibleSizeError(RequestError):
    """A height or width that the model cannot make."""


class ImageTooLargeError(RequestError):
    """More pixels than an image may have."""


class UnknownPolicyError(RequestError):
    """A policy name that is not configured."""


class UnknownVectorError(ServiceError):
    """A vector was asked for that is not loaded."""


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


class UnsteeredImageError(ServiceError):
    """An image came back without a vector that its policy asked for; it is never served."""


class ScreenFailedError(ServiceError):
    """Finished images could not be looked at as their policy asked for; they are never served."""
