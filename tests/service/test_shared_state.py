import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from redis_server import RedisServer

from service.app import create_app
from service.errors import StateUnavailableError
from service.settings import Settings, SettingsError, load_settings
from service.state.address import check_address
from service.state.memory import MemoryState
from service.state.shared import open_state


def test_without_an_address_the_state_is_this_process_alone():
    state = open_state(load_settings().redis_url)
    assert isinstance(state, MemoryState)
    state.check()


def test_the_variable_names_the_redis(monkeypatch, redis_server):
    monkeypatch.setenv("TRIMTAB_REDIS_URL", redis_server.url)
    state = open_state(load_settings().redis_url)
    assert state.store == "redis"
    state.check()
    state.close()


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://localhost:6380/2",
        "rediss://user:s%40crt@redis.example:6380/0?ssl_ca_certs=/etc/ca.pem",
        "redis://[::1]:6379?socket_timeout=0.5&max_connections=4",
    ],
)
def test_addresses_that_are_taken(url):
    check_address(url)
    open_state(SecretStr(url)).close()


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("localhost:6379", "redis://"),
        ("http://:s3cret@localhost", "redis://"),
        ("redis://", "redis://"),
        ("redis://:s3cret@localhost:port", "redis://"),
        ("redis://:s3/cret@localhost", "%40"),
        ("redis://localhost?timeout=5", "'timeout' in the address. There are: socket_timeout"),
        ("redis://localhost?ssl_cert_reqs=none", "no option 'ssl_cert_reqs'"),
        ("redis://localhost?socket_timeout=soon", "socket_timeout cannot be 'soon'. Give a number."),
        ("redis://localhost?socket_timeout", "redis://"),
    ],
)
def test_a_bad_address_is_refused_without_its_password(monkeypatch, url, named):
    monkeypatch.setenv("TRIMTAB_REDIS_URL", url)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert "redis_url: " in str(refused.value)
    assert named in str(refused.value)
    assert "s3" not in str(refused.value)


def test_the_password_is_not_shown(redis_server):
    settings = Settings(redis_url="redis://:s3cret@localhost")
    assert "s3cret" not in repr(settings) + str(settings) + settings.model_dump_json()


@pytest.fixture
def own_server(tmp_path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.kill()


def test_a_redis_that_hangs_is_given_up_on_and_taken_up_again(own_server):
    state = open_state(SecretStr(f"{own_server.url}?socket_timeout=0.2"))
    state.check()
    own_server.hold()
    started = time.monotonic()
    with pytest.raises(StateUnavailableError) as lost:
        state.ledger.take("key", {"woman": 1.0}, 1)
    assert time.monotonic() - started < 2
    assert lost.value.retry_after_s > 0
    own_server.let_go()
    state.check()
    state.close()


def test_more_threads_than_connections_wait_for_each_other(redis_server):
    state = open_state(SecretStr(f"{redis_server.url}?max_connections=1"))
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(lambda _: state.check(), range(100)))
    state.close()


def test_a_service_says_that_its_state_is_gone_and_back(
    options: Mapping[str, object], until_ready, own_server, caplog
):
    def said(client: TestClient) -> tuple[int, str, str]:
        answer = client.get("/readyz")
        return answer.status_code, answer.json()["status"], answer.json()["shared_state"]

    with TestClient(create_app(Settings(**options, redis_url=own_server.url))) as client:
        until_ready(client.get)
        assert said(client) == (200, "ready", "redis")
        own_server.kill()
        assert said(client) == (200, "degraded", "unreachable")
        assert "Redis did not do its work" in caplog.text
        request = {"prompt": "a photo of a doctor", "num_inference_steps": 1}
        assert client.post("/generate", json=request).status_code == 200
        own_server.start()
        assert said(client) == (200, "ready", "redis")


def test_what_needs_a_state_that_is_gone_is_told_when_to_try_again(options, own_server):
    app = create_app(Settings(**options, redis_url=own_server.url))
    app.add_api_route("/served", lambda: app.state.shared.ledger.served("key"))
    with TestClient(app) as client:
        assert client.get("/served").json() == {}
        own_server.kill()
        answer = client.get("/served")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        error = answer.json()["error"]
        assert error["code"] == "state_unavailable"
        assert "Try again in 5 seconds" in error["cure"]
        assert str(own_server.port) not in answer.text
