"""Who may call which route: a real app with keys, which are changed while it serves."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient

from service.app import create_app
from service.callers import Role
from service.errors import KeyFileError
from service.key_file import changed_keys
from service.key_records import Issued, issued, revoked, rotated
from service.settings import Settings

QUICK = {"prompt": "a photo of a doctor", "num_inference_steps": 1, "seed": 7}
OPEN = {
    "/",
    "/playground/{name}",
    "/startupz",
    "/healthz",
    "/readyz",
    "/metrics",
    "/docs",
    "/docs/{name}",
    "/openapi.json",
    "/images/{name}",
}
OPENAI = {"prompt": "a cat", "size": "16x16", "num_inference_steps": 1}
NOW = datetime.now(UTC)


def add(file: Path, new: Issued) -> str:
    with changed_keys(file) as keys:
        keys[new.record.id] = new.record
    return new.key.get_secret_value()


def created(file: Path, *roles: Role, tenant: str = "shop", expires: datetime | None = None) -> str:
    return add(file, issued(tenant, roles, NOW, expires=expires))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    created(file, "admin")
    return file


@pytest.fixture(scope="module")
def guarded(options, file, until_ready) -> Iterator[TestClient]:
    """A service with keys, of two tenants."""
    settings = Settings(**options, keys=file, tenants={"shop": {}, "studio": {}})
    with TestClient(create_app(settings)) as client:
        until_ready(client.get)
        yield client


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def asked(client: TestClient, key: str, method: str = "GET", path: str = "/policies", **body: object):
    return client.request(method, path, headers=bearer(key), json=body or None)


def refused(answer, status: int, code: str) -> str:
    """What an answer that refuses somebody says."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == code
    assert ("www-authenticate" in answer.headers) == (status == 401)
    return error["message"]


def test_every_route_but_the_open_ones_takes_a_key(guarded):
    """Of this app and of whatever is added to it."""
    routes = [route for route in iter_route_contexts(guarded.app.routes) if route.path not in OPEN]
    assert len(routes) >= 10
    for route in routes:
        assert route.methods, (
            f"{route.path} is no route but something mounted, which nothing keeps strangers off"
        )
        for method in route.methods:
            answer = guarded.request(method, re.sub(r"\{[^}]*\}", "woman", route.path))
            assert answer.status_code == 401, f"{method} {route.path}: {answer.text}"
            basic = ', Basic realm="trimtab", charset="UTF-8"' if route.path.startswith("/sdapi/") else ""
            assert answer.headers["www-authenticate"] == f"Bearer{basic}"


def test_probes_and_metrics_are_open(guarded):
    for path in ("/startupz", "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/"):
        assert guarded.get(path).status_code == 200


def test_a_key_is_taken_from_either_header_and_its_own_header_wins(guarded, file):
    key = created(file, "read")
    for headers in (
        bearer(key),
        {"Authorization": f"bearer {key}"},
        {"X-API-Key": key},
        {"X-API-Key": key, **bearer("a gateway's own")},
    ):
        assert guarded.get("/policies", headers=headers).status_code == 200
    refused(guarded.get("/policies", headers={"X-API-Key": "x", **bearer(key)}), 401, "unknown_key")
    refused(guarded.get("/policies", headers={"Authorization": f"Basic {key}"}), 401, "missing_key")
    refused(guarded.get("/policies", headers={"Authorization": "Bearer"}), 401, "missing_key")
    refused(guarded.get(f"/policies?key={key}"), 401, "missing_key")


def test_a_wrong_key_is_neither_repeated_nor_logged(guarded, file, caplog):
    caplog.set_level("DEBUG")
    key = created(file, "read")
    wrong = key[:-8] + "0" * 8
    answer = asked(guarded, wrong)
    refused(answer, 401, "unknown_key")
    secret = wrong.split("_")[2]
    assert secret not in answer.text + caplog.text + guarded.get("/metrics").text


