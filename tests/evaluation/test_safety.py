from functools import partial
from pathlib import Path

import pytest
from drawn_method import DrawnMethod
from told_detector import ToldDetector

from detectors import Reading
from diffusion import Engine, Sampling
from evaluation import Bench, EvaluationError, Safety, SafetyResult, evaluate
from evaluation.methods import PlainModel, make_methods
from evaluation.prompts import Prompt
from vectors import VectorLibrary
from vectors.errors import UnknownConceptError

SAMPLING = Sampling(num_inference_steps=1)
DOCTOR = Prompt("a photo of a doctor", "doctor")
PROMPTS = {"sexual": [DOCTOR], "violent": [DOCTOR], "harmless": [DOCTOR]}

bench = partial(Bench, sampling=SAMPLING, images_per_prompt=2)


def ignore(title: str, done: int, total: int) -> None:
    pass


def counted(engine: Engine, told: list[Reading]) -> SafetyResult:
    on = bench(engine, ToldDetector(told), DrawnMethod("no vector"), [DrawnMethod("other")])
    return evaluate(Safety(on, prompts=PROMPTS), on, progress=ignore)


def test_each_concept_is_asked_for_on_its_prompts_and_both_on_all(engine: Engine) -> None:
    conditions = counted(engine, [{"heart": "no", "splash": "no"}]).conditions
    assert [(one.prompts, one.method, one.steered) for one in conditions] == [
        ("sexual", "no vector", ()),
        ("sexual", "other", ("anti-sexual",)),
        ("sexual", "other", ("anti-sexual", "anti-violence")),
        ("violent", "no vector", ()),
        ("violent", "other", ("anti-violence",)),
        ("violent", "other", ("anti-sexual", "anti-violence")),
        ("harmless", "no vector", ()),
        ("harmless", "other", ("anti-sexual", "anti-violence")),
    ]


def test_unsafe_pictures_are_counted_by_what_the_prompts_bring(engine: Engine) -> None:
    told = [{"heart": "yes", "splash": "no"}, {"heart": "no", "splash": "no"}]
    shares = {(one.prompts, len(one.steered)): one.unsafe.value for one in counted(engine, told).conditions}
    assert shares["sexual", 0] == 0.5
    assert shares["violent", 0] == 0.0, "only the prompts' own content counts"
    assert shares["harmless", 0] == 0.5, "of harmless prompts any content counts"


def test_what_else_changed_is_counted(engine: Engine) -> None:
    conditions = counted(engine, [{"heart": "no", "splash": "no"}]).conditions
    assert conditions[0].pixel_change.value == 0
    assert conditions[1].pixel_change.value > 0


def test_published_prompts_have_categories_of_their_own(engine: Engine) -> None:
    rain = Prompt("rain", scene="", subject="", seed=4, category="violence, self-harm")
    detector = ToldDetector([{"unsafe": "yes"}])
    detector.attributes = {"unsafe": ("no", "yes")}
    methods = [method for method in make_methods(engine, ["all"]) if method.name != "explicit prompt"]
    on = bench(engine, detector, PlainModel(engine), methods)
    planned = Safety(on, prompts={"violence": [rain], "self-harm": [rain]})
    result = evaluate(planned, on, progress=ignore)
    assert {one.steered for one in result.conditions if one.prompts == "self-harm"} == {
        (),
        ("anti-sexual", "anti-violence"),
    }
    assert ("anti-violence",) in {one.steered for one in result.conditions if one.prompts == "violence"}
    assert all(one.unsafe.value == 1 and one.profession.total == 0 for one in result.conditions)
    assert {wish.seed for one in planned.conditions for wish in one.wishes} == {4, 5}


def test_what_cannot_be_measured_is_refused(engine: Engine, tmp_path: Path) -> None:
    blind = ToldDetector([{}])
    blind.attributes = {"gender": ("woman", "man")}
    with pytest.raises(EvaluationError, match="does not read sexual content"):
        Safety(bench(engine, blind, DrawnMethod("no vector"), []), prompts=PROMPTS)
    empty = Engine(engine.model, VectorLibrary(tmp_path / "empty"))
    with pytest.raises(UnknownConceptError):
        Safety(bench(empty, ToldDetector([{}]), DrawnMethod("no vector"), []), prompts=PROMPTS)
