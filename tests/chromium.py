"""A real Chromium for tests, and a visitor in it who minds every complaint and every request that goes elsewhere."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TIMEOUT_MS = 120_000


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without windows."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    assert program, "The tests need Chromium: run scripts/install-test-services."
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


class Visitor:
    """A person at a page: what the page complained of, and what it asked for."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[Request] = []
        self.given_up: list[Request] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        page.on("request", lambda request: self.requests.append(request))
        page.on("requestfailed", lambda request: self.given_up.append(request))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    @property
    def hosts(self) -> set[str]:
        """Of all that was asked for over the network."""
        parts = [urlsplit(request.url) for request in self.requests]
        return {part.netloc for part in parts if part.scheme != "data"}

    def posted(self, path: str) -> list[dict[str, object]]:
        """The bodies that were posted there, in order."""
        return [
            request.post_data_json
            for request in self.requests
            if request.method == "POST" and urlsplit(request.url).path == path
        ]

    def until(self, holds: Callable[["Visitor"], bool]) -> None:
        """Let the page go on until this holds."""
        gives_up_s = time.monotonic() + TIMEOUT_MS / 1000
        while not holds(self):
            assert time.monotonic() < gives_up_s, self.complaints
            self.page.wait_for_timeout(20)


@contextmanager
def visitor(browser: Browser, url: str, **options: object) -> Iterator[Visitor]:
    """Open the page at `url` in a profile of its own."""
    context = browser.new_context(**options)
    context.set_default_timeout(TIMEOUT_MS)
    visitor = Visitor(context.new_page())
    visitor.page.goto(url)
    yield visitor
    context.close()
