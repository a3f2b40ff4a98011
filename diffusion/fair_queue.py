"""Waiting in one line: first come, first served within a tenant, deficit round robin between tenants.

Entry point: `FairQueue`. Pure: no torch, no clock.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class _Line:
    """The rows of one tenant, oldest first, and what the tenant may still spend in this turn."""

    tenant: str
    allowance: float
    """What a turn adds to the credit, as of when its weight was last looked up."""
    costs: OrderedDict[int, int] = field(default_factory=OrderedDict)
    """Key -> cost."""
    credit: float = 0.0

    @property
    def first_cost(self) -> int:
        return next(iter(self.costs.values()))


class FairQueue:
    """Rows that wait for the same room, in an order that shares what they cost between tenants by weight.

    Deficit round robin (Shreedhar and Varghese, "Efficient Fair Queuing using Deficit Round Robin", 1996).
    Tenants with rows here take turns. A turn adds quantum x weight to the tenant's credit, and its oldest
    rows leave for as long as the credit covers them. Credit that is left counts in the tenant's next turn;
    that of a tenant whose last row leaves is forgotten, so that nobody saves up by staying away.

    Of two tenants that have had rows here since the same moment, what left so far, divided by the weight w,
    differs by at most quantum + (cost of the dearest row) / w, w being the weight of the one behind.
    """

    def __init__(self, weight: Callable[[str], float], quantum: float) -> None:
        self._weight = weight
        self._quantum = quantum
        self._lines: dict[str, _Line] = {}
        self._turns: deque[_Line] = deque()
        """Every line once; it is the turn of the one in front."""
        self._turn_begun = False
        """Whether the line in front has had this turn's credit."""
        self._tenants: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._tenants)

    def __contains__(self, key: int) -> bool:
        return key in self._tenants

    def push(self, key: int, tenant: str, cost: int) -> None:
        """Add a row as its tenant's last; a tenant that had none here takes its turn after all others."""
        line = self._lines.get(tenant)
        if line is None:
            line = self._lines[tenant] = _Line(tenant, self._quantum * self._weight(tenant))
            self._turns.append(line)
        line.costs[key] = cost
        self._tenants[key] = tenant

    def first(self) -> int:
        """The row that leaves next; it stays the next one until it leaves, whatever is added behind it.

        Raises IndexError where no row is here.
        """
        if not self._turns:
            raise IndexError("No row waits here.")
        while True:
            for _ in range(len(self._turns) + 1):  # a whole round, after a turn that may have begun before
                line = self._turns[0]
                if not self._turn_begun:
                    line.credit += line.allowance
                    self._turn_begun = True
                if line.credit >= line.first_cost:
                    return next(iter(line.costs))
                self._turns.rotate(-1)
                self._turn_begun = False
            self._skip_idle_rounds()

    def pop(self) -> int:
        """Take out the row that leaves next, at its tenant's cost. Raises IndexError where no row is here."""
        key = self.first()
        line = self._turns[0]
        line.credit -= line.first_cost
        self._take_out(key, line)
        return key

    def remove(self, key: int) -> None:
        """Take out a row that will not run, at no cost."""
        self._take_out(key, self._lines[self._tenants[key]])

    def reweigh(self) -> None:
        """Look up the weights anew; credit that was given stays."""
        for line in self._turns:
            line.allowance = self._quantum * self._weight(line.tenant)

    def order(self) -> list[int]:
        """All rows in the order in which they will leave, provided that none is added or removed."""
        ahead = FairQueue(self._weight, self._quantum)
        for line in self._turns:
            copied = _Line(line.tenant, line.allowance, line.costs.copy(), line.credit)
            ahead._lines[line.tenant] = copied
            ahead._turns.append(copied)
        ahead._turn_begun = self._turn_begun
        ahead._tenants = self._tenants.copy()
        return [ahead.pop() for _ in range(len(ahead))]

    def _take_out(self, key: int, line: _Line) -> None:
        del line.costs[key], self._tenants[key]
        if not line.costs:
            if self._turns[0] is line:
                self._turn_begun = False
            self._turns.remove(line)
            del self._lines[line.tenant]

    def _skip_idle_rounds(self) -> None:
        """Give at once what the rounds add in which nobody can pay yet, so that small weights cost no time."""
        rounds = min(math.ceil((line.first_cost - line.credit) / line.allowance) for line in self._turns) - 1
        for line in self._turns:
            line.credit += rounds * line.allowance
