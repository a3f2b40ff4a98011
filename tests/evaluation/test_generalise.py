from functools import partial

from drawn_method import DrawnMethod
from told_detector import ATTRIBUTES, ToldDetector

from diffusion import Engine, Sampling
from evaluation import Bench, Generalise, evaluate
from evaluation.methods import ConceptVectors, PlainModel
from evaluation.prompts import Prompt

CAT, DOCTOR = Prompt("a photo of a cat", subject="cat"), Prompt("a photo of a doctor", "doctor")

bench = partial(Bench, sampling=Sampling(num_inference_steps=1), images_per_prompt=2)


def ignore(title: str, done: int, total: int) -> None:
    pass


def test_vectors_meet_subjects_and_sizes_they_were_not_learned_on(engine: Engine) -> None:
    reading = {"glasses": "yes", "gender": "woman", "race": "black", "subject": "cat"}
    detector = ToldDetector([reading])
    detector.attributes = {**ATTRIBUTES, "glasses": ("no", "yes"), "subject": ("person", "cat")}
    on = bench(engine, detector, PlainModel(engine), [ConceptVectors(engine)])
    planned = Generalise(on, animals=[CAT], people=[DOCTOR], sizes_px=[(32, 48)])
    result = evaluate(planned, on, progress=ignore)
    people = "other professions and scenes"
    assert [(one.prompts, one.method, one.steered) for one in result.conditions] == [
        (prompts, method, (name,))
        for prompts, names in (
            ("cats and dogs", ["with-glasses"]),
            (people, ["gender", "race", "with-glasses"]),
            (f"{people}, 32 x 48 px", ["gender", "race", "with-glasses"]),
        )
        for name in names
        for method in ("no vector", "vectors")
    ]
    # Plain pictures are shared by what is asked for: per group 2 of them, and 2 of each steering.
    assert len(detector.shown) == (2 + 2) + (2 + 6) + (2 + 6)
    assert [image.size for image in detector.shown] == [(32, 32)] * 12 + [(48, 32)] * 8


def test_what_shows_is_counted_and_what_is_kept(engine: Engine) -> None:
    detector = ToldDetector([{"glasses": "no", "subject": "cat"}, {"glasses": "yes", "subject": "dog"}])
    detector.attributes = {"glasses": ("no", "yes"), "subject": ("person", "cat", "dog")}
    on = bench(engine, detector, DrawnMethod("no vector"), [])
    planned = Generalise(on, sets=[], animals=[CAT], people=[], sizes_px=[])
    cats, _ = evaluate(planned, on, progress=ignore).conditions
    assert cats.shown.value == 0.5
    assert cats.subject.value == 0.5
    assert cats.profession.total == 0
