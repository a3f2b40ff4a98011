import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from diffusion.admission import Admission, Decision, Displaced
from diffusion.errors import QueueFullError, RowTooLargeError
from diffusion.tickets import Shape, Ticket, area_weight

SMALL, LARGE, WIDE = (64, 64), (128, 128), (64, 96)


def admission(capacity: int = 4, max_waiting: int = 1000, **options: object) -> Admission:
    return Admission(lambda shape: capacity, max_waiting=max_waiting, **options)


def ticket(
    key: int,
    tenant: str = "ada",
    shape: Shape = SMALL,
    *,
    unet_rows: int = 2,
    steps: int = 50,
    area: float = 1.0,
    deadline_s: float | None = None,
) -> Ticket:
    return Ticket(key, tenant, shape, unet_rows, steps, area, deadline_s)


def running(queue: Admission, now_s: float = 0.0) -> list[int]:
    step = queue.next_step(now_s).step
    assert step is not None
    return list(step.running)


class Device:
    """Runs a queue's steps and finishes every row that has had all of its own."""

    def __init__(self, queue: Admission) -> None:
        self.queue = queue
        self.tickets: dict[int, Ticket] = {}
        self.steps_had: Counter[int] = Counter()
        self.work_had: Counter[str] = Counter()
        self.finished: list[int] = []

    def submit(self, *tickets: Ticket) -> None:
        self.queue.submit(tickets, 0.0)
        self.tickets |= {ticket.key: ticket for ticket in tickets}

    def step(self) -> tuple[int, ...]:
        step = self.queue.next_step(0.0).step
        if step is None:
            return ()
        for key in step.running:
            ticket = self.tickets[key]
            self.steps_had[key] += 1
            self.work_had[ticket.tenant] += ticket.unet_rows * ticket.area
            if self.steps_had[key] == ticket.steps:
                self.queue.finished(key)
                self.finished.append(key)
        return step.running

    def steps_until_begun(self, key: int, limit: int) -> int:
        for steps in range(limit):
            if key in self.step():
                return steps
        raise AssertionError(f"the row {key} did not begin within {limit} steps")


# Who joins


def test_rows_join_while_there_is_room_and_step_together():
    queue = admission(capacity=5)
    queue.submit([ticket(key) for key in range(3)], 0.0)
    step = queue.next_step(0.0).step
    assert (step.shape, step.running, step.joined) == (SMALL, (0, 1), (0, 1))
    assert (queue.running_count, queue.waiting_count) == (2, 1)
    queue.submit([ticket(3, unet_rows=1)], 0.0)
    queue.finished(0)
    step = queue.next_step(0.0).step
    assert (step.running, step.joined) == ((1, 2, 3), (2, 3))
    step = queue.next_step(0.0).step
    assert (step.running, step.joined) == ((1, 2, 3), ())


def test_nothing_to_do_is_said():
    assert admission().next_step(0.0) == Decision(None, ())


def test_a_full_shape_holds_up_no_other():
    queue = admission(capacity=2)
    queue.submit([ticket(0), ticket(1), ticket(2), ticket(3, shape=LARGE), ticket(4, "bob", WIDE)], 0.0)
    assert sorted(running(queue) + running(queue) + running(queue)) == [0, 3, 4]


def test_a_row_that_needs_more_than_is_free_is_not_passed_by_smaller_ones():
    queue = admission(capacity=4)
    queue.submit([ticket(0, unet_rows=2), ticket(1, unet_rows=4), ticket(2, "bob", unet_rows=1)], 0.0)
    queue.submit([ticket(3, unet_rows=1)], 0.0)
    assert running(queue) == [0, 2]  # each tenant's first
    queue.finished(2)
    queue.submit([ticket(4, "eve", unet_rows=1)], 0.0)
    assert running(queue) == [0]
    queue.finished(0)
    assert running(queue) == [1]
    assert queue.position(4) == 1


