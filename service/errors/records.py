"""Records of what was made: the audit log, and what image files say of themselves.

Entry points: all of the errors.
"""

from service.errors.root import ServiceError


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
