"""GET /admission: what a gateway asks before it sends a request to this replica."""

import threading
from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient

import service.readiness
from service.app import create_app
from service.key_file import changed_keys
from service.key_records import issued
from service.loading import LoadedModel, load_service
from service.settings import Settings

ADDRESSES = ("/admission", "/sdapi/admission")


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_service_without_keys_names_none(client, address):
    answer = client.get(address)
    assert answer.json() == {"key": None, "tenant": "", "roles": ["admin", "generate", "read"]}
    assert "x-trimtab-key" not in answer.headers


def test_a_replica_takes_requests_from_when_it_is_ready_until_it_is_told_to_end(
    options, until_ready, tmp_path, monkeypatch
):
    gate = threading.Event()

    def gated(settings: Settings) -> LoadedModel:
        gate.wait(timeout=60)
        return load_service(settings)

    monkeypatch.setattr(service.readiness, "load_service", gated)
    made, file = issued("shop", ("generate",), datetime.now(UTC)), tmp_path / "keys.json"
    with changed_keys(file) as keys:
        keys[made.record.id] = made.record
    key = made.key.get_secret_value()
    with TestClient(create_app(Settings(**options, keys=file))) as client:

        def said(address: str = "/admission", **headers: str) -> str | tuple[int, str]:
            """Whose key it is, as the header and the body say; or the status and the code of a refusal."""
            answer = client.get(address, headers=headers)
            if answer.status_code != 200:
                return answer.status_code, answer.json()["error"]["code"]
            assert answer.json() == {"key": made.record.id, "tenant": "shop", "roles": ["generate"]}
            return answer.headers["x-trimtab-key"]

        assert said(**{"X-API-Key": key}) == (503, "not_ready")
        gate.set()
        until_ready(client.get)
        assert said(**{"X-API-Key": key}) == said(Authorization=f"Bearer {key}") == made.record.id
        assert said() == (401, "missing_key")
        assert said(**{"X-API-Key": f"{key[:-8]}00000000"}) == (401, "unknown_key")
        # A key may be a password where WebUI's clients ask, and there alone.
        assert client.get("/sdapi/admission", auth=("any", key)).headers["x-trimtab-key"] == made.record.id
        assert client.get("/admission", auth=("any", key)).status_code == 401
        assert client.get("/sdapi/admission").headers["www-authenticate"].startswith("Bearer, Basic")

        client.portal.call(client.app.state.draining.begin)
        assert said(**{"X-API-Key": key}) == (503, "shutting_down")
        # What has been sent here all the same is still served.
        asked = {"prompt": "a photo of a doctor", "num_inference_steps": 1}
        assert client.post("/generate", json=asked, headers={"X-API-Key": key}).status_code == 200
