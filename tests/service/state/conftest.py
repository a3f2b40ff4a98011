"""Both stores, for tests that are written once."""

import time
from collections.abc import Callable, Iterator

import pytest
import redis
from pydantic import SecretStr
from redis_server import RedisServer

from service.state.options import StateOptions
from service.state.redis_client import RedisClient
from service.state.shared import SharedState, open_state

DATABASE = 9
"""Of the tests' Redis: these tests empty it."""

OpenState = Callable[[StateOptions], SharedState]


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """An empty database."""
    with redis.Redis(port=redis_server.port, db=DATABASE) as client:
        client.flushdb()
    return f"{redis_server.url}/{DATABASE}"


@pytest.fixture
def raw(redis_url: str) -> Iterator[redis.Redis]:
    """That database, to look into."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[RedisClient]:
    client = RedisClient(redis_url)
    yield client
    client.close()


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def opened(store: str, request: pytest.FixtureRequest) -> Iterator[OpenState]:
    """Opens the store; twice is the same one for Redis, as it is for two replicas."""
    url = SecretStr(request.getfixturevalue("redis_url")) if store == "redis" else None
    states: list[SharedState] = []

    def open_it(options: StateOptions) -> SharedState:
        states.append(open_state(url, options))
        return states[-1]

    yield open_it
    for state in states:
        state.close()


@pytest.fixture
def until() -> Callable[..., object]:
    """Asks until the answer is a truthy one, and returns it."""

    def wait(ask: Callable[[], object], within_s: float = 60) -> object:
        deadline = time.monotonic() + within_s
        while not (answer := ask()):
            assert time.monotonic() < deadline, "It does not come about."
            time.sleep(0.01)
        return answer

    return wait
