from pathlib import Path

import pytest
from drawn_method import DrawnMethod, painted
from told_detector import ToldDetector

from diffusion import Engine, Sampling
from diffusion.processes import Processes
from evaluation.condition import Condition
from evaluation.errors import EvaluationError
from evaluation.gallery import Gallery
from evaluation.methods import ConceptVectors, PlainModel
from evaluation.prompts import Prompt
from evaluation.run_store import RunStore
from evaluation.studio import Studio
from evaluation.wish import wishes_for

SAMPLING = Sampling(2, 5.0)
DOCTOR, NURSE = Prompt("a photo of a doctor", "doctor"), Prompt("a photo of a nurse", "nurse")
WISHES = wishes_for([DOCTOR, NURSE], 5, SAMPLING, 0, choices=[("woman",), ("man",)])


def ignore(title: str, done: int, total: int) -> None:
    pass


def studio(engine: Engine, store: RunStore, processes: Processes = Processes(0, 1)) -> Studio:  # noqa: B008
    return Studio(engine, store, progress=ignore, processes=processes)


def files(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((root / "pictures").iterdir())}


def test_every_wish_is_made_in_batches_and_found_again(small_engine: Engine, store: RunStore) -> None:
    method = DrawnMethod()
    condition = Condition("people", method, ("gender",), WISHES)
    studio(small_engine, store).make([condition])
    assert [len(call) for call in method.calls] == [4, 4, 2]
    detector = ToldDetector([{"gender": "woman"}, {"gender": "man"}])
    gallery = Gallery(store, detector, progress=ignore)
    assert [reading["gender"] for reading in gallery.readings(condition)] == ["woman", "man"] * 5
    assert [image.tobytes() for image in detector.shown] == [painted(wish).tobytes() for wish in WISHES]
    gallery.readings(condition)
    assert len(detector.shown) == 10, "each is read once"
    nurses = gallery.pictures(condition, NURSE, 2)
    assert [image.tobytes() for image in nurses] == [painted(wish).tobytes() for wish in WISHES[5:7]]


def test_progress_counts_the_steps_of_all_images(small_engine: Engine, store: RunStore) -> None:
    told: list[tuple[str, int, int]] = []
    progress = lambda title, done, total: told.append((title, done, total))  # noqa: E731
    method = DrawnMethod()
    Studio(small_engine, store, progress=progress).make([Condition("people", method, ("gender",), WISHES)])
    assert told == [("people, drawn, gender", done, 20) for done in (8, 16, 20)]


def test_a_picture_of_two_conditions_is_made_once(small_engine: Engine, store: RunStore) -> None:
    method = DrawnMethod()
    plans = [Condition("one", method, (), WISHES), Condition("other", method, (), (*WISHES[5:], *WISHES[:5]))]
    studio(small_engine, store).make(plans)
    assert sum(len(call) for call in method.calls) == 10


def test_pictures_of_other_sampling_are_made_apart(small_engine: Engine, store: RunStore) -> None:
    method = DrawnMethod()
    published = [Prompt(f"rain {n}", scene="", seed=n, guidance_scale=7.0 + n % 2) for n in range(4)]
    studio(small_engine, store).make([Condition("i2p", method, (), wishes_for(published, 1, SAMPLING, 0))])
    assert [{wish.sampling.guidance_scale for wish in call} for call in method.calls] == [{7.0}, {8.0}]


def test_provenance_tells_how_a_picture_was_made(small_engine: Engine, tmp_path: Path) -> None:
    import json

    store = RunStore(tmp_path / "run")
    wishes = wishes_for([DOCTOR], 1, SAMPLING, 5, choices=[("woman", "black")], strength=0.5)
    studio(small_engine, store).make([Condition("people", ConceptVectors(small_engine), ("both",), wishes)])
    line = json.loads((tmp_path / "run" / "pictures-0.jsonl").read_text())
    woman = small_engine.vectors.resolve("woman")
    assert line["method"] == "vectors"
    assert (line["asked"], line["prompt"], line["seed"]) == (DOCTOR.text, DOCTOR.text, 5)
    assert line["sampling"]["num_inference_steps"] == 2
    assert line["model"] == small_engine.model.fingerprint
    assert line["vectors"][0] == {
        "concept": "woman",
        "version": 1,
        "digest": woman.digest,
        "strength": 0.25,
    }


