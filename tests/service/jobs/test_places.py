"""A tenant's concurrent images are counted over its jobs too: over those that are made, and none waits for ever."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient
from held_engines import slow_steps
from jobs_over_http import LONG, QUICK, has_ended, is_running

from service.app import create_app
from service.key_file import changed_keys
from service.key_records import issued
from service.settings import Settings

TWO = {**LONG, "num_images": 2}

Ask = Callable[..., httpx2.Response]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mapping[str, str]]:
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    new = {name: issued(name, ["generate"], datetime.now(UTC)) for name in ("small", "free")}
    with changed_keys(file) as records:
        records.update({one.record.id: one.record for one in new.values()})
    return file, {name: one.key.get_secret_value() for name, one in new.items()}


@pytest.fixture(scope="module", params=["memory", "redis"])
def ask(options, keys, until_ready, redis_server, request) -> Iterator[Ask]:
    """Asks a service with room for many images, as a tenant that may have two at once or as one without limits."""
    settings = Settings(
        **options,
        max_steps=1000,
        keys=keys[0],
        tenants={"small": {"concurrent_images": 2}, "free": {}},
        redis_url=f"{redis_server.url}/8" if request.param == "redis" else None,
    )
    with TestClient(create_app(settings)) as client:
        until_ready(client.get)

        def asked(tenant: str, method: str, path: str, body: object = None) -> httpx2.Response:
            return client.request(method, path, json=body, headers={"X-API-Key": keys[1][tenant]})

        yield asked
        client.app.state.draining.cut_short()


def accepted(ask: Ask, tenant: str, body: Mapping[str, object]) -> str:
    answer = ask(tenant, "POST", "/jobs", body)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def shown(ask: Ask, tenant: str, id: str) -> Mapping[str, Any]:
    return ask(tenant, "GET", f"/jobs/{id}").json()


def until(ask: Ask, tenant: str, id: str, holds: Callable[[Mapping[str, Any]], bool]) -> Mapping[str, Any]:
    deadline = time.monotonic() + 120
    while not holds(job := shown(ask, tenant, id)):
        assert time.monotonic() < deadline, job
        time.sleep(0.02)
    return job


def test_a_running_job_holds_places_and_one_that_waits_for_them_holds_up_no_other_tenant(ask):
    with slow_steps(0.02):
        first, second = accepted(ask, "small", TWO), accepted(ask, "small", {**QUICK, "num_images": 2})
        until(ask, "small", first, is_running)
        refused = ask("small", "POST", "/generate", QUICK)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "allowance_exceeded")
        assert "concurrent_images" in refused.json()["error"]["message"]
        assert refused.headers["retry-after"] == "1"
        # Another tenant's job, accepted later, is made meanwhile.
        assert until(ask, "free", accepted(ask, "free", QUICK), has_ended)["state"] == "done"
        waiting = until(ask, "small", second, lambda job: job["state"] == "waiting")
        assert (waiting["attempts"], waiting["position"]) == (0, 1)
        ask("small", "DELETE", f"/jobs/{first}")
    done = until(ask, "small", second, has_ended)
    assert (done["state"], done["attempts"]) == ("done", 1)
    # Its places are given back.
    deadline = time.monotonic() + 120
    while ask("small", "POST", "/generate", {**QUICK, "num_images": 2}).status_code != 200:
        assert time.monotonic() < deadline


def test_a_job_gets_its_places_though_requests_of_its_tenant_never_cease(ask):
    stop = threading.Event()

    def busy() -> int:
        made = 0
        while not stop.is_set():
            body = {**QUICK, "num_inference_steps": 40}
            made += ask("small", "POST", "/generate", body).status_code == 200
        return made

    with ThreadPoolExecutor(max_workers=4) as pool:
        clients = [pool.submit(busy) for _ in range(4)]
        try:
            job = until(ask, "small", accepted(ask, "small", {**QUICK, "num_images": 2}), has_ended)
        finally:
            stop.set()
    assert job["state"] == "done"
    assert sum(client.result() for client in clients) > 0
