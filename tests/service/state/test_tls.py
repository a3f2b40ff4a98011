"""A Redis over TLS, by its rediss:// address."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from redis_server import RedisServer
from redis_tls import Certificates

from service.errors import StateUnavailableError
from service.state.jobs import NewJob
from service.state.shared import SharedState, open_state


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.made_in(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Those of another authority."""
    return Certificates.made_in(tmp_path_factory.mktemp("strangers"))


@pytest.fixture(scope="module")
def address(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a Redis that speaks TLS, and asks its clients for their certificate."""
    with RedisServer(tmp_path_factory.mktemp("redis"), tls_options=certificates.server_options) as server:
        yield f"rediss://127.0.0.1:{server.tls_port}/0"


def opened(url: str) -> SharedState:
    return open_state(SecretStr(url))


def test_what_is_shared_is_shared_over_tls(address, certificates):
    one, other = (opened(f"{address}?{certificates.url_options}") for _ in range(2))
    one.jobs.add(NewJob("one", "ada", None, "work of one", 1, 0.0))
    assert [claim.id for claim in other.jobs.claim("worker")] == ["one"]
    one.jobs.tell("one", "a step")
    assert [told.text for told in other.jobs.told("one", wait_s=5)] == ["a step"]
    one.close()
    other.close()


@pytest.mark.parametrize("wrong", ["no certificate", "another authority", "no TLS"])
def test_who_is_not_trusted_is_not_talked_to(address, certificates, strangers, wrong):
    url = {
        "no certificate": f"{address}?ssl_ca_certs={certificates.authority}",
        "another authority": f"{address}?{certificates.url_options}".replace(
            f"ssl_ca_certs={certificates.authority}", f"ssl_ca_certs={strangers.authority}"
        ),
        "no TLS": address.replace("rediss://", "redis://"),
    }[wrong]
    state = opened(url)
    with pytest.raises(StateUnavailableError):
        state.check()
    state.close()


def test_a_file_that_is_not_there_is_a_state_that_is_away(address, tmp_path: Path):
    state = opened(f"{address}?ssl_ca_certs={tmp_path}/nothing.crt")
    with pytest.raises(StateUnavailableError):
        state.check()
    state.close()
