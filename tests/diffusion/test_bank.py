import pytest
import torch

from diffusion import SteeringError, VectorBank


@pytest.fixture
def bank(sd1, make_vector):
    """Four vectors: plain, for both halves, for the timesteps 400 to 599, and for the unconditional half."""
    vectors = {
        "woman": make_vector(sd1),
        "man": make_vector(sd1, "man", seed=1, halves="both"),
        "asian": make_vector(sd1, "asian", seed=2, timesteps=(400, 600)),
        "calm": make_vector(sd1, "calm", seed=3, halves="unconditional"),
    }
    return VectorBank.load(vectors, height=4, width=4, device=torch.device("cpu"))


@pytest.fixture
def h():
    return torch.randn(3, 32, 4, 4, generator=torch.Generator().manual_seed(9))


def test_coefficients_are_strengths_by_name(bank):
    coefficients = bank.coefficients([{"man": 2.0}, {}, {"asian": -1.0, "woman": 0.5, "elsewhere": 9.0}])
    assert coefficients.tolist() == [[0.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.5, 0.0, -1.0, 0.0]]


def test_guidance_pairs_put_the_unconditional_rows_first(bank):
    coefficients = bank.coefficients([{"woman": 1.0, "man": 2.0}, {"asian": 3.0, "calm": 4.0}])
    assert bank.guided(coefficients).tolist() == [
        [0.0, 2.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 4.0],
        [1.0, 2.0, 0.0, 0.0],
        [0.0, 0.0, 3.0, 0.0],
    ]


def test_a_vector_for_the_unconditional_half_is_refused_where_there_is_none(bank):
    with pytest.raises(SteeringError, match="'calm' has a map for the unconditional rows"):
        bank.unguided(bank.coefficients([{}, {"calm": 1.0}]))
    coefficients = bank.coefficients([{"woman": 1.0, "calm": 0.0}])
    assert torch.equal(bank.unguided(coefficients), coefficients)


def test_a_vector_with_two_maps_takes_two_places(sd1, make_vector, h):
    pair = make_vector(sd1, "kind", halves="both", unconditional_values=torch.ones(32, 4, 4))
    vectors = {"woman": make_vector(sd1, seed=1), "kind": pair}
    bank = VectorBank.load(vectors, height=4, width=4, device=torch.device("cpu"))
    assert bank.names == ("woman", "kind", "kind")
    coefficients = bank.coefficients([{"kind": 2.0, "woman": 1.0}])
    assert bank.guided(coefficients).tolist() == [[0.0, 0.0, 2.0], [1.0, 2.0, 0.0]]
    with pytest.raises(SteeringError, match="'kind' has a map for the unconditional rows"):
        bank.unguided(coefficients)
    guided = bank.guided(bank.coefficients([{"kind": 2.0}]))
    steered = bank.combine(h[:2], guided, torch.tensor(500))
    torch.testing.assert_close(steered, h[:2] + 2 * torch.stack([pair.unconditional_values, pair.values]))


def test_a_row_gets_the_sum_of_its_vectors(bank, h):
    coefficients = bank.coefficients([{"woman": 0.5, "man": -2.0}, {}, {"man": 1.0}])
    steered = bank.combine(h, coefficients, torch.tensor(500))
    woman, man, *_ = bank.values
    torch.testing.assert_close(steered[0], h[0] + 0.5 * woman - 2 * man)
    assert torch.equal(steered[1], h[1])
    assert torch.equal(steered[2], h[2] + man)


def test_ranges_are_half_open_and_each_row_has_its_timestep(bank, h):
    coefficients = bank.coefficients([{"asian": 1.0}] * 3)
    assert bank.combine(h, coefficients, torch.tensor([399, 600, 1])) is h
    steered = bank.combine(h, coefficients, torch.tensor([400, 599, 600]))
    assert torch.equal(steered[:2], h[:2] + bank.values[2])
    assert torch.equal(steered[2], h[2])
    # Karras schedules step at fractions of a timestep.
    assert bank.combine(h, coefficients, torch.tensor(399.9)) is h
    assert not torch.equal(bank.combine(h, coefficients, torch.tensor(599.9)), h)


def test_nothing_to_add_hands_on_the_map_itself(bank, h):
    assert bank.combine(h, bank.coefficients([{}, {"woman": 0.0}, {}]), torch.tensor(500)) is h


def test_the_input_is_left_as_it_was(bank, h):
    before = h.clone()
    bank.combine(h, bank.coefficients([{"woman": 1.0}] * 3), torch.tensor(500))
    assert torch.equal(h, before)


def test_half_precision_is_rounded_once(bank, h):
    coefficients = bank.coefficients([{"woman": 0.3, "man": 0.7}] * 3)
    steered = bank.combine(h.half(), coefficients, torch.tensor(500))
    expected = h.half().float() + torch.tensordot(coefficients, bank.values, dims=1)
    assert torch.equal(steered, expected.half())


def test_gradients_flow_through(bank, h):
    h.requires_grad_()
    bank.combine(h, bank.coefficients([{"woman": 1.0}, {}, {}]), torch.tensor(500)).sum().backward()
    assert torch.equal(h.grad, torch.ones_like(h))
