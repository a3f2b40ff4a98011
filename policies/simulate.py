"""Requests as they might come, without generating: how the served shares go to the target in each way of assigning.

Entry points: `simulate`, `Simulation`.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from policies.assignment import Drawing, assign
from policies.cells import Cell, joint_target
from policies.document import Assignment, FairnessRule
from policies.uniform import uniform

_SEED_LIMIT = 2**32


@dataclass(frozen=True)
class Simulation:
    """What so many requests for the same people were served."""

    assignment: Assignment
    target: Mapping[Cell, float]
    images: Sequence[int]
    """How many images had been served after each request."""
    served: Mapping[Cell, Sequence[int]]
    """Cell -> how many of them were of it."""

    def share(self, cell: Cell) -> float:
        """Return the share of a cell in all images."""
        return self.served[cell][-1] / self.images[-1]

    @property
    def deviation(self) -> float:
        """The largest difference between a served share and its target, in the end."""
        return max(abs(self.share(cell) - share) for cell, share in self.target.items())


def simulate(
    rules: Sequence[FairnessRule],
    sets: Mapping[str, Sequence[str]],
    assignment: Assignment,
    *,
    requests: int,
    images: int,
    seed: int,
) -> Simulation:
    """Return what `requests` requests of `images` images are served; all rules apply, the ledger begins empty.

    The same arguments give the same simulation. Raises TooManyCellsError.
    """
    target = joint_target(rules, sets)
    drawing = Drawing(assignment)
    counts: Counter[Cell] = Counter()
    served: dict[Cell, list[int]] = {cell: [] for cell in target}
    for number in range(requests):
        first = int(uniform(seed, f"request {number}") * _SEED_LIMIT)
        for one in assign(rules, range(first, first + images), sets, drawing):
            counts[tuple(one.members.values())] += 1
        for cell, so_far in served.items():
            so_far.append(counts[cell])
    return Simulation(assignment, target, [images * (number + 1) for number in range(requests)], served)


def confidence_band(share: float, images: int) -> tuple[float, float]:
    """Return where 95% of the shares of so many independent draws are: the normal approximation, within 0 and 1."""
    half = 1.96 * math.sqrt(share * (1 - share) / images)
    return max(0.0, share - half), min(1.0, share + half)
