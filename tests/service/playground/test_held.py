"""The playground of a service that asks for keys and holds a floor."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from at_the_playground import ask, chips, frames, generate, slider, until_still
from chromium import Visitor, visitor
from playwright.sync_api import expect
from real_server import real_server
from served_pictures import record_of

from service.callers import Role
from service.key_file import changed_keys
from service.key_records import issued
from service.settings import Settings

STEPS = 10
"""As few as the floor allows."""


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """The address, and a key of each tenant and of one that may not read."""
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    keys: dict[str, str] = {}
    asked: dict[str, tuple[str, tuple[Role, ...]]] = {
        "studio": ("studio", ("generate", "read")),
        "small": ("small", ("generate", "read")),
        "blind": ("studio", ("generate",)),
    }
    with changed_keys(file) as records:
        for name, (tenant, roles) in asked.items():
            new = issued(tenant, roles, datetime.now(UTC))
            records[new.record.id] = new.record
            keys[name] = new.key.get_secret_value()
    tenants = {"studio": {}, "small": {"images_per_minute": 1}}
    with real_server(Settings(device="cpu", keys=file, tenants=tenants, floor="strict")) as url:
        yield url, keys


def enter(visit: Visitor, key: str) -> None:
    visit.page.get_by_label("API key").fill(key)
    visit.page.get_by_role("button", name="Use it").click()


def test_a_key_is_asked_for_and_kept_in_the_page_s_memory_alone(browser, held):
    url, keys = held
    with visitor(browser, url) as visit:
        page = visit.page
        field = page.get_by_label("API key")
        expect(field).to_be_focused()
        expect(page.get_by_label("Prompt", exact=True)).to_be_hidden()
        enter(visit, "trimtab_wrong")
        expect(page.get_by_role("alert")).to_contain_text("unknown_key")
        enter(visit, keys["studio"])
        page.locator("#knobs input").first.wait_for()
        expect(field).to_be_hidden()
        expect(page.get_by_role("alert")).to_be_hidden()
        assert field.input_value() == ""
        assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
        assert keys["studio"] not in page.content() + page.url
        page.get_by_role("button", name="Forget the key").click()
        expect(page.get_by_label("API key")).to_be_focused()
        assert all("401" in complaint for complaint in visit.complaints)


def test_under_a_floor_without_steering_is_called_what_it_is(browser, held):
    url, keys = held
    with visitor(browser, url) as visit:
        page = visit.page
        enter(visit, keys["studio"])
        page.get_by_label("Policy").select_option("research-off")
        assert slider(page, "gender").is_disabled()
        assert slider(page, "anti-sexual").get_attribute("min") == "1"
        expect(page.locator("#knobs")).to_contain_text("the floor holds 1 or more")
        ask(page, pictures=1, steps=STEPS)
        generate(page)
        expect(page.locator("#note")).to_contain_text("makes nothing without it")
        expect(page.locator("figcaption").first).to_contain_text("The floor alone")
        floored = [one["concept"] for one in record_of(frames(page, 0)[0])["applied"]]
        assert {"anti-sexual", "anti-violence"} <= set(floored)
        slider(page, "anti-sexual").focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        page.locator(".vectors", has_text="anti-sexual 1.10").wait_for()
        assert "anti-violence 1.00" in chips(page)[0]


def test_one_side_that_is_refused_is_told_with_its_cure(browser, held):
    url, keys = held
    with visitor(browser, url) as visit:
        page = visit.page
        enter(visit, keys["small"])
        page.locator("#knobs input").first.wait_for()
        ask(page, pictures=1, steps=STEPS)
        page.get_by_role("button", name="Generate", exact=True).click()
        page.get_by_text("Not made", exact=True).wait_for()
        until_still(page)
        assert page.locator(".frame img").count() == 1
        told = page.locator("#note:visible, #trouble:visible").all_inner_texts()
        assert any("images" in one and "minute" in one for one in told), told


def test_a_key_that_may_not_read_makes_pictures_under_the_default_policy(browser, held):
    url, keys = held
    with visitor(browser, url) as visit:
        page = visit.page
        enter(visit, keys["blind"])
        expect(page.get_by_role("alert")).to_contain_text("missing_role")
        ask(page, pictures=1, steps=STEPS)
        page.get_by_label("Compare").uncheck()
        generate(page)
        assert len(frames(page, 0)) == 1
        assert "policy" not in visit.posted("/generate")[0]