def test_a_tenant_with_a_thousand_rows_holds_up_a_single_one_for_a_turn_only():
    device = Device(admission(capacity=8))
    device.submit(*(ticket(key, "crowd") for key in range(1000)))
    for _ in range(10):
        device.step()
    device.submit(ticket(1000, "ada", steps=20))
    assert device.queue.position(1000) == 2  # of whole turns, only the one that has begun comes first
    assert device.steps_until_begun(1000, 100) == 40  # as soon as the four that ran are finished


@pytest.mark.parametrize(("unet_rows", "steps"), [(1, 4), (2, 50), (4, 150)])
def test_tenants_share_a_shape_by_weight_whatever_their_rows_cost(unet_rows, steps):
    device = Device(admission(capacity=16, max_waiting=20_000, weights={"ada": 3.0}))
    device.submit(*(ticket(key, "ada", unet_rows=unet_rows, steps=steps) for key in range(10_000)))
    device.submit(*(ticket(10_000 + key, "bob", unet_rows=2, steps=30) for key in range(500)))
    for _ in range(3000):
        device.step()
    assert device.work_had["ada"] / device.work_had["bob"] == pytest.approx(3, rel=0.1)


@pytest.mark.parametrize("shape", [SMALL, LARGE])
def test_weights_that_change_hold_for_what_waits_already(shape):
    device = Device(admission(capacity=4, weights={"ada": 3.0}))
    device.submit(*(ticket(key, "ada", SMALL) for key in range(400)))
    device.submit(*(ticket(400 + key, "bob", shape) for key in range(400)))

    def shared() -> float:
        before = device.work_had.copy()
        for _ in range(2000):
            device.step()
        had = device.work_had - before
        return had["ada"] / had["bob"]

    assert shared() == pytest.approx(3, rel=0.1)
    with pytest.raises(ValueError, match="of 'ada' must be between"):
        device.queue.set_weights({"ada": 0.0, "bob": 3.0})
    assert shared() == pytest.approx(3, rel=0.1)
    device.queue.set_weights({"bob": 3.0})
    for _ in range(400):  # what ran goes on, and the turn that has begun ends
        device.step()
    assert shared() == pytest.approx(1 / 3, rel=0.1)


def test_tenants_share_the_device_across_shapes_of_different_area():
    device = Device(admission(capacity=4))
    device.submit(*(ticket(key, "ada", SMALL) for key in range(500)))
    device.submit(*(ticket(500 + key, "bob", LARGE, area=5.5) for key in range(500)))
    for _ in range(2000):
        device.step()
    assert device.work_had["ada"] / device.work_had["bob"] == pytest.approx(1, rel=0.05)


def test_the_overhead_of_a_step_counts_as_work():
    def steps_of_single_row(overhead: float) -> int:
        queue = admission(capacity=16, step_overhead=overhead)
        queue.submit([ticket(0, "ada", LARGE, unet_rows=1)], 0.0)
        queue.submit([ticket(key, "bob", SMALL) for key in range(1, 9)], 0.0)
        return sum(running(queue) == [0] for _ in range(170))

    assert steps_of_single_row(0.0) == pytest.approx(160, abs=3)
    assert steps_of_single_row(4.0) == pytest.approx(170 * 4 / 5, abs=3)


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 6)), min_size=1, max_size=6),
    st.integers(0, 3),
)
@settings(max_examples=30, deadline=None)
def test_no_row_starves_in_a_stream_of_smaller_ones(others, own):
    """The stream: `own` small rows of the same tenant and one of each other, put in again as they end."""
    quantum = 20
    device = Device(admission(capacity=4, quantum=quantum))
    streams = [("ada", 1, 3)] * own + [(f"other {n}", rows, steps) for n, (rows, steps) in enumerate(others)]
    keys = iter(range(1, 100_000))

    def refill() -> None:
        """Keep three rows of every stream waiting."""
        here = Counter(
            stream_of[key] for key in stream_of if device.steps_had[key] < device.tickets[key].steps
        )
        for number, (tenant, unet_rows, steps) in enumerate(streams):
            for _ in range(3 - here[number]):
                key = next(keys)
                stream_of[key] = number
                device.submit(ticket(key, tenant, unet_rows=unet_rows, steps=steps))

    stream_of: dict[int, int] = {}
    refill()
    device.step()
    device.submit(large := ticket(0, "ada", unet_rows=4, steps=10))
    # What may go first: the tenant's own rows of before; and in each round that all of these need, a quantum
    # and a row of every other tenant; and what runs. At least one U-Net row of it is done in every step.
    own_work = own * 3 * 3 + large.row_steps
    rounds = math.ceil(own_work / quantum) + 1
    bound = own_work + rounds * len(others) * (quantum + 18) + 4 * 6
    for _ in range(bound):
        if 0 in device.step():
            return
        refill()
    raise AssertionError(f"the large row did not begin within {bound} steps")


