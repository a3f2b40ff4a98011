"""Jobs in a Redis that hangs, dies and forgets, and calls whose answers are lost."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from held_line import HeldLine
from pydantic import SecretStr
from redis_server import RedisServer

from service.errors import StateUnavailableError
from service.state.jobs import Claim, Ending, Jobs, NewJob
from service.state.options import StateOptions
from service.state.shared import SharedState, open_state

DONE = Ending("done", b"an image")
TIMEOUT_S = 0.6


@pytest.fixture
def replicas(own_server: RedisServer) -> Iterator[Callable[..., SharedState]]:
    """Opens the state as a replica does, with a short patience."""
    states: list[SharedState] = []

    def opened(port: int | None = None, **options: float) -> SharedState:
        url = f"redis://127.0.0.1:{port or own_server.port}?socket_timeout={TIMEOUT_S}"
        states.append(open_state(SecretStr(url), StateOptions(**options)))
        return states[-1]

    yield opened
    for state in states:
        state.close()


@pytest.fixture
def line(own_server: RedisServer) -> Iterator[HeldLine]:
    line = HeldLine(own_server.port)
    yield line
    line.close()


def add(jobs: Jobs, *ids: str) -> None:
    for id in ids:
        jobs.add(NewJob(id, "ada", None, f"work of {id}", 1, 0.0))


def connections_of(server: RedisServer) -> int:
    with redis.Redis(port=server.port) as client:
        return len(client.client_list())


def calls_of(server: RedisServer) -> int:
    with redis.Redis(port=server.port) as client:
        return client.info("commandstats")["cmdstat_evalsha"]["calls"]


def test_what_a_lost_answer_gave_is_given_again_to_the_same_worker(own_server, replicas, until):
    mine, others = replicas().jobs, replicas().jobs
    add(mine, "one", "two")
    assert mine.claim("nobody yet", 0) == []
    own_server.hold()
    with pytest.raises(StateUnavailableError):
        mine.claim("worker")
    own_server.let_go()
    until(lambda: others.find("one").state == "running")
    assert [claim.id for claim in others.claim("other", 5)] == ["two"]
    # Carried out though nobody heard of it: given back at the next call, and this attempt does not count.
    assert mine.claim("worker") == [Claim("one", "ada", "work of one", 1, 1)]
    assert mine.finish("worker", "one", DONE)


def test_claims_that_pile_up_before_a_redis_that_hangs_strand_no_job(own_server, replicas, until):
    """What was sent is carried out when Redis goes on, for a worker that has hung up."""
    mine, others = replicas(), replicas().jobs
    add(others, "one", "two", "three", "four")
    assert mine.jobs.claim("nobody yet", 0) == []
    with ThreadPoolExecutor(max_workers=3) as pool:
        until(lambda: list(pool.map(lambda _: mine.check(), range(30))) and connections_of(own_server) > 4)
        own_server.hold()
        claims = [pool.submit(mine.jobs.claim, "worker") for _ in range(3)]
        assert all(isinstance(claim.exception(), StateUnavailableError) for claim in claims)
    own_server.let_go()
    until(lambda: others.waiting() < 4)
    claims = mine.jobs.claim("worker", 2)
    assert [(claim.id, claim.attempt) for claim in claims] == [("one", 1), ("two", 1)]
    assert [(claim.id, claim.attempt) for claim in others.claim("other", 5)] == [("three", 1), ("four", 1)]


def test_a_claim_that_arrives_after_a_later_one_gives_nothing_away(own_server, line, replicas, until):
    mine, others = replicas(line.port).jobs, replicas().jobs
    add(others, "one", "two")
    assert mine.claim("worker", 0) == []
    line.hold()
    with pytest.raises(StateUnavailableError):
        mine.claim("worker")
    line.pass_others()
    assert [claim.id for claim in mine.claim("worker")] == ["one"]
    before = calls_of(own_server)
    line.deliver()
    until(lambda: calls_of(own_server) > before)
    assert others.find("two").state == "waiting"
    assert mine.finish("worker", "one", DONE)


def test_an_ending_whose_answer_was_lost_is_confirmed(own_server, replicas, until):
    mine, others = replicas().jobs, replicas().jobs
    add(mine, "one")
    mine.claim("worker")
    assert not mine.finish("worker", "nothing", DONE)
    own_server.hold()
    with pytest.raises(StateUnavailableError):
        mine.finish("worker", "one", DONE)
    own_server.let_go()
    until(lambda: others.find("one").state == "done")
    assert mine.finish("worker", "one", DONE)
    assert not mine.finish("worker", "one", DONE)
    assert not others.finish("worker", "one", DONE)


def test_a_redis_that_stood_still_for_longer_than_claims_last_lets_workers_renew_first(own_server, replicas):
    """A second worker does not take over what the first still does, as soon as Redis answers again."""
    mine, others = replicas(claim_kept_s=2).jobs, replicas(claim_kept_s=2).jobs
    add(mine, "one")
    mine.claim("worker")
    own_server.hold()
    time.sleep(2.3)
    own_server.let_go()
    assert others.claim("other") == []
    assert mine.renew("worker", ["one"]).lost == frozenset()
    assert others.claim("other") == []
    assert mine.finish("worker", "one", DONE)


def test_a_worker_that_does_not_come_back_with_redis_loses_its_job(own_server, replicas, until):
    jobs = replicas(claim_kept_s=0.6).jobs
    add(jobs, "one", "two")
    jobs.claim("killed")
    jobs.claim("draining")
    jobs.release("draining", "two")
    time.sleep(0.8)
    started = time.monotonic()
    # What was released is nobody's, and waits for nothing.
    assert [claim.id for claim in jobs.claim("worker", 2)] == ["two"]
    until(lambda: [claim.id for claim in jobs.claim("worker")] == ["one"])
    assert time.monotonic() - started > 0.2


def test_a_redis_that_comes_back_empty_takes_jobs_again(own_server, replicas):
    jobs = replicas().jobs
    add(jobs, "one", "two")
    jobs.claim("worker")
    own_server.kill()
    with pytest.raises(StateUnavailableError):
        jobs.find("one")
    own_server.start()
    assert jobs.find("one") is None
    assert jobs.renew("worker", ["one"]).lost == {"one"}
    assert not jobs.finish("worker", "one", DONE)
    assert jobs.told("one", wait_s=5) == []
    assert jobs.claim("worker") == []
    add(jobs, "three")
    assert [claim.id for claim in jobs.claim("worker")] == ["three"]
    assert jobs.finish("worker", "three", DONE)


def test_claims_and_order_outlive_a_restart_with_the_append_only_file(tmp_path, replicas):
    with RedisServer(tmp_path, keep=True) as server:
        jobs = replicas(server.port).jobs
        add(jobs, "one", "two", "three")
        jobs.claim("worker", 2)
        jobs.release("worker", "one")
        jobs.tell("two", "a step")
        jobs.cancel("two")
        server.kill()
        server.start()
        assert jobs.renew("worker", ["one", "two"]).cancelled == {"two"}
        assert [told.text for told in jobs.told("two")] == ["a step"]
        assert jobs.finish("worker", "two", Ending("cancelled", b""))
        assert [claim.id for claim in jobs.claim("worker", 5)] == ["one", "three"]


def test_waiting_for_happenings_holds_up_nobody_and_outlasts_the_patience(own_server, replicas):
    jobs = replicas().jobs
    add(jobs, "one")
    with ThreadPoolExecutor(max_workers=20) as pool:
        heard = [pool.submit(jobs.told, "one", "0", 120) for _ in range(20)]
        time.sleep(3 * TIMEOUT_S)
        started = time.monotonic()
        jobs.tell("one", "a step")
        assert [[told.text for told in one.result()] for one in heard] == [["a step"]] * 20
        assert time.monotonic() - started < 60


def test_nothing_is_left_of_jobs_that_ended(redis_url, raw):
    state = open_state(SecretStr(redis_url), StateOptions(result_kept_s=0.05))
    jobs = state.jobs
    add(jobs, "done", "cancelled", "released")
    jobs.tell("done", "a step")
    jobs.claim("worker")
    jobs.finish("worker", "done", DONE)
    jobs.cancel("cancelled")
    jobs.claim("worker")
    jobs.release("worker", "released")
    jobs.cancel("released")
    jobs.unmade()
    time.sleep(0.1)
    assert raw.xlen("trimtab:jobs") == 0
    assert raw.xpending("trimtab:jobs", "workers")["pending"] == 0
    left = {key for key in raw.keys("*") if not key.startswith("trimtab:call:")}
    assert left == {"trimtab:jobs", "trimtab:jobs:added", "trimtab:jobs:heard"}
    assert all(raw.ttl(key) > 0 for key in raw.keys("trimtab:call:*"))
    state.close()


def test_the_group_tells_how_many_jobs_no_worker_has_read(redis_url, raw):
    """What scales replicas by their queue reads it: XINFO GROUPS."""
    state = open_state(SecretStr(redis_url))
    add(state.jobs, "one", "two", "three")
    state.jobs.claim("worker")
    state.jobs.cancel("two")
    (group,) = raw.xinfo_groups("trimtab:jobs")
    assert (group["name"], group["pending"], group["lag"]) == ("workers", 1, 2)
    assert [claim.id for claim in state.jobs.claim("worker", 5)] == ["three"]
    (group,) = raw.xinfo_groups("trimtab:jobs")
    assert group["lag"] == 0
    state.close()
