"""What every store of allowances does."""

import math
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.callers import Allowance
from service.errors import AllowanceExceeded
from service.state.allowances import Allowances, Hold
from service.state.memory_allowances import MemoryAllowances
from service.state.redis_allowances import RedisAllowances
from service.state.redis_client import RedisClient

KEPT_S = 0.8
FOUR_AT_ONCE = Allowance(concurrent_images=4)


@pytest.fixture
def lapsing(store: str, request: pytest.FixtureRequest) -> Allowances:
    """What is held lapses in a moment."""
    if store == "memory":
        return MemoryAllowances(hold_kept_s=KEPT_S, reserved_s=KEPT_S)
    return RedisAllowances(request.getfixturevalue("redis_client"), hold_kept_s=KEPT_S, reserved_s=KEPT_S)


@pytest.fixture
def allowances(store: str, request: pytest.FixtureRequest) -> Allowances:
    """Nothing that is held lapses during a test."""
    if store == "memory":
        return MemoryAllowances()
    return RedisAllowances(request.getfixturevalue("redis_client"))


def refused(allowances: Allowances, allowance: Allowance, images: int = 1) -> AllowanceExceeded:
    with pytest.raises(AllowanceExceeded) as refusal:
        allowances.take("ada", allowance, images)
    return refusal.value


def taken(allowances: Allowances, images: int, waits_as: str | None = None) -> bool:
    """Whether so many of four places could be had."""
    try:
        return bool(allowances.take("ada", FOUR_AT_ONCE, images, waits_as=waits_as))
    except AllowanceExceeded:
        return False


def test_a_minute_s_requests_may_come_at_once_and_no_more(allowances):
    allowance = Allowance(requests_per_minute=7)
    for _ in range(7):
        allowances.take("ada", allowance, 1)
    refusal = refused(allowances, allowance)
    assert (refusal.limit, refusal.allowed) == ("requests_per_minute", 7)
    assert 0 < refusal.retry_after_s <= 60 / 7
    assert f"Try again in {math.ceil(refusal.retry_after_s)} seconds" in refusal.cure


def test_the_time_that_is_told_is_until_one_more_has_grown_back():
    allowances, allowance = MemoryAllowances(clock=lambda: 100.0), Allowance(requests_per_minute=7)
    for _ in range(7):
        allowances.take("ada", allowance, 1)
    assert refused(allowances, allowance).retry_after_s == pytest.approx(60 / 7)
    assert "Try again in 9 seconds" in refused(allowances, allowance).cure


def test_who_waits_as_long_as_told_is_served_and_not_before(allowances):
    allowance = Allowance(images_per_minute=60)
    allowances.take("ada", allowance, 60)
    told_s = refused(allowances, allowance, 2).retry_after_s
    assert 0.5 < told_s <= 2
    time.sleep(told_s / 2)
    refused(allowances, allowance, 2)
    time.sleep(told_s / 2)
    allowances.take("ada", allowance, 2)


def test_images_are_counted_as_many_as_they_are(allowances):
    allowance = Allowance(images_per_minute=10)
    allowances.take("ada", allowance, 6)
    refused(allowances, allowance, 5)
    allowances.take("ada", allowance, 4)
    assert refused(allowances, allowance).limit == "images_per_minute"


def test_what_one_limit_refuses_counts_against_none(allowances):
    allowance = Allowance(requests_per_minute=2, images_per_minute=10, concurrent_images=8)
    hold = allowances.take("ada", allowance, 8)
    assert refused(allowances, allowance, 2).limit == "concurrent_images"
    assert refused(allowances, allowance, 3).limit == "images_per_minute"
    allowances.release(hold)
    allowances.take("ada", allowance, 2)
    assert refused(allowances, allowance).limit == "requests_per_minute"


@pytest.mark.parametrize("limit", ["images_per_minute", "concurrent_images"])
def test_what_could_never_be_allowed_is_told_no_time(allowances, limit):
    refusal = refused(allowances, Allowance(**{limit: 4}), 5)
    assert (refusal.limit, refusal.retry_after_s) == (limit, None)
    assert "at most 4 images" in refusal.cure


def test_a_limit_of_nothing_allows_nothing(allowances):
    assert refused(allowances, Allowance(requests_per_minute=0)).retry_after_s is None


