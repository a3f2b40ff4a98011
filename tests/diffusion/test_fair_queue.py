from collections import Counter, deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion.fair_queue import FairQueue

WEIGHTS = {"half": 0.5, "one": 1.0, "two": 2.0, "quarter": 0.25}
TENANTS = st.sampled_from(sorted(WEIGHTS))


def fair_queue(quantum: float = 100, **weights: float) -> FairQueue:
    return FairQueue(lambda tenant: weights.get(tenant, 1.0), quantum)


def leave_all(queue: FairQueue) -> list[int]:
    return [queue.pop() for _ in range(len(queue))]


def test_one_tenants_rows_leave_in_the_order_of_arrival():
    queue = fair_queue()
    for key, cost in enumerate([500, 10, 100]):
        queue.push(key, "ada", cost)
    assert leave_all(queue) == [0, 1, 2]


def test_tenants_take_turns_however_many_rows_one_has():
    queue = fair_queue()
    for key in range(1000):
        queue.push(key, "crowd", 100)
    queue.push(1000, "ada", 100)
    queue.push(1001, "bob", 100)
    assert leave_all(queue)[:4] == [0, 1000, 1001, 1]


def test_a_turn_is_worth_a_quantum_of_work_rather_than_a_row():
    queue = fair_queue(quantum=100)
    for key in range(3):
        queue.push(key, "large", 100)
    for key in range(10, 22):
        queue.push(key, "small", 25)
    assert leave_all(queue) == [0, 10, 11, 12, 13, 1, 14, 15, 16, 17, 2, 18, 19, 20, 21]


def test_a_row_dearer_than_a_turn_waits_until_its_tenant_has_enough():
    queue = fair_queue(quantum=100)
    queue.push(0, "ada", 250)
    for key in range(1, 5):
        queue.push(key, "bob", 100)
    assert leave_all(queue) == [1, 2, 0, 3, 4]


def test_a_tenant_of_twice_the_weight_gets_twice_the_work():
    queue = fair_queue(paying=2.0)
    for key in range(20):
        queue.push(key, "paying", 100)
        queue.push(100 + key, "free", 100)
    assert [key < 100 for key in leave_all(queue)[:9]] == [True, True, False] * 3


def test_nobody_saves_up_by_staying_away():
    queue = fair_queue(quantum=100)
    queue.push(0, "ada", 1)  # leaves 99 of its turn unused, and then nothing waits
    assert queue.pop() == 0
    for key in range(1, 4):
        queue.push(key, "bob", 100)
    for key in range(10, 14):
        queue.push(key, "ada", 100)
    assert leave_all(queue)[:4] == [1, 10, 2, 11]


def test_a_row_that_is_removed_costs_nothing():
    queue = fair_queue()
    for key in range(3):
        queue.push(key, "ada", 100)
        queue.push(10 + key, "bob", 100)
    queue.remove(0)
    assert len(queue) == 5
    assert 0 not in queue
    assert leave_all(queue) == [1, 10, 2, 11, 12]


def test_the_last_row_of_a_tenant_may_be_removed_in_its_turn():
    queue = fair_queue()
    queue.push(0, "ada", 100)
    queue.push(1, "bob", 300)
    assert queue.first() == 0
    queue.remove(0)
    assert queue.first() == 1
    queue.push(2, "ada", 100)
    assert leave_all(queue) == [1, 2]


def test_tiny_weights_cost_no_time():
    queue = fair_queue(quantum=1, ada=0.001, bob=0.001)
    queue.push(0, "ada", 10**12)
    queue.push(1, "bob", 10**12 + 10)
    assert leave_all(queue) == [0, 1]


def test_an_empty_queue_has_no_first_row():
    with pytest.raises(IndexError, match="No row waits"):
        fair_queue().pop()


class PaperRoundRobin:
    """Deficit round robin as its paper writes it down: round by round, with nothing skipped."""

    def __init__(self, quantum: float) -> None:
        self.quantum = quantum
        self.queues: dict[str, deque[tuple[int, int]]] = {}
        self.deficits: dict[str, float] = {}
        self.active: deque[str] = deque()
        self.serving = False

    def push(self, key: int, tenant: str, cost: int) -> None:
        if tenant not in self.active:
            self.queues[tenant] = deque()
            self.deficits[tenant] = 0
            self.active.append(tenant)
        self.queues[tenant].append((key, cost))

    def pop(self) -> int:
        while True:
            tenant = self.active[0]
            if not self.serving:
                self.deficits[tenant] += self.quantum * WEIGHTS[tenant]
                self.serving = True
            key, cost = self.queues[tenant][0]
            if cost <= self.deficits[tenant]:
                self.deficits[tenant] -= cost
                self.queues[tenant].popleft()
                if not self.queues[tenant]:
                    self.active.popleft()
                    self.serving = False
                return key
            self.active.rotate(-1)
            self.serving = False


@given(st.lists(st.none() | st.tuples(TENANTS, st.integers(1, 700)), max_size=80), st.integers(1, 300))
@settings(deadline=None)
def test_the_order_is_that_of_the_paper(events, quantum):
    """An event is a row that comes, or (None) one that leaves."""
    ours, papers = FairQueue(WEIGHTS.__getitem__, quantum), PaperRoundRobin(quantum)
    for key, event in enumerate(events):
        if event is not None:
            ours.push(key, *event)
            papers.push(key, *event)
        elif len(ours):
            assert ours.pop() == papers.pop()
    foretold = ours.order()
    assert foretold == [papers.pop() for _ in range(len(ours))]
    assert leave_all(ours) == foretold


@given(
    st.dictionaries(TENANTS, st.lists(st.integers(1, 700), min_size=30, max_size=40), min_size=2),
    st.integers(1, 300),
)
@settings(deadline=None)
def test_tenants_with_rows_at_all_times_share_the_work_by_weight(costs, quantum):
    queue = FairQueue(WEIGHTS.__getitem__, quantum)
    rows = [(tenant, cost) for tenant, theirs in costs.items() for cost in theirs]
    for key, (tenant, cost) in enumerate(rows):
        queue.push(key, tenant, cost)
    had: Counter[str] = Counter()
    left = Counter({tenant: len(theirs) for tenant, theirs in costs.items()})
    while all(left.values()):
        tenant, cost = rows[queue.pop()]
        had[tenant] += cost
        left[tenant] -= 1
        for ahead in costs:
            for behind in costs:
                bound = quantum + max(costs[behind]) / WEIGHTS[behind]
                assert had[ahead] / WEIGHTS[ahead] - had[behind] / WEIGHTS[behind] <= bound


@given(
    st.lists(st.tuples(TENANTS, st.integers(1, 700)), min_size=1, max_size=20),
    st.lists(st.tuples(TENANTS, st.integers(1, 700)), max_size=20),
)
@settings(deadline=None)
def test_the_next_row_stays_the_next_whatever_comes(rows, later):
    queue = FairQueue(WEIGHTS.__getitem__, 100)
    for key, row in enumerate(rows):
        queue.push(key, *row)
    first = queue.first()
    for key, row in enumerate(later, start=len(rows)):
        queue.push(key, *row)
        assert queue.first() == first
    assert queue.pop() == first
