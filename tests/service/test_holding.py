"""A request's places are held exactly as long as it lasts, whatever becomes of it."""

import asyncio
import threading

import pytest

import service.holding
from service.callers import Allowance, Tenant
from service.errors import AllowanceExceeded, StateUnavailableError
from service.holding import counted, held
from service.state.allowances import Hold
from service.state.memory_allowances import MemoryAllowances

TWO = Tenant("shop", Allowance(concurrent_images=2))


def is_full(allowances: MemoryAllowances) -> bool:
    """Whether not even one more image may be made."""
    try:
        allowances.release(allowances.take(TWO.name, TWO.allowance, 1))
    except AllowanceExceeded:
        return True
    return False


def test_places_are_taken_for_as_long_as_the_block_lasts():
    allowances = MemoryAllowances()

    async def main() -> None:
        async with held(allowances, TWO, 2):
            assert is_full(allowances)
            with pytest.raises(AllowanceExceeded):
                async with held(allowances, TWO, 1):
                    pytest.fail("it was let in")
        assert not is_full(allowances)
        with pytest.raises(RuntimeError):
            async with held(allowances, TWO, 2):
                raise RuntimeError
        assert not is_full(allowances)

    asyncio.run(main())


class Renewed(MemoryAllowances):
    """Counts how often what it holds was renewed."""

    renewals = 0

    def renew(self, hold: Hold) -> None:
        super().renew(hold)
        self.renewals += 1


def test_places_are_renewed_while_the_block_lasts_and_no_longer(monkeypatch):
    monkeypatch.setattr(service.holding, "RENEWED_EVERY_S", 0.02)
    now_s = 0.0
    allowances = Renewed(hold_kept_s=2, clock=lambda: now_s)

    async def main() -> None:
        nonlocal now_s
        async with held(allowances, TWO, 2):
            for _ in range(5):
                renewals = allowances.renewals
                while allowances.renewals < renewals + 2:  # the second began after now
                    await asyncio.sleep(0.01)
                now_s += 1.5
                assert is_full(allowances)
        assert not is_full(allowances)
        renewals = allowances.renewals
        await asyncio.sleep(0.1)
        assert not is_full(allowances)
        assert allowances.renewals == renewals

    asyncio.run(asyncio.wait_for(main(), 60))


class Hesitant(MemoryAllowances):
    """Counts, and says so only once it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.counted, self.let_go = threading.Event(), threading.Event()

    def take(self, tenant: str, allowance: Allowance, images: int) -> Hold:
        hold = super().take(tenant, allowance, images)
        self.counted.set()
        self.let_go.wait(60)
        return hold


def test_a_request_that_is_given_up_while_it_is_counted_holds_nothing():
    allowances = Hesitant()

    async def request() -> None:
        async with held(allowances, TWO, 2):
            pytest.fail("it was let in")

    async def main() -> None:
        task = asyncio.create_task(request())
        await asyncio.to_thread(allowances.counted.wait, 60)
        task.cancel()
        await asyncio.sleep(0)
        allowances.let_go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not is_full(allowances)

    asyncio.run(main())


def test_a_request_that_is_given_up_while_it_lasts_holds_nothing():
    allowances = MemoryAllowances()

    async def request() -> None:
        async with held(allowances, TWO, 2):
            await asyncio.sleep(600)

    async def main() -> None:
        task = asyncio.create_task(request())
        while not is_full(allowances):
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not is_full(allowances)

    asyncio.run(main())


class Forgetful(MemoryAllowances):
    """Is away once something was taken."""

    def renew(self, hold: Hold) -> None:
        raise StateUnavailableError(5)

    def release(self, hold: Hold) -> None:
        raise StateUnavailableError(5)


def test_images_are_made_to_their_end_where_the_store_goes_away(monkeypatch, caplog):
    monkeypatch.setattr(service.holding, "RENEWED_EVERY_S", 0.01)

    async def main() -> str:
        async with held(Forgetful(), TWO, 2):
            await asyncio.sleep(0.05)
            return "made"
        raise AssertionError

    assert asyncio.run(main()) == "made"
    assert "2 places of the tenant 'shop' stay taken" in caplog.text


def test_a_tenant_without_limits_is_not_counted():
    async def main() -> None:
        async with held(Forgetful(), Tenant("shop"), 1000):
            pass

    asyncio.run(main())


def test_a_job_counts_per_minute_and_takes_no_places():
    allowances = MemoryAllowances()
    tenant = Tenant("shop", Allowance(images_per_minute=4, concurrent_images=2))

    async def main() -> None:
        await counted(allowances, tenant, 2)
        assert not is_full(allowances)
        with pytest.raises(AllowanceExceeded, match="images_per_minute"):
            await counted(allowances, tenant, 3)
        await counted(allowances, tenant, 2)

    asyncio.run(main())