# Who may wait


def test_a_request_is_taken_or_refused_as_one():
    queue = admission(max_waiting=5)
    queue.submit([ticket(key) for key in range(4)], 0.0)
    with pytest.raises(
        QueueFullError, match=r"No room for 2 more rows: 4 rows wait, and at most 5 may\."
    ) as full:
        queue.submit([ticket(4), ticket(5)], 0.0)
    assert (full.value.waiting, full.value.requested, full.value.limit) == (4, 2, 5)
    assert full.value.tenant is None
    assert queue.waiting_count == 4
    queue.submit([ticket(4)], 0.0)


def test_a_full_queue_says_what_work_is_ahead_of_room():
    queue = admission(max_waiting=4)
    queue.submit([ticket(key, steps=50, area=2.0) for key in range(4)], 0.0)
    assert queue.waiting_work == 4 * 2 * 50 * 2.0
    with pytest.raises(QueueFullError, match="once 2 of them have begun") as full:
        queue.submit([ticket(4), ticket(5)], 0.0)
    assert full.value.work_ahead == queue.waiting_work / 2


def test_running_rows_do_not_count_as_waiting():
    queue = admission(capacity=4, max_waiting=2)
    queue.submit([ticket(0), ticket(1)], 0.0)
    assert running(queue) == [0, 1]
    queue.submit([ticket(2), ticket(3)], 0.0)
    assert (queue.waiting_count, queue.running_count) == (2, 2)
    assert (queue.waiting_work, queue.running_work) == (200, 2 * 2 * 49)


def test_a_tenant_may_have_a_limit_of_its_own():
    queue = admission(max_waiting_per_tenant=2)
    queue.submit([ticket(0, shape=SMALL), ticket(1, shape=LARGE)], 0.0)
    with pytest.raises(QueueFullError, match="2 rows of 'ada' wait") as full:
        queue.submit([ticket(2, "bob"), ticket(3, "ada")], 0.0)
    assert full.value.tenant == "ada"
    queue.submit([ticket(2, "bob")], 0.0)
    running(queue)
    queue.submit([ticket(3, "ada")], 0.0)


def test_a_request_that_could_never_wait_is_told_so():
    with pytest.raises(QueueFullError, match="Ask for at most 2 images at once"):
        admission(max_waiting=2).submit([ticket(key) for key in range(3)], 0.0)


def test_a_row_that_could_never_fit_is_refused_at_the_door_with_its_request():
    queue = Admission({SMALL: 8, LARGE: 3}.__getitem__, max_waiting=10)
    with pytest.raises(
        RowTooLargeError, match="4 U-Net rows of latents 128 x 128, and the device holds 3"
    ) as large:
        queue.submit([ticket(0), ticket(1, shape=LARGE, unet_rows=4)], 0.0)
    assert (large.value.unet_rows, large.value.capacity, large.value.shape) == (4, 3, LARGE)
    assert queue.waiting_count == 0
    queue.submit([ticket(0, unet_rows=4)], 0.0)


def test_a_key_names_one_row():
    queue = admission()
    with pytest.raises(ValueError, match=r"\[0, 0\]"):
        queue.submit([ticket(0), ticket(0)], 0.0)
    queue.submit([ticket(0)], 0.0)
    with pytest.raises(ValueError, match="still here"):
        queue.submit([ticket(1), ticket(0)], 0.0)
    assert queue.waiting_count == 1
    running(queue)
    queue.finished(0)
    queue.submit([ticket(0)], 0.0)


