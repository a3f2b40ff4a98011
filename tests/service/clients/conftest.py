from collections.abc import Iterator

import pytest
from real_server import real_server

from service.settings import Settings


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """A service of the demo model."""
    with real_server(Settings(device="cpu", max_steps=400, max_images=8)) as url:
        yield url
