"""The playground for everyone: by keyboard alone, by screen reader, on small screens, in both colour schemes."""

import pytest
from at_the_playground import ask, generate, slider, until_asked_with, until_made
from axe_playwright_python.sync_playwright import Axe
from chromium import visitor
from playwright.sync_api import Page, expect

FOCUSED = "document.activeElement.id || document.activeElement.textContent.trim()"
HEARD = """
window.heard = [];
new MutationObserver(() => window.heard.push(document.getElementById('said').textContent))
  .observe(document.getElementById('said'), {childList: true, characterData: true, subtree: true});
"""


def tabbed_to(page: Page, wanted: str) -> list[str]:
    """Press Tab until this has the focus; what had it on the way."""
    passed: list[str] = []
    while not passed or passed[-1] != wanted:
        assert len(passed) < 60, passed
        page.keyboard.press("Tab")
        passed.append(page.evaluate(FOCUSED))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", passed[-1]
    return passed


def test_a_whole_visit_needs_no_more_than_the_keyboard(visit):
    page = visit.page
    page.evaluate(HEARD)
    order = tabbed_to(page, "prompt")
    assert order == ["Skip to the pictures", "What is loaded", "The API", "prompt"]
    page.keyboard.press("Control+A")
    page.keyboard.type("a photo of a farmer")
    order = tabbed_to(page, "generate")
    assert order == ["policy", "num_images", "seed", "draw-seed", "compare", "generate"]
    ask(page, prompt="a photo of a farmer")
    page.locator("#generate").focus()
    page.keyboard.press("Enter")
    until_made(page)
    expect(page.locator("#generate")).to_be_focused()
    page.keyboard.press("Control+Enter")
    until_made(page)
    tabbed_to(page, "knob-safety-anti-violence")
    page.keyboard.press("ArrowRight")
    until_asked_with(page, "your own strengths")
    until_made(page)
    expect(slider(page, "anti-violence")).to_have_attribute("aria-valuetext", "1.05")
    assert [body["prompt"] for body in visit.posted("/generate")] == ["a photo of a farmer"] * 5
    said = page.evaluate("window.heard")
    assert said[0] == "Making 2 pairs."
    assert [line for line in said if line.startswith("2 pictures made in ")][-1].endswith(".")
    assert any("gender: woman 1, man 1." in line for line in said)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_people_out_in_either_colour_scheme(browser, url, scheme):
    # axe-core builds functions from text, which the page's own policy forbids.
    with visitor(browser, url, color_scheme=scheme, bypass_csp=True) as visit:
        page = visit.page
        page.locator("#knobs input").first.wait_for()
        ask(page, pictures=2)
        generate(page)
        page.locator(".why summary").first.click()
        page.get_by_role("button", name="Explain").click()
        page.get_by_role("region", name="What these pictures would get").wait_for()
        page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert len(found.response["passes"]) > 30
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        brightness = sum(int(part) for part in paper.removeprefix("rgb(").removesuffix(")").split(","))
        assert (brightness > 600) is (scheme == "light")
        assert visit.complaints == []


def test_a_small_screen_scrolls_in_one_direction(browser, url):
    with visitor(browser, url, viewport={"width": 320, "height": 640}) as visit:
        page = visit.page
        page.locator("#knobs input").first.wait_for()
        ask(page, pictures=1)
        generate(page)
        page.get_by_role("button", name="Explain").click()
        page.get_by_role("region", name="What these pictures would get").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") == 320
