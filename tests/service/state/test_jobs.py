"""What every store of jobs does."""

import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

import pytest

from service.errors import JobQueueFullError, UnknownPlaceError
from service.state.jobs import MAX_HAPPENINGS, Claim, Ending, Jobs, NewJob
from service.state.options import StateOptions

KEPT_S = 0.3
LONGER_S = 0.9
"""Where a claim must not lapse while a busy machine does something else for a moment."""
PATIENCE_S = 60
DONE = Ending("done", b"\x89PNG\xff\x00")


@pytest.fixture
def jobs(opened) -> Jobs:
    return opened(StateOptions(max_waiting_jobs=50)).jobs


@pytest.fixture
def hasty(opened) -> Jobs:
    """Jobs whose claims last a moment."""
    return opened(StateOptions(claim_kept_s=KEPT_S, job_attempts=2)).jobs


@pytest.fixture
def calm(opened) -> Jobs:
    """The same, where nothing may lapse by the way."""
    return opened(StateOptions(claim_kept_s=LONGER_S, job_attempts=2)).jobs


@pytest.fixture
def taken_over(until) -> Callable[[Jobs, str], Claim]:
    """Claims an abandoned job."""
    return lambda jobs, worker: until(lambda: jobs.claim(worker))[0]


def added(jobs: Jobs, *names: str, tenant: str = "ada") -> list[str]:
    ids = [f"{name}-{uuid.uuid4().hex}" for name in names]
    for id in ids:
        jobs.add(NewJob(id, tenant, "key-1", f"work of {id}", 3, 1_700_000_000.25))
    return ids


def claimed(jobs: Jobs, worker: str, count: int = 1, passing: Sequence[str] = ()) -> list[str]:
    return [claim.id for claim in jobs.claim(worker, count, passing)]


def states(jobs: Jobs, ids: list[str]) -> list[str]:
    return [jobs.find(id).state for id in ids]


def test_a_job_waits_runs_and_is_done(jobs):
    (id,) = added(jobs, "one")
    waiting = jobs.find(id)
    assert (waiting.state, waiting.position, waiting.attempts) == ("waiting", 1, 0)
    assert (waiting.tenant, waiting.key_id, waiting.images, waiting.created_s) == (
        "ada",
        "key-1",
        3,
        1_700_000_000.25,
    )
    assert jobs.claim("worker") == [Claim(id, "ada", f"work of {id}", 3, 1)]
    running = jobs.find(id)
    assert (running.state, running.position, running.attempts) == ("running", None, 1)
    assert jobs.answer(id) is None
    assert jobs.finish("worker", id, DONE)
    done = jobs.find(id)
    assert (done.state, done.position, done.attempts, done.reason) == ("done", None, 1, None)
    assert jobs.answer(id) == DONE.answer
    assert jobs.claim("worker") == []


def test_what_was_never_added_is_unknown(jobs):
    assert jobs.find("nothing") is None
    assert jobs.answer("nothing") is None
    assert not jobs.cancel("nothing")
    assert not jobs.finish("worker", "nothing", DONE)
    assert jobs.renew("worker", ["nothing"]).lost == {"nothing"}
    jobs.release("worker", "nothing")
    jobs.tell("nothing", "a step")
    assert jobs.told("nothing") == []
    assert jobs.claim("worker", 5) == []


def test_jobs_are_claimed_in_the_order_they_were_added(jobs):
    ids = added(jobs, "one", "two", "three", "four")
    assert [jobs.find(id).position for id in ids] == [1, 2, 3, 4]
    assert claimed(jobs, "worker") == ids[:1]
    assert claimed(jobs, "other", 2) == ids[1:3]
    assert jobs.find(ids[3]).position == jobs.waiting() == 1
    assert claimed(jobs, "worker", 5) == ids[3:]
    assert jobs.waiting() == 0


def test_a_job_without_a_key_has_none(jobs):
    jobs.add(NewJob("keyless", "", None, "", 1, 0.0))
    record = jobs.find("keyless")
    assert (record.key_id, record.tenant) == (None, "")
    (claim,) = jobs.claim("worker")
    assert (claim.tenant, claim.work) == ("", "")


def test_adding_a_job_again_changes_nothing(jobs):
    (id,) = added(jobs, "one")
    jobs.add(NewJob(id, "bob", None, "other work", 9, 0.0))
    assert jobs.waiting() == 1
    assert jobs.claim("worker", 5) == [Claim(id, "ada", f"work of {id}", 3, 1)]
    jobs.finish("worker", id, DONE)
    jobs.add(NewJob(id, "bob", None, "other work", 9, 0.0))
    assert jobs.find(id).state == "done"