# Positions


def test_positions_are_the_order_in_which_rows_of_a_shape_join():
    queue = admission(capacity=2)
    queue.submit([ticket(0), ticket(1), ticket(2), ticket(3, shape=LARGE)], 0.0)
    queue.submit([ticket(4, "bob")], 0.0)
    assert [queue.position(key) for key in range(5)] == [1, 3, 4, 1, 2]
    assert running(queue) == [0]
    assert [queue.position(key) for key in range(5)] == [None, 2, 3, 1, 1]
    queue.cancel(4)
    assert [queue.position(key) for key in range(5)] == [None, 1, 2, 1, None]


# Leaving


def test_a_row_can_be_cancelled_at_any_time():
    queue = admission(capacity=2)
    queue.submit([ticket(0), ticket(1), ticket(2)], 0.0)
    assert running(queue) == [0]
    assert queue.cancel(0)
    assert queue.cancel(1)
    assert running(queue) == [2]
    assert not queue.cancel(0)
    queue.finished(2)
    assert not queue.cancel(2)
    assert queue.next_step(0.0) == Decision(None, ())


def test_only_a_running_row_can_be_finished():
    queue = admission()
    queue.submit([ticket(0)], 0.0)
    for key in (0, 1):
        with pytest.raises(ValueError, match=f"The row {key} does not run"):
            queue.finished(key)


def test_a_row_costs_no_step_once_its_deadline_has_come():
    queue = admission(capacity=2)
    queue.submit([ticket(0, deadline_s=10.0), ticket(1, deadline_s=10.0), ticket(2, deadline_s=11.0)], 0.0)
    assert queue.next_step(9.9).step.running == (0,)
    decision = queue.next_step(10.0)
    assert sorted(decision.expired) == [0, 1]
    assert decision.step.running == (2,)
    assert queue.next_step(11.0) == Decision(None, (2,))
    assert queue.next_step(12.0) == Decision(None, ())


def test_rows_that_are_too_late_take_no_place_from_those_that_come():
    queue = admission(max_waiting=1)
    queue.submit([ticket(0, deadline_s=10.0)], 0.0)
    with pytest.raises(QueueFullError):
        queue.submit([ticket(1)], 9.0)
    queue.submit([ticket(1)], 10.0)
    decision = queue.next_step(10.0)
    assert (decision.expired, decision.step.running) == ((0,), (1,))


def test_every_row_that_was_too_late_is_told():
    queue = admission()
    queue.submit([ticket(0, deadline_s=10.0), ticket(1, deadline_s=11.0)], 0.0)
    for key, now_s in ((2, 10.0), (3, 11.0)):
        queue.submit([ticket(key)], now_s)
    decision = queue.next_step(11.0)
    assert (decision.expired, decision.step.running) == ((0, 1), (2, 3))


# Less room


def test_out_of_memory_halves_what_steps_together_and_loses_no_row():
    queue = admission(capacity=100)
    queue.submit([ticket(key) for key in range(4)], 0.0)
    assert running(queue) == [0, 1, 2, 3]
    assert queue.out_of_memory(SMALL) == Displaced(suspended=(3, 2), unfit=())
    assert queue.capacity(SMALL) == 4  # of the 8 that ran, not of the 100 that were thought to fit
    queue.submit([ticket(4)], 0.0)
    assert running(queue) == [0, 1]
    assert [queue.position(key) for key in (2, 3, 4)] == [1, 2, 3]
    assert (queue.running_count, queue.waiting_count) == (2, 3)
    queue.finished(0)
    step = queue.next_step(0.0).step
    assert (step.running, step.joined) == ((1, 2), (2,))


def test_suspended_rows_go_on_before_other_tenants_begin():
    queue = admission(capacity=4)
    queue.submit([ticket(0), ticket(1), ticket(2, "bob")], 0.0)
    assert running(queue) == [0, 2]
    queue.set_capacity(SMALL, 2)
    assert running(queue) == [0]
    queue.finished(0)
    assert running(queue) == [2]


