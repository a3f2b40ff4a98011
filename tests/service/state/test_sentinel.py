"""A Redis that sentinels watch: its address, and what outlives a failover."""

import time
from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from redis_sentinel import RedisSentinel

from service.errors import StateUnavailableError
from service.state.jobs import Ending, NewJob
from service.state.shared import SharedState, open_state


@pytest.fixture
def sentinel(tmp_path) -> Iterator[RedisSentinel]:
    sentinel = RedisSentinel(tmp_path)
    try:
        sentinel.start()
        yield sentinel
    finally:
        sentinel.kill()


def until_reached(state: SharedState) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            return state.check()
        except StateUnavailableError:
            assert time.monotonic() < deadline, "The state does not come back."
            time.sleep(0.05)


def test_what_was_accepted_outlives_the_master(sentinel):
    """The same clients go on with the replica, which has what they were told is there."""
    replicas = [open_state(SecretStr(sentinel.url)) for _ in range(2)]
    mine, others = replicas
    for id in ("one", "two", "three"):
        mine.jobs.add(NewJob(id, "ada", None, f"work of {id}", 1, 0.0))
    mine.jobs.claim("worker")
    mine.jobs.finish("worker", "one", Ending("done", b"an image"))
    mine.ledger.take("key", {"woman": 1.0}, 2)
    assert others.jobs.waiting() == 2
    sentinel.until_followed()
    sentinel.first.kill()
    with pytest.raises(StateUnavailableError):
        mine.check()
    sentinel.fail_over()
    for replica in replicas:
        until_reached(replica)
    assert others.jobs.find("one").state == "done"
    assert others.jobs.answer("one") == b"an image"
    assert [claim.id for claim in others.jobs.claim("worker", 5)] == ["two", "three"]
    # Alone, without a replica to wait for, it takes jobs all the same.
    mine.jobs.add(NewJob("four", "ada", None, "", 1, 0.0))
    assert others.jobs.finish("worker", "two", Ending("done", b""))
    assert [claim.id for claim in others.jobs.claim("worker", 5)] == ["four"]
    for replica in replicas:
        replica.close()
