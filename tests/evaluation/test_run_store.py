import json
from pathlib import Path

import pytest
from PIL import Image

from diffusion.processes import Processes
from evaluation.errors import OtherSettingsError, RunStoreError
from evaluation.run_store import RunStore, open_run

RED, BLUE = Image.new("RGB", (4, 4), (200, 0, 0)), Image.new("RGB", (4, 4), (0, 0, 200))
SETTINGS = {
    "evaluation": "fairness",
    "sampling": {"guidance_scale": 5.0},
    "sets": ["gender"],
    "methods": {"vectors": {"woman@1": "sha256:a"}},
}


def lines(root: Path) -> list[dict[str, object]]:
    return [
        json.loads(line)
        for path in sorted(root.glob("pictures-*.jsonl"))
        for line in path.read_text().splitlines()
    ]


def test_a_picture_is_kept_with_how_it_was_made(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    store.save("red", RED, {"method": "vectors", "seed": 3})
    assert "red" in store
    assert store.load("red").tobytes() == RED.tobytes()
    (line,) = lines(tmp_path)
    assert line["key"] == "red"
    assert line["seed"] == 3
    assert str(line["digest"]).startswith("sha256:")
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["red.png"], "no temporary files"


def test_a_picture_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    RunStore(tmp_path).save("one", RED, {})
    again = RunStore(tmp_path)
    again.save("one", BLUE, {})
    assert again.load("one").tobytes() == RED.tobytes()
    assert len(lines(tmp_path)) == 1


def test_what_was_interrupted_does_not_count(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    for key in ("whole", "damaged", "lost"):
        store.save(key, RED, {})
    (tmp_path / "pictures" / "damaged.png").write_bytes(b"half a picture")
    (tmp_path / "pictures" / "lost.png").unlink()
    BLUE.save(tmp_path / "pictures" / "unrecorded.png")
    with (tmp_path / "pictures-0.jsonl").open("a") as file:
        file.write('{"key": "cut o')
    again = RunStore(tmp_path)
    assert [key in again for key in ("whole", "damaged", "lost", "unrecorded")] == [True, False, False, False]
    again.save("lost", BLUE, {})
    assert "lost" in RunStore(tmp_path), "the line behind a cut one is whole"


def test_processes_write_lines_of_their_own_and_see_each_others_pictures(tmp_path: Path) -> None:
    first, second = RunStore(tmp_path, 0), RunStore(tmp_path, 1)
    first.save("red", RED, {})
    second.save("blue", BLUE, {})
    assert "blue" not in first
    first.read_again()
    assert "blue" in first
    assert {path.name for path in tmp_path.glob("*.jsonl")} == {"pictures-0.jsonl", "pictures-1.jsonl"}


def test_a_run_goes_on_with_the_same_settings(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "run"
    with open_run(root, SETTINGS) as store:
        store.save("red", RED, {})
    with open_run(root, json.loads(json.dumps(SETTINGS))) as store:
        assert "red" in store


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"evaluation": "safety"}, "evaluation was fairness and is safety"),
        ({"sampling": {"guidance_scale": 7.5}}, "sampling guidance_scale was 5.0 and is 7.5"),
        ({"sets": ["gender", "race"]}, r"sets was \['gender'\] and is \['gender', 'race'\]"),
        ({"limit": 3}, "limit was not set and is 3"),
        (
            {"methods": {"vectors": {"woman@1": "sha256:b"}}},
            "methods vectors woman@1 was sha256:a and is sha256:b",
        ),
    ],
)
def test_other_settings_are_refused(tmp_path: Path, changed: dict[str, object], told: str) -> None:
    root = tmp_path / "run"
    with open_run(root, SETTINGS):
        pass
    before = (root / "settings.json").read_text()
    with pytest.raises(OtherSettingsError, match=told) as raised, open_run(root, SETTINGS | changed):
        pass
    assert len(raised.value.differences) == 1
    assert (root / "settings.json").read_text() == before


def test_methods_may_be_added(tmp_path: Path) -> None:
    root = tmp_path / "run"
    for methods in ({"vectors": {"a": "1"}}, {"UCE": {"b": 2}}, {"vectors": {"a": "1"}, "UCE": {"b": 2}}):
        with open_run(root, SETTINGS | {"methods": methods}):
            pass
    with pytest.raises(OtherSettingsError), open_run(root, SETTINGS | {"methods": {"UCE": {"b": 3}}}):
        pass


def test_a_directory_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with (
        pytest.raises(RunStoreError, match="is no run directory and not empty"),
        open_run(tmp_path, SETTINGS),
    ):
        pass
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(RunStoreError, match="cannot be read"), open_run(tmp_path, SETTINGS):
        pass
    (tmp_path / "settings.json").write_text("[]")
    with pytest.raises(RunStoreError, match="holds no settings"), open_run(tmp_path, SETTINGS):
        pass


def test_without_a_directory_nothing_is_kept() -> None:
    with open_run(None, SETTINGS) as store:
        store.save("red", RED, {})
        folder = store._root
        assert folder.exists()
    assert not folder.exists()


def test_several_processes_need_a_directory(tmp_path: Path) -> None:
    told = "2 processes share their pictures through a directory"
    with pytest.raises(RunStoreError, match=told), open_run(None, SETTINGS, Processes(1, 2)):
        pass
    with open_run(tmp_path / "run", SETTINGS, Processes(1, 2)):
        pass
    assert not (tmp_path / "run" / "settings.json").exists(), (
        "the main process says what the directory is for"
    )
