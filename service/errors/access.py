"""Who asks may not, or has used up what it may.

Entry points: `AccessError`, `KeyFileError`, `AllowanceExceeded`.
"""

import math

from service.errors.root import ServiceError


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


class AllowanceExceeded(ServiceError):  # noqa: N818  an outcome the tenant's limits have, not a fault
    """A tenant has used up what it may ask for; None as `retry_after_s` where waiting would not help."""

    def __init__(self, limit: str, allowed: int, retry_after_s: float | None) -> None:
        if retry_after_s is None:
            problem, cure = "This request alone is beyond it.", f"Ask for at most {allowed} images at once."
        else:
            problem, cure = "It is used up.", f"Try again in {math.ceil(retry_after_s)} seconds."
        super().__init__(f"The tenant's limit {limit} is {allowed}. {problem}", cure=cure, value=allowed)
        self.limit = limit
        self.allowed = allowed
        self.retry_after_s = retry_after_s
