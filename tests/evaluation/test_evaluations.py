import io
import json
from functools import partial

import pytest
from rich.console import Console
from told_detector import ToldDetector

from diffusion import Engine, Row, Sampling
from evaluation import EvaluationError, evaluate_fairness, evaluate_safety
from evaluation.prompts import FAIRNESS_PROMPTS, PROFESSIONS, SAFETY_PROMPTS, Prompt
from evaluation.report import as_data, fairness_table, safety_table

SAMPLING = Sampling(num_inference_steps=1)
DOCTOR = Prompt("a photo of a doctor", "doctor")


def ignore(title: str, done: int, total: int) -> None:
    pass


fairness = partial(
    evaluate_fairness, images_per_prompt=6, sampling=SAMPLING, prompts=[DOCTOR], progress=ignore
)
safety = partial(
    evaluate_safety,
    images_per_prompt=2,
    sampling=SAMPLING,
    prompts={"sexual": [DOCTOR], "violent": [DOCTOR], "harmless": [DOCTOR]},
    progress=ignore,
)


def test_each_member_comes_equally_often_on_the_same_seeds(engine: Engine) -> None:
    detector = ToldDetector([{"gender": "man", "race": "white", "profession": "doctor", "scene": "plain"}])
    result = fairness(engine, detector)
    assert [condition.steered for condition in result.conditions] == [
        (),
        ("gender",),
        ("race",),
        ("gender", "race"),
    ]
    plain, gender, race, both = (detector.shown[start : start + 6] for start in range(0, 24, 6))
    expected = {
        "plain": [{}] * 6,
        "gender": [{"woman": 1.0}, {"man": 1.0}] * 3,
        "race": [{"black": 1.0}, {"white": 1.0}, {"asian": 1.0}] * 2,
        "both": [{g: 1.0, r: 1.0} for g in ("woman", "man") for r in ("black", "white", "asian")],
    }
    for shown, steerings in zip((plain, gender, race, both), expected.values(), strict=True):
        rows = [Row(DOCTOR.text, seed, steering=steering) for seed, steering in enumerate(steerings)]
        assert [image.tobytes() for image in shown] == [
            made.image.tobytes() for made in engine.generate(rows, SAMPLING)
        ]


def test_fairness_counts_what_the_detector_reads(engine: Engine) -> None:
    told = [
        *[{"gender": "man", "race": "white", "profession": "doctor", "scene": "plain"}] * 6,  # no vector
        *[
            {"gender": g, "race": "white", "profession": "doctor", "scene": "beach"}
            for g in ("woman", "man") * 3
        ],
    ]
    result = fairness(engine, ToldDetector(told), sets=["gender"])
    plain, steered = result.conditions
    assert plain.deviation["gender"] == {"doctor": 1.0}
    assert steered.mean_deviation("gender") == 0.0
    assert steered.obeyed["gender"].value == 1.0
    assert (plain.scene.value, steered.scene.value) == (1.0, 0.0)
    assert steered.profession.value == 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"images_per_prompt": 5},
            "cannot show the 2 combinations of gender equally often: give a multiple of 2",
        ),
        ({"images_per_prompt": 10}, "3 combinations of race"),
        ({"sets": ["age"]}, "no concept set 'age'; the library has gender, race"),
    ],
)
def test_a_fairness_evaluation_that_cannot_be_made_is_refused(
    engine: Engine, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(EvaluationError, match=message):
        fairness(engine, ToldDetector([{}]), **changes)


def test_a_detector_that_cannot_tell_the_members_apart_is_refused(engine: Engine) -> None:
    detector = ToldDetector([{}])
    detector.attributes = {"gender": ("woman",)}
    with pytest.raises(EvaluationError, match="cannot tell woman, man apart"):
        fairness(engine, detector, sets=["gender"])
    with pytest.raises(EvaluationError, match="does not read 'heart'"):
        safety(engine, detector)


def test_safety_counts_unsafe_pictures_and_what_else_changed(engine: Engine) -> None:
    readings = [
        {"heart": "yes", "splash": "no", "profession": "doctor", "scene": "plain"},
        {"heart": "no", "splash": "no", "profession": "nurse", "scene": "plain"},
    ]
    result = safety(engine, ToldDetector(readings))
    assert [(condition.prompts, condition.steered) for condition in result.conditions] == [
        ("sexual", ()),
        ("sexual", ("anti-sexual",)),
        ("sexual", ("anti-sexual", "anti-violence")),
        ("violent", ()),
        ("violent", ("anti-violence",)),
        ("violent", ("anti-sexual", "anti-violence")),
        ("harmless", ()),
        ("harmless", ("anti-sexual", "anti-violence")),
    ]
    shares = {(c.prompts, len(c.steered)): c.unsafe.value for c in result.conditions}
    assert shares["sexual", 0] == 0.5
    assert shares["violent", 0] == 0.0, "only the prompts' own content counts"
    assert shares["harmless", 0] == 0.5, "of harmless prompts any content counts"
    assert result.conditions[0].mean_pixel_change == 0
    assert result.conditions[1].mean_pixel_change > 0
    assert result.conditions[0].profession.value == 0.5


def test_results_become_tables_and_json(engine: Engine) -> None:
    told = [
        {
            "gender": "man",
            "race": "white",
            "heart": "no",
            "splash": "no",
            "profession": "doctor",
            "scene": "plain",
        }
    ]
    fair, safe = fairness(engine, ToldDetector(told)), safety(engine, ToldDetector(told))
    out = io.StringIO()
    console = Console(file=out, width=140)
    console.print(fairness_table(fair))
    console.print(safety_table(safe))
    assert "gender + race" in out.getvalue()
    assert "anti-sexual + anti-violence" in out.getvalue()
    data = json.loads(json.dumps([as_data(fair), as_data(safe)]))
    assert data[0]["conditions"][0]["deviation"]["gender"]["doctor"] == 1.0
    unsafe = data[1]["conditions"][0]["unsafe"]
    assert (unsafe["value"], unsafe["hits"], unsafe["total"]) == (0.0, 0, 2)


def test_the_prompts_are_ones_that_vectors_are_not_learned_on() -> None:
    from learn_vectors import LearnOptions

    learned_on = LearnOptions(("a woman",), ("a person",)).contexts
    assert not set(learned_on) & set(PROFESSIONS)
    for prompt in [*FAIRNESS_PROMPTS, *(prompt for prompts in SAFETY_PROMPTS.values() for prompt in prompts)]:
        assert prompt.profession in prompt.text
        assert prompt.scene == "plain" or prompt.scene in prompt.text
