import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from trimtab.commands.vectors import app
from vectors import ConceptPrompts, VectorLibrary


@pytest.fixture
def library(tmp_path, make_vector) -> VectorLibrary:
    library = VectorLibrary(tmp_path / "library")
    library.publish(make_vector("woman", seed=1))
    library.publish(
        make_vector(
            "woman",
            seed=2,
            recommended_strength=0.75,
            timesteps=(400, 1000),
            prompts=ConceptPrompts(("a photo of a woman",), ("a photo of a person",), ("blurry [/red]",)),
            training={"rate": 0.2},
            effect={"success": 0.97},
        )
    )
    library.publish(make_vector("with-glasses", seed=3, timesteps=(400, 1000)))
    return library


def run(*arguments: str | Path, columns: int = 200) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": str(columns)})


def test_list_shows_the_latest_of_each(library):
    result = run("list", "--vectors", library.root)
    assert result.exit_code == 0
    assert "woman@2" in result.stdout
    assert "with-glasses@1" in result.stdout
    assert "woman@1" not in result.stdout
    assert "4x3x2" in result.stdout
    assert "0.75" in result.stdout
    assert "400-1000" in result.stdout
    assert "sha256:a1a1a1a1a1a1…" in result.stdout


def test_list_fits_a_terminal_of_80_columns(library, make_vector):
    library.publish(make_vector("anti-violence", shape=(1280, 8, 8), timesteps=(400, 1000)))
    result = run("list", "--vectors", library.root, columns=80)
    for told in ("anti-violence@1", "1280x8x8", "400-1000", "sha256:a1a1a1a1a1a1…"):
        assert told in result.stdout


def test_list_shows_every_version_when_asked(library):
    assert "woman@1" in run("list", "--all", "--vectors", library.root).stdout


def test_show_says_where_each_row_has_a_map(library, make_vector):
    maps = {"unconditional_values": torch.ones(4, 3, 2), "halves": "both"}
    for concept, parts in {"kind": maps, "calm": {"halves": "both"}}.items():
        library.publish(make_vector(concept, **parts))
    assert "both, a map for each" in run("show", "kind", "--vectors", library.root).stdout
    assert "a map for each" not in run("show", "calm", "--vectors", library.root).stdout


def test_list_says_when_there_is_nothing(tmp_path):
    assert "is empty: learn, import or compose" in run("list", "--vectors", tmp_path).stdout


def test_list_reads_the_shipped_library_by_default():
    result = run("list")
    assert result.exit_code == 0, result.output


def test_show_tells_everything(library):
    stored = library.resolve("woman")
    result = run("show", "woman", "--vectors", library.root)
    assert result.exit_code == 0
    for told in (
        "woman@2",
        stored.digest,
        stored.vector.base_model,
        "mid_block",
        "0.75 recommended",
        "400 to 1000",
        "a photo of a woman",
        "a photo of a person",
        "blurry [/red]",
        "rate = 0.2",
        "success = 0.97",
    ):
        assert told in result.stdout


def test_show_tells_an_effect_over_strengths_in_a_line(library, make_vector):
    effect = {"success": 0.97, "success_unsteered": 0.02, "success@0.5": 0.6, "success@1": 0.97}
    library.publish(make_vector("woman", effect=effect))
    result = run("show", "woman", "--vectors", library.root)
    assert "success = 0.97 (0.02 without)" in result.stdout
    assert "success at 0: 0.02, 0.5: 0.6, 1: 0.97" in result.stdout


def test_show_helps_with_a_wrong_name(library):
    result = run("show", "womn", "--vectors", library.root)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: No concept 'womn'")
    assert "Did you mean woman?" in result.stderr


def test_a_library_that_is_not_there_is_a_usage_error(tmp_path):
    result = run("list", "--vectors", tmp_path / "nowhere")
    assert result.exit_code == 2
    assert "does not exist" in result.stderr


