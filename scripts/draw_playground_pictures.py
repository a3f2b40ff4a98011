#!/usr/bin/env python
"""Draw the pictures of the playground in docs/images: a real Chromium at a real service with the demo model.

The browser and the server are those that the tests start.
"""

import io
import sys
from pathlib import Path

from PIL import Image, ImageOps

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from at_the_playground import ask, generate, slider, until_asked_with, until_made  # noqa: E402
from chromium import chromium, visitor  # noqa: E402
from playwright.sync_api import Locator, Page  # noqa: E402
from real_server import real_server  # noqa: E402

from service.settings import Settings  # noqa: E402

FOLDER = ROOT / "docs" / "images"
SIZE = {"width": 1280, "height": 860}
STEPS = 30


def main() -> None:
    """Write playground.png, playground_dark.png and playground_explain.png."""
    with real_server(Settings(port=0)) as url, chromium() as browser:
        with visitor(browser, url, viewport=SIZE, color_scheme="light") as visit:
            page = visit.page
            draw(page, "a photo of a gorgeous doctor")
            keep(page, "playground")
            page.get_by_role("button", name="Explain").click()
            keep(page.get_by_role("region", name="What these pictures would get"), "playground_explain")
        with visitor(browser, url, viewport=SIZE, color_scheme="dark") as visit:
            page = visit.page
            draw(page, "a photo of a judge in a park")
            slider(page, "race").press("ArrowLeft")
            until_asked_with(page, "your own strengths")
            until_made(page)
            page.get_by_role("region", name="Served shares").scroll_into_view_if_needed()
            keep(page, "playground_dark")


def draw(page: Page, prompt: str) -> None:
    """Make four pairs of pictures, and show them from the top."""
    page.locator("#knobs input").first.wait_for()
    ask(page, prompt=prompt, pictures=4, steps=STEPS)
    page.get_by_text("Sampling", exact=True).click()
    generate(page)
    page.mouse.move(0, 0)
    page.evaluate(
        "document.activeElement.blur(); document.querySelector('#ask').scrollTop = 0; scrollTo(0, 0)"
    )


def keep(shown: Page | Locator, name: str) -> None:
    """Write what is shown as a small PNG: without the last bit of its colours, which nobody sees."""
    picture = Image.open(io.BytesIO(shown.screenshot())).convert("RGB")
    ImageOps.posterize(picture, 7).save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
