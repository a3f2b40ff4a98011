"""The optimizer of vectors: Adam, by itself or with one rate for a whole map."""

import pytest
import torch

from learn_vectors.optimizer import VectorOptimizer

STEPS = 8


def make(values: torch.Tensor, *, one_rate: bool = False, averaged: float = 0.0) -> VectorOptimizer:
    return VectorOptimizer(values, learning_rate=0.1, steps=STEPS, averaged=averaged, one_rate=one_rate)


def gradients() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return list(torch.randn(STEPS, 2, 3, 4, 4, generator=generator))


def test_by_itself_it_is_adam_while_the_rate_is_constant():
    values, theirs = torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4, requires_grad=True)
    ours, adam = make(values), torch.optim.Adam([theirs], lr=0.1)
    for gradient in gradients()[: STEPS // 2]:
        ours.step(gradient)
        theirs.grad = gradient
        adam.step()
    torch.testing.assert_close(values, theirs.detach())


def test_with_one_rate_values_move_as_their_gradients_do():
    values = torch.zeros(1, 1, 1, 2)
    optimizer = make(values, one_rate=True)
    optimizer.step(torch.tensor([4.0, 0.04]).view(1, 1, 1, 2))
    moved = values.flatten().abs()
    assert moved[0] / moved[1] == pytest.approx(100)
    assert moved.square().mean().sqrt() == pytest.approx(0.1), "the rate is that of the whole map"


def test_with_one_rate_every_map_has_its_own():
    values = torch.zeros(2, 3, 4, 4)
    optimizer = make(values, one_rate=True)
    gradient = gradients()[0]
    optimizer.step(gradient * torch.tensor([1.0, 1000.0]).view(2, 1, 1, 1))
    rms = values.square().mean(dim=(1, 2, 3)).sqrt()
    torch.testing.assert_close(rms, torch.full((2,), 0.1))


def test_a_map_without_gradients_stays():
    values = torch.zeros(2, 3, 4, 4)
    optimizer = make(values, one_rate=True)
    for gradient in gradients():
        optimizer.step(gradient * torch.tensor([1.0, 0.0]).view(2, 1, 1, 1))
    assert values[0].any()
    assert not values[1].any()


def test_the_result_is_the_average_of_the_last_steps():
    optimizer, seen = make(torch.zeros(2, 3, 4, 4), averaged=0.25), []
    for gradient in gradients():
        optimizer.step(gradient)
        seen.append(optimizer.values.clone())
    torch.testing.assert_close(optimizer.result, torch.stack(seen[-2:]).mean(0))


@pytest.mark.parametrize("one_rate", [False, True])
def test_it_goes_on_from_a_saved_state(one_rate):
    whole, first, second = (make(torch.zeros(2, 3, 4, 4), one_rate=one_rate, averaged=0.5) for _ in range(3))
    for number, gradient in enumerate(gradients()):
        whole.step(gradient)
        if number < 5:
            first.step(gradient)
        if number == 4:
            second.restore({name: tensor.clone() for name, tensor in first.state().items()})
        if number > 4:
            second.step(gradient)
    assert torch.equal(second.result, whole.result)