REQUESTS: list[tuple[Role, str, str, dict[str, object]]] = [
    ("generate", "POST", "/generate", QUICK),
    ("generate", "POST", "/v1/images/generations", OPENAI),
    ("generate", "POST", "/hf/text-to-image", {"inputs": "a cat", "parameters": {"num_inference_steps": 1}}),
    ("generate", "POST", "/sdapi/v1/txt2img", {"prompt": "a cat", "steps": 1}),
    ("read", "GET", "/v1/models", {}),
    ("read", "GET", "/sdapi/v1/options", {}),
    ("read", "POST", "/policies/explain", QUICK),
    ("read", "GET", "/policies", {}),
    ("read", "GET", "/vectors", {}),
    ("read", "GET", "/vectors/woman", {}),
]


@pytest.mark.parametrize("role", ["generate", "read", "admin"])
def test_a_role_opens_its_routes_and_no_others(guarded, file, role):
    key = created(file, role)
    for needed, method, path, body in REQUESTS:
        answer = asked(guarded, key, method, path, **body)
        if needed == role:
            assert answer.status_code == 200, answer.text
        else:
            assert answer.status_code == 403, answer.text
            assert f"has not the role '{needed}'" in answer.text


def test_a_stranger_learns_nothing_of_a_body(guarded):
    refused(guarded.post("/generate", json={"promt": 1}), 401, "missing_key")


def test_what_is_changed_holds_at_the_next_request(guarded, file):
    key = created(file, "read")
    assert asked(guarded, key).status_code == 200
    with changed_keys(file) as keys:
        key_id = key.split("_")[1]
        new = rotated(keys[key_id], NOW, NOW + timedelta(hours=1))
        keys[key_id] = new.record
    for one in (key, new.key.get_secret_value()):
        assert asked(guarded, one).status_code == 200
    with changed_keys(file) as keys:
        keys[key_id] = revoked(keys[key_id], NOW)
    for one in (key, new.key.get_secret_value()):
        assert f"{key_id} is revoked" in refused(asked(guarded, one), 401, "ended_key")


def test_an_expired_key_says_so(guarded, file):
    key = created(file, "read", expires=NOW - timedelta(hours=1))
    assert "expired" in refused(asked(guarded, key), 401, "ended_key")


def test_a_key_of_a_tenant_that_is_not_configured_is_refused(guarded, file):
    key = created(file, "read", tenant="shopp")
    assert "'shopp'" in refused(asked(guarded, key), 403, "unknown_tenant")


def test_refusals_are_counted(guarded):
    guarded.post("/generate", json=QUICK)
    assert re.search(r'trimtab_requests_total\{outcome="missing_key"\} [1-9]', guarded.get("/metrics").text)


def test_the_description_says_how_keys_are_sent(guarded):
    description = guarded.get("/openapi.json").json()
    schemes = description["components"]["securitySchemes"].values()
    assert {(scheme["type"], scheme.get("name")) for scheme in schemes} == {
        ("http", None),
        ("apiKey", "X-API-Key"),
    }
    assert len(description["paths"]["/generate"]["post"]["security"]) == 2
    assert "security" not in description["paths"]["/metrics"]["get"]


def test_without_keys_whatever_is_sent_is_let_in(client):
    assert asked(client, "unused").status_code == 200


def test_without_tenants_any_tenants_key_opens(options, tmp_path, until_ready):
    key = created(tmp_path / "keys.json", "read", tenant="anybody")
    app = create_app(Settings(**options, keys=tmp_path / "keys.json"))
    with TestClient(app) as client:
        assert asked(client, key).status_code == 200


def test_a_service_whose_keys_cannot_be_read_does_not_start(options, tmp_path):
    with pytest.raises(KeyFileError, match="There is no key file"):
        create_app(Settings(**options, keys=tmp_path / "keys.json"))


def test_only_admins_change_what_is_served(guarded, file):
    others = created(file, "generate", "read")
    for method, path in (
        ("GET", "/admin/vectors"),
        ("POST", "/admin/vectors"),
        ("DELETE", "/admin/vectors/woman"),
        ("DELETE", "/admin/vectors/woman/1"),
        ("POST", "/admin/policies/reload"),
    ):
        refused(asked(guarded, others, method, path), 403, "missing_role")
    admin = created(file, "admin")
    assert asked(guarded, admin, "GET", "/admin/vectors").status_code == 200
    refused(asked(guarded, admin, "POST", "/admin/vectors"), 422, "unsound_vector")
