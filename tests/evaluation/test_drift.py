from functools import partial

from drawn_method import DrawnMethod
from told_detector import ToldDetector

from diffusion import Engine, Sampling
from evaluation import Bench, Drift, evaluate
from evaluation.methods import make_methods
from evaluation.prompts import Prompt

CAT, DOCTOR = Prompt("a photo of a cat", subject="cat"), Prompt("a photo of a doctor", "doctor")

bench = partial(Bench, sampling=Sampling(num_inference_steps=1), images_per_prompt=1)


def ignore(title: str, done: int, total: int) -> None:
    pass


def test_concepts_are_measured_where_they_should_change_nothing(engine: Engine) -> None:
    detector = ToldDetector([{}])
    methods = make_methods(engine, ["vectors", "negative-prompt"])
    on = bench(engine, detector, DrawnMethod("no vector"), methods)
    planned = Drift(on, things=[CAT], people=[DOCTOR])
    steered = {
        kind: [one.steered for one in planned.conditions if (one.prompts, one.method.name) == (kind, method)]
        for kind, method in (("without people", "vectors"), ("harmless people", "vectors"))
    }
    assert steered["without people"] == [
        ("woman",),
        ("man",),
        ("black",),
        ("white",),
        ("asian",),
        ("gender", "race"),
        ("anti-sexual",),
        ("anti-violence",),
        ("anti-sexual", "anti-violence"),
        ("gender", "race", "anti-sexual", "anti-violence"),
    ]
    both = ("anti-sexual", "anti-violence")
    assert steered["harmless people"] == [("anti-sexual",), ("anti-violence",), both]
    assert {one.steered for one in planned.conditions if one.method.name == "negative prompt"} == {
        ("anti-sexual",),
        ("anti-violence",),
        both,
    }


def test_what_moved_is_counted_beside_the_plain_picture(engine: Engine) -> None:
    before = {"subject": "cat", "scene": "plain", "splash": "no", "heart": "no"}
    detector = ToldDetector([before, before | {"subject": "dog", "heart": "yes"}])
    detector.attributes = {"subject": ("cat", "dog"), "scene": ("plain", "beach"), **detector.attributes}
    other = DrawnMethod("other", covers=lambda concepts: tuple(concepts) == ("anti-sexual",))
    on = bench(engine, detector, DrawnMethod("no vector"), [other])
    planned = Drift(on, sets=[], things=[CAT], people=[])
    (moved,) = (
        one for one in evaluate(planned, on, progress=ignore).conditions if one.prompts == "without people"
    )
    assert moved.pixel_change.value > 0
    # Of subject, scene and splash two are as before; the heart is what the concept is about.
    assert (moved.attributes_kept.hits, moved.attributes_kept.total) == (2, 3)
    assert moved.subject.value == 0
    assert moved.scene.value == 1
