"""What every ledger does, on each store; and what Redis does beyond one process."""

import json
import os
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from redis_server import RedisServer

from policies.ledger import Ledger, most_underserved, shares_of
from service.errors import StateUnavailableError
from service.state.redis_ledger import LEDGER_KEPT_S
from service.state.shared import SharedState, open_state

EVEN = {"woman": 0.5, "man": 0.5}


def opened(url: str | None) -> SharedState:
    return open_state(url and SecretStr(url))


@pytest.fixture(scope="module", params=["memory", "redis"])
def state(request: pytest.FixtureRequest) -> Iterator[SharedState]:
    state = opened(request.getfixturevalue("redis_server").url if request.param == "redis" else None)
    yield state
    state.close()


@pytest.fixture(scope="module")
def ledger(state: SharedState) -> Ledger:
    return state.ledger


@pytest.fixture
def key() -> str:
    return fresh_key()


def fresh_key() -> str:
    return uuid.uuid4().hex


targets = st.dictionaries(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8),
    st.floats(0, 1, allow_subnormal=False),
    min_size=1,
    max_size=6,
).filter(lambda target: sum(target.values()) > 0.01)


@settings(deadline=None, max_examples=60)
@given(target=targets, counts=st.lists(st.integers(1, 20), min_size=1, max_size=4))
def test_it_chooses_what_the_pure_rule_chooses(ledger, target, counts):
    """To the last bit and in every locale: the script in Redis is the rule in policies/ledger.py."""
    key, served, shares = fresh_key(), Counter(), shares_of(target)
    for count in counts:
        expected = []
        for _ in range(count):
            expected.append(most_underserved(shares, served))
            served[expected[-1]] += 1
        assert ledger.take(key, target, count) == expected
    assert ledger.served(key) == served


@settings(deadline=None, max_examples=25)
@given(share=st.floats(0.01, 0.99), counts=st.lists(st.integers(1, 8), min_size=1, max_size=30))
def test_served_shares_are_within_one_image_of_the_target(ledger, share, counts):
    key, target = fresh_key(), {"woman": share, "man": 1 - share}
    for count in counts:
        ledger.take(key, target, count)
        served = ledger.served(key)
        total = sum(served.values())
        for member, aim in target.items():
            assert abs(served.get(member, 0) / total - aim) < 1 / total


def test_keys_do_not_know_each_other(ledger):
    one, other = fresh_key(), fresh_key()
    assert ledger.take(one, EVEN, 1) == ledger.take(other, EVEN, 1) == ["man"]
    assert ledger.served(one) == {"man": 1}


def test_what_was_never_taken_is_nothing(ledger, key):
    assert ledger.served(key) == {}
    assert ledger.take(key, EVEN, 0) == []
    ledger.give_back(key, ["man"])
    ledger.give_back(key, [])
    assert ledger.served(key) == {}


def test_what_is_given_back_is_owed_again(ledger, key):
    taken = ledger.take(key, EVEN, 4)
    ledger.give_back(key, ["woman", "woman"])
    assert ledger.served(key) == {"man": taken.count("man")}
    assert ledger.take(key, EVEN, 2) == ["woman", "woman"]


def test_more_than_was_taken_cannot_be_given_back(ledger, key):
    ledger.take(key, {"woman": 1.0}, 2)
    ledger.give_back(key, ["woman"] * 3 + ["man"])
    assert ledger.served(key) == {}
    assert ledger.take(key, EVEN, 2) == ["man", "woman"]


def test_threads_lose_no_count(ledger, key):
    target = {"black": 0.2, "white": 0.3, "asian": 0.5}
    with ThreadPoolExecutor(max_workers=8) as pool:
        taken = list(pool.map(lambda _: ledger.take(key, target, 5), range(40)))
    assert Counter(member for members in taken for member in members) == ledger.served(key)
    assert ledger.served(key) == {"black": 40, "white": 60, "asian": 100}


TAKER = """
import json, sys
from pydantic import SecretStr
from service.state.shared import open_state
url, key, rounds = sys.argv[1:]
ledger = open_state(SecretStr(url)).ledger
print("ready", flush=True)
sys.stdin.readline()
taken = [ledger.take(key, {"black": 0.2, "white": 0.3, "asian": 0.5}, 3) for _ in range(int(rounds))]
print(json.dumps(taken))
"""


def test_processes_share_one_count(redis_server, key):
    """Replicas that take at the same time serve the target together, though none of them knows the others."""
    takers = [
        subprocess.Popen(
            [sys.executable, "-c", TAKER, redis_server.url, key, "100"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for _ in range(3)
    ]
    for taker in takers:
        assert taker.stdout.readline() == "ready\n"
    for taker in takers:
        taker.stdin.write("go\n")
        taker.stdin.flush()
    each = [Counter(chain(*json.loads(taker.communicate(timeout=60)[0]))) for taker in takers]
    assert sum(each, Counter()) == {"black": 180, "white": 270, "asian": 450}
    assert opened(redis_server.url).ledger.served(key) == sum(each, Counter())


def test_counts_outlive_the_client_and_the_server(tmp_path, key):
    with RedisServer(tmp_path, keep=True) as server:
        one = opened(server.url)
        assert one.ledger.take(key, EVEN, 3) == ["man", "woman", "man"]
        server.kill()
        with pytest.raises(StateUnavailableError):
            one.ledger.take(key, EVEN, 1)
        server.start()
        # Its connections and the scripts that Redis knew are gone; the same client goes on.
        assert one.ledger.take(key, EVEN, 1) == ["woman"]
        one.close()
        other = opened(server.url)
        assert other.ledger.take(key, EVEN, 1) == ["man"]
        assert other.ledger.served(key) == {"man": 3, "woman": 2}
        other.close()


def test_counts_are_kept_for_long_from_the_last_take_on(redis_server, key):
    state = opened(redis_server.url)
    with redis.Redis.from_url(redis_server.url) as client:
        for _ in range(2):
            state.ledger.take(key, EVEN, 1)
            (name,) = client.keys(f"*{key}")
            assert name.startswith(b"trimtab:")
            assert LEDGER_KEPT_S - 5 <= client.ttl(name) <= LEDGER_KEPT_S
            client.expire(name, 100)
        state.ledger.give_back(key, ["man"])
        assert client.ttl(name) <= 100
    state.close()


def test_what_redis_refuses_is_the_same_error_without_its_words(redis_server, key, caplog):
    with redis.Redis.from_url(redis_server.url) as client:
        client.set(f"trimtab:ledger:{key}", "not a hash")
    state = opened(redis_server.url)
    with pytest.raises(StateUnavailableError) as refused:
        state.ledger.take(key, EVEN, 1)
    assert "WRONGTYPE" in caplog.text
    assert "WRONGTYPE" not in str(refused.value)
    state.close()
