"""The rows of one latent shape: who runs, who is suspended, who waits.

Entry point: `ShapePool`. Pure: no torch, no clock.
"""

from __future__ import annotations

from collections import OrderedDict

from diffusion.fair_queue import FairQueue
from diffusion.tickets import Ticket


class ShapePool:
    """Rows that share one shape's room of `capacity` U-Net rows, and step together.

    Every row is in one of three places: running, suspended (it ran, and now waits with its latents kept) or
    in the queue. Suspended rows go before those in the queue: they have been chosen and paid for.
    """

    def __init__(self, capacity: int, queue: FairQueue) -> None:
        self.capacity = capacity
        self.tickets: dict[int, Ticket] = {}
        """Of all rows that are here, by key."""
        self.running: dict[int, Ticket] = {}
        """In the order in which they joined."""
        self._suspended: OrderedDict[int, Ticket] = OrderedDict()
        """In the order in which they join again."""
        self._queue = queue
        self._steps_left: dict[int, int] = {}
        self._places: dict[int, int] | None = None
        """The position of every row that does not run; None until asked for after a change."""

    @property
    def waiting_count(self) -> int:
        """How many rows do not run."""
        return len(self.tickets) - len(self.running)

    def waiting_of(self, tenant: str) -> int:
        """How many rows of this tenant do not run."""
        return sum(ticket.tenant == tenant for key, ticket in self.tickets.items() if key not in self.running)

    @property
    def waiting_work(self) -> float:
        """The device work left of the rows that do not run."""
        return sum(self._work_left(key) for key in self.tickets if key not in self.running)

    @property
    def running_work(self) -> float:
        """The device work left of the rows that run."""
        return sum(self._work_left(key) for key in self.running)

    def enter(self, ticket: Ticket) -> None:
        """Put a row in the queue."""
        self.tickets[ticket.key] = ticket
        self._steps_left[ticket.key] = ticket.steps
        self._queue.push(ticket.key, ticket.tenant, ticket.row_steps)
        self._places = None

    def leave(self, key: int) -> None:
        """Take a row out, wherever it is."""
        del self.tickets[key], self._steps_left[key]
        if self.running.pop(key, None) is not None:
            return
        self._places = None
        if self._suspended.pop(key, None) is None:
            self._queue.remove(key)

    def fill(self) -> tuple[int, ...]:
        """Let rows join for as long as the next one finds room; return their keys.

        The next one is not passed by smaller ones: the room it waits for might never come together.
        """
        free = self.capacity - self._running_unet_rows()
        joined = []
        while len(self.running) < len(self.tickets):
            key = next(iter(self._suspended)) if self._suspended else self._queue.first()
            ticket = self.tickets[key]
            if ticket.unet_rows > free:
                break
            if self._suspended:
                del self._suspended[key]
            else:
                self._queue.pop()
            self.running[key] = ticket
            free -= ticket.unet_rows
            joined.append(key)
        if joined:
            self._places = None
        return tuple(joined)

    def step(self) -> float:
        """Count one step of all running rows; return its work, their U-Net rows x area."""
        for key in self.running:
            self._steps_left[key] = max(self._steps_left[key] - 1, 0)
        return sum(ticket.unet_rows * ticket.area for ticket in self.running.values())

    def reweigh(self) -> None:
        """Let the rows that wait have the weights that hold now."""
        self._queue.reweigh()
        self._places = None

    def set_capacity(self, unet_rows: int) -> tuple[int, ...]:
        """Change the room; suspend rows until the others fit, the last that joined first; return their keys."""
        self.capacity = unet_rows
        suspended = []
        while self._running_unet_rows() > unet_rows:
            key, ticket = self.running.popitem()
            self._suspended[key] = ticket
            self._suspended.move_to_end(key, last=False)
            self._places = None
            suspended.append(key)
        return tuple(suspended)

    def position(self, key: int) -> int | None:
        """The place of a row among those that do not run, 1 being the next; None for one that runs."""
        if self._places is None:
            line = [*self._suspended, *self._queue.order()]
            self._places = {waiting: place for place, waiting in enumerate(line, start=1)}
        return self._places.get(key)

    def _running_unet_rows(self) -> int:
        return sum(ticket.unet_rows for ticket in self.running.values())

    def _work_left(self, key: int) -> float:
        ticket = self.tickets[key]
        return ticket.unet_rows * ticket.area * self._steps_left[key]
