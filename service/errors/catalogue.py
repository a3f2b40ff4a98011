"""What is served: vectors that are published, retired and looked up, and policies that are read again.

Entry points: all of the errors.
"""

from service.errors.root import ServiceError


class UnknownVectorError(ServiceError):
    """A vector was asked for that is not loaded."""


class UnknownBlobError(ServiceError):
    """A file of an uploaded vector that is not in the vector store."""

    def __init__(self, digest: str) -> None:
        super().__init__(
            "There is no file with this digest in the vector store.",
            value=digest,
            cure="Upload the vector again, or set vector_store to where its file is.",
        )


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
