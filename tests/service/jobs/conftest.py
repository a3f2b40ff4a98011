import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from fastapi.testclient import TestClient
from jobs_over_http import has_ended

from service.app import create_app
from service.settings import Settings

Until = Callable[[TestClient, str, Callable[[Mapping[str, Any]], bool]], Mapping[str, Any]]


@pytest.fixture(scope="session")
def until() -> Until:
    """Asks for a job until something holds of it."""

    def wait(client: TestClient, id: str, holds: Callable[[Mapping[str, Any]], bool]) -> Mapping[str, Any]:
        deadline = time.monotonic() + 120
        while not holds(job := client.get(f"/jobs/{id}").json()):
            assert not has_ended(job), job
            assert time.monotonic() < deadline, job
            time.sleep(0.02)
        return job

    return wait


@pytest.fixture(scope="session")
def narrow(options: Mapping[str, object]) -> dict[str, object]:
    """Settings of a service that makes two guided images at a time and allows long runs."""
    return {**options, "max_batch_rows": 4, "max_steps": 1000}


@pytest.fixture(scope="module")
def narrow_client(narrow: Mapping[str, object], until_ready) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(**narrow))) as client:
        until_ready(client.get)
        yield client