def test_no_more_wait_than_may(opened):
    jobs = opened(StateOptions(max_waiting_jobs=2)).jobs
    first, second = added(jobs, "one", "two")
    with pytest.raises(JobQueueFullError, match="2 jobs wait") as refused:
        added(jobs, "three")
    assert refused.value.retry_after_s > 0
    added_again = NewJob(second, "ada", None, "", 1, 0.0)
    jobs.add(added_again)  # a client that heard nothing of the first time
    assert claimed(jobs, "worker") == [first]
    added(jobs, "three")


def test_a_job_ends_once(jobs):
    (id,) = added(jobs, "one")
    jobs.claim("worker")
    assert not jobs.finish("other", id, Ending("failed", b"", "not mine"))
    assert jobs.finish("worker", id, Ending("failed", b"why", "out of memory"))
    assert not jobs.finish("worker", id, DONE)
    record = jobs.find(id)
    assert (record.state, record.reason) == ("failed", "out of memory")
    assert jobs.answer(id) == b"why"


def test_a_job_that_waits_cannot_be_ended_by_a_worker(jobs):
    (id,) = added(jobs, "one")
    assert not jobs.finish("worker", id, DONE)
    jobs.release("worker", id)
    assert jobs.find(id).state == "waiting"


def test_a_worker_hears_which_jobs_are_not_its_own(jobs):
    one, two, three = added(jobs, "one", "two", "three")
    jobs.claim("worker", 2)
    jobs.finish("worker", two, DONE)
    jobs.claim("other")
    renewed = jobs.renew("worker", [one, two, three])
    assert (renewed.lost, renewed.cancelled) == ({two, three}, frozenset())
    assert jobs.renew("worker", []).lost == frozenset()


def test_a_silent_worker_s_job_is_another_s_and_only_the_other_ends_it(calm, taken_over):
    (id,) = added(calm, "one")
    calm.claim("stopped")
    assert calm.claim("worker") == []
    assert taken_over(calm, "worker") == Claim(id, "ada", f"work of {id}", 3, 2)
    assert calm.renew("stopped", [id]).lost == {id}
    calm.release("stopped", id)
    assert not calm.finish("stopped", id, Ending("failed", b"late"))
    assert calm.find(id).state == "running"
    assert calm.finish("worker", id, DONE)
    assert not calm.finish("stopped", id, Ending("failed", b"later"))
    assert calm.answer(id) == DONE.answer


def test_a_worker_that_renews_keeps_its_job(calm):
    ids = added(calm, "one", "two")
    calm.claim("worker", 2)
    for _ in range(4):
        time.sleep(LONGER_S / 3)
        assert calm.renew("worker", ids).lost == frozenset()
        assert calm.claim("other", 2) == []
    assert calm.finish("worker", ids[0], DONE)


def test_abandoned_jobs_come_before_new_ones(calm):
    (abandoned,) = added(calm, "abandoned")
    calm.claim("killed")
    (new,) = added(calm, "new")
    until_s = time.monotonic() + 1.2 * LONGER_S
    while time.monotonic() < until_s:
        calm.renew("alive", [])
        time.sleep(0.02)
    assert claimed(calm, "worker", 2) == [abandoned, new]


def test_a_job_that_keeps_losing_its_workers_is_set_aside_and_its_client_is_told(hasty, taken_over, until):
    (id,) = added(hasty, "deadly")
    hasty.claim("first")
    assert taken_over(hasty, "second").attempt == 2
    until(lambda: not hasty.claim("third") and hasty.find(id).state == "set_aside")
    record = hasty.find(id)
    assert record.attempts == 2
    assert "begun 2 times" in record.reason
    assert hasty.answer(id) is None
    assert not hasty.finish("second", id, DONE)
    assert hasty.claim("fourth") == []
    assert not hasty.cancel(id)


def test_a_released_job_is_the_next_and_its_attempt_does_not_count(jobs):
    one, two, three = added(jobs, "one", "two", "three")
    assert claimed(jobs, "worker", 2) == [one, two]
    jobs.release("other", one)
    for _ in range(2):
        jobs.release("worker", one)
    record = jobs.find(one)
    assert (record.state, record.position, record.attempts) == ("waiting", 1, 0)
    assert (jobs.find(three).position, jobs.waiting()) == (2, 2)
    assert not jobs.finish("worker", one, DONE)
    claims = jobs.claim("other", 2)
    assert [(claim.id, claim.attempt) for claim in claims] == [(one, 1), (three, 1)]
    assert jobs.finish("other", one, DONE)


