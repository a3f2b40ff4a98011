from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion.shape_turns import ShapeTurns

SMALL, LARGE, WIDE = (64, 64), (128, 128), (64, 96)


def turns(**weights: float) -> ShapeTurns:
    return ShapeTurns(lambda tenant: weights.get(tenant, 1.0))


def shares(shape_turns: ShapeTurns, works: dict[tuple[int, int], float], steps: int = 1000) -> dict:
    """What part of the work each shape gets, of steps of these works."""
    had: Counter[tuple[int, int]] = Counter()
    for _ in range(steps):
        shape = shape_turns.next()
        assert shape is not None
        shape_turns.stepped(shape, works[shape])
        had[shape] += works[shape]
    return {shape: had[shape] / sum(had.values()) for shape in works}


def test_without_rows_no_shape_steps():
    empty = turns()
    assert empty.next() is None
    empty.came("ada", SMALL)
    assert empty.next() == SMALL
    empty.went("ada", SMALL)
    assert empty.next() is None


def test_two_tenants_share_the_device_whatever_the_sizes_of_their_images():
    two = turns()
    two.came("ada", SMALL)
    two.came("bob", LARGE)
    assert shares(two, {SMALL: 16, LARGE: 64}) == pytest.approx({SMALL: 0.5, LARGE: 0.5}, abs=0.03)


def test_a_tenants_weight_is_its_share():
    two = turns(bob=3)
    two.came("ada", SMALL)
    two.came("bob", LARGE)
    assert shares(two, {SMALL: 16, LARGE: 16}) == pytest.approx({SMALL: 0.25, LARGE: 0.75}, abs=0.03)


def test_one_odd_size_does_not_take_half_the_device_from_fifteen_tenants():
    many = turns()
    for tenant in range(15):
        many.came(f"tenant {tenant}", SMALL)
    many.came("ada", LARGE)
    assert shares(many, {SMALL: 15, LARGE: 4}) == pytest.approx({SMALL: 15 / 16, LARGE: 1 / 16}, abs=0.01)


def test_spreading_over_many_sizes_gains_nothing():
    spread = turns()
    sizes = [(64, 64 + 8 * number) for number in range(20)]
    for size in sizes:
        spread.came("crowd", size)
    spread.came("ada", LARGE)
    part = shares(spread, {LARGE: 8} | dict.fromkeys(sizes, 8.0))
    assert part[LARGE] == pytest.approx(0.5, abs=0.03)


def test_a_tenants_weight_is_split_anew_as_it_comes_to_shapes_and_leaves_them():
    two = turns()
    two.came("ada", SMALL)
    two.came("bob", LARGE)
    works = {SMALL: 8, LARGE: 8, WIDE: 8}
    shares(two, works, steps=10)
    two.came("bob", WIDE)
    assert shares(two, works) == pytest.approx({SMALL: 1 / 2, LARGE: 1 / 4, WIDE: 1 / 4}, abs=0.02)
    two.went("bob", WIDE)
    assert shares(two, works) == pytest.approx({SMALL: 1 / 2, LARGE: 1 / 2, WIDE: 0}, abs=0.02)


def test_more_rows_in_a_shape_do_not_make_it_weigh_more():
    two = turns()
    two.came("ada", SMALL)
    for _ in range(100):
        two.came("crowd", LARGE)
    for _ in range(99):
        two.went("crowd", LARGE)
    assert shares(two, {SMALL: 16, LARGE: 16}) == pytest.approx({SMALL: 0.5, LARGE: 0.5}, abs=0.01)


def test_a_shape_that_was_away_has_saved_up_nothing():
    one = turns()
    one.came("ada", SMALL)
    assert shares(one, {SMALL: 16}) == {SMALL: 1}
    one.came("bob", LARGE)
    assert shares(one, {SMALL: 16, LARGE: 16}, steps=20) == pytest.approx({SMALL: 0.5, LARGE: 0.5}, abs=0.05)


def test_a_shape_that_comes_and_goes_still_owes_what_it_had():
    """One whose rows all end with every step, and come anew, gets no more than one whose rows stay."""
    two = turns()
    two.came("ada", SMALL)
    had: Counter[tuple[int, int]] = Counter()
    two.came("brief", LARGE)
    for _ in range(1000):
        shape = two.next()
        work = 1 if shape == SMALL else 64
        two.stepped(shape, work)
        had[shape] += work
        if shape == LARGE:
            two.went("brief", LARGE)
            two.next()
            two.came("brief", LARGE)
    assert had[LARGE] / had.total() == pytest.approx(0.5, abs=0.05)


def test_shapes_without_rows_are_forgotten():
    many = turns()
    many.came("ada", SMALL)
    for number in range(100):
        shape = (8, number)
        many.came("brief", shape)
        for _ in range(4):
            many.stepped(many.next(), 1)
        many.went("brief", shape)
    assert len(many._accounts) < 10


def test_the_debt_of_a_light_tenant_does_not_hold_up_a_heavy_one_who_comes_to_its_shape():
    two = turns(light=0.001)
    two.came("light", SMALL)
    two.came("ada", LARGE)
    for _ in range(2):
        two.stepped(two.next(), 16)  # which is worth 16000 to the light tenant
    two.came("bob", SMALL)
    assert shares(two, {SMALL: 16, LARGE: 16}, steps=20)[SMALL] == pytest.approx(0.5, abs=0.05)


@given(
    st.dictionaries(
        st.integers(1, 6).map(lambda number: (8, 8 * number)),
        st.tuples(st.sampled_from([0.25, 1.0, 3.0]), st.lists(st.integers(1, 64), min_size=5, max_size=5)),
        min_size=2,
    )
)
@settings(deadline=None)
def test_shapes_with_rows_at_all_times_share_the_work_by_weight(shapes):
    """The bound of start-time fair queueing, for one tenant a shape and steps of varying work."""
    weights = {shape: weight for shape, (weight, _) in shapes.items()}
    queue = ShapeTurns({str(shape): weight for shape, weight in weights.items()}.__getitem__)
    for shape in shapes:
        queue.came(str(shape), shape)
    had: Counter[tuple[int, int]] = Counter()
    steps: Counter[tuple[int, int]] = Counter()
    for _ in range(60):
        shape = queue.next()
        works = shapes[shape][1]
        work = works[steps[shape] % len(works)]
        queue.stepped(shape, work)
        steps[shape] += 1
        had[shape] += work
        served = {shape: had[shape] / weights[shape] for shape in shapes}
        largest = {shape: max(works) / weight for shape, (weight, works) in shapes.items()}
        for one in shapes:
            for other in shapes:
                assert abs(served[one] - served[other]) <= largest[one] + largest[other] + 1e-9
