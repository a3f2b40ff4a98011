from collections.abc import Mapping

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sample_concepts import ANTI_UGLY, WOMAN
from told_detector import ToldDetector

from diffusion import DiffusionModel, Sampling
from learn_vectors import Concept
from learn_vectors.measure import (
    STRENGTHS,
    Effect,
    held_out_prompts,
    measure_vector,
    recommended_strength,
)
from vectors import ConceptVector

ONE_STEP = Sampling(num_inference_steps=1)
SHARES = st.floats(0, 1)
CURVES = st.lists(st.tuples(SHARES, SHARES), min_size=len(STRENGTHS), max_size=len(STRENGTHS))


def effects(*curve: tuple[float, float]) -> dict[float, Effect]:
    """Success and kept at each strength."""
    return {
        strength: Effect(success, kept, 0.0)
        for strength, (success, kept) in zip(STRENGTHS, curve, strict=True)
    }


@pytest.mark.parametrize(
    ("curve", "recommended"),
    [
        # It saturates at 1.25, and a margin of one step is free.
        ([(0.4, 1), (0.6, 1), (0.8, 1), (1, 1), (1, 1), (1, 1)], 1.5),
        # It saturates, and a margin costs.
        ([(0.4, 1), (0.6, 1), (0.8, 1), (1, 1), (1, 0.99), (1, 0.98)], 1.25),
        # It does all at once.
        ([(1, 0.98)] * 6, 1.25),
        # What is lost in the noise of a few attributes is no reason for more.
        ([(1, 0.951), (1, 0.949), (1, 0.955), (1, 0.943), (1, 0.947), (1, 0.93)], 1.0),
        # One picture of 36 more is, unless it costs the others what is worth more.
        ([(0.9, 0.98), (35 / 36, 0.98), (1, 0.98), (1, 0.98), (1, 0.98), (1, 0.98)], 1.25),
        ([(0.9, 0.98), (35 / 36, 0.98), (1, 0.96), (1, 0.95), (1, 0.94), (1, 0.93)], 1.0),
        # The last of the success is not worth a lost profession.
        ([(0.1, 0.98), (0.6, 0.98), (0.8, 0.97), (0.97, 0.97), (0.97, 0.91), (1, 0.89)], 1.25),
        # A vector that does little where nothing is lost is not recommended where it does little.
        ([(0.05, 0.99), (0.1, 0.97), (0.3, 0.93), (0.8, 0.85), (0.95, 0.8), (1, 0.7)], 1.5),
        # It does nothing; none below 1 is recommended, though it costs less.
        ([(0, 1), (0, 0.99), (0, 0.98), (0, 0.97), (0, 0.96), (0, 0.95)], 1.0),
    ],
)
def test_the_smallest_strength_that_saturates_is_recommended_with_a_free_margin(
    curve: list[tuple[float, float]], recommended: float
) -> None:
    assert recommended_strength(effects(*curve)) == recommended


@given(CURVES)
def test_at_most_one_smaller_strength_does_as_well_and_keeps_as_much(
    curve: list[tuple[float, float]],
) -> None:
    measured = effects(*curve)
    recommended = measured[chosen := recommended_strength(measured)]
    as_good = [
        strength
        for strength, other in measured.items()
        if 1 <= strength < chosen and other.success >= recommended.success and other.kept >= recommended.kept
    ]
    assert as_good in ([], [max(strength for strength in STRENGTHS if strength < chosen)] if as_good else [])


@given(CURVES, SHARES)
def test_losing_more_beyond_it_never_raises_a_strength(
    curve: list[tuple[float, float]], share: float
) -> None:
    measured = effects(*curve)
    chosen = recommended_strength(measured)
    worse: Mapping[float, Effect] = {
        strength: Effect(one.success, one.kept * (share if strength > chosen else 1), 0.0)
        for strength, one in measured.items()
    }
    assert recommended_strength(worse) <= chosen


def test_a_concept_is_measured_on_up_to_three_of_its_prompts() -> None:
    assert held_out_prompts(WOMAN) == (
        "a photo of a firefighter",
        "a photo of a firefighter on a beach",
        "a photo of a teacher",
        "a photo of a teacher on a beach",
    )
    many = tuple(f"a {word} person" for word in ("calm", "angry", "old", "tall", "young"))
    anti = held_out_prompts(Concept(many, negative_prompt="violent"))
    assert len(anti) == 12
    assert [prompt for prompt in anti if prompt.endswith("teacher")] == [
        "a calm teacher",
        "an old teacher",
        "a young teacher",
    ]
    same = Concept(("a photo of a woman", "a photo of a girl"), ("a photo of a person",) * 2)
    assert len(held_out_prompts(same)) == 4, "what several leave open is one prompt"


def vector(model: DiffusionModel) -> ConceptVector:
    values = 3 * torch.randn(32, 4, 4, generator=torch.Generator().manual_seed(0))
    return ConceptVector("woman", values, base_model=model.fingerprint)


def test_success_is_told_by_the_reading_that_pictures_with_the_concept_have(
    measurable_sd1: DiffusionModel,
) -> None:
    woman, man = {"gender": "woman", "race": "black"}, {"gender": "man", "race": "black"}
    whitened = {"gender": "woman", "race": "white"}
    # 8 with it, 8 without, then 6 unsteered and 6 at each strength.
    told = [*[woman] * 8, *[man] * 14, *[man, woman] * 6, *[woman] * 18, *[whitened] * 6]
    seen: list[tuple[int, int]] = []
    measured = measure_vector(
        measurable_sd1,
        vector(measurable_sd1),
        WOMAN,
        ToldDetector(told),
        images=6,
        sampling=ONE_STEP,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert measured.recommended_strength == 1.25, "the smallest that does all is 1, and 1.25 is as good"
    effect = measured.effect
    assert effect["success_unsteered"] == 0
    assert (effect["success@0.75"], effect["success"], effect["kept"]) == (0.5, 1, 1)
    assert (effect["success@2"], effect["kept@2"]) == (1, 0)
    assert 0 < effect["pixel_change@0.5"] < effect["pixel_change@2"]
    assert seen == [(done, 58) for done in (8, 16, 22, 28, 34, 40, 46, 52, 58)]


def test_an_anti_concept_succeeds_where_what_it_is_against_is_not_read(
    measurable_sd1: DiffusionModel,
) -> None:
    splashed, clean = {"splash": "yes"}, {"splash": "no"}
    told = [*[splashed] * 8, *[clean] * 8, *[splashed] * 2, *[clean] * 12]
    measured = measure_vector(
        measurable_sd1, vector(measurable_sd1), ANTI_UGLY, ToldDetector(told), images=2, sampling=ONE_STEP
    )
    assert (measured.effect["success_unsteered"], measured.effect["success"]) == (0, 1)
    assert measured.effect["kept"] == 1, "there is nothing else to keep"


def test_where_the_concept_is_not_seen_no_more_pictures_are_made(measurable_sd1: DiffusionModel) -> None:
    blind = ToldDetector([{"gender": "man"}])
    seen: list[tuple[int, int]] = []
    learned = vector(measurable_sd1)
    measured = measure_vector(
        measurable_sd1,
        learned,
        WOMAN,
        blind,
        sampling=ONE_STEP,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert measured is learned
    assert len(blind.shown) == 16
    assert seen[-1][0] == seen[-1][1]
