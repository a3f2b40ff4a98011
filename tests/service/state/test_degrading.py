"""What goes on while the shared state is away."""

import time
from collections import Counter
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from service.app import create_app
from service.callers import Allowance
from service.errors import AllowanceExceeded
from service.settings import Settings
from service.state.degrading import Degrading
from service.state.memory import MemoryState
from service.state.shared import SharedState, open_state

EVEN = {"woman": 0.5, "man": 0.5}
TIMEOUT_S = 3
"""More than a store that is well ever takes; what is not there at all refuses at once."""
TWO_AT_ONCE = Allowance(concurrent_images=2)


@pytest.fixture
def shared(own_server) -> Iterator[SharedState]:
    state = open_state(SecretStr(f"{own_server.url}?socket_timeout={TIMEOUT_S}"))
    yield state
    state.close()


@pytest.fixture
def degrading(shared) -> Iterator[Degrading]:
    degrading = Degrading(shared, look_every_s=0.05)
    yield degrading
    degrading.close()


def test_the_ledger_is_the_shared_one_while_it_is_there(degrading, shared):
    degrading.ledger.take("key", EVEN, 3)
    degrading.ledger.give_back("key", ["man"])
    assert shared.ledger.served("key") == degrading.ledger.served("key") == {"man": 1, "woman": 1}
    assert degrading.degraded == frozenset()


def test_what_is_counted_alone_meets_the_target_and_is_said(own_server, degrading, shared, until, caplog):
    degrading.ledger.take("key", EVEN, 3)
    own_server.kill()
    assert degrading.ledger.take("key", EVEN, 4) == ["man", "woman", "man", "woman"]
    assert degrading.degraded == {"ledger", "allowances"}
    assert "until it is back, this process counts the ledger and the allowances alone" in caplog.text
    degrading.ledger.give_back("key", ["woman"])
    assert degrading.ledger.served("key") == {"man": 2, "woman": 1}
    own_server.start()
    until(lambda: not degrading.degraded)
    assert "The shared state is back after" in caplog.text
    degrading.ledger.take("key", EVEN, 1)
    assert shared.ledger.served("key") == {"man": 1}


def test_only_the_first_call_waits_for_a_state_that_hangs(own_server, degrading, until):
    degrading.ledger.take("key", EVEN, 1)
    own_server.hold()
    degrading.ledger.take("key", EVEN, 1)
    started = time.monotonic()
    for _ in range(20):
        degrading.ledger.take("key", EVEN, 1)
        degrading.allowances.release(degrading.allowances.take("ada", TWO_AT_ONCE, 1))
    assert time.monotonic() - started < TIMEOUT_S
    own_server.let_go()
    until(lambda: not degrading.degraded)


def test_limits_hold_for_each_process_alone(own_server, degrading):
    own_server.kill()
    hold = degrading.allowances.take("ada", TWO_AT_ONCE, 2)
    with pytest.raises(AllowanceExceeded):
        degrading.allowances.take("ada", TWO_AT_ONCE, 1)
    degrading.allowances.release(hold)
    degrading.allowances.take("ada", TWO_AT_ONCE, 1)


def test_a_refusal_is_no_outage(degrading):
    degrading.allowances.take("ada", TWO_AT_ONCE, 2)
    with pytest.raises(AllowanceExceeded):
        degrading.allowances.take("ada", TWO_AT_ONCE, 1)
    assert not degrading.degraded


def test_places_are_kept_from_before_an_outage_through_it_and_after(own_server, degrading, shared, until):
    hold = degrading.allowances.take("ada", TWO_AT_ONCE, 2)
    own_server.kill()
    degrading.allowances.renew(hold)
    with pytest.raises(AllowanceExceeded):
        degrading.allowances.take("ada", TWO_AT_ONCE, 1)
    own_server.start()  # empty
    until(lambda: not degrading.degraded)
    degrading.allowances.renew(hold)
    with pytest.raises(AllowanceExceeded):
        shared.allowances.take("ada", TWO_AT_ONCE, 1)
    degrading.allowances.release(hold)
    shared.allowances.take("ada", TWO_AT_ONCE, 2)


def test_memory_is_never_away():
    degrading = Degrading(MemoryState())
    assert degrading.ledger.take("key", EVEN, 2) == ["man", "woman"]
    degrading.allowances.release(degrading.allowances.take("ada", TWO_AT_ONCE, 2))
    assert not degrading.degraded
    degrading.close()


def test_looking_for_the_state_ends_with_the_service(own_server, shared):
    own_server.kill()
    degrading = Degrading(shared, look_every_s=60)
    degrading.ledger.take("key", EVEN, 1)
    started = time.monotonic()
    degrading.close()
    assert time.monotonic() - started < 30


def test_a_service_generates_fairly_while_its_state_is_away(options, until_ready, own_server):
    request = {
        "prompt": "a photo of a doctor",
        "num_inference_steps": 2,
        "num_images": 4,
        "policy": {"fairness": [{"set": "gender"}], "assignment": "ledger"},
    }
    with TestClient(create_app(Settings(**options, redis_url=own_server.url))) as client:
        until_ready(client.get)
        own_server.kill()
        answer = client.post("/generate", json=request)
        assert answer.status_code == 200
        drawn = [image["applied"][0]["concept"] for image in answer.json()["images"]]
        assert Counter(drawn) == {"man": 2, "woman": 2}
