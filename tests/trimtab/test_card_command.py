from pathlib import Path

import pytest
from parsed_page import ParsedPage
from typer.testing import CliRunner

from trimtab.commands import app
from vectors import shipped_library


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["vectors", "card", *map(str, arguments)])
    return result.exit_code, result.output


def test_a_shipped_vectors_card_shows_it_at_work(tmp_path: Path) -> None:
    out = tmp_path / "cards" / "woman.html"
    code, output = run("woman", "--images", "2", "--steps", "3", "--seed", "7", "--out", out)
    assert code == 0, output
    assert str(out) in output.replace("\n", "")
    page = ParsedPage.of(out)
    page.assert_self_contained()
    woman = shipped_library().resolve("woman")
    for told in (
        woman.reference, woman.digest, "Trimtab's demo model", "DDIM, 3 steps, guidance 5, seeds 7 to 8",
        "CPU cores", "torch", "a photo of a judge",
        f"trimtab vectors card {woman.reference} --out {out} --model demo --images 2 --steps 3 --guidance 5 --seed 7",
    ):  # fmt: skip
        assert told in page.text, told
    strengths = len({0, 0.5, 1, 1.5, woman.vector.recommended_strength})
    assert len(page.pictures) == 2 * (6 * 2 + 2 * strengths)
    plain, steered = page.pictures[0], page.pictures[2]
    assert plain.size == (64, 64)
    assert plain.tobytes() != steered.tobytes()


def test_without_pictures_no_model_is_loaded(tmp_path: Path) -> None:
    code, output = run("anti-sexual", "--no-pictures", "--model", "/no/such/model")
    assert code == 0, output
    (written,) = tmp_path.iterdir()
    stored = shipped_library().resolve("anti-sexual")
    assert written.name == f"anti-sexual-{stored.version}.html"
    page = ParsedPage.of(written)
    page.assert_self_contained()
    assert not page.pictures
    assert "not proof against an adversary" in page.text
    assert f"trimtab vectors card {stored.reference} --no-pictures" in page.text


def test_a_vector_of_another_model_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    code, output = run("woman", "--model", folders["sd1"], "--out", "card.html")
    assert code == 1
    assert "'woman' does not fit the loaded model" in output
    assert "Traceback" not in output
    assert not (tmp_path / "card.html").exists()


def test_a_mistake_is_told_in_a_line() -> None:
    code, output = run("womn")
    assert code == 1
    assert "Did you mean woman?" in output
    code, output = run("woman", "--model", "/no/such/model")
    assert code == 1
    assert "No diffusers pipeline /no/such/model" in output
