"""Which rows wait and which run next: the engine's decisions, without the device.

Entry point: `Admission`. Pure: no torch, no threads, no clock of its own; times come in as `now_s`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from diffusion.errors import QueueFullError, RowTooLargeError
from diffusion.fair_queue import FairQueue
from diffusion.passes import MAX_PASSES
from diffusion.shape_pool import ShapePool
from diffusion.shape_turns import ShapeTurns
from diffusion.tickets import Shape, Ticket


@dataclass(frozen=True, slots=True)
class Step:
    """One forward pass: all rows of one shape that run, in the order in which they joined."""

    shape: Shape
    running: tuple[int, ...]
    """Their keys."""
    joined: tuple[int, ...]
    """Those of them that were not in the shape's step before: new ones, and suspended ones that are back."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do next."""

    step: Step | None
    """None where no row is left."""
    expired: tuple[int, ...]
    """Rows, running or waiting, whose deadline came since the last decision; they are here no more."""


@dataclass(frozen=True, slots=True)
class Displaced:
    """What a change of capacity does to rows."""

    suspended: tuple[int, ...]
    """Rows that ran and now wait, to go on from where they are; they join a later step again."""
    unfit: tuple[int, ...]
    """Rows, running or waiting, that could not even run alone; they are here no more."""


class Admission:
    """Decides at every step which shape steps, and which waiting rows join it.

    **Who joins.** Every shape has room for `capacity(shape)` U-Net rows and a `FairQueue` of its own, so that
    a full shape holds up no other. A row costs its tenant U-Net rows x steps, settled when it joins (the area
    is the same for all that want this room). The next in line is never passed by one behind it; at most 3
    U-Net rows stay empty for that, and no row starves. Rows join as late as they can, when their shape steps,
    and then run until they are finished: a newcomer waits for room, but for nobody else's whole queue.

    **Which shape steps** is the business of `ShapeTurns`. A step costs its U-Net rows x area.
    """

    def __init__(
        self,
        capacity: Callable[[Shape], int],
        *,
        max_waiting: int,
        max_waiting_per_tenant: int | None = None,
        weights: Mapping[str, float] = MappingProxyType({}),
        quantum: int = 100,
        step_overhead: float = 0.0,
    ) -> None:
        """`capacity` gives the U-Net rows that fit into one step of a shape; it is asked once per shape.

        `max_waiting` and `max_waiting_per_tenant` limit the rows that do not run, of all shapes together; a
        request of more rows than that is never taken. `weights` are the tenants' shares, 1 where not named.
        `quantum`, in U-Net rows x steps, is what a tenant of weight 1 may take of a shape's room before it is
        the next one's turn; by default one image of 50 steps with guidance. `step_overhead` is what a step
        takes whatever is in it, in the work of one U-Net row of area 1: with it, a shape of few rows does not
        get more steps, and so more of the device, than its share.

        Raises ValueError for numbers with which nothing would run.
        """
        limits = [max_waiting, 1 if max_waiting_per_tenant is None else max_waiting_per_tenant, quantum]
        if min(limits) < 1:
            raise ValueError(
                f"The limits {max_waiting} and {max_waiting_per_tenant} on waiting rows and the quantum "
                f"{quantum} must be at least 1."
            )
        if not (math.isfinite(step_overhead) and step_overhead >= 0):
            raise ValueError(f"The overhead {step_overhead} of a step must be finite and not below 0.")
        self._measured_capacity = capacity
        self._max_waiting = max_waiting
        self._max_waiting_per_tenant = max_waiting_per_tenant
        self._weights = _checked(weights)
        self._quantum = quantum
        self._step_overhead = step_overhead
        self._capacities: dict[Shape, int] = {}
        self._pools: dict[Shape, ShapePool] = {}
        self._pool_of: dict[int, ShapePool] = {}
        """Of every row that is here, by key, in the order of arrival."""
        self._turns = ShapeTurns(self._weight)
        self._soonest_deadline_s = math.inf
        """No row's deadline comes before it."""
        self._expired: list[int] = []
        """Rows to be told with the next decision."""

    def submit(self, tickets: Sequence[Ticket], now_s: float) -> None:
        """Let the rows of a request wait, all of them or, where an error is raised, none.

        Raises RowTooLargeError for a row that exceeds its shape's capacity, QueueFullError where too many
        rows would wait, and ValueError for a key that is in use.
        """
        keys = [ticket.key for ticket in tickets]
        if len(set(keys)) < len(keys) or not self._pool_of.keys().isdisjoint(keys):
            raise ValueError(f"Of the keys {keys}, some are given twice or name rows that are still here.")
        for ticket in tickets:
            capacity = self.capacity(ticket.shape)
            if ticket.unet_rows > capacity:
                raise RowTooLargeError(unet_rows=ticket.unet_rows, capacity=capacity, shape=ticket.shape)
        self._expire(now_s)
        self._check_limits(Counter(ticket.tenant for ticket in tickets))
        for ticket in tickets:
            self._enter(ticket)

    def check_room(self, tenant: str, rows: int, now_s: float) -> None:
        """Raise QueueFullError where so many rows of a tenant could not wait now: what `submit` would say of them."""
        self._expire(now_s)
        self._check_limits({tenant: rows})

    def next_step(self, now_s: float) -> Decision:
        """Drop what is too late; choose the shape that steps, and who joins it.

        Every call is one step of the rows it names: say which of them it finished before the next call.
        """
        self._expire(now_s)
        expired, self._expired = tuple(self._expired), []
        shape = self._turns.next()
        if shape is None:
            return Decision(None, expired)
        pool = self._pools[shape]
        joined = pool.fill()
        self._turns.stepped(shape, self._step_overhead + pool.step())
        return Decision(Step(shape, tuple(pool.running), joined), expired)

    def finished(self, key: int) -> None:
        """Let a row leave that has taken its last step. Raises ValueError for one that does not run."""
        if key not in self._pool_of or key not in self._pool_of[key].running:
            raise ValueError(f"The row {key} does not run, so it cannot have been finished.")
        self._leave(key)

    def is_here(self, key: int) -> bool:
        """Whether a row waits or runs; one whose deadline has come does neither, told or not."""
        return key in self._pool_of

    def cancel(self, key: int) -> bool:
        """Let a row leave, waiting or running; False where it has left already."""
        here = key in self._pool_of
        if here:
            self._leave(key)
        return here

    def out_of_memory(self, shape: Shape) -> Displaced:
        """A step of this shape did not fit the device: lower its capacity to half of what was in it.

        What may fit alone stays within the capacity: whatever an image takes, as long as it is less than what
        failed. A row that needs as much never will. Raises ValueError where no row of the shape runs.
        """
        pool = self._pools.get(shape)
        if pool is None or not pool.running:
            raise ValueError(f"No row of the shape {shape} runs, so no step of it can have failed.")
        failed = sum(ticket.unet_rows for ticket in pool.running.values())
        return self.set_capacity(shape, max(failed // 2, min(failed - 1, MAX_PASSES)))

    def set_weights(self, weights: Mapping[str, float]) -> None:
        """From now on, these are the tenants' shares, 1 where not named; raises ValueError and changes nothing."""
        self._weights = _checked(weights)
        self._turns.reweigh()
        for pool in self._pools.values():
            pool.reweigh()

    def set_capacity(self, shape: Shape, unet_rows: int) -> Displaced:
        """From now on, let up to so many U-Net rows of this shape step together.

        Where more run, those that joined last are suspended, and join again before any row that waits.
        Raises ValueError below 0.
        """
        if unet_rows < 0:
            raise ValueError(f"The capacity {unet_rows} must be at least 0.")
        self._capacities[shape] = unet_rows
        pool = self._pools.get(shape)
        if pool is None:
            return Displaced((), ())
        unfit = tuple(key for key, ticket in pool.tickets.items() if ticket.unet_rows > unet_rows)
        for key in unfit:
            self._leave(key)
        return Displaced(pool.set_capacity(unet_rows), unfit)

    def capacity(self, shape: Shape) -> int:
        """How many U-Net rows of this shape may step together."""
        if shape not in self._capacities:
            self._capacities[shape] = self._measured_capacity(shape)
        return self._capacities[shape]

    def position(self, key: int) -> int | None:
        """The place of a row among those of its shape that wait, 1 being the next; None for one that does
        not wait.

        It holds as long as nobody comes or goes. The places of a shape's rows are found together and kept
        until one joins, leaves or comes, so that asking for each of them costs little more than for one.
        """
        pool = self._pool_of.get(key)
        return None if pool is None else pool.position(key)

    @property
    def waiting_count(self) -> int:
        """How many rows do not run: those that wait for their first step, and the suspended ones."""
        return sum(pool.waiting_count for pool in self._pools.values())

    @property
    def running_count(self) -> int:
        """How many rows run, of all shapes."""
        return sum(len(pool.running) for pool in self._pools.values())

    @property
    def waiting_work(self) -> float:
        """The device work left of the rows that do not run, in the unit of `Ticket.work`."""
        return sum(pool.waiting_work for pool in self._pools.values())

    @property
    def running_work(self) -> float:
        """The device work left of the rows that run, in the unit of `Ticket.work`."""
        return sum(pool.running_work for pool in self._pools.values())

    def _check_limits(self, requested_by: Mapping[str, int]) -> None:
        """Raise QueueFullError where so many more rows of each tenant may not wait."""
        self._check_limit(self.waiting_count, sum(requested_by.values()), self._max_waiting, None)
        if self._max_waiting_per_tenant is not None:
            for tenant, requested in requested_by.items():
                waiting = sum(pool.waiting_of(tenant) for pool in self._pools.values())
                self._check_limit(waiting, requested, self._max_waiting_per_tenant, tenant)

    def _check_limit(self, waiting: int, requested: int, limit: int, tenant: str | None) -> None:
        excess = waiting + requested - limit
        if excess > 0:
            # All lines shorten together, so a part of one has gone when that part of all work has been done.
            part = min(excess / waiting, 1.0) if waiting else 0.0
            raise QueueFullError(
                waiting=waiting,
                requested=requested,
                limit=limit,
                work_ahead=part * self.waiting_work,
                tenant=tenant,
            )

    def _enter(self, ticket: Ticket) -> None:
        pool = self._pools.get(ticket.shape)
        if pool is None:
            queue = FairQueue(self._weight, self._quantum)
            pool = self._pools[ticket.shape] = ShapePool(self.capacity(ticket.shape), queue)
        pool.enter(ticket)
        self._pool_of[ticket.key] = pool
        self._turns.came(ticket.tenant, ticket.shape)
        if ticket.deadline_s is not None:
            self._soonest_deadline_s = min(self._soonest_deadline_s, ticket.deadline_s)

    def _leave(self, key: int) -> None:
        pool = self._pool_of.pop(key)
        ticket = pool.tickets[key]
        pool.leave(key)
        self._turns.went(ticket.tenant, ticket.shape)
        if not pool.tickets:
            del self._pools[ticket.shape]

    def _expire(self, now_s: float) -> None:
        """Let the rows leave whose deadline has come."""
        if now_s < self._soonest_deadline_s:
            return
        deadlines = {
            key: deadline_s
            for key, pool in self._pool_of.items()
            if (deadline_s := pool.tickets[key].deadline_s) is not None
        }
        late = [key for key, deadline_s in deadlines.items() if deadline_s <= now_s]
        for key in late:
            self._leave(key)
            del deadlines[key]
        self._expired += late
        self._soonest_deadline_s = min(deadlines.values(), default=math.inf)

    def _weight(self, tenant: str) -> float:
        return self._weights.get(tenant, 1.0)


def _checked(weights: Mapping[str, float]) -> dict[str, float]:
    """Return weights of tenants; raises ValueError for one by which nobody could be served."""
    for tenant, weight in weights.items():
        if not 0.001 <= weight <= 1000:
            raise ValueError(f"The weight {weight} of {tenant!r} must be between 0.001 and 1000.")
    return dict(weights)
