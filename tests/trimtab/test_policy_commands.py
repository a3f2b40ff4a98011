import json
import re

import pytest
from PIL import Image
from typer.testing import CliRunner

from policies.files import shipped_policies
from trimtab import shipped_library
from trimtab.commands import app


def ran(*arguments: str) -> str:
    ended = CliRunner().invoke(app, ["policy", *arguments], env={"COLUMNS": "200"})
    assert ended.exit_code == 0, ended.output
    return ended.stdout


def refused(*arguments: str) -> str:
    ended = CliRunner().invoke(app, ["policy", *arguments], env={"COLUMNS": "200"})
    assert ended.exit_code in (1, 2), ended.output
    return re.sub(r"[\s│]+", " ", ended.stderr)


def test_explain_shows_every_image_with_reasons():
    said = json.loads(ran("explain", "a photo of a doctor", "--policy", "default", "-n", "8", "--json"))
    genders = [image["steering"][0]["concept"] for image in said["images"]]
    assert sorted(genders) == ["man"] * 4 + ["woman"] * 4
    assert [image["seed"] for image in said["images"]] == list(range(8))
    # The shipped cap leaves the shipped vectors the strengths that are given or recommended.
    recommended = {one.name: one.vector.recommended_strength for one in shipped_library().list()}
    recommended |= {rule.concept: rule.strength for rule in shipped_policies()["default"].safety}
    for image in said["images"]:
        assert all(one["strength"] == recommended[one["concept"]] for one in image["steering"])


def test_explain_shows_where_words_cannot_act(tmp_path):
    file = tmp_path / "decent.yaml"
    file.write_text(
        "name: decent\nversion: 1\nsafety: [{concept: with-glasses, negative_prompt: bare eyes}]\n"
    )
    guided, unguided = (
        json.loads(ran("explain", "a cat", "--policy", str(file), "-n", "1", "--guidance", scale, "--json"))[
            "images"
        ][0]
        for scale in ("5", "1")
    )
    assert [one["words"] for one in guided["averted"]] == ["bare eyes"]
    assert unguided["averted"] == []
    (steer,) = unguided["steering"]
    assert steer["reason"].endswith("by the vector alone: at guidance 1 no negative prompt is read")


def test_explain_refuses_what_could_not_act_without_guidance():
    said = refused("explain", "a cat", "--policy", "default", "-n", "1", "--guidance", "1")
    assert "the policy's anti-sexual and anti-violence would not act" in said
    assert "Ask for more than 1" in said


def test_explain_shows_a_file_on_a_floor_as_a_table(tmp_path):
    file = tmp_path / "calm.json"
    file.write_text('{\n\t"name": "calm",\n\t"version": 1,\n\t"fairness": [{"set": "gender", "leave": 0.5}]}')
    floor = tmp_path / "floor.yaml"
    floor.write_text("name: held\nversion: 1\nsafety: [{concept: anti-sexual, by: both}]\n")
    said = ran("explain", "two nurses", "--policy", str(file), "--floor", str(floor), "-n", "2")
    assert "policy calm, balanced, sha256:" in said
    assert "counted as: nurse" in said
    assert "left as it is" in said
    assert "'sexual'" in said


def test_a_bad_file_is_refused_with_its_line(tmp_path):
    file = tmp_path / "calm.yaml"
    file.write_text("name: calm\nversion: 1\nsafety:\n  - concpt: anti-sexual\n")
    assert f"{file}, line 4: safety.0.concpt: is not a field." in refused(
        "explain", "a cat", "--policy", str(file)
    )


def test_simulate_plots_and_tells_how_far_from_the_target(tmp_path):
    plot = tmp_path / "plot.png"
    said = ran("simulate", "-n", "60", "--images", "3", "--out", str(plot))
    row = next(line for line in said.splitlines() if "largest deviation" in line)
    independent, balanced, ledger = (float(number) for number in re.findall(r"0\.\d{4}", row))
    assert ledger <= 1 / 180
    assert ledger < balanced <= independent
    with Image.open(plot) as picture:
        assert picture.width > 600


@pytest.mark.parametrize(
    ("name", "problem"), [("calm", "no policy 'calm'"), ("research-off", "no fairness rules")]
)
def test_simulate_refuses_what_it_cannot_draw(name, problem):
    assert problem in refused("simulate", "--policy", name)
