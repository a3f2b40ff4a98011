"""Requests that cannot be followed: each names the field, its value and the cure.

Entry point: `RequestError`, a ValueError too, so that pydantic says where in the body it is.
"""

from service.errors.root import ServiceError


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


class UnknownPlaceError(RequestError):
    """What cannot be a place among a job's happenings."""


class ConflictingOptionsError(RequestError):
    """Options that are good each, and cannot be followed together."""


class UnusableKeyError(RequestError):
    """An Idempotency-Key that is empty or too long."""


class NotFiniteError(RequestError):
    """A number that is infinite or none, which an answer in JSON could not say back."""


class TooMuchWorkError(RequestError):
    """More pixels x steps than one request may ask for."""


class TooMuchTimeError(RequestError):
    """More time than a request may be given."""