def test_a_large_row_among_several_may_still_fit_alone():
    queue = admission(capacity=5)
    queue.submit([ticket(0, unet_rows=1), ticket(1, unet_rows=4)], 0.0)
    assert running(queue) == [0, 1]
    assert queue.out_of_memory(SMALL) == Displaced(suspended=(1,), unfit=())
    assert running(queue) == [0]
    queue.finished(0)
    assert running(queue) == [1]


def test_a_row_that_waits_is_not_dropped_for_what_others_took():
    queue = admission(capacity=6)
    queue.submit([ticket(0), ticket(1), ticket(2), ticket(3, unet_rows=4)], 0.0)
    assert running(queue) == [0, 1, 2]
    assert queue.out_of_memory(SMALL) == Displaced(suspended=(2,), unfit=())
    assert queue.capacity(SMALL) == 4


def test_a_row_that_does_not_fit_alone_never_will_nor_any_as_large():
    queue = admission(capacity=2)
    queue.submit([ticket(0), ticket(1), ticket(2, unet_rows=1)], 0.0)
    assert running(queue) == [0]
    assert queue.out_of_memory(SMALL) == Displaced(suspended=(), unfit=(0, 1))
    assert running(queue) == [2]
    with pytest.raises(RowTooLargeError):
        queue.submit([ticket(3)], 0.0)
    assert queue.out_of_memory(SMALL) == Displaced(suspended=(), unfit=(2,))
    assert queue.next_step(0.0) == Decision(None, ())


def test_out_of_memory_is_of_a_step():
    queue = admission()
    queue.submit([ticket(0)], 0.0)
    for shape in (SMALL, LARGE):
        with pytest.raises(ValueError, match="no step of it can have failed"):
            queue.out_of_memory(shape)


def test_the_room_can_be_given_back():
    queue = admission(capacity=4)
    queue.submit([ticket(0), ticket(1), ticket(2)], 0.0)
    assert running(queue) == [0, 1]
    assert queue.set_capacity(SMALL, 2) == Displaced((1,), ())
    assert queue.set_capacity(LARGE, 1) == Displaced((), ())
    assert queue.set_capacity(SMALL, 6) == Displaced((), ())
    assert running(queue) == [0, 1, 2]
    assert (queue.capacity(SMALL), queue.capacity(LARGE), queue.capacity(WIDE)) == (6, 1, 4)


def test_a_suspended_row_can_leave():
    queue = admission(capacity=4)
    queue.submit([ticket(0), ticket(1, deadline_s=5.0), ticket(2)], 0.0)
    running(queue)
    queue.set_capacity(SMALL, 2)
    decision = queue.next_step(5.0)
    assert (decision.expired, decision.step.running) == ((1,), (0,))
    assert queue.position(2) == 1


# What is refused


@pytest.mark.parametrize(
    "options",
    [
        {"max_waiting": 0},
        {"max_waiting_per_tenant": 0},
        {"quantum": 0},
        {"weights": {"ada": 0.0}},
        {"weights": {"ada": math.nan}},
        {"step_overhead": -1.0},
        {"step_overhead": math.inf},
    ],
)
def test_numbers_with_which_nothing_would_run_are_refused(options):
    with pytest.raises(ValueError, match="must be"):
        admission(**options)


@pytest.mark.parametrize(
    "numbers",
    [{"unet_rows": 0}, {"steps": 0}, {"area": 0.0}, {"area": math.inf}, {"deadline_s": math.nan}],
)
def test_numbers_that_describe_no_row_are_refused(numbers):
    with pytest.raises(ValueError, match="must be"):
        ticket(0, **numbers)


def test_a_capacity_below_0_is_refused():
    with pytest.raises(ValueError, match="-1 must be at least 0"):
        admission().set_capacity(SMALL, -1)


# What a row costs


