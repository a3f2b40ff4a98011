"""Keys as they are kept: salted hashes of secrets that nobody keeps.

Entry points: `issued`, `rotated` and `revoked`, which make records; `KeyRecord`; `parted`, which reads a key.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Literal, Self, TypeAlias, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from policies.document import Name
from service.callers import Role

SECRET_BITS: Final = 256

KeyId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
KeyState: TypeAlias = Literal["live", "expired", "revoked"]

KEY_PREFIX: Final = "trimtab_"
"""What every key begins with."""

_KEY = re.compile(rf"{KEY_PREFIX}(?P<id>[0-9a-f]{{16}})_(?P<secret>[0-9a-f]{{64}})")


class SaltedHash(BaseModel):
    """What is kept of a secret: SHA-256 of a salt and it.

    A secret is drawn from 2**256, so nobody finds it by trying, however fast the hash: a slow one, as for passwords
    that people choose, would only slow every request down.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    salt: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", repr=False)]
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", repr=False)]

    @classmethod
    def of(cls, secret: str) -> Self:
        """Return what is kept of a secret, with a salt of its own."""
        salt = secrets.token_hex(16)
        return cls(salt=salt, hash=_hashed(salt, secret))

    def matches(self, secret: str) -> bool:
        """Whether this is the secret; it takes as long to say no as to say yes."""
        return hmac.compare_digest(self.hash, _hashed(self.salt, secret))


class OldSecret(SaltedHash):
    """A secret that was replaced and still opens for a while."""

    until: AwareDatetime


class KeyRecord(SaltedHash):
    """All that is kept of one key."""

    id: KeyId
    tenant: Name
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    created: AwareDatetime
    expires: AwareDatetime | None = None
    revoked: AwareDatetime | None = None
    note: Annotated[str, Field(max_length=200)] = ""
    old: tuple[OldSecret, ...] = ()

    def opens_with(self, secret: str, now: datetime) -> bool:
        """Whether this is the key's secret, or an old one that still opens. All of them are compared."""
        kept = [self, *(one for one in self.old if now < one.until)]
        matches = [one.matches(secret) for one in kept]
        return any(matches)

    def state(self, now: datetime) -> KeyState:
        """Return whether it opens, or why not."""
        if self.revoked is not None:
            return "revoked"
        return "live" if self.expires is None or now < self.expires else "expired"


@dataclass(frozen=True)
class Issued:
    """A key, which is shown this once, and what is kept of it."""

    key: SecretStr
    record: KeyRecord


def issued(
    tenant: str, roles: Collection[Role], now: datetime, *, expires: datetime | None = None, note: str = ""
) -> Issued:
    """Return a new key; raises pydantic's ValidationError for a tenant's name or a note that cannot be one."""
    secret = secrets.token_hex(SECRET_BITS // 8)
    record = KeyRecord(
        **SaltedHash.of(secret).model_dump(),
        id=secrets.token_hex(8),
        tenant=tenant,
        roles=tuple(role for role in get_args(Role) if role in roles),
        created=now,
        expires=expires,
        note=note,
    )
    return Issued(_key(record.id, secret), record)


def rotated(record: KeyRecord, now: datetime, old_until: datetime | None = None) -> Issued:
    """Return a key with a new secret.

    The old secret opens until `old_until`, and those before it as long as they were to; by default none of them.
    """
    secret = secrets.token_hex(SECRET_BITS // 8)
    replaced: tuple[OldSecret, ...] = ()
    if old_until is not None:
        still = (one for one in record.old if now < one.until)
        replaced = (OldSecret(salt=record.salt, hash=record.hash, until=old_until), *still)
    kept = SaltedHash.of(secret)
    new = record.model_copy(update={"salt": kept.salt, "hash": kept.hash, "old": replaced})
    return Issued(_key(record.id, secret), new)


def revoked(record: KeyRecord, now: datetime) -> KeyRecord:
    """Return the record of a key that opens no more; one that was revoked before keeps its time."""
    return record if record.revoked is not None else record.model_copy(update={"revoked": now})


def parted(key: str) -> tuple[str, str]:
    """Return the id and the secret of a key as it was sent; an empty id and all of it where it is none of ours."""
    found = _KEY.fullmatch(key.strip())
    return (found["id"], found["secret"]) if found else ("", key)


def _key(key_id: str, secret: str) -> SecretStr:
    return SecretStr(f"{KEY_PREFIX}{key_id}_{secret}")


def _hashed(salt: str, secret: str) -> str:
    return hashlib.sha256(bytes.fromhex(salt) + secret.encode("utf-8", "surrogatepass")).hexdigest()
