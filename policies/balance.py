"""Whole counts for a request that are as even as its target allows, without favouring anybody.

Entry points: `balanced_cells`; `interleaved` orders cells so that every few of them are even too.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from policies.cells import Cell
from policies.uniform import shuffled, uniform

# What is nearer to a whole number is one: the rounding of shares and of the walk's steps.
TOLERANCE = 1e-9


def balanced_cells(target: Mapping[Cell, float], count: int, seed: int) -> list[Cell]:
    """Return the cells of `count` images, in an order shuffled by the seed.

    Every cell comes floor or ceil of `count` times its share often, and on average over seeds exactly that: a single
    image gets each cell as often as its share says. So do the members of each set, counted over all cells, where the
    cells are of one set or two; of more sets they nearly do.

    What is left of the whole counts is drawn by the cube method (Deville, Tillé, "Efficient balanced sampling: the cube
    method", Biometrika 91, 2004): a random walk that keeps the margins and ends where all is whole.
    """
    expected = {cell: _snapped(count * share) for cell, share in target.items()}
    counts = Counter({cell: math.floor(number) for cell, number in expected.items()})
    open_cells = [cell for cell, number in expected.items() if number > counts[cell]]
    parts = [expected[cell] - counts[cell] for cell in open_cells]
    for cell, chosen in zip(open_cells, _cube(open_cells, parts, seed), strict=True):
        counts[cell] += chosen
    cells = [cell for cell, number in counts.items() for _ in range(number)]
    return shuffled(cells, seed, "order")


def interleaved(target: Mapping[Cell, float], seed: str) -> list[Cell]:
    """Return the cells in an order, decided by the seed, in which each adds what its members' sets lack most so far."""
    left = shuffled(target, seed, "cells")
    width = len(left[0])
    shares = [
        {member: sum(part for cell, part in target.items() if cell[place] == member) for member in members}
        for place, members in enumerate({cell[place] for cell in left} for place in range(width))
    ]
    taken = [Counter[str | None]() for _ in range(width)]
    order: list[Cell] = []
    while left:
        cell = max(
            left,
            key=lambda cell: sum(
                share[member] * (len(order) + 1) - seen[member]
                for share, seen, member in zip(shares, taken, cell, strict=True)
            ),
        )
        left.remove(cell)
        order.append(cell)
        for seen, member in zip(taken, cell, strict=True):
            seen[member] += 1
    return order


def _cube(cells: Sequence[Cell], parts: Sequence[float], seed: int) -> list[int]:
    """Return 0 or 1 for every cell, on average over seeds its part, which is between 0 and 1."""
    rows, slack = _margins(cells, parts)
    x = np.array([*parts, *slack])
    # The walk favours none of the units that it could move; the total, the first row, is kept to the end.
    places = np.array(shuffled(range(len(x)), seed, "walk"), dtype=int)
    step = 0
    while True:
        moving = places[(x[places] > TOLERANCE) & (x[places] < 1 - TOLERANCE)]
        if len(moving) == 0:
            return [round(value) for value in x[: len(cells)].tolist()]
        moving = moving[: len(rows) + 1]
        direction = _kept(rows[:, moving])
        if direction is None:
            rows = rows[:-1]  # nothing moves without breaking a margin: the last one gives way
            continue
        forth, back = _room(x[moving], direction), _room(x[moving], -direction)
        length = forth if uniform(seed, f"step:{step}") * (forth + back) < back else -back
        x[moving] = np.clip(x[moving] + length * direction, 0, 1)
        step += 1


def _margins(cells: Sequence[Cell], parts: Sequence[float]) -> tuple[np.ndarray, list[float]]:
    """Return the sums that the walk keeps, [sums, cells + slacks], and the slack of each.

    The first is the total. The others are the members of each set over all cells, up to the next whole number: a slack
    between 0 and 1 fills each up, so that it ends at the whole number above or below.
    """
    sums = [[True] * len(cells)]
    slack = []
    for place in range(len(cells[0]) if cells and len(cells[0]) > 1 else 0):
        for member in sorted({cell[place] for cell in cells}, key=str):
            sums.append([cell[place] == member for cell in cells])
    for one in sums[1:]:
        total = _snapped(sum(part for part, counts in zip(parts, one, strict=True) if counts))
        slack.append(math.ceil(total) - total)
    rows = np.zeros((len(sums), len(cells) + len(slack)))
    rows[:, : len(cells)] = sums
    rows[1:, len(cells) :] = np.eye(len(slack))
    return rows, slack


def _kept(rows: np.ndarray) -> np.ndarray | None:
    """Return a direction in which no sum of these columns changes, or None where there is none.

    It moves the first column that those before it can make up for, and them. Found by Gauss-Jordan elimination, number
    by number: what a library's decomposition finds depends on the processor, and a seed's members must not.
    """
    left, pivots = rows.copy(), list[int]()
    for column in range(left.shape[1]):
        place = len(pivots)
        sizes = np.abs(left[place:, column])
        if not (sizes > TOLERANCE).any():
            direction = np.zeros(left.shape[1])
            direction[pivots], direction[column] = -left[:place, column], 1
            return direction
        pivot = place + int(sizes.argmax())
        left[[place, pivot]] = left[[pivot, place]]
        left[place] /= left[place, column]
        others = np.arange(len(left)) != place
        left[others] -= np.outer(left[others, column], left[place])
        pivots.append(column)
    return None


def _room(x: np.ndarray, direction: np.ndarray) -> float:
    """Return how far all can go in a direction within 0 and 1."""
    moves = np.abs(direction) > TOLERANCE
    ahead = np.where(direction > 0, 1 - x, x)
    return float((ahead[moves] / np.abs(direction[moves])).min())


def _snapped(number: float) -> float:
    nearest = round(number)
    return float(nearest) if abs(number - nearest) < TOLERANCE else number
