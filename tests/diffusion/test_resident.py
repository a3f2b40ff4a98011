import itertools
from dataclasses import replace

import pytest
import torch

from diffusion import Engine, Row, Sampling
from diffusion.resident import ResidentVectors
from vectors import ConceptVector


def vector(number: int) -> ConceptVector:
    return ConceptVector(f"v{number}", torch.full((2, 3, 3), float(number)), base_model=f"sha256:{0:064}")


def pair(number: int) -> ConceptVector:
    return replace(vector(number), halves="both", unconditional_values=torch.full((2, 3, 3), -float(number)))


def held(resident: ResidentVectors, number: int, *, conditional: bool = True) -> float:
    return float(resident.values[resident.place(f"digest {number}", conditional=conditional), 0, 0, 0])


@pytest.mark.parametrize("order", list(itertools.permutations((1, 2, 3))))
def test_vectors_lie_in_the_order_of_their_digests_whatever_came_first(order):
    resident = ResidentVectors((2, 3, 3), torch.device("cpu"), places=2)
    for number in order:
        resident.hold(f"digest {number}", vector(number))
    assert [held(resident, number) for number in (1, 2, 3)] == [1, 2, 3]
    places = [resident.place(f"digest {number}") for number in (1, 2, 3)]
    assert places == sorted(places)


def test_the_place_of_a_vector_that_nobody_uses_is_given_to_another():
    resident = ResidentVectors((2, 3, 3), torch.device("cpu"), places=2)
    for number in (3, 4):
        resident.hold(f"digest {number}", vector(number))
    resident.release("digest 3")
    resident.hold("digest 1", vector(1))
    assert (held(resident, 1), held(resident, 4)) == (1, 4)
    assert len(resident.values) == 2
    with pytest.raises(KeyError):
        resident.place("digest 3")


@pytest.mark.parametrize("order", list(itertools.permutations((1, 2, 3))))
def test_a_vector_with_two_maps_has_two_places_side_by_side(order):
    resident = ResidentVectors((2, 3, 3), torch.device("cpu"), places=2)
    for number in order:
        resident.hold(f"digest {number}", pair(number) if number == 2 else vector(number))
    rows = [[held(resident, number, conditional=half) for number in (1, 2, 3)] for half in (True, False)]
    assert rows == [[1, 2, 3], [1, -2, 3]]
    places = [
        resident.place(f"digest {number}", conditional=half) for number in (1, 2, 3) for half in (True, False)
    ]
    assert places == sorted(places)
    assert len(set(places)) == 4


def test_two_maps_are_kept_and_given_up_like_one():
    resident = ResidentVectors((2, 3, 3), torch.device("cpu"), places=3)
    resident.hold("digest 2", pair(2))
    resident.hold("digest 3", vector(3))
    resident.release("digest 2")
    resident.hold("digest 1", vector(1))  # in the place of one of the two
    resident.hold("digest 2", pair(2))  # both are in use again, beside two others
    assert [held(resident, number) for number in (1, 2, 3)] == [1, 2, 3]
    assert held(resident, 2, conditional=False) == -2
    assert len(resident.values) == 6


def test_a_full_bank_grows_rather_than_give_away_a_map_that_just_came():
    resident = ResidentVectors((2, 3, 3), torch.device("cpu"), places=1)
    resident.hold("digest 1", pair(1))
    assert [held(resident, 1, conditional=half) for half in (True, False)] == [1, -1]


def test_an_image_is_the_same_to_the_bit_whatever_was_steered_before(sd1, make_vector, library):
    names = [f"concept-{number}" for number in range(5)]
    for number, name in enumerate(names):
        library.publish(make_vector(sd1, name, seed=number))
    row = Row("a doctor", seed=1, steering=dict.fromkeys(names, 0.7))

    def latents(*before: str) -> torch.Tensor:
        engine = Engine(sd1, library)
        for name in before:
            engine.generate([Row("a cat", seed=2, steering={name: 1.0})], Sampling(1))
        (order,) = engine.prepare([row], Sampling(3))
        runner = engine._loop._runner
        (one,) = runner.begin([order])
        while not one.is_finished:
            runner.step([one])
        return runner.finish(one)

    expected = latents()
    assert torch.equal(latents(*names), expected)
    assert torch.equal(latents(*reversed(names)), expected)
