import subprocess
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from beats import beating
from fastapi.testclient import TestClient
from pydantic import SecretStr
from redis_server import RedisServer

from service.app import create_app
from service.errors import StateUnavailableError
from service.settings import Settings, SettingsError, load_settings
from service.state.address import check_address, parse_address
from service.state.memory import MemoryState
from service.state.options import StateOptions
from service.state.shared import open_state


def test_without_an_address_the_state_is_this_process_alone():
    state = open_state(load_settings().redis_url)
    assert isinstance(state, MemoryState)
    state.check()


def test_what_a_silent_replica_had_begun_is_another_s_after_one_time_for_jobs_and_requests(redis_server):
    for url in (None, SecretStr(redis_server.url)):
        with closing(open_state(url, StateOptions(claim_kept_s=7))) as state:
            assert state.answers.running_kept_s == 7


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
        "redis+sentinel://one,two:26380,[::1]:26381/trimtab",
        "rediss+sentinel://user:s%40crt@one:26379/trimtab/3?sentinel_password=x&ssl_ca_certs=/etc/ca.pem",
    ],
)
def test_addresses_that_are_taken(url):
    check_address(url)
    open_state(SecretStr(url)).close()


def test_what_an_address_says():
    plain = parse_address("redis://localhost")
    assert (plain.hosts, plain.service, plain.database, plain.is_tls) == (
        (("localhost", 6379),),
        None,
        0,
        False,
    )
    watched = parse_address(
        "rediss+sentinel://ada:s%40crt@one,two:26380,[::1]:7/main/3?sentinel_username=bob&socket_timeout=1.5"
    )
    assert watched.hosts == (("one", 26379), ("two", 26380), ("::1", 7))
    assert (watched.service, watched.database, watched.is_tls) == ("main", 3, True)
    assert (watched.username, watched.password, watched.sentinel_username) == ("ada", "s@crt", "bob")
    assert watched.options == {"socket_timeout": 1.5}
    assert "s@crt" not in repr(watched)


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
        ("redis://:s3cret@one,two", "redis+sentinel://"),
        ("redis://:s3cret@one/many", "[/database]"),
        ("redis+sentinel://:s3cret@one", "/service"),
        ("redis+sentinel://:s3cret@one/trimtab/0/1", "/service"),
        ("redis+sentinel://:s3cret@one,/trimtab", "/service"),
        ("redis://localhost?sentinel_password=s3cret", "sentinel_password is for sentinels"),
        ("redis://localhost?ssl_ca_certs=/etc/ca.pem", "ssl_ca_certs is for rediss"),
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


def test_a_redis_is_reached_over_tls_where_its_certificate_is_trusted(tmp_path):
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ),
            *("-keyout", str(key), "-out", str(certificate), "-days", "1", "-subj", "/CN=test"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    files = ["--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-auth-clients", "no"]
    with RedisServer(tmp_path, tls_options=files) as server:
        port = server.tls_port
        trusting = open_state(SecretStr(f"rediss://127.0.0.1:{port}?ssl_ca_certs={certificate}"))
        trusting.check()
        trusting.close()
        wary = open_state(SecretStr(f"rediss://127.0.0.1:{port}"))
        with pytest.raises(StateUnavailableError):
            wary.check()
        wary.close()


def test_a_redis_that_hangs_is_given_up_on_and_taken_up_again(own_server):
    state = open_state(SecretStr(f"{own_server.url}?socket_timeout=0.5"))
    state.check()
    own_server.hold()
    with beating() as beats, pytest.raises(StateUnavailableError) as lost:
        state.ledger.take("key", {"woman": 1.0}, 1)
    assert beats.now_s < 2  # which is how long it would be waited for otherwise
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
        counted = {"fairness": [{"set": "gender"}], "assignment": "ledger"}
        request = {"prompt": "a photo of a doctor", "num_inference_steps": 2, "policy": counted}
        answer = client.post("/generate", json=request)
        assert (answer.status_code, answer.headers["X-Trimtab-Degraded"]) == (200, "allowances, ledger")
        keyed = client.post("/generate", json=request, headers={"Idempotency-Key": "1"})
        assert keyed.headers["X-Trimtab-Degraded"] == "idempotency, allowances, ledger"
        assert 'trimtab_degraded{part="ledger"} 1.0' in client.get("/metrics").text
        own_server.start()
        assert said(client) == (200, "ready", "redis")
        while 'trimtab_degraded{part="ledger"} 1.0' in client.get("/metrics").text:
            time.sleep(0.1)
        answer = client.post("/generate", json=request)
        assert (answer.status_code, "X-Trimtab-Degraded" in answer.headers) == (200, False)


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
