"""The joint target of several fairness rules: the share of every combination of members.

Entry points: `joint_target`, `rule_shares`. A combination is a cell, with one member for each rule; None stands for an
image that is left as it is.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from policies.document import FairnessRule
from policies.errors import TooManyCellsError

Cell: TypeAlias = tuple[str | None, ...]

MAX_CELLS = 256
"""Two genders times four races times four ages are 32; beyond this, no number of images would fill the cells."""


def uniform_target(members: Sequence[str]) -> dict[str, float]:
    """Return equal probabilities for the members of a set."""
    return {member: 1 / len(members) for member in members}


def rule_shares(
    rule: FairnessRule, members: Sequence[str], drawn: Mapping[str, str | None]
) -> dict[str | None, float]:
    """Return the share of each member that an image can get, and of None, which sum to 1.

    `drawn` maps other sets to what the image got of them.
    """
    fitting = (case.shares for case in rule.cases if case.given.items() <= drawn.items())
    target = next(fitting, rule.target or uniform_target(members))
    total = sum(target.values())
    shares: dict[str | None, float] = {
        member: share / total * (1 - rule.leave) for member, share in target.items() if share > 0
    }
    return shares | ({None: rule.leave} if rule.leave > 0 else {})


def joint_target(
    rules: Sequence[FairnessRule],
    sets: Mapping[str, Sequence[str]],
    drawn: Mapping[str, str | None] | None = None,
) -> dict[Cell, float]:
    """Return the share of every cell that an image can get: the product of the rules' shares, case by case.

    `drawn` maps sets of other rules to what the images got of them. Raises TooManyCellsError.
    """
    cells: dict[Cell, float] = {(): 1.0}
    for number, rule in enumerate(rules):
        names = [earlier.set for earlier in rules[:number]]
        cells = {
            (*cell, member): share * part
            for cell, share in cells.items()
            for member, part in rule_shares(
                rule, sets[rule.set], {**(drawn or {}), **dict(zip(names, cell, strict=True))}
            ).items()
        }
        if len(cells) > MAX_CELLS:
            raise TooManyCellsError(
                f"{' x '.join((*names, rule.set))} has {len(cells)} combinations of members.",
                field="fairness",
                value=len(cells),
                cure=f"Draw from fewer sets or members: at most {MAX_CELLS} combinations can be balanced.",
            )
    return cells
