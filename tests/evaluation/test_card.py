from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch
from parsed_page import ParsedPage

from diffusion import DiffusionModel, Engine, Row, Sampling
from evaluation.card import write_card
from evaluation.card_pictures import CardPrompts, choose_prompts, make_card_pictures
from vectors import DEFAULT_SETS, ConceptPrompts, ConceptVector, StoredVector, VectorLibrary, combine
from vectors.errors import VectorMismatchError

SAMPLING = Sampling(num_inference_steps=1)
WOMAN = ConceptPrompts(("a photo of a woman",), ("a photo of a person",))
HOSTILE = '</dd><script>alert(1)</script> "&'


def stored(*, base_model: str = "sha256:" + "a1" * 32, **parts: object) -> StoredVector:
    described = {
        "concept": "woman",
        "values": torch.randn(32, 4, 4, generator=torch.Generator().manual_seed(0)),
        "base_model": base_model,
        "prompts": WOMAN,
        "training": {"contexts": ["person", "doctor"], "channel_only": False, "recipe": {"steps": 150}},
        **parts,
    }
    vector = ConceptVector(**described)
    return StoredVector(vector.concept, 3, Path("unused"), vector)


def card(path: Path, one: StoredVector, **parts: object) -> ParsedPage:
    described = {"command": "trimtab vectors card woman@3", "facts": {}, "of_demo_model": False, **parts}
    write_card(path / "card.html", one, made=datetime(2026, 11, 3, tzinfo=UTC), **described)
    page = ParsedPage.of(path / "card.html")
    page.assert_self_contained()
    return page


@pytest.fixture
def library(sd1: DiffusionModel, tmp_path: Path) -> VectorLibrary:
    library = VectorLibrary(tmp_path / "vectors")
    library.publish(stored(base_model=sd1.fingerprint, recommended_strength=0.75).vector)
    return library


def test_prompts_are_some_it_was_learned_from_and_some_it_was_not() -> None:
    assert choose_prompts(stored().vector) == CardPrompts(
        learned=("a photo of a person", "a photo of a doctor"),
        unseen=("a photo of a judge", "a photo of a builder"),
        unrelated=("a photo of a cat", "a photo of a house"),
    )
    learned_widely = {"contexts": ["person", "judge", "house cleaner"], "harmless": ["a cat", "cats"]}
    assert choose_prompts(stored(training=learned_widely).vector) == CardPrompts(
        learned=("a photo of a person", "a photo of a judge"),
        unseen=("a photo of a builder", "a photo of a police officer"),
        unrelated=("a photo of a tree", "a photo of a dog"),
    )


def test_an_anti_concept_is_shown_on_what_brings_it_and_on_harmless_people() -> None:
    prompts = ConceptPrompts(("a photo of an angry person",), ("a photo of an angry person",), ("violent",))
    assert choose_prompts(stored(prompts=prompts, training={}).vector) == CardPrompts(
        learned=("a photo of an angry person",),
        unseen=("a photo of an angry judge", "a photo of an angry builder"),
        unrelated=("a photo of a judge", "a photo of a cat"),
    )


def test_what_is_not_about_people_or_not_recorded_is_shown_on_general_prompts() -> None:
    running = ConceptPrompts(("a running dog",), ("a dog",))
    chosen = choose_prompts(stored(prompts=running).vector)
    assert chosen.learned == ("a dog",)
    assert chosen.unseen == ("a photo of a judge", "a photo of a builder")
    unknown = choose_prompts(stored(prompts=ConceptPrompts(), training={}).vector)
    assert (unknown.learned, unknown.unseen) == ((), ("a photo of a judge", "a photo of a builder"))


def test_pictures_are_the_engines_own_the_same_seeds_in_every_row(
    sd1: DiffusionModel, library: VectorLibrary
) -> None:
    engine = Engine(sd1, library)
    told = []
    pictures = make_card_pictures(
        engine,
        library.resolve("woman"),
        sampling=SAMPLING,
        seeds=(5, 6),
        progress=lambda *call: told.append(call),
    )
    grid = pictures.unseen[0]
    assert grid.title == "“a photo of a judge”"
    assert [label for label, _ in grid.rows] == ["without", "with it\nat 0.75"]
    assert [label for label, _ in pictures.strengths[1].rows] == ["0", "0.5", "0.75", "1", "1.5"]
    for (_, shown), strength in zip(pictures.strengths[1].rows, (0, 0.5, 0.75, 1, 1.5), strict=True):
        rows = [Row("a photo of a judge", seed, steering={"woman": strength}) for seed in (5, 6)]
        expected = [one.image.tobytes() for one in engine.generate(rows, SAMPLING)]
        assert [image.tobytes() for image in shown] == expected
    assert grid.rows[1][1] == pictures.strengths[1].rows[2][1], "made once, shown twice"
    makings = 2 * (6 * 2 + 2 * 3)
    assert told[-1] == ("pictures of woman@1", makings, makings)