def test_an_interrupted_evaluation_goes_on(small_engine: Engine, tmp_path: Path) -> None:
    straight = RunStore(tmp_path / "straight")
    studio(small_engine, straight).make([Condition("people", DrawnMethod(), (), WISHES)])

    root = tmp_path / "interrupted"
    with pytest.raises(KeyboardInterrupt):
        studio(small_engine, RunStore(root)).make(
            [Condition("people", DrawnMethod(interrupted_at=2), (), WISHES)]
        )
    kept = files(root)
    assert len(kept) == 8
    written = {name: (root / "pictures" / name).stat().st_mtime_ns for name in kept}
    resumed = DrawnMethod()
    studio(small_engine, RunStore(root)).make([Condition("people", resumed, (), WISHES)])
    assert [len(call) for call in resumed.calls] == [2]
    assert files(root) == files(tmp_path / "straight")
    assert {name: (root / "pictures" / name).stat().st_mtime_ns for name in kept} == written


def test_a_model_resumes_to_the_same_bytes(small_engine: Engine, tmp_path: Path) -> None:
    """A batch of which some pictures were kept is made again as it was, so that no bit differs."""
    plans = [Condition("people", ConceptVectors(small_engine), ("gender",), WISHES)]
    studio(small_engine, RunStore(tmp_path / "straight")).make(plans)
    studio(small_engine, RunStore(tmp_path / "cut")).make(plans)
    whole = files(tmp_path / "cut")
    for name in list(whole)[::3]:
        (tmp_path / "cut" / "pictures" / name).unlink()
    studio(small_engine, RunStore(tmp_path / "cut")).make(plans)
    assert files(tmp_path / "cut") == files(tmp_path / "straight") == whole


def test_processes_share_the_work_and_make_the_same_pictures(small_engine: Engine, tmp_path: Path) -> None:
    plans = [
        Condition("people", PlainModel(small_engine), (), WISHES),
        Condition("people", ConceptVectors(small_engine), ("gender",), WISHES),
    ]
    studio(small_engine, RunStore(tmp_path / "alone")).make(plans)
    shares = []
    for index in range(2):
        before = len(files(tmp_path / "shared")) if index else 0
        studio(small_engine, RunStore(tmp_path / "shared", index), Processes(index, 2)).make(plans)
        shares.append(len(files(tmp_path / "shared")) - before)
    assert files(tmp_path / "shared") == files(tmp_path / "alone")
    assert all(0 < share < 20 for share in shares)
    assert sum(shares) == 20


def test_everything_is_checked_before_anything_is_made(small_engine: Engine, store: RunStore) -> None:
    sound, unsound = DrawnMethod(), DrawnMethod("unsound")
    unsound.refusal = EvaluationError("cannot be made")
    plans = [Condition("people", method, (), WISHES) for method in (sound, unsound)]
    with pytest.raises(EvaluationError, match="cannot be made"):
        studio(small_engine, store).make(plans)
    assert not sound.calls


def test_what_is_kept_is_counted_where_it_can_be_read(small_engine: Engine, store: RunStore) -> None:
    wishes = wishes_for([DOCTOR, NURSE, Prompt("rain", scene="", subject="")], 1, SAMPLING, 0)
    condition = Condition("people", DrawnMethod(), (), wishes)
    studio(small_engine, store).make([condition])
    readings = [{"profession": "doctor", "scene": "plain"}, {"profession": "doctor", "scene": "beach"}, {}]
    detector = ToldDetector(readings)
    detector.attributes = {"profession": ("doctor", "nurse"), "scene": ("plain", "beach")}
    gallery = Gallery(store, detector, progress=ignore)
    profession, scene, subject = (
        gallery.kept(condition, attribute) for attribute in ("profession", "scene", "subject")
    )
    assert (profession.hits, profession.total) == (1, 2), "rain has no profession"
    assert (scene.hits, scene.total) == (1, 2)
    assert subject.total == 0, "the detector reads no subject"


def test_pixel_changes_are_from_the_same_prompt_and_seed(small_engine: Engine, store: RunStore) -> None:
    plain, other = DrawnMethod("plain"), DrawnMethod("other")
    backwards = tuple(reversed(wishes_for([DOCTOR, NURSE], 2, SAMPLING, 0)))
    conditions = [Condition("p", plain, (), wishes_for([DOCTOR, NURSE], 2, SAMPLING, 0))]
    conditions.append(Condition("p", other, (), backwards))
    studio(small_engine, store).make(conditions)
    gallery = Gallery(store, ToldDetector([{}]), progress=ignore)
    assert gallery.pixel_changes(conditions[1], conditions[0]) == [0, 0, 0, 0], "both paint a wish alike"
