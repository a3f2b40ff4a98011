import pytest
from typer.testing import CliRunner

from diffusion import load_model
from trimtab.commands import app


@pytest.fixture(scope="module")
def printed(folders) -> str:
    result = CliRunner().invoke(app, ["fingerprint", str(folders["sd1"])])
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def test_it_prints_what_the_service_knows_a_model_by(printed, folders):
    for dtype in ("float32", "bfloat16"):
        assert printed == load_model(folders["sd1"], device="cpu", dtype=dtype).fingerprint


def test_the_model_that_was_meant_is_taken(printed, folders):
    result = CliRunner().invoke(app, ["fingerprint", str(folders["sd1"]), "--expect", printed])
    assert (result.exit_code, result.stdout.strip()) == (0, printed)


def test_another_model_is_refused_with_both_fingerprints(printed, folders):
    result = CliRunner().invoke(app, ["fingerprint", str(folders["sdxl"]), "--expect", printed])
    assert result.exit_code == 1
    assert f"and {printed} was expected" in result.stderr
    assert load_model(folders["sdxl"], device="cpu").fingerprint in result.stderr


@pytest.mark.parametrize("nonsense", ["", "latest", "sha256:abc", "0" * 64])
def test_what_is_no_fingerprint_is_refused(nonsense, folders):
    result = CliRunner().invoke(app, ["fingerprint", str(folders["sd1"]), "--expect", nonsense])
    assert result.exit_code == 2
    assert "is no fingerprint: write sha256:" in " ".join(result.stderr.replace("│", " ").split())


def test_a_model_that_is_not_there_is_said_in_a_line(tmp_path):
    result = CliRunner().invoke(app, ["fingerprint", str(tmp_path)])
    assert result.exit_code == 1
    assert f"No diffusers pipeline {tmp_path}" in result.stderr
