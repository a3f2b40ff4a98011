"""A person's visit to the playground, in a real Chromium, on a real server with the demo model."""

import httpx2
import pytest
from at_the_playground import ask, chips, frames, generate, slider, until_asked_with, until_made, until_still
from chromium import visitor
from playwright.sync_api import expect
from real_server import sample
from served_pictures import record_of

LONG = 150
"""Steps that are not all taken before somebody can act."""
DRAG = """
(slider, values) => {
  for (const value of values) {
    slider.value = value;
    slider.dispatchEvent(new Event("input"));
  }
}
"""


def test_every_seed_is_shown_as_the_model_is_and_steered_with_what_was_added_and_why(visit):
    page = visit.page
    ask(page, prompt="a photo of a gorgeous doctor", pictures=2, steps=4)
    generate(page)
    plain, steered = frames(page, 0), frames(page, 1)
    records = [[record_of(picture) for picture in side] for side in (plain, steered)]
    assert [[record["seed"] for record in side] for side in records] == [[1, 2], [1, 2]]
    assert [record["applied"] for record in records[0]] == [[], []]
    assert all(one.tobytes() != other.tobytes() for one, other in zip(plain, steered, strict=True))
    for record, told in zip(records[1], chips(page), strict=True):
        assert told == " ".join(f"{one['concept']} {one['strength']:.2f}" for one in record["applied"])
        assert told.endswith("anti-sexual 1.00 anti-violence 1.00")
    first = page.locator(".pair").first
    first.get_by_text("Why").click()
    expect(first.locator(".why")).to_contain_text("fairness: one of gender with a share of 0.5, balanced")
    expect(first.locator(".why")).to_contain_text("Negative prompt “sexual”: safety")
    assert len(visit.posted("/generate")) == 2


def test_the_served_shares_of_a_run_stand_against_the_target(visit):
    page = visit.page
    ask(page, pictures=3)
    page.get_by_label("Compare").uncheck()
    generate(page)
    gender, race = page.locator(".set").all()
    drawn = [record_of(picture)["applied"][0]["concept"] for picture in frames(page, 0)]
    for member in ("woman", "man"):
        row = gender.locator("li", has=page.get_by_text(member, exact=True))
        count = drawn.count(member)
        expect(row).to_contain_text(f"{count} of 3")
        expect(row).to_contain_text("target 50 %")
        share = row.evaluate(
            "row => row.querySelector('.fill').offsetWidth / row.querySelector('.bar').offsetWidth"
        )
        assert share == pytest.approx(count / 3, abs=0.02)
        assert row.locator(".target").evaluate("mark => mark.style.left") == "50%"
    for member in ("black", "white", "asian"):
        expect(race.locator("li", has=page.get_by_text(member, exact=True))).to_contain_text("1 of 3, 33.3 %")
    assert [body["policy"] for body in visit.posted("/generate")] == ["default"]


def test_a_slider_gives_up_what_runs_and_the_steered_pictures_follow_once_it_rests(visit, url):
    page = visit.page
    ask(page, pictures=2, steps=LONG)
    page.get_by_role("button", name="Generate", exact=True).click()
    page.locator("img.unfinished").first.wait_for()
    slider(page, "anti-sexual").evaluate(DRAG, [1.2, 1.4, 1.6])
    visit.until(lambda visit: len(visit.posted("/generate")) > 2)
    bodies = visit.posted("/generate")
    assert [body["policy"] for body in bodies[:2]] == [{}, "default"]
    assert [body["seed"] for body in bodies] == [1, 1, 1]
    (rule,) = [rule for rule in bodies[2]["policy"]["safety"] if rule["concept"] == "anti-sexual"]
    assert (len(bodies), rule["strength"]) == (3, 1.6)
    assert [request.post_data_json["policy"] for request in visit.given_up] == ["default"]
    page.keyboard.press("Escape")
    until_still(page)
    visit.until(lambda _: sample(url, "trimtab_requests_in_flight") == 0)


