"""What jobs hold of their tenants' concurrent images: a job is begun once there are places for all of its images.

Entry point: `Places`, one of a worker.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

from service.callers import Allowance
from service.errors import AllowanceExceeded
from service.holding import kept
from service.jobs.calls import Calls
from service.state.allowances import PLACE_RETRY_S, Allowances, Hold
from service.state.jobs import Claim
from service.tenants import TenantSettings


class Places:
    """Takes the places of jobs, and knows which tenants have had none left a moment ago.

    A job that is refused waits for its places, so that requests of its tenant that take fewer cannot keep it waiting
    for ever; its name is that of its hold, whichever replica asks.
    """

    def __init__(
        self, allowances: Allowances, calls: Calls, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._allowances, self._calls, self._clock = allowances, calls, clock
        self._full_until_s: dict[str, float] = {}

    @property
    def full(self) -> frozenset[str]:
        """The tenants whose jobs need not be asked for now."""
        now_s = self._clock()
        self._full_until_s = {tenant: until for tenant, until in self._full_until_s.items() if until > now_s}
        return frozenset(self._full_until_s)

    async def take(self, claim: Claim, tenants: Mapping[str, TenantSettings]) -> Hold | None:
        """Take the places of a job's images; None where its tenant has too few left.

        Whatever was accepted is made: one of more images than its tenant may have by now takes all of its places.
        """
        tenant = tenants.get(claim.tenant)
        limit = None if tenant is None else tenant.concurrent_images
        if limit is None:
            return Hold(claim.id, claim.tenant, places=0)
        allowance, images = Allowance(concurrent_images=limit), min(claim.images, limit)
        try:
            return await self._calls(
                self._allowances.take, claim.tenant, allowance, images, waits_as=claim.id
            )
        except AllowanceExceeded:
            self.has_no_room(claim.tenant)
            return None

    def kept(self, hold: Hold) -> AbstractAsyncContextManager[None]:
        """Keep the places of a job until the block ends."""
        return kept(self._allowances, hold)

    def has_no_room(self, tenant: str) -> None:
        """Hear that a job of the tenant could not begin: others are asked for meanwhile."""
        self._full_until_s[tenant] = self._clock() + PLACE_RETRY_S

    def may_have_room(self, tenant: str) -> None:
        """Hear that a job of the tenant is over: its next one may begin."""
        self._full_until_s.pop(tenant, None)