@pytest.mark.parametrize(
    ("native", "teraflop"),
    [
        (64, {(32, 32): 0.180, (64, 64): 0.803, (64, 96): 1.295, (96, 96): 2.148, (128, 128): 4.674}),
        (128, {(64, 64): 1.589, (128, 128): 6.761, (128, 192): 10.68, (192, 192): 17.26, (256, 256): 35.91}),
    ],
    ids=["SD 1.5", "SDXL"],
)
def test_area_weights_are_those_of_counted_operations(native, teraflop):
    """The operations of one U-Net row, counted with torch's FlopCounterMode."""
    for shape, counted in teraflop.items():
        expected = counted / teraflop[native, native]
        assert area_weight(shape, (native, native)) == pytest.approx(expected, rel=0.05)


def test_work_is_rows_times_steps_times_area():
    assert ticket(0, unet_rows=3, steps=20, area=1.5).work == 90


# Everything at once


class Life(RuleBasedStateMachine):
    """Requests, steps, cancellations, deadlines and changes of room in any order, watched from outside."""

    shapes = (SMALL, LARGE, WIDE)
    tenants = ("ada", "bob", "eve")
    here = Bundle("here")

    def __init__(self) -> None:
        super().__init__()
        self.room = {SMALL: 8, LARGE: 4, WIDE: 3}
        self.queue = Admission(self.room.__getitem__, max_waiting=20, weights={"bob": 2.5}, quantum=5)
        self.now_s = 0.0
        self.tickets: dict[int, Ticket] = {}
        self.steps_left: dict[int, int] = {}
        """Of the rows that have not ended."""
        self.running: dict[Shape, tuple[int, ...]] = dict.fromkeys(self.shapes, ())
        self.begun: set[int] = set()

    def end(self, key: int) -> None:
        del self.steps_left[key]  # which fails if it has ended before
        shape = self.tickets[key].shape
        self.running[shape] = tuple(other for other in self.running[shape] if other != key)

    def rows_of(self, shape: Shape) -> list[int]:
        return [key for key in self.steps_left if self.tickets[key].shape == shape]

    def too_late(self) -> set[int]:
        return {
            key
            for key in self.steps_left
            if (deadline_s := self.tickets[key].deadline_s) is not None and deadline_s <= self.now_s
        }

    def line(self, shape: Shape) -> list[int]:
        """The rows of a shape that wait, as their positions say."""
        places = {key: self.queue.position(key) for key in self.rows_of(shape)}
        waiting = {place: key for key, place in places.items() if place is not None}
        assert sorted(waiting) == list(range(1, len(waiting) + 1))
        assert {key for key, place in places.items() if place is None} == set(self.running[shape])
        return [waiting[place] for place in sorted(waiting)]

    @rule(
        target=here,
        rows=st.lists(
            st.tuples(
                st.sampled_from(tenants),
                st.sampled_from(shapes),
                st.integers(1, 4),
                st.integers(1, 6),
                st.none() | st.integers(1, 20),
            ),
            min_size=1,
            max_size=6,
        ),
    )
    def submit(self, rows):
        tickets = [
            Ticket(
                len(self.tickets) + number,
                tenant,
                shape,
                unet_rows,
                steps,
                deadline_s=None if patience_s is None else self.now_s + patience_s,
            )
            for number, (tenant, shape, unet_rows, steps, patience_s) in enumerate(rows)
        ]
        self.tickets |= {ticket.key: ticket for ticket in tickets}
        lines = {shape: self.line(shape) for shape in self.shapes} if not self.too_late() else {}
        waiting = len(self.steps_left) - sum(map(len, self.running.values()))
        refused = None
        try:
            self.queue.submit(tickets, self.now_s)
        except (RowTooLargeError, QueueFullError) as error:
            refused = error
        fits = all(ticket.unet_rows <= self.room[ticket.shape] for ticket in tickets)
        assert isinstance(refused, RowTooLargeError) != fits
        if refused is None:
            self.steps_left |= {ticket.key: ticket.steps for ticket in tickets}
            return multiple(*(ticket.key for ticket in tickets))
        if isinstance(refused, QueueFullError):
            assert refused.waiting + len(tickets) > 20
            assert refused.waiting <= waiting
            assert 0 <= refused.work_ahead <= self.queue.waiting_work
        for shape, line in lines.items():
            assert self.line(shape) == line  # nothing was taken
        return multiple()

    @rule(passed_s=st.integers(0, 4))
    def step(self, passed_s):
        self.now_s += passed_s
        too_late = self.too_late()
        for key in too_late:
            self.end(key)
        foretold = {shape: self.line(shape) for shape in self.shapes} if not too_late else None
        decision = self.queue.next_step(self.now_s)
        assert len(decision.expired) == len(set(decision.expired))
        assert set(decision.expired) == too_late
        if decision.step is None:
            assert not self.steps_left
            return
        shape, joined = decision.step.shape, decision.step.joined
        waiting = [key for key in self.rows_of(shape) if key not in self.running[shape]]
        assert decision.step.running == self.running[shape] + joined
        assert set(joined) <= set(waiting)
        if foretold is not None:
            assert list(joined) == foretold[shape][: len(joined)]
        self.in_order_of_arrival(waiting, joined)
        self.running[shape] = decision.step.running
        self.begun |= set(joined)
        free = self.room[shape] - self.unet_rows(shape)
        assert free >= 0
        if line := self.line(shape):
            assert self.tickets[line[0]].unet_rows > free  # no room is left that the next one could have
        for key in decision.step.running:
            self.steps_left[key] -= 1
            if not self.steps_left[key]:
                self.queue.finished(key)
                self.end(key)

    def in_order_of_arrival(self, waiting: list[int], joined: tuple[int, ...]) -> None:
        """Of each tenant, the rows that begin are those that have waited longest, and begin in that order."""
        for tenant in self.tenants:
            fresh = [k for k in waiting if self.tickets[k].tenant == tenant and k not in self.begun]
            beginning = [k for k in joined if k in fresh]
            assert beginning == fresh[: len(beginning)]

    def unet_rows(self, shape: Shape) -> int:
        return sum(self.tickets[key].unet_rows for key in self.running[shape])

    @rule(key=consumes(here))
    def cancel(self, key):
        assert self.queue.cancel(key) == (key in self.steps_left)
        if key in self.steps_left:
            self.end(key)

    @rule(shape=st.sampled_from(shapes))
    def out_of_memory(self, shape):
        if not self.running[shape]:
            return
        failed = self.unet_rows(shape)
        displaced = self.queue.out_of_memory(shape)
        self.room[shape] = self.queue.capacity(shape)
        assert failed // 2 <= self.room[shape] < failed
        assert all(self.tickets[key].unet_rows >= failed for key in displaced.unfit)
        self.displace(shape, displaced)

    @rule(shape=st.sampled_from(shapes), unet_rows=st.integers(0, 10))
    def set_capacity(self, shape, unet_rows):
        self.room[shape] = unet_rows
        self.displace(shape, self.queue.set_capacity(shape, unet_rows))

    def displace(self, shape: Shape, displaced: Displaced) -> None:
        assert set(displaced.unfit) == {
            key for key in self.rows_of(shape) if self.tickets[key].unet_rows > self.room[shape]
        }
        for key in displaced.unfit:
            self.end(key)
        kept = len(self.running[shape]) - len(displaced.suspended)
        assert self.running[shape][kept:] == displaced.suspended[::-1]  # the last that joined
        self.running[shape] = self.running[shape][:kept]
        assert self.unet_rows(shape) <= self.room[shape]

    @invariant()
    def counts_are_kept(self):
        ran = sum(map(len, self.running.values()))
        assert self.queue.running_count == ran
        assert self.queue.waiting_count == len(self.steps_left) - ran
        left = sum(steps * self.tickets[key].unet_rows for key, steps in self.steps_left.items())
        assert self.queue.running_work + self.queue.waiting_work == left

    def teardown(self):
        """Whatever is left ends; every step takes some row further."""
        for _ in range(sum(self.steps_left.values()) + 1):
            self.step(0)
        assert not self.steps_left
        assert self.queue.next_step(self.now_s) == Decision(None, ())


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestLife = Life.TestCase
