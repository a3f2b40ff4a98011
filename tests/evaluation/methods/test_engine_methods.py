from dataclasses import replace
from pathlib import Path

import pytest
import torch

from diffusion import Engine, Row, Sampling
from diffusion.errors import PromptTooLongError
from evaluation.condition import picture_key
from evaluation.errors import EvaluationError
from evaluation.methods import METHODS, ConceptVectors, Method, PlainModel, make_methods
from evaluation.methods.explicit_prompt import ExplicitPrompt
from evaluation.methods.negative_prompt import NegativePrompt
from evaluation.prompts import Prompt
from evaluation.wish import Wish
from evaluation.wording import Wording
from vectors import VectorLibrary
from vectors.errors import PhraseError, UnknownConceptError

SAMPLING = Sampling(2, 5.0)
DOCTOR = Prompt("a photo of a doctor", "doctor")


def ignore(done: int, total: int) -> None:
    pass


def wish(*concepts: str, strength: float = 1.0, prompt: Prompt = DOCTOR) -> Wish:
    return Wish(prompt, 7, SAMPLING, concepts, strength)


def assert_makes(method: Method, wanted: Wish, engine: Engine, row: Row) -> None:
    (made,) = method.make([wanted], SAMPLING, ignore)
    (expected,) = engine.generate([row], SAMPLING)
    assert made.image.tobytes() == expected.image.tobytes()
    assert (made.prompt, made.applied) == (expected.prompt, expected.applied)


def test_the_plain_model_makes_the_prompt_whatever_is_wished(engine: Engine) -> None:
    plain = PlainModel(engine)
    assert_makes(plain, wish("woman", "anti-sexual"), engine, Row(DOCTOR.text, 7))
    assert plain.heard(wish("woman", strength=0.5)) == wish()


def test_vectors_are_added_at_their_recommended_strengths(engine: Engine) -> None:
    vectors = ConceptVectors(engine)
    assert_makes(
        vectors, wish("woman", "black"), engine, Row(DOCTOR.text, 7, steering={"woman": 0.5, "black": 0.5})
    )
    assert_makes(vectors, wish("woman", strength=3), engine, Row(DOCTOR.text, 7, steering={"woman": 1.5}))
    assert vectors.heard(wish("woman", strength=3)) == wish("woman", strength=3)


def test_a_missing_vector_is_an_error_unless_the_library_may_lack_it(engine: Engine) -> None:
    ours, theirs = ConceptVectors(engine), ConceptVectors(engine, "theirs", may_lack=True)
    assert theirs.covers(["woman", "man"])
    assert not theirs.covers(["woman", "tall"])
    assert ours.covers(["tall"])
    with pytest.raises(UnknownConceptError):
        ours.check([wish("tall")], SAMPLING)


def test_vectors_are_named_by_digest(engine: Engine) -> None:
    settings = ConceptVectors(engine).settings(["woman"])
    assert settings == {"woman@1": f"{engine.vectors.resolve('woman').digest} x 0.5"}


def test_a_negative_prompt_names_the_unwanted(engine: Engine, wording: Wording) -> None:
    method = NegativePrompt(engine, wording)
    both = wish("anti-sexual", "anti-violence")
    assert_makes(method, both, engine, Row(DOCTOR.text, 7, negative_prompt="sexual, ugly"))
    assert not method.covers(["woman"])
    assert method.settings(["anti-sexual"]) == {"words": ["sexual"]}


def test_an_explicit_prompt_says_it(engine: Engine, wording: Wording) -> None:
    method = ExplicitPrompt(engine, wording)
    assert_makes(method, wish("woman"), engine, Row("a photo of a woman doctor", 7))
    assert not method.covers(["unsaid"])
    with pytest.raises(PhraseError):
        method.check([wish("woman", prompt=Prompt("a picture", "nurse"))], SAMPLING)
    with pytest.raises(PromptTooLongError):
        method.check([wish("anti-sexual", "anti-violence")], SAMPLING)


def test_only_vectors_have_a_strength(engine: Engine) -> None:
    for method in make_methods(engine, ["all"]):
        weaker, stronger = (method.heard(wish("anti-sexual", strength=by)) for by in (0.5, 1.0))
        assert method.has_strength == (weaker != stronger) == (method.name == "vectors")
        assert (picture_key(method, weaker) == picture_key(method, stronger)) != method.has_strength


def test_methods_are_chosen_by_name(engine: Engine, tmp_path: Path) -> None:
    assert [method.name for method in make_methods(engine, ["uce", "vectors"])] == ["vectors", "UCE"]
    everything = make_methods(engine, ["all"], {"paper": VectorLibrary(tmp_path)})
    assert [method.name for method in everything] == [
        "vectors",
        "paper",
        "negative prompt",
        "explicit prompt",
        "SLD weak",
        "SLD medium",
        "SLD strong",
        "SLD max",
        "UCE",
    ]
    assert len(everything) == len(METHODS) + 1
    with pytest.raises(EvaluationError, match="no method 'slt-max'; did you mean sld-max"):
        make_methods(engine, ["slt-max"])
    with pytest.raises(EvaluationError, match="cannot be called 'vectors'"):
        make_methods(engine, ["vectors"], {"vectors": VectorLibrary(tmp_path)})


def test_another_library_steers_by_its_own_vectors(engine: Engine, tmp_path: Path) -> None:
    other = VectorLibrary(tmp_path / "other")
    woman = engine.vectors.resolve("woman").vector
    other.publish(replace(woman, values=torch.full(woman.shape, 2.0), recommended_strength=1.0))
    (paper,) = make_methods(engine, [], {"paper": other})
    assert_makes(
        paper, wish("woman"), Engine(engine.model, other), Row(DOCTOR.text, 7, steering={"woman": 1})
    )
    assert not paper.covers(["man"])
