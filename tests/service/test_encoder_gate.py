from collections.abc import Sequence

import pytest
import torch
from pydantic import ValidationError

from service.encoder_gate import NO_PEOPLE, PEOPLE, STATED, EncoderGate, chosen_gate
from service.settings import Settings


def told(directions: dict[str, tuple[float, float, float]]):
    """An encoder that puts people, things and women on three axes, and the given prompts where they say."""

    def embed(prompts: Sequence[str]) -> torch.Tensor:
        axes = dict.fromkeys(NO_PEOPLE, (0.0, 1.0, 0.0)) | dict.fromkeys(PEOPLE, (2.0, 0.0, 0.0))
        axes |= dict.fromkeys((anchor for stated in STATED.values() for anchor in stated), (0.0, 0.0, -1.0))
        axes |= {"a photo of a woman": (0.0, 0.0, 3.0)} | directions
        return torch.tensor([axes[prompt] for prompt in prompts])

    return embed


@pytest.mark.parametrize(
    ("direction", "gender", "race", "anchor"),
    [
        ((5.0, 1.0, 1.0), True, True, PEOPLE[0]),
        ((1.0, 5.0, 1.0), False, False, NO_PEOPLE[0]),
        ((2.0, 1.0, 5.0), False, True, "a photo of a woman"),
    ],
)
def test_the_nearest_anchor_decides_whatever_the_lengths(direction, gender, race, anchor):
    gate = EncoderGate(told({"zorblax": direction}))
    decisions = gate.decide("zorblax", ["gender", "race"])
    assert [decision.concept_set for decision in decisions] == ["gender", "race"]
    assert [decision.applies for decision in decisions] == [gender, race]
    assert decisions[0].reason.startswith(f"text encoder: nearest to {anchor!r}, cosine 0.")


def test_of_other_sets_only_people_are_asked_for():
    gate = EncoderGate(told({"zorblax": (2.0, 1.0, 5.0)}))
    assert gate.decide("zorblax", ["glasses"])[0].applies


@pytest.mark.parametrize("kind", ["sd1", "sd2", "sdxl"])
def test_a_models_text_encoder_makes_one_vector_of_a_prompt(models, kind):
    model = models[kind]
    both = model.summarise(["a photo", "a dog"])
    assert both.dtype == torch.float32
    assert both.device.type == "cpu"
    torch.testing.assert_close(both[1:], model.summarise(["a dog"]))
    assert not torch.allclose(both[0], both[1])


def test_the_setting_turns_it_on(model):
    alone = chosen_gate(Settings(), model)
    second = chosen_gate(Settings(gate="lexicon+model"), model)
    (open_,), (other,) = (gate.decide("a dog", ["gender"]) for gate in (alone, second))
    assert "text encoder" not in open_.reason
    assert other.reason.startswith(f"lexicon: {open_.reason}; text encoder: nearest to")
    (sure,) = second.decide("a doctor", ["gender"])
    assert (sure.applies, sure.reason) == (True, "lexicon: 'doctor': gender open")
    with pytest.raises(ValidationError, match="lexicon"):
        Settings(gate="model")


def test_added_words_are_read_with_either(model, tmp_path):
    file = tmp_path / "words.yaml"
    file.write_text("people: {people: {tests: [gizmologian]}}")
    for gate in ("lexicon", "lexicon+model"):
        (decision,) = chosen_gate(Settings(gate=gate, lexicon=file), model).decide(
            "a gizmologian", ["gender"]
        )
        assert decision.applies
        assert "'gizmologian'" in decision.reason
