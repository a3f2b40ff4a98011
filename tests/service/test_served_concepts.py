"""What policies are told of the served vectors."""

from collections.abc import Sequence

import pytest
import torch

from service.concepts import concepts_of
from vectors import ConceptVector

SCALE = 2.0


def vector(
    concept: str, values: Sequence[float], halves: str = "conditional", other: Sequence[float] | None = None
) -> ConceptVector:
    maps = [torch.tensor(one).reshape(2, 1, 1) for one in (values, other) if one is not None]
    return ConceptVector(
        concept,
        maps[0],
        "sha256:" + "a1" * 32,
        halves=halves,
        unconditional_values=maps[1] if other is not None else None,
    )


VECTORS = [
    vector("read", [2.0, 0.0]),
    vector("avoided", [0.0, 4.0], "unconditional"),
    vector("everywhere", [1.0, 1.0], "both"),
    vector("pair", [3.0, 0.0], "both", [-1.0, 5.0]),
    vector("turned", [-3.0, 0.0], "both", [-2.0, 0.0]),
]


def dot(one: Sequence[float], other: Sequence[float]) -> float:
    """In squares of the norm of a site's output of two values."""
    return sum(a * b for a, b in zip(one, other, strict=True)) / (2 * SCALE**2)


@pytest.fixture(scope="module")
def concepts():
    return concepts_of({one.concept: one for one in VECTORS}, {}, 3.0, {"mid_block": SCALE})


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("read", "read", dot([2, 0], [2, 0])),
        ("read", "avoided", 0.0),
        ("read", "everywhere", dot([2, 0], [1, 1])),
        ("avoided", "everywhere", dot([0, 4], [1, 1])),
        ("everywhere", "everywhere", dot([1, 1], [1, 1])),
        ("pair", "read", dot([3, 0], [2, 0])),
        ("pair", "avoided", dot([-1, 5], [0, 4])),
        ("pair", "everywhere", dot([-1, 5], [1, 1])),  # more than the 3 of the conditional rows
        ("pair", "pair", dot([-1, 5], [-1, 5])),  # more than the 9 of the conditional rows
        ("pair", "turned", dot([-1, 5], [-2, 0])),  # rather than the -9 of the conditional rows
        ("turned", "turned", dot([-3, 0], [-3, 0])),
        ("turned", "read", dot([-3, 0], [2, 0])),
    ],
)
def test_products_are_the_larger_of_those_on_rows_where_both_are(concepts, one, other, expected):
    assert concepts.products[one, other] == pytest.approx(expected)
    assert concepts.products[other, one] == pytest.approx(expected)


def test_every_pair_of_one_site_and_shape_has_a_product(concepts):
    assert len(concepts.products) == len(VECTORS) ** 2


def test_a_vector_with_a_map_for_unconditional_rows_takes_guidance(concepts):
    assert concepts.guided_only == {"avoided", "pair", "turned"}
