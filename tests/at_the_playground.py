"""What visitors of the playground do and see."""

import base64

from PIL import Image
from playwright.sync_api import Locator, Page, expect
from served_pictures import opened


def ask(page: Page, *, prompt: str = "a photo of a doctor", pictures: int = 2, steps: int = 2) -> None:
    """Fill in the form."""
    page.get_by_label("Prompt", exact=True).fill(prompt)
    page.get_by_label("Count", exact=True).fill(str(pictures))
    steps_field = page.get_by_label("Steps", exact=True)
    if not steps_field.is_visible():
        page.get_by_text("Sampling", exact=True).click()
    steps_field.fill(str(steps))


def generate(page: Page) -> None:
    """Press the button, and wait until all is made."""
    page.get_by_role("button", name="Generate", exact=True).click()
    until_made(page)


def until_made(page: Page) -> None:
    """Wait until the steered pictures have come, and nothing runs any more."""
    until_still(page)
    expect(page.locator(".unfinished, .vectors.stale, .vectors:empty")).to_have_count(0)


def until_still(page: Page) -> None:
    """Wait until nothing is being made."""
    expect(page.locator("#pictures")).to_have_attribute("aria-busy", "false")


def until_asked_with(page: Page, policy: str) -> None:
    """Wait until strengths that were moved have come to rest, and the steered pictures are on their way."""
    expect(page.locator("#asked-line")).to_contain_text(policy)


def frames(page: Page, side: int) -> list[Image.Image]:
    """The pictures that are shown: those without steering (0) or with (1)."""
    sources = page.eval_on_selector_all(
        f".pair .picture:nth-child({side + 1}) img", "shown => shown.map(one => one.src)"
    )
    return [opened(base64.b64decode(source.partition(",")[2])) for source in sources]


def chips(page: Page) -> list[str]:
    """What was added to each seed, as it stands under the pictures: "woman 1.00"."""
    return [" ".join(one.inner_text().split()) for one in page.locator(".vectors").all()]


def slider(page: Page, concept: str) -> Locator:
    """The slider of a rule."""
    return page.get_by_role("slider", name=concept, exact=True)
