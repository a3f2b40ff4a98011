from collections.abc import Sequence
from functools import partial

import pytest
from drawn_method import DrawnMethod
from PIL import Image
from told_detector import ATTRIBUTES, ToldDetector

from detectors import Reading
from diffusion import Engine, Sampling
from evaluation import Bench, Compose, EvaluationError, evaluate
from evaluation.methods import make_methods
from evaluation.prompts import Prompt

DOCTOR = Prompt("a photo of a doctor", "doctor")
DANGEROUS = Prompt("a photo of a nurse", "nurse")
ALL_ATTRIBUTES = {**ATTRIBUTES, "glasses": ("no", "yes"), "profession": ("doctor", "nurse")}

bench = partial(Bench, sampling=Sampling(num_inference_steps=1), images_per_prompt=6)
compose = partial(Compose, harmless=[DOCTOR], unsafe={"sexual": [DANGEROUS]})


def ignore(title: str, done: int, total: int) -> None:
    pass


class ObeyingDetector(ToldDetector):
    """Reads the strength from pictures that `StrengthMethod` makes: a concept shows from 0.5 on."""

    def __init__(self) -> None:
        super().__init__([{}])
        self.attributes = ALL_ATTRIBUTES

    def read(self, pictures: Sequence[Image.Image]) -> Sequence[Reading]:
        return [{"gender": "woman" if picture.size[0] >= 50 else "man"} for picture in pictures]


class StrengthMethod(DrawnMethod):
    """Makes pictures as wide as the strength in hundredths."""

    def make(self, wishes, sampling, on_step):  # type: ignore[no-untyped-def]
        from diffusion import GeneratedImage

        super().make(wishes, sampling, on_step)
        return [
            GeneratedImage(Image.new("RGB", (1 + round(100 * wish.strength), 1)), wish.seed, "", ())
            for wish in wishes
        ]


def told(**changes: str) -> dict[str, str]:
    return {
        "gender": "woman",
        "race": "black",
        "glasses": "yes",
        "heart": "no",
        "splash": "no",
        "profession": "doctor",
    } | changes


def test_every_combination_is_asked_for(engine: Engine) -> None:
    detector = ToldDetector([told()])
    detector.attributes = ALL_ATTRIBUTES
    planned = compose(bench(engine, detector, DrawnMethod("no vector"), [DrawnMethod("other")]))
    asked = [(one.prompts, one.method.name, one.steered) for one in planned.composed]
    three = ("gender", "race", "with-glasses")
    five = (*three, "anti-sexual", "anti-violence")
    assert asked == [
        (prompts, method, steered)
        for prompts, steered in (("harmless", three), ("harmless", five), ("sexual and violent", five))
        for method in ("no vector", "other")
    ]
    assert {wish.concepts for wish in planned.composed[3].wishes} == {
        (gender, race, "with-glasses", "anti-sexual", "anti-violence")
        for gender in ("woman", "man")
        for race in ("black", "white", "asian")
    }


def test_what_obeys_each_and_all_is_counted(engine: Engine) -> None:
    detector = ToldDetector([told(), told(glasses="no"), told(gender="man", heart="yes")])
    detector.attributes = ALL_ATTRIBUTES
    other = DrawnMethod("other", covers=lambda concepts: len(concepts) > 1)
    on = bench(engine, detector, DrawnMethod("no vector"), [other])
    planned = compose(on, concepts=["with-glasses"], safety=["anti-sexual"])
    result = evaluate(planned, on, progress=ignore)
    both = next(one for one in result.conditions if (one.method, len(one.steered)) == ("other", 2))
    assert {name: share.hits for name, share in both.obeyed.items()} == {"with-glasses": 4, "anti-sexual": 4}
    assert (both.all_obeyed.hits, both.all_obeyed.total) == (2, 6)
    assert both.profession.value == 1


def test_the_share_that_shows_a_concept_grows_with_its_strength(engine: Engine) -> None:
    detector = ObeyingDetector()
    on = bench(engine, detector, DrawnMethod("no vector"), [StrengthMethod("other")])
    planned = compose(on, concepts=["woman"], safety=[], strengths=(0, 0.25, 0.5, 1.5))
    (woman,) = evaluate(planned, on, progress=ignore).interpolations
    assert (woman.concept, woman.method, woman.strengths) == ("woman", "other", (0, 0.25, 0.5, 1.5))
    assert [share.value for share in woman.shown] == [0, 0, 1, 1]
    assert woman.is_monotone
    assert woman.largest_fall == 0


def test_a_share_that_falls_is_told(engine: Engine) -> None:
    # Strength 1 is read first, with the composed pictures, and shows it in half of them; 0.5 in all.
    detector = ToldDetector([told(gender="man")] * 3 + [told()] * 9)
    detector.attributes = ALL_ATTRIBUTES
    plain = DrawnMethod("no vector", covers=lambda _: False)
    on = bench(engine, detector, plain, [DrawnMethod("other")])
    planned = compose(on, concepts=["woman"], safety=[], unsafe={}, strengths=(0.5, 1))
    (woman,) = evaluate(planned, on, progress=ignore).interpolations
    assert [share.value for share in woman.shown] == [1, 0.5]
    assert not woman.is_monotone
    assert woman.largest_fall == 0.5


def test_only_methods_with_a_strength_are_interpolated(engine: Engine) -> None:
    detector = ToldDetector([told()])
    detector.attributes = ALL_ATTRIBUTES
    planned = compose(bench(engine, detector, DrawnMethod("no vector"), make_methods(engine, ["all"])))
    assert {method.name for _, method in planned.interpolated} == {"vectors"}
    safety = planned.interpolated["anti-sexual", next(iter(planned.interpolated))[1]]
    assert {wish.prompt for one in safety for wish in one.wishes} == {DANGEROUS}
    assert [one.method.name for one in safety][:2] == ["no vector", "vectors"], (
        "strength 0 is the plain model's"
    )


def test_what_cannot_be_composed_is_refused(engine: Engine) -> None:
    detector = ToldDetector([told()])
    with pytest.raises(EvaluationError, match="does not read 'with-glasses'"):
        compose(bench(engine, detector, DrawnMethod("no vector"), []))
    with pytest.raises(EvaluationError, match="6 combinations of gender and race equally often"):
        compose(
            bench(engine, detector, DrawnMethod("no vector"), [], images_per_prompt=4),
            concepts=["gender", "race"],
        )