def test_jobs_of_some_tenants_are_passed_over_and_keep_their_places(jobs):
    mine = added(jobs, "one", "two")
    others = added(jobs, "three", "four", tenant="bob")
    (last,) = added(jobs, "five")
    for _ in range(2):
        assert claimed(jobs, "worker", passing=["ada", "eve"]) == others[:1]
        jobs.release("worker", others[0])
    assert states(jobs, [*mine, *others, last]) == ["waiting"] * 5
    assert [jobs.find(id).position for id in (*mine, last)] == [1, 2, 5]
    assert [jobs.find(id).attempts for id in (*mine, last)] == [0, 0, 0]
    assert claimed(jobs, "worker", 5, passing=["ada", "bob"]) == []
    assert jobs.cancel(mine[1])
    assert claimed(jobs, "other", 5) == [mine[0], *others, last]
    assert jobs.waiting() == 0


def test_an_abandoned_job_of_a_tenant_that_is_passed_over_is_claimed_later(hasty, taken_over, until):
    (id,) = added(hasty, "one")
    (other,) = added(hasty, "two", tenant="bob")
    hasty.claim("killed")
    assert claimed(hasty, "worker", passing=["ada"]) == [other]
    time.sleep(KEPT_S * 1.2)
    hasty.renew("worker", [other])
    assert claimed(hasty, "worker", 2, passing=["ada"]) in ([], [other])
    assert hasty.find(id).attempts == 1
    assert taken_over(hasty, "third").id == id


def test_a_job_that_is_cancelled_before_it_is_released_has_ended(jobs):
    one, two = added(jobs, "one", "two")
    jobs.claim("worker")
    assert jobs.cancel(one)
    jobs.release("worker", one)
    assert (jobs.find(one).state, jobs.find(two).position, jobs.waiting()) == ("cancelled", 1, 1)
    assert jobs.unmade() == [f"work of {one}"]
    assert claimed(jobs, "other", 2) == [two]


def test_a_job_that_waits_is_cancelled_at_once(jobs):
    one, two, three = added(jobs, "one", "two", "three")
    assert jobs.cancel(two)
    assert jobs.cancel(two)
    assert jobs.find(two).state == "cancelled"
    assert (jobs.find(three).position, jobs.waiting()) == (2, 2)
    assert claimed(jobs, "worker", 3) == [one, three]
    assert jobs.answer(two) is None


def test_a_released_job_can_be_cancelled(jobs):
    (one,) = added(jobs, "one")
    jobs.claim("worker")
    jobs.release("worker", one)
    assert jobs.cancel(one)
    assert (jobs.find(one).state, jobs.waiting(), jobs.claim("other", 2)) == ("cancelled", 0, [])


def test_a_running_job_is_cancelled_by_its_worker(jobs):
    one, two = added(jobs, "one", "two")
    jobs.claim("worker", 2)
    assert jobs.cancel(one)
    assert jobs.cancel(one)
    assert jobs.find(one).state == "running"
    assert jobs.renew("worker", [one, two]).cancelled == {one}
    assert jobs.finish("worker", one, Ending("cancelled", b""))
    assert jobs.find(one).state == "cancelled"
    assert jobs.finish("worker", two, DONE)
    assert not jobs.cancel(two)


def test_a_cancelled_job_whose_worker_is_gone_is_not_begun_again(hasty, until):
    (id,) = added(hasty, "one")
    hasty.claim("killed")
    hasty.cancel(id)
    until(lambda: not hasty.claim("worker") and hasty.find(id).state == "cancelled")
    assert not hasty.finish("killed", id, DONE)


def test_what_no_worker_ended_is_returned_once_to_be_given_back(hasty, taken_over, until):
    waiting, abandoned, deadly = added(hasty, "waiting", "abandoned", "deadly")
    hasty.cancel(waiting)
    assert hasty.unmade() == [f"work of {waiting}"]
    hasty.claim("killed", 2)
    hasty.cancel(abandoned)
    taken_over(hasty, "second")
    until(lambda: not hasty.claim("third") and hasty.find(deadly).state == "set_aside")
    assert sorted([*hasty.unmade(1), *hasty.unmade(5)]) == [f"work of {abandoned}", f"work of {deadly}"]
    assert hasty.unmade() == []
    (done,) = added(hasty, "done")
    hasty.claim("worker")
    hasty.finish("worker", done, DONE)
    assert hasty.unmade() == []


def test_what_happens_is_told_in_order(jobs):
    (id,) = added(jobs, "one")
    for step in range(4):
        jobs.tell(id, f'{{"step": {step}}}')
    told = jobs.told(id)
    assert [one.text for one in told] == [f'{{"step": {step}}}' for step in range(4)]
    assert jobs.told(id, after=told[1].id) == told[2:]
    assert jobs.told(id, after=told[3].id) == []


def test_the_latest_happenings_are_kept(jobs):
    (id,) = added(jobs, "one")
    for step in range(MAX_HAPPENINGS + 5):
        jobs.tell(id, str(step))
    assert [one.text for one in jobs.told(id)] == [str(step) for step in range(5, MAX_HAPPENINGS + 5)]


