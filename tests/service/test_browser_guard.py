"""What a web page may not have a browser ask of a service without keys, and what is asked all the same."""

from collections.abc import Iterator, Mapping

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.settings import Settings

QUICK = {"prompt": "a photo of a doctor", "num_inference_steps": 2, "policy": {}}


def client_of(options: Mapping[str, object], **changes: object) -> TestClient:
    given = {name: value for name, value in options.items() if name != "allowed_hosts"}
    return TestClient(create_app(Settings(**given, **changes)), base_url="http://127.0.0.1:8000")


@pytest.fixture(scope="module")
def keyless(options, until_ready) -> Iterator[TestClient]:
    with client_of(options) as client:
        until_ready(client.get)
        yield client


@pytest.fixture(scope="module")
def named(options, until_ready) -> Iterator[TestClient]:
    with client_of(options, allowed_hosts=["Studio.example", "fd00::7"]) as client:
        yield client


def refused(client: TestClient, **headers: str) -> tuple[int, str, str] | None:
    answer = client.post("/policies/explain", json=QUICK, headers=headers)
    if answer.status_code in (200, 503):  # 503: this one has not loaded its model yet
        return None
    error = answer.json()["error"]
    assert error["cure"]
    return answer.status_code, error["code"], error["value"]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8000", "localhost", "LOCALHOST:8000", "[::1]:8000", "127.8.8.8:80"]
)
def test_names_of_this_machine_are_answered(keyless, host):
    assert refused(keyless, Host=host) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example:8000",
        "127.0.0.1@evil.example",
        "10.0.0.7:8000",
        "0.0.0.0:8000",
        "[::1",
        "",
    ],
)
def test_a_name_that_was_made_to_lead_here_is_refused(keyless, host):
    assert refused(keyless, Host=host) == (421, "unknown_host", host)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://127.0.0.1:8001",
        "http://localhost:8000",
        "http://127.0.0.1.evil.example:8000",
        "null",
        "",
    ],
)
def test_a_page_of_another_site_is_refused_and_makes_nothing(keyless, origin):
    def made() -> str:
        lines = keyless.get("/metrics").text.splitlines()
        return next((line for line in lines if line.startswith("trimtab_images_total")), "none")

    before = made()
    assert refused(keyless, Origin=origin) == (403, "foreign_origin", origin)
    # What a page may send without asking the browser first, and what changes the service.
    simple = {"Origin": origin, "Content-Type": "text/plain"}
    for path in ("/generate", "/jobs", "/v1/images/generations", "/admin/policies/reload", "/nowhere"):
        answer = keyless.post(path, content=b'{"prompt": "a cat"}', headers=simple)
        assert answer.status_code == 403, f"{path}: {answer.text}"
        assert "foreign_origin" in answer.text
    assert keyless.get("/openapi.json", headers={"Origin": origin}).status_code == 403
    assert made() == before


def test_the_service_s_own_page_and_clients_that_are_no_browsers_are_answered(keyless):
    assert refused(keyless, Origin="http://127.0.0.1:8000") is None
    assert refused(keyless, Host="localhost:8000", Origin="http://localhost:8000") is None
    assert keyless.post("/generate", json=QUICK).status_code == 200


def test_the_errors_have_the_form_of_the_clients_that_ask(keyless):
    answer = keyless.post(
        "/v1/images/generations", json={"prompt": "a cat"}, headers={"Host": "evil.example"}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (421, "unknown_host")
    assert answer.json()["error"]["param"] == "Host"


@pytest.mark.parametrize("path", ["/startupz", "/healthz", "/readyz", "/metrics"])
def test_probes_ask_by_any_name(keyless, path):
    assert keyless.get(path, headers={"Host": "10.0.0.7:8000"}).status_code == 200


def test_names_that_are_allowed_are_answered_and_so_are_their_pages(named):
    assert refused(named, Host="studio.example") is None
    assert refused(named, Host="STUDIO.example:8443", Origin="https://studio.example") is None
    assert refused(named, Origin="https://studio.example") is None
    assert refused(named, Host="[fd00::7]:8000") is None
    assert refused(named, Host="evil.example") == (421, "unknown_host", "evil.example")
    assert refused(named, Origin="https://evil.example") == (403, "foreign_origin", "https://evil.example")


def test_with_keys_or_for_everyone_any_name_is_answered(options, tmp_path):
    keys = tmp_path / "keys.json"
    keys.write_text('{"format_version": 1, "keys": []}')
    with client_of(options, keys=keys) as client:
        assert refused(client, Host="shop.example", Origin="https://shop.example")[:2] == (401, "missing_key")
    with client_of(options, allow_anonymous=True) as client:
        assert refused(client, Host="shop.example", Origin="https://other.example") is None


def test_an_allowed_host_is_a_name_without_a_port_or_a_path():
    with pytest.raises(ValueError, match="allowed_hosts"):
        Settings(allowed_hosts=["https://studio.example"])
