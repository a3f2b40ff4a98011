from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.audit.reading import open_chains
from service.audit.search import Found, Wanted, search
from service.settings import Settings


@pytest.fixture(scope="session")
def served(options: Mapping[str, object], until_ready) -> Callable[..., Any]:
    """A ready service with an audit log, for as long as the block lasts."""

    @contextmanager
    def serve(log: Path | str, **changes: object) -> Iterator[TestClient]:
        given = {**options, "audit_log": str(log), "audit_fsync": False, **changes}
        with TestClient(create_app(Settings(**given))) as client:
            until_ready(client.get)
            yield client

    return serve


@pytest.fixture(scope="session")
def logged() -> Callable[..., Found]:
    """What a log has."""

    def read(log: Path, **wanted: Any) -> Found:
        return search(open_chains(str(log), Settings()), Wanted(**wanted))

    return read
