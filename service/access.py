"""Who asks: from a key as it was sent to the caller, and whether a caller may do something.

Entry points: `Access.caller`, `check_role`.
"""

from service.callers import Caller, Role, anyone, passer_by
from service.configured import ConfiguredPolicies
from service.errors import MissingKeyError, MissingRoleError
from service.keys import KeyRing
from service.settings import Settings
from service.tenants import configured_tenant


class Access:
    """Tells callers by their keys, under one configuration."""

    def __init__(self, settings: Settings) -> None:
        """Read the keys; raises KeyFileError."""
        self._ring = None if settings.keys is None else KeyRing(settings.keys)
        self._without_keys = passer_by() if settings.allow_anonymous else anyone()

    def caller(self, key: str | None, policies: ConfiguredPolicies) -> Caller:
        """Return whose key this is; of a service without keys the one caller there is, whatever was sent.

        Raises MissingKeyError, UnknownKeyError, EndedKeyError, and UnknownTenantError for the key of a tenant that is
        not configured.
        """
        if self._ring is None:
            return self._without_keys
        if key is None:
            raise MissingKeyError(
                "The request has no key.",
                cure="Send one as 'Authorization: Bearer KEY' or as 'X-API-Key: KEY', or to /sdapi/ as a password.",
            )
        record = self._ring.holder(key)
        tenant = configured_tenant(record.tenant, policies.tenants, policies.named)
        return Caller(tenant, record.id, frozenset(record.roles))


def check_role(caller: Caller, role: Role) -> None:
    """Raise MissingRoleError unless a caller has a role."""
    if role in caller.roles:
        return
    if caller.key_id is None:
        raise MissingRoleError(
            f"Without keys this service lets nobody in who needs the role {role!r}.",
            value=role,
            cure="Set keys in its configuration, and create one with the role.",
        )
    raise MissingRoleError(
        f"The key {caller.key_id} has not the role {role!r}.",
        value=role,
        cure="Use a key that has it: 'trimtab keys create --role' gives it to one.",
    )