def test_who_waits_hears_of_it_at_once(jobs):
    (id,) = added(jobs, "one")
    jobs.tell(id, "before")
    (before,) = jobs.told(id)

    def tell() -> None:
        time.sleep(0.1)
        jobs.tell(id, "now")

    teller = Thread(target=tell)
    started = time.monotonic()
    teller.start()
    assert [one.text for one in jobs.told(id, after=before.id, wait_s=2 * PATIENCE_S)] == ["now"]
    assert 0.05 < time.monotonic() - started < PATIENCE_S
    teller.join()


def test_who_waits_hears_nothing_when_the_time_is_over(jobs):
    (id,) = added(jobs, "one")
    started = time.monotonic()
    assert jobs.told(id, wait_s=0.2) == []
    assert 0.15 < time.monotonic() - started < PATIENCE_S


@pytest.mark.parametrize("end", ["finish", "cancel"])
def test_who_waits_is_let_go_when_the_job_ends(jobs, end):
    (id,) = added(jobs, "one")
    if end == "finish":
        jobs.claim("worker")

    def end_it() -> None:
        time.sleep(0.1)
        jobs.finish("worker", id, DONE) if end == "finish" else jobs.cancel(id)

    ender = Thread(target=end_it)
    ender.start()
    started = time.monotonic()
    assert jobs.told(id, wait_s=2 * PATIENCE_S) == []
    assert jobs.told(id, wait_s=2 * PATIENCE_S) == []
    assert time.monotonic() - started < PATIENCE_S
    ender.join()


def test_what_a_worker_says_last_is_kept(jobs):
    (id,) = added(jobs, "one")
    jobs.claim("worker")
    jobs.tell(id, "first")
    jobs.finish("worker", id, DONE)
    jobs.tell(id, "last")
    assert [one.text for one in jobs.told(id, wait_s=5)] == ["first", "last"]
    assert jobs.told(id, after=jobs.told(id)[-1].id, wait_s=5) == []


def test_nobody_waits_for_a_job_that_is_unknown(jobs):
    started = time.monotonic()
    assert jobs.told("nothing", wait_s=2 * PATIENCE_S) == []
    assert time.monotonic() - started < PATIENCE_S


@pytest.mark.parametrize("place", ["", "-1", "$", "0-", "1-2-3", "x", "9" * 30, "0\r\n"])
def test_what_is_no_place_is_refused(jobs, place):
    (id,) = added(jobs, "one")
    with pytest.raises(UnknownPlaceError, match="no place"):
        jobs.told(id, after=place)


def test_what_has_ended_is_forgotten_in_time(opened, until):
    jobs = opened(StateOptions(result_kept_s=1)).jobs
    done, cancelled, waiting = added(jobs, "done", "cancelled", "waiting")
    jobs.tell(done, "a step")
    jobs.claim("worker")
    jobs.finish("worker", done, DONE)
    jobs.tell(done, "the end")
    jobs.cancel(cancelled)
    assert jobs.answer(done) == DONE.answer
    until(lambda: jobs.find(done) is None and jobs.find(cancelled) is None)
    assert jobs.answer(done) is None
    assert jobs.told(done) == []
    assert jobs.find(waiting).position == 1
    assert claimed(jobs, "worker", 3) == [waiting]


def test_replicas_that_claim_at_once_get_jobs_of_their_own(jobs):
    ids = added(jobs, *(str(index) for index in range(40)))
    with ThreadPoolExecutor(max_workers=8) as pool:
        claims = list(pool.map(lambda index: claimed(jobs, f"worker-{index % 8}", 2), range(30)))
    assert sorted(id for some in claims for id in some) == sorted(ids)


def test_every_job_ends_once_though_workers_fall_silent_and_come_back(opened, store):
    """Four workers of which each lets every third job lapse, and ends it all the same when it comes back."""
    options = StateOptions(claim_kept_s=0.1, job_attempts=100)
    jobs = opened(options).jobs
    ids = added(jobs, *(str(index) for index in range(30)))
    ended: Counter[str] = Counter()

    def work(name: str) -> list[str]:
        draw, mine = random.Random(name), opened(options).jobs if store == "redis" else jobs
        ended_here: list[str] = []
        while any(jobs.find(id).state in ("waiting", "running") for id in ids):
            for claim in mine.claim(name, 2):
                if draw.random() < 1 / 3:
                    time.sleep(0.15)
                if mine.finish(name, claim.id, Ending("done", name.encode())):
                    ended_here.append(claim.id)
        return ended_here

    with ThreadPoolExecutor(max_workers=4) as pool:
        for ended_here in pool.map(work, ["a", "b", "c", "d"]):
            ended.update(ended_here)
    assert ended == dict.fromkeys(ids, 1)
    assert any(jobs.find(id).attempts > 1 for id in ids), "No worker fell silent: nothing was tried."
