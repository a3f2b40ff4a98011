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
│   ├── UnknownPolicyError
│   ├── UnknownPlaceError
│   ├── ConflictingOptionsError
│   ├── UnusableKeyError
│   ├── NotFiniteError
│   ├── TooMuchWorkError
│   └── TooMuchTimeError
├── UnknownVectorError         a vector was asked for that is not loaded
├── NotReadyError              the model is still loading
├── LoadFailedError            the model cannot be loaded, or a configured policy cannot be followed
├── EngineDownError            the engine broke down and will not recover
├── StateUnavailableError      what replicas share cannot be reached
├── UnsteeredImageError        an image came back without a vector that its policy asked for
├── ScreenFailedError          finished images could not be looked at as their policy asked for
├── UnknownJobError            a job that is not there, not yours, or not any more
├── OtherModelError            a job that was planned for another base model
├── UnreadablePlanError        a job whose plan another version of the service wrote
├── AllowanceExceeded          a tenant has used up what it may ask for
├── JobQueueFullError          as many jobs wait as may
├── UnknownBlobError           a file of an uploaded vector that is not in the vector store
├── UnknownModelError          another model was asked for than the one that is loaded
├── AllBlockedError            the screen left no picture to serve
├── UnknownPictureError        no picture is kept at this address, or not any more
├── KeyReusedError             an Idempotency-Key came with another request before
├── StillRunningError          the first request with this Idempotency-Key is still being answered
├── AccessError                who asks may not
│   ├── MissingKeyError        no key was sent
│   ├── UnknownKeyError        what was sent is no key
│   ├── EndedKeyError          the key is expired or revoked
│   ├── MissingRoleError       the key may not do this
│   ├── UnknownTenantError     the key's tenant is not configured
│   ├── UnknownHostError       the service is not addressed by this name
│   └── ForeignOriginError     a web page of another site
├── KeyFileError               the file of keys cannot be read or written
├── UnsoundVectorError         an upload is no sound vector file
├── MisfitVectorError          an uploaded vector is not one for the loaded model
├── VectorRangeError           an uploaded vector is too strong, or would do nothing
├── AgainstPoliciesError       a vector with which configured policies could not be followed
├── NeededVectorError          a vector without which configured policies could not be followed
├── PolicyReloadError          the policies as they are now cannot be used
├── TracingError               traces were to be sent, and cannot be
├── AuditLogError              the audit log cannot be opened, read or carried on
├── AuditUnavailableError      the audit log cannot be written now
├── NotInLogError              the audit log has no such image
├── ReplayError                an image cannot be made again from its line
├── CredentialsError           the C2PA certificate or key cannot be used
├── UnreadablePictureError     a file that is no picture
├── ShuttingDownError          this replica is about to end
├── TooManyConnectionsError    as many connections are open as may
└── OutOfTimeError             the images were not made within the request's time
"""

import math


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


class UnknownPlaceError(RequestError):
    """What cannot be a place among a job's happenings."""


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


class UnknownJobError(ServiceError):
    """A job that is not there, that is another tenant's, or that is not kept any more."""


class OtherModelError(ServiceError):
    """A job that was planned for another base model than a replica that claimed it serves."""


class UnreadablePlanError(ServiceError):
    """A job whose plan was written by another version of the service."""


class AllowanceExceeded(ServiceError):  # noqa: N818  an outcome the tenant's limits have, not a fault
    """A tenant has used up what it may ask for; None as `retry_after_s` where waiting would not help."""

    def __init__(self, limit: str, allowed: int, retry_after_s: float | None) -> None:
        if retry_after_s is None:
            problem, cure = "This request alone is beyond it.", f"Ask for at most {allowed} images at once."
        else:
            problem, cure = "It is used up.", f"Try again in {math.ceil(retry_after_s)} seconds."
        super().__init__(f"The tenant's limit {limit} is {allowed}. {problem}", cure=cure)
        self.limit = limit
        self.allowed = allowed
        self.retry_after_s = retry_after_s


class JobQueueFullError(ServiceError):
    """As many jobs wait as may; try again after `retry_after_s` seconds."""

    def __init__(self, max_waiting: int, retry_after_s: int) -> None:
        super().__init__(
            f"{max_waiting} jobs wait, and no more may.", cure=f"Try again in {retry_after_s} seconds."
        )
        self.retry_after_s = retry_after_s