def test_only_the_steered_pictures_are_made_again_and_the_policy_comes_back(visit):
    page = visit.page
    ask(page)
    generate(page)
    plain, before = frames(page, 0), frames(page, 1)
    slider(page, "gender").focus()
    page.keyboard.press("Home")
    expect(page.locator("#knobs")).to_contain_text("off")
    until_asked_with(page, "your own strengths")
    until_made(page)
    assert [one.tobytes() for one in frames(page, 0)] == [one.tobytes() for one in plain]
    assert all(one.tobytes() != other.tobytes() for one, other in zip(before, frames(page, 1), strict=True))
    assert not any("woman" in told or "man" in told.split() for told in chips(page))
    own = visit.posted("/generate")[-1]["policy"]
    assert [rule["set"] for rule in own["fairness"]] == ["race"]
    page.get_by_role("button", name="Back to the policy as it is").click()
    until_asked_with(page, "default")
    until_made(page)
    assert visit.posted("/generate")[-1]["policy"] == "default"
    assert all("woman" in told or "man" in told.split() for told in chips(page))


def test_a_vector_that_no_rule_names_is_added_to_every_picture(visit):
    page = visit.page
    page.get_by_label("Policy").select_option("research-off")
    ask(page)
    generate(page)
    assert chips(page) == ["nothing added", "nothing added"]
    page.get_by_label("Another vector").select_option("with-glasses")
    page.get_by_role("button", name="Add to every picture").click()
    expect(slider(page, "with-glasses")).to_be_focused()
    until_asked_with(page, "your own strengths")
    until_made(page)
    assert chips(page) == ["with-glasses 1.00", "with-glasses 1.00"]


def test_explain_says_what_pictures_would_get_and_makes_none(visit):
    page = visit.page
    ask(page, prompt="a photo of a woman judge")
    page.get_by_role("button", name="Explain").click()
    section = page.get_by_role("region", name="What these pictures would get")
    expect(section).to_be_focused()
    rows = section.locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("anti-sexual 1.00 safety: added to every image")
    expect(rows.first.locator("td").last).to_contain_text("gender")
    expect(section).to_contain_text("“a photo of a woman judge”")
    assert visit.posted("/generate") == []
    generate(page)
    expect(page.locator(".set", has_text="gender")).to_contain_text("Not drawn: ")


def test_what_is_loaded_is_listed(visit, url):
    page = visit.page
    loaded = page.get_by_role("region", name="What is loaded")
    for vector in httpx2.get(f"{url}/vectors", timeout=60).json()["vectors"]:
        row = loaded.locator("tr", has=page.get_by_role("rowheader", name=vector["concept"], exact=True))
        expect(row).to_contain_text(vector["digest"][7:17])
        expect(row).to_contain_text(f"{vector['recommended_strength']:.2f}")
    policies = httpx2.get(f"{url}/policies", timeout=60).json()["policies"]
    assert (
        loaded.locator("h4").count() == len(policies) == page.get_by_label("Policy").locator("option").count()
    )
    for name, policy in policies.items():
        expect(loaded.locator("li", has=page.get_by_role("heading", name=name))).to_contain_text(
            policy["description"]
        )


def test_what_looks_like_markup_is_text(visit):
    page = visit.page
    prompt = "<img src=x onerror=alert(1)> doctor"
    ask(page, prompt=prompt, pictures=1)
    generate(page)
    page.get_by_role("button", name="Explain").click()
    expect(page.get_by_role("region", name="What these pictures would get")).to_contain_text(prompt)
    expect(page.locator("#asked-line")).to_contain_text(prompt)
    assert page.locator("img[src=x]").count() == 0


def test_an_error_is_told_with_its_cure_and_its_field_and_goes_when_it_is_cured(browser, url):
    with visitor(browser, url) as visit:
        page = visit.page
        page.locator("#knobs input").first.wait_for()
        ask(page, pictures=99)
        page.get_by_role("button", name="Generate", exact=True).click()
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("99 images are too many for one request.")
        expect(alert).to_contain_text("Ask for at most 16.")
        expect(alert).to_contain_text("too_many_images")
        count = page.get_by_label("Count", exact=True)
        expect(count).to_have_attribute("aria-invalid", "true")
        expect(page.locator("#note")).to_be_hidden()
        count.fill("")
        page.get_by_role("button", name="Generate", exact=True).click()
        expect(alert).to_contain_text("Count: there is no number.")
        count.fill("1")
        generate(page)
        expect(alert).to_be_hidden()
        expect(count).not_to_have_attribute("aria-invalid", "true")
        visit.page.context.set_offline(True)
        page.get_by_role("button", name="Explain").click()
        expect(alert).to_contain_text("The service cannot be reached.")
        assert visit.complaints
        assert all("Failed to load resource" in complaint for complaint in visit.complaints)