def test_places_are_free_again_when_they_are_given_back(allowances):
    hold = allowances.take("ada", FOUR_AT_ONCE, 3)
    assert refused(allowances, FOUR_AT_ONCE, 2).retry_after_s > 0
    for _ in range(2):
        allowances.release(hold)
    allowances.take("ada", FOUR_AT_ONCE, 4)


def test_places_that_nobody_renews_are_free_again(lapsing, until):
    lapsing.take("ada", FOUR_AT_ONCE, 4)
    refused(lapsing, FOUR_AT_ONCE)

    until(lambda: taken(lapsing, 4))


def test_places_that_are_renewed_stay_taken(lapsing):
    hold = lapsing.take("ada", FOUR_AT_ONCE, 4)
    for _ in range(4):
        time.sleep(KEPT_S / 3)
        lapsing.renew(hold)
        refused(lapsing, FOUR_AT_ONCE)


def test_a_hold_that_was_forgotten_counts_again_when_it_is_renewed(lapsing):
    hold = lapsing.take("ada", FOUR_AT_ONCE, 4)
    time.sleep(KEPT_S * 1.2)
    lapsing.renew(hold)
    refused(lapsing, FOUR_AT_ONCE)
    lapsing.release(hold)
    lapsing.take("ada", FOUR_AT_ONCE, 4)


def test_places_that_come_free_are_kept_for_who_waits_for_them(allowances):
    """Small requests, of which there are always some, keep a large one from its places no longer."""
    one, two = (allowances.take("ada", FOUR_AT_ONCE, 2) for _ in range(2))

    assert not taken(allowances, 4, "large")
    allowances.release(one)
    refused(allowances, FOUR_AT_ONCE, 1)
    # Who waits too is kept waiting by what is held alone.
    assert taken(allowances, 2, "small")
    allowances.release(two)
    refused(allowances, FOUR_AT_ONCE, 1)
    assert not taken(allowances, 4, "large")
    allowances.release(Hold("small", "ada", 2))
    refused(allowances, FOUR_AT_ONCE, 1)
    for _ in range(2):  # as where the first answer was lost
        assert taken(allowances, 4, "large")
    assert refused(allowances, FOUR_AT_ONCE, 1).limit == "concurrent_images"
    allowances.release(Hold("large", "ada", 4))
    allowances.take("ada", FOUR_AT_ONCE, 4)


def test_who_asks_no_more_keeps_nobody_waiting(lapsing, until):
    lapsing.take("ada", FOUR_AT_ONCE, 2)
    assert not taken(lapsing, 3, "gone")
    refused(lapsing, FOUR_AT_ONCE, 2)

    until(lambda: taken(lapsing, 4))


def test_tenants_do_not_know_each_other(allowances):
    allowances.take("ada", FOUR_AT_ONCE, 4)
    assert allowances.take("bob", FOUR_AT_ONCE, 4).tenant == "bob"


def test_who_has_no_limits_is_never_refused(allowances):
    holds = [allowances.take("ada", Allowance(), 1000) for _ in range(100)]
    for hold in holds:
        allowances.renew(hold)
        allowances.release(hold)
    assert len({hold.id for hold in holds}) == 100


def test_threads_never_hold_more_than_is_allowed(allowances):
    def taken(_: int) -> bool:
        try:
            return bool(allowances.take("ada", Allowance(concurrent_images=5, requests_per_minute=9), 1))
        except AllowanceExceeded:
            return False

    with ThreadPoolExecutor(max_workers=8) as pool:
        assert sum(pool.map(taken, range(40))) == 5


def test_redis_forgets_tenants_that_ask_no_more(redis_client, raw):
    allowances = RedisAllowances(redis_client)
    allowances.take("ada", Allowance(requests_per_minute=9, concurrent_images=5), 1)
    assert sorted(raw.keys()) == ["trimtab:held:ada", "trimtab:rates:ada"]
    assert 0 < raw.ttl("trimtab:held:ada") <= 31
    assert 0 < raw.ttl("trimtab:rates:ada") <= 61


def test_without_limits_redis_is_not_asked():
    allowances = RedisAllowances(RedisClient("redis://127.0.0.1:1"))
    hold = allowances.take("ada", Allowance(share=2.0), 3)
    allowances.renew(hold)
    allowances.release(hold)