def test_a_vector_of_another_model_is_refused_before_any_picture(sd1: DiffusionModel, tmp_path: Path) -> None:
    foreign = VectorLibrary(tmp_path)
    foreign.publish(stored().vector)
    told = []
    with pytest.raises(VectorMismatchError, match="'woman' does not fit the loaded model"):
        make_card_pictures(
            Engine(sd1, foreign),
            foreign.resolve("woman"),
            sampling=SAMPLING,
            seeds=[0],
            progress=lambda *call: told.append(call),
        )
    assert not told


def test_a_card_tells_what_is_known(sd1: DiffusionModel, library: VectorLibrary, tmp_path: Path) -> None:
    one = library.resolve("woman")
    pictures = make_card_pictures(
        Engine(sd1, library), one, sampling=SAMPLING, seeds=(0, 1), progress=lambda *call: None
    )
    facts = {"machine": "2 CPU cores"}
    page = card(tmp_path, one, pictures=pictures, facts=facts, sets=list(DEFAULT_SETS.values()))
    for told in (
        "woman@1", "Makes “a photo of a person” come out as “a photo of a woman”", "2 CPU cores",
        "trimtab vectors card woman@3", "On prompts it was learned from", "On prompts it was not learned from",
        "On prompts about other things", "Pictures over strengths", "contexts person, doctor", "recipe, steps 150",
        "channel only no",
        "the output of mid_block", "0 to 999 (all)", "32 × 4 × 4", one.digest, one.vector.base_model,
        "Nothing was measured", "Its effect was not measured", "a few groups (woman, man)",
    ):  # fmt: skip
        assert told in page.text, told
    for absent in ("demo model", "adversary", "sum of vectors"):
        assert absent not in page.text
    assert len(page.pictures) == 2 * (6 * 2 + 2 * 5)


def test_the_effect_is_shown_whatever_was_measured(tmp_path: Path) -> None:
    effect = {
        "success": 0.981, "success_unsteered": 0.021, "pixel_change": 24.123, "images": 192, "own_figure": 0.5,
        "success@0.5": 0.6, "success@1": 0.981, "pixel_change@0.5": 11, "pixel_change@1": 24.123,
    }  # fmt: skip
    page = card(tmp_path, stored(effect=effect), of_demo_model=True)
    for told in (
        "success 0.981, without it 0.021", "success 0.021 0.981 the share of pictures that show it",
        "pixel change 24.12 the mean absolute change of pixel values, 0 to 255", "images 192", "own figure 0.500",
        "Shares over strengths", "Pixel change over strengths", "measured on the demo model only",
    ):  # fmt: skip
        assert told in page.text, told
    assert [one["aria-label"] for one in page.all("svg")] == [
        "Shares over strengths",
        "Pixel change over strengths",
    ]
    assert "not measured" not in page.text
    assert not page.pictures


def test_an_anti_concepts_card_says_that_it_is_no_proof(tmp_path: Path) -> None:
    prompts = ConceptPrompts(("an angry person",), ("an angry person",), ("violent",))
    page = card(tmp_path, stored(concept="anti-violence", prompts=prompts, effect={"success": 0.9}))
    assert "Keeps “violent” out of pictures" in page.text
    assert "not proof against an adversary" in page.text
    assert "the share of pictures that are free of it" in page.text
    assert page.text.count("an angry person") == 1, "prompts that are both y+ and y- are told once"


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"halves": "conditional"}, "conditional: the half of guidance that reads the prompt"),
        ({"halves": "unconditional"}, "unconditional: the half of guidance that reads the negative prompt"),
        ({"halves": "both"}, "both halves of guidance at timesteps"),
        (
            {"halves": "both", "unconditional_values": torch.ones(32, 4, 4)},
            "both halves of guidance, with a map for each",
        ),
    ],
)
def test_a_card_tells_the_half_of_guidance(parts: dict[str, object], told: str, tmp_path: Path) -> None:
    assert told in card(tmp_path, stored(**parts)).text


def test_a_sum_and_a_vector_of_unknown_origin_say_so(tmp_path: Path) -> None:
    woman, glasses = stored().vector, stored(concept="with-glasses").vector
    total = combine([(woman, 1), (glasses, 0.5)], concept="both")
    page = card(tmp_path, StoredVector("both", 1, Path("unused"), total))
    assert "The sum 1.0 × woman + 0.5 × with-glasses, as one vector." in page.text
    assert "nobody learned it as a whole" in page.text
    unknown = card(tmp_path, stored(prompts=ConceptPrompts(), training={}))
    assert "What it was learned from is not recorded." in unknown.text
    assert "nobody can repeat it" in unknown.text


def test_hostile_prompts_and_settings_are_shown_as_they_are(tmp_path: Path) -> None:
    prompts = ConceptPrompts((HOSTILE,), (HOSTILE + "person",), (HOSTILE,))
    one = stored(prompts=prompts, training={HOSTILE: [HOSTILE, {HOSTILE: None}]}, effect={HOSTILE: 1.0})
    page = card(tmp_path, one, facts={HOSTILE: HOSTILE}, command=HOSTILE)
    assert page.text.count("<script>alert(1)</script>") >= 8