class UnknownBlobError(ServiceError):
    """A file of an uploaded vector that is not in the vector store."""

    def __init__(self, digest: str) -> None:
        super().__init__(
            "There is no file with this digest in the vector store.",
            value=digest,
            cure="Upload the vector again, or set vector_store to where its file is.",
        )


class ConflictingOptionsError(RequestError):
    """Options that are good each, and cannot be followed together."""


class UnusableKeyError(RequestError):
    """An Idempotency-Key that is empty or too long."""


class UnknownModelError(ServiceError):
    """Another model was asked for than the one that is loaded."""


class AllBlockedError(ServiceError):
    """The screen left no picture to serve, in a format that has no other place to say so."""


class UnknownPictureError(ServiceError):
    """No picture is kept at this address, or not any more."""


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


class AccessError(ServiceError):
    """Who asks may not. Nothing of a key that was sent is in it, but the id of one that was right."""


class MissingKeyError(AccessError):
    """No key was sent to a service that has keys."""


class UnknownKeyError(AccessError):
    """What was sent is no key: its id is unknown, or its secret wrong."""


class EndedKeyError(AccessError):
    """A right key that is expired or revoked."""


class MissingRoleError(AccessError):
    """The key has not the role that this takes."""


class UnknownTenantError(AccessError):
    """The key's tenant is not among those that are configured."""


class UnknownHostError(AccessError):
    """A request to another name than the service has: a page may have made it lead here."""


class ForeignOriginError(AccessError):
    """A request that a web page of another site has its browser send."""


class KeyFileError(ServiceError):
    """The file of keys cannot be read or written."""


class UnsoundVectorError(ServiceError):
    """An upload is no sound vector file."""


class MisfitVectorError(ServiceError):
    """An uploaded vector is not one for the loaded model."""


class VectorRangeError(ServiceError):
    """An uploaded vector is too strong, or would do nothing."""


class AgainstPoliciesError(ServiceError):
    """A vector with which configured policies could not be followed."""


class NeededVectorError(ServiceError):
    """A vector without which configured policies could not be followed."""


class PolicyReloadError(ServiceError):
    """The policies as they are configured now cannot be used; those that were there stay."""


class TracingError(ServiceError):
    """Traces were to be sent, and cannot be as it is configured or for want of what sends them."""


class AuditLogError(ServiceError):
    """The audit log cannot be opened, read or carried on."""


class AuditUnavailableError(ServiceError):
    """The audit log cannot be written now, and images that are not in it are not served."""

    def __init__(self, why: str, retry_after_s: int = 5) -> None:
        super().__init__(
            "The audit log cannot be written, and no image is served that is not in it.",
            cure=f"Try again in {retry_after_s} seconds; the service's log says why.",
        )
        self.why = why
        """For the service's log: clients need not know where the audit log is."""
        self.retry_after_s = retry_after_s


class NotInLogError(ServiceError):
    """The audit log has no such image, or more than one."""


class ReplayError(ServiceError):
    """An image cannot be made again from its line."""


class CredentialsError(ServiceError):
    """The C2PA certificate or key cannot be used, or not any more."""


class UnreadablePictureError(ServiceError):
    """A file that is no picture that can be read."""


class NotFiniteError(RequestError):
    """A number that is infinite or none, which an answer in JSON could not say back."""


class TooMuchWorkError(RequestError):
    """More pixels x steps than one request may ask for."""


class TooMuchTimeError(RequestError):
    """More time than a request may be given."""


class ShuttingDownError(ServiceError):
    """This replica is about to end: another one, or its successor, answers after `retry_after_s` seconds."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            "This replica is shutting down.", cure=f"Ask another, or try again in {retry_after_s} seconds."
        )
        self.retry_after_s = retry_after_s


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


class TooManyConnectionsError(ServiceError):
    """As many connections are open as may; try again after `retry_after_s` seconds."""

    retry_after_s = 1

    def __init__(self, max_connections: int) -> None:
        super().__init__(
            f"{max_connections} connections are open, and no more may.",
            cure=f"Try again in {self.retry_after_s} second, and use connections more than once.",
        )
