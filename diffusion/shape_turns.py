"""Which latent shape steps next: start-time fair queueing between shapes, on behalf of their tenants.

Entry point: `ShapeTurns`. Pure: no torch, no clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from diffusion.tickets import Shape


@dataclass(slots=True, eq=False)
class _Account:
    """What one shape has had."""

    rows: Counter[str] = field(default_factory=Counter)
    """How many rows a tenant has here."""
    started: float = 0.0
    """The virtual time at which its last step was due."""
    owed: float = 0.0
    """The work of that step."""
    weight: float = 1.0
    """As of the last time that it was asked for while rows were here."""
    weight_is_old: bool = False


class ShapeTurns:
    """The order in which shapes step: first the one whose tenants have had the least work for their weight.

    Start-time fair queueing (Goyal, Vin and Cheng, "Start-time Fair Queuing", 1996). A shape weighs what its
    tenants weigh, where the weight of a tenant is split evenly over all shapes in which it has rows, running
    or waiting. After a step, the shape's next one is due work / weight later, in a virtual time that stands
    at the due time of the step chosen last; the shape that is due first steps. A shape that was away, or that
    gains weight, is due now at the earliest, so that nobody saves up turns.

    Of two shapes that have had rows of unchanged weights since the same moment, the work of their steps,
    divided by their weights, differs by at most that of one step of each. So every shape steps after a
    bounded amount of work on others, and every tenant's share of the device is its own, whatever the sizes:

    - With plain rotation, a tenant would get more turns by spreading over more sizes, and a size whose steps
      take four times as long would get four times the device.
    - With equal work for each shape, one image of an odd size would get as much of the device as a full batch
      of sixteen tenants.
    """

    def __init__(self, weight: Callable[[str], float]) -> None:
        self._tenant_weight = weight
        self._accounts: dict[Shape, _Account] = {}
        self._shapes_of: Counter[str] = Counter()
        """In how many shapes a tenant has rows."""
        self._now = 0.0
        """The virtual time."""

    def came(self, tenant: str, shape: Shape) -> None:
        """A row of this tenant and shape is here from now on."""
        account = self._accounts.setdefault(shape, _Account())
        if tenant not in account.rows:
            self._shapes_of[tenant] += 1
            account.weight_is_old = True
            self._weight_changed(tenant)
        account.rows[tenant] += 1

    def went(self, tenant: str, shape: Shape) -> None:
        """A row of this tenant and shape is here no more."""
        account = self._accounts[shape]
        account.rows[tenant] -= 1
        if not account.rows[tenant]:
            del account.rows[tenant]
            account.weight_is_old = True
            self._shapes_of[tenant] -= 1
            if not self._shapes_of[tenant]:
                del self._shapes_of[tenant]
            self._weight_changed(tenant)

    def reweigh(self) -> None:
        """Look up the tenants' weights anew; debts stay, as work."""
        for account in self._accounts.values():
            account.weight_is_old = True

    def next(self) -> Shape | None:
        """The shape that steps next, of those that have rows; None where there is none."""
        for shape in [shape for shape, account in self._accounts.items() if not account.rows]:
            if self._due(self._accounts[shape]) <= self._now:
                del self._accounts[shape]  # it owes the others nothing
        due = {shape: self._due(account) for shape, account in self._accounts.items() if account.rows}
        return min(due, key=due.__getitem__, default=None)

    def stepped(self, shape: Shape, work: float) -> None:
        """The shape that was next has taken a step of so much work."""
        account = self._accounts[shape]
        self._now = account.started = self._due(account)
        account.owed = work

    def _due(self, account: _Account) -> float:
        # The debt is kept as work and divided anew: with the weight of then, the debt of a tenant of little
        # weight would hold up one of more weight who came to the same shape since.
        if account.weight_is_old and account.rows:
            account.weight = sum(
                self._tenant_weight(tenant) / self._shapes_of[tenant] for tenant in account.rows
            )
            account.weight_is_old = False
        return max(account.started + account.owed / account.weight, self._now)

    def _weight_changed(self, tenant: str) -> None:
        """The tenant's weight is split anew between its shapes."""
        for account in self._accounts.values():
            if tenant in account.rows:
                account.weight_is_old = True