def test_import_publishes_the_authors_vectors(tmp_path, base_model):
    file, concepts, out = tmp_path / "concepts.pt", tmp_path / "concept_dict.json", tmp_path / "imported"
    weight = torch.randn(1280, 3, generator=torch.Generator().manual_seed(0))
    torch.save({"controlnet.fc1.weight": weight}, file)
    concepts.write_text(json.dumps({"female": 0, "male": 1}))
    arguments = ("import", file, "--out", out, "--concepts", concepts, "--base-model", base_model)
    result = run(*arguments, "--resolution", "64")
    assert result.exit_code == 0, result.output
    assert "woman@1" in result.stdout
    library = VectorLibrary(out)
    assert library.names() == ["man", "woman"]
    assert torch.equal(library.resolve("man").vector.values.flatten(), weight[:, 1])
    assert library.resolve("man").vector.base_model == base_model

    wrong = run(*arguments)
    assert wrong.exit_code == 1
    assert "a resolution of 64 pixels: import them with that one" in wrong.stderr
    assert library.versions("man") == [1]


def test_import_looks_for_its_files_before_it_loads_a_model(tmp_path):
    missing = tmp_path / "missing.pt"
    result = run("import", missing, "--out", tmp_path, "--concepts", missing, "--base-model", tmp_path)
    assert result.exit_code == 2
    assert "missing.pt" in result.stderr
    assert "does not exist" in result.stderr


def test_import_refuses_a_base_model_that_is_none(tmp_path):
    nothing, file = tmp_path / "no-model", tmp_path / "concepts"
    nothing.mkdir()
    file.touch()
    result = run("import", file, "--out", tmp_path / "out", "--concepts", file, "--base-model", nothing)
    assert result.exit_code == 2
    assert "--base-model" in result.stderr
    assert "no-model" in result.stderr


def test_compose_publishes_the_sum(library, tmp_path):
    out = tmp_path / "composed"
    expression = "woman@2 + 0.5*with-glasses"
    result = run(
        "compose", expression, "--name", "woman-with-glasses", "--vectors", library.root, "--out", out
    )
    assert result.exit_code == 0, result.output
    assert "woman-with-glasses@1" in result.stdout
    woman, glasses = library.resolve("woman@2").vector, library.resolve("with-glasses").vector
    composed = VectorLibrary(out).resolve("woman-with-glasses").vector
    assert torch.equal(composed.values, (woman + 0.5 * glasses).values)
    assert composed.timesteps == (400, 1000)


@pytest.mark.parametrize(
    ("expression", "name", "told"),
    [
        ("woman with-glasses", "mixed", "A '+' or '-' is missing at character 7"),
        ("woman + man", "mixed", "No concept 'man'"),
        ("woman@1 + with-glasses", "mixed", "timesteps: (0, 1000) and (400, 1000)"),
        ("woman", "Mixed!", "'Mixed!' cannot name a concept"),
    ],
)
def test_compose_refuses_what_does_not_add_up(library, tmp_path, expression, name, told):
    out = tmp_path / "composed"
    result = run("compose", expression, "--name", name, "--vectors", library.root, "--out", out)
    assert result.exit_code == 1
    assert told in result.stderr
    assert not out.exists()


def test_verify_passes_a_sound_library(library):
    result = run("verify", "--vectors", library.root)
    assert result.exit_code == 0
    assert "3 files" in result.stdout
    assert "all sound" in result.stdout


def test_verify_fails_on_a_damaged_file(library):
    (library.root / "woman" / "1.safetensors").write_bytes(b"damaged")
    result = run("verify", "--vectors", library.root)
    assert result.exit_code == 1
    assert "1 of 3 files" in result.stderr
    assert "woman/1.safetensors" in result.stdout
    assert "not a readable safetensors file" in result.stdout


def test_what_the_disk_refuses_is_told_without_a_traceback(library, tmp_path):
    blocked = tmp_path / "blocked"
    (blocked / "mixed").parent.mkdir()
    (blocked / "mixed").touch()
    result = run("compose", "woman", "--name", "mixed", "--vectors", library.root, "--out", blocked)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert "File exists" in result.stderr


def test_the_commands_load_torch_only_when_needed(start_python):
    process = start_python("import sys, trimtab.commands.vectors; print('torch' in sys.modules)")
    assert process.communicate(timeout=120)[0] == "False\n"
