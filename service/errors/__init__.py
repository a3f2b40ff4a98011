"""What the service itself refuses, as one tree; `http_errors` maps it and the other rooms' errors to HTTP.

Each subject has a file of its own; import from here.

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

from service.errors.access import (
    AccessError,
    AllowanceExceeded,
    EndedKeyError,
    ForeignOriginError,
    KeyFileError,
    MissingKeyError,
    MissingRoleError,
    UnknownHostError,
    UnknownKeyError,
    UnknownTenantError,
)
from service.errors.answers import (
    JobQueueFullError,
    KeyReusedError,
    OtherModelError,
    StillRunningError,
    UnknownJobError,
    UnknownPictureError,
    UnreadablePlanError,
)
from service.errors.catalogue import (
    AgainstPoliciesError,
    MisfitVectorError,
    NeededVectorError,
    PolicyReloadError,
    UnknownBlobError,
    UnknownVectorError,
    UnsoundVectorError,
    VectorRangeError,
)
from service.errors.records import (
    AuditLogError,
    AuditUnavailableError,
    CredentialsError,
    NotInLogError,
    ReplayError,
    UnreadablePictureError,
)
from service.errors.requests import (
    ConflictingOptionsError,
    EmptyPromptError,
    ImageTooLargeError,
    ImpossibleSizeError,
    ImpossibleStepsError,
    NotFiniteError,
    OverlongPromptError,
    RequestError,
    SchedulerNotAllowedError,
    TooFewStepsError,
    TooLittleGuidanceError,
    TooManyImagesError,
    TooManyStepsError,
    TooMuchTimeError,
    TooMuchWorkError,
    UnknownPlaceError,
    UnknownPolicyError,
    UnknownSchedulerError,
    UnusableKeyError,
)
from service.errors.root import ServiceError
from service.errors.serving import (
    AllBlockedError,
    EngineDownError,
    LoadFailedError,
    NotReadyError,
    OutOfTimeError,
    ScreenFailedError,
    ShuttingDownError,
    StateUnavailableError,
    TooManyConnectionsError,
    TracingError,
    UnknownModelError,
    UnsteeredImageError,
)

__all__ = [
    "AccessError",
    "AgainstPoliciesError",
    "AllBlockedError",
    "AllowanceExceeded",
    "AuditLogError",
    "AuditUnavailableError",
    "ConflictingOptionsError",
    "CredentialsError",
    "EmptyPromptError",
    "EndedKeyError",
    "EngineDownError",
    "ForeignOriginError",
    "ImageTooLargeError",
    "ImpossibleSizeError",
    "ImpossibleStepsError",
    "JobQueueFullError",
    "KeyFileError",
    "KeyReusedError",
    "LoadFailedError",
    "MisfitVectorError",
    "MissingKeyError",
    "MissingRoleError",
    "NeededVectorError",
    "NotFiniteError",
    "NotInLogError",
    "NotReadyError",
    "OtherModelError",
    "OutOfTimeError",
    "OverlongPromptError",
    "PolicyReloadError",
    "ReplayError",
    "RequestError",
    "SchedulerNotAllowedError",
    "ScreenFailedError",
    "ServiceError",
    "ShuttingDownError",
    "StateUnavailableError",
    "StillRunningError",
    "TooFewStepsError",
    "TooLittleGuidanceError",
    "TooManyConnectionsError",
    "TooManyImagesError",
    "TooManyStepsError",
    "TooMuchTimeError",
    "TooMuchWorkError",
    "TracingError",
    "UnknownBlobError",
    "UnknownHostError",
    "UnknownJobError",
    "UnknownKeyError",
    "UnknownModelError",
    "UnknownPictureError",
    "UnknownPlaceError",
    "UnknownPolicyError",
    "UnknownSchedulerError",
    "UnknownTenantError",
    "UnknownVectorError",
    "UnreadablePictureError",
    "UnreadablePlanError",
    "UnsoundVectorError",
    "UnsteeredImageError",
    "UnusableKeyError",
    "VectorRangeError",
]
