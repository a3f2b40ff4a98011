"""Allowances of all replicas on one Redis.

Entry point: `RedisAllowances`.
"""

import uuid

from service.callers import Allowance
from service.errors import AllowanceExceeded
from service.state.allowances import HOLD_KEPT_S, PLACE_RETRY_S, RESERVED_S, WINDOW_S, Hold, limits_of
from service.state.redis_client import KEY_PREFIX, RedisClient, reached


class RedisAllowances:
    """An `allowances.Allowances` in Redis. What has no limit asks nobody.

    Of a call whose answer is lost the rates may be counted, and its places are free again when they are not renewed.
    """

    def __init__(
        self, client: RedisClient, *, hold_kept_s: float = HOLD_KEPT_S, reserved_s: float = RESERVED_S
    ) -> None:
        self._commands = client.commands
        self._hold_kept_s, self._reserved_s = hold_kept_s, reserved_s
        self._take = client.step("allowance_take")
        self._renew = client.step("allowance_renew")

    def take(self, tenant: str, allowance: Allowance, images: int, *, waits_as: str | None = None) -> Hold:
        """Count one request of so many images against each limit, or raise AllowanceExceeded."""
        rates, places = limits_of(allowance, images)
        hold = Hold(waits_as or uuid.uuid4().hex, tenant, places=images if places else 0)
        if not rates and not places:
            return hold
        counted = [text for rate in rates for text in (rate.name, rate.allowed, rate.count)]
        concurrent = places.allowed if places else -1
        reserved_s = 0.0 if waits_as is None else self._reserved_s
        refused = self._take(
            [f"{KEY_PREFIX}rates:{tenant}", _held_key(tenant)],
            [
                *(hold.id, hold.places, concurrent),
                *(self._hold_kept_s, PLACE_RETRY_S, WINDOW_S, reserved_s),
                *counted,
            ],
        )
        if refused:
            name, wait_s = refused
            allowed = {limit.name: limit.allowed for limit in [*rates, *([places] if places else [])]}
            raise AllowanceExceeded(name, allowed[name], float(wait_s))
        return hold

    def renew(self, hold: Hold) -> None:
        """Keep its places for as long again."""
        if hold.places:
            self._renew([_held_key(hold.tenant)], [hold.id, hold.places, self._hold_kept_s])

    def release(self, hold: Hold) -> None:
        """Give its places back."""
        if hold.places:
            with reached():
                self._commands.zrem(_held_key(hold.tenant), f"{hold.id} {hold.places}")


def _held_key(tenant: str) -> str:
    return f"{KEY_PREFIX}held:{tenant}"
