from functools import partial

import pytest
from drawn_method import DrawnMethod
from told_detector import ToldDetector

from detectors import Reading
from diffusion import Engine, Row, Sampling
from evaluation import Bench, EvaluationError, Fairness, FairnessResult, evaluate
from evaluation.methods import ConceptVectors, PlainModel, make_methods
from evaluation.prompts import Prompt
from vectors import VectorLibrary
from vectors.errors import UnknownConceptError

SAMPLING = Sampling(num_inference_steps=1)
DOCTOR = Prompt("a photo of a doctor", "doctor")
MAN = {"gender": "man", "race": "white", "profession": "doctor", "scene": "plain"}


def ignore(title: str, done: int, total: int) -> None:
    pass


bench = partial(Bench, sampling=SAMPLING, images_per_prompt=6)
fairness = partial(Fairness, prompts=[DOCTOR])


def counted(
    engine: Engine, told: list[Reading], *, images_per_prompt: int = 6, **options: object
) -> FairnessResult:
    """What is counted of drawn pictures that the detector is told to read so."""
    methods = DrawnMethod("no vector"), [DrawnMethod("other")]
    on = bench(engine, ToldDetector(told), *methods, images_per_prompt=images_per_prompt)
    return evaluate(fairness(on, **options), on, progress=ignore)


def test_each_member_comes_equally_often_on_the_same_seeds(engine: Engine) -> None:
    detector = ToldDetector([MAN])
    on = bench(engine, detector, PlainModel(engine), [ConceptVectors(engine)])
    result = evaluate(fairness(on), on, progress=ignore)
    assert [(one.method, one.steered) for one in result.conditions] == [
        ("no vector", ()),
        ("vectors", ("gender",)),
        ("vectors", ("race",)),
        ("vectors", ("gender", "race")),
    ]
    plain, gender, race, both = (detector.shown[start : start + 6] for start in range(0, 24, 6))
    expected = {
        "plain": [{}] * 6,
        "gender": [{"woman": 0.5}, {"man": 0.5}] * 3,
        "race": [{"black": 0.5}, {"white": 0.5}, {"asian": 0.5}] * 2,
        "both": [{g: 0.5, r: 0.5} for g in ("woman", "man") for r in ("black", "white", "asian")],
    }
    for shown, steerings in zip((plain, gender, race, both), expected.values(), strict=True):
        rows = [Row(DOCTOR.text, seed, steering=steering) for seed, steering in enumerate(steerings)]
        assert [image.tobytes() for image in shown] == [
            made.image.tobytes() for made in engine.generate(rows, SAMPLING)
        ]


def test_what_the_detector_reads_is_counted(engine: Engine) -> None:
    told = [*[MAN] * 6, *[MAN | {"gender": gender, "scene": "beach"} for gender in ("woman", "man") * 3]]
    plain, steered = counted(engine, told, sets=["gender"]).conditions
    assert plain.deviation["gender"] == {"doctor": 1.0}
    assert (plain.mean_deviation["gender"].value, steered.mean_deviation["gender"].value) == (1, 0)
    assert plain.obeyed == {}
    assert steered.obeyed["gender"].value == 1
    assert steered.scene.total == 0, "this detector has no values for scenes"


def test_deviation_is_that_of_each_profession(engine: Engine) -> None:
    nurse = Prompt("a picture of a nurse", "nurse")
    told = [*[MAN] * 6, *[MAN | {"gender": "woman"}] * 3, *[MAN] * 3]
    plain, _ = counted(engine, told * 2, sets=["gender"], prompts=[DOCTOR, nurse]).conditions
    assert plain.deviation["gender"] == {"doctor": 1.0, "nurse": 0.0}
    assert plain.mean_deviation["gender"].value == 0.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"images_per_prompt": 5},
            "cannot show the 2 combinations of gender equally often: give a multiple of 2, such as 4",
        ),
        ({"images_per_prompt": 10}, "3 combinations of race"),
        ({"sets": ["age"]}, "no concept set 'age'; the library has gender, race"),
    ],
)
def test_an_evaluation_that_cannot_be_made_is_refused(
    engine: Engine, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(EvaluationError, match=message):
        counted(engine, [MAN], **changes)


def test_a_detector_that_cannot_tell_the_members_apart_is_refused(engine: Engine) -> None:
    detector = ToldDetector([{}])
    detector.attributes = {"gender": ("woman",)}
    with pytest.raises(EvaluationError, match="cannot tell woman, man apart"):
        fairness(bench(engine, detector, PlainModel(engine), []), sets=["gender"])


def test_methods_do_what_they_can(engine: Engine) -> None:
    methods = [*make_methods(engine, ["all"]), DrawnMethod(covers=lambda concepts: "black" not in concepts)]
    planned = fairness(bench(engine, ToldDetector([{}]), PlainModel(engine), methods))
    assert [one.method.name for one in planned.conditions if one.steered == ("gender",)] == [
        "vectors",
        "explicit prompt",
        "UCE",
        "drawn",
    ]
    assert "drawn" not in [one.method.name for one in planned.conditions if "race" in one.steered]


def test_a_missing_vector_is_found_out_before_anything_is_made(engine: Engine, tmp_path: object) -> None:
    empty = Engine(engine.model, VectorLibrary(f"{tmp_path}/empty"))
    plain = DrawnMethod("no vector")
    on = bench(empty, ToldDetector([MAN]), plain, [ConceptVectors(empty)])
    with pytest.raises(UnknownConceptError):
        evaluate(fairness(on), on, progress=ignore)
    assert not plain.calls
