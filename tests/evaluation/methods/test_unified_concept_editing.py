import numpy as np
import pytest
import torch

from diffusion import DiffusionModel, Engine, Row, Sampling, fingerprint
from diffusion.errors import PromptTooLongError
from evaluation.methods.unified_concept_editing import (
    EDIT_SCALE,
    PRESERVE_SCALE,
    REGULARISATION,
    Edit,
    UnifiedConceptEditing,
    edit_matrix,
    edited,
)
from evaluation.prompts import Prompt
from evaluation.wish import Wish
from evaluation.wording import Wording

SAMPLING = Sampling(2, 5.0)
DOCTOR, NURSE = Prompt("a photo of a doctor", "doctor"), Prompt("a picture of a nurse", "nurse")
EDITS = (Edit("doctor", "woman doctor"), Edit("sexual", ""))
PRESERVED = ("person", "dog")


def ignore(done: int, total: int) -> None:
    pass


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_closed_form_solves_the_least_squares_problem() -> None:
    weight, sources, destinations, preserved = (
        random(*shape, seed=seed) for seed, shape in enumerate([(5, 8), (3, 8), (3, 8), (6, 8)])
    )
    # One linear system of everything the new weight is to do, each row weighted by the root of its scale.
    inputs = torch.cat(
        [
            EDIT_SCALE**0.5 * sources,
            PRESERVE_SCALE**0.5 * preserved,
            REGULARISATION**0.5 * torch.eye(8, dtype=torch.float64),
        ]
    )
    outputs = torch.cat(
        [
            EDIT_SCALE**0.5 * destinations @ weight.T,
            PRESERVE_SCALE**0.5 * preserved @ weight.T,
            REGULARISATION**0.5 * weight.T,
        ]
    )
    expected = torch.linalg.lstsq(inputs, outputs).solution.T
    assert torch.allclose(weight @ edit_matrix(sources, destinations, preserved), expected)


def test_an_edit_to_itself_changes_nothing() -> None:
    sources, preserved = random(3, 8, seed=0), random(2, 8, seed=1)
    assert torch.allclose(edit_matrix(sources, sources, preserved), torch.eye(8, dtype=torch.float64))


def attention_inputs(model: DiffusionModel) -> dict[str, torch.Tensor]:
    return {
        name: parameter
        for name, parameter in model.pipe.unet.named_parameters()
        if name.endswith(("attn2.to_k.weight", "attn2.to_v.weight"))
    }


def last_word(model: DiffusionModel, text: str) -> torch.Tensor:
    return model.encode([text]).embeds[0, model.count_tokens(text) - 2]


def test_an_edited_word_means_the_other(model: DiffusionModel) -> None:
    before = {name: weight.clone() for name, weight in attention_inputs(model).items()}
    doctor, woman = last_word(model, "doctor"), last_word(model, "woman doctor")
    with edited(model, EDITS, PRESERVED):
        after = attention_inputs(model)
        assert before.keys() == after.keys()
        for name, weight in after.items():
            meant = before[name] @ woman
            assert (weight @ doctor - meant).norm() < 0.3 * (before[name] @ doctor - meant).norm()


def test_a_preserved_word_stays_nearer_to_what_it_meant(model: DiffusionModel) -> None:
    before = {name: weight.clone() for name, weight in attention_inputs(model).items()}
    dog = last_word(model, "dog")

    def moved(preserved: tuple[str, ...]) -> torch.Tensor:
        with edited(model, EDITS, preserved):
            return torch.stack(
                [
                    (weight @ dog - before[name] @ dog).norm()
                    for name, weight in attention_inputs(model).items()
                ]
            )

    assert (moved(("person", "dog")) < 0.8 * moved(("person",))).all()


def test_the_weights_are_the_very_ones_afterwards(sd1: DiffusionModel) -> None:
    before = dict(sd1.pipe.unet.named_parameters())
    values = {name: parameter.clone() for name, parameter in before.items()}
    identity = fingerprint(sd1.pipe.unet)
    with pytest.raises(KeyboardInterrupt), edited(sd1, EDITS, PRESERVED):
        raise KeyboardInterrupt  # an interruption, which is no Exception
    after = dict(sd1.pipe.unet.named_parameters())
    assert list(after) == list(before)
    assert all(after[name] is before[name] for name in before)
    assert all(torch.equal(after[name], values[name]) for name in values)
    assert fingerprint(sd1.pipe.unet) == identity


def test_only_cross_attention_is_edited(sd1: DiffusionModel) -> None:
    before = dict(sd1.pipe.unet.named_parameters())
    with edited(sd1, EDITS, PRESERVED):
        changed = {
            name for name, parameter in sd1.pipe.unet.named_parameters() if parameter is not before[name]
        }
    assert changed == set(attention_inputs(sd1))
    assert changed


def test_each_wish_gets_its_own_edit(engine: Engine, wording: Wording) -> None:
    method = UnifiedConceptEditing(engine, wording)
    wishes = [
        Wish(DOCTOR, 3, SAMPLING, ("woman",)),
        Wish(NURSE, 3, SAMPLING, ("woman",)),
        Wish(DOCTOR, 3, SAMPLING, ("anti-sexual",)),
        Wish(DOCTOR, 4, SAMPLING, ("woman",)),
    ]
    assert method.edits(DOCTOR, ("woman", "anti-sexual", "anti-violence")) == (
        Edit("doctor", "woman doctor"),
        Edit("sexual", ""),
        Edit("ugly", ""),
    )
    told: list[tuple[int, int]] = []
    together = method.make(wishes, SAMPLING, lambda done, total: told.append((done, total)))
    assert told[-1] == (8, 8)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    for wish, made in zip(wishes, together, strict=True):
        (alone,) = method.make([wish], SAMPLING, ignore)
        difference = np.asarray(alone.image, dtype=int) - np.asarray(made.image, dtype=int)
        assert np.abs(difference).max() <= 1
        (plain,) = engine.generate([Row(wish.prompt.text, wish.seed)], SAMPLING)
        assert made.image.tobytes() != plain.image.tobytes()
        assert (made.prompt, made.seed) == (wish.prompt.text, wish.seed)


def test_what_it_cannot_do_is_refused(engine: Engine, wording: Wording) -> None:
    method = UnifiedConceptEditing(engine, wording)
    assert method.covers(["woman", "anti-sexual"])
    assert not method.covers(["unsaid"])
    long = Prompt("a photo of a doctor", "a very long description")
    with pytest.raises(PromptTooLongError):
        method.check([Wish(long, 0, SAMPLING, ("woman",))], SAMPLING)
