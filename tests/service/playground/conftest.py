from collections.abc import Iterator

import pytest
from chromium import Visitor, chromium, visitor
from playwright.sync_api import Browser
from real_server import real_server

from service.settings import Settings


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def url() -> Iterator[str]:
    """A service with the demo model, as a newcomer starts it."""
    with real_server(Settings(device="cpu")) as url:
        yield url


@pytest.fixture
def visit(browser: Browser, url: str) -> Iterator[Visitor]:
    """At the loaded playground; at the end nothing has gone elsewhere, and nothing was complained of."""
    with visitor(browser, url) as visit:
        visit.page.locator("#policy-hint:not(:empty)").wait_for()
        yield visit
        assert visit.hosts == {url.removeprefix("http://")}
        assert visit.complaints == []
