"""Which members of the concept sets each image gets, in one of three ways.

Entry points: `assign`, `Drawing` (what it assigns by); `draw` for a single independent draw.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from policies.balance import balanced_cells, interleaved
from policies.cells import Cell, joint_target, rule_shares
from policies.document import Assignment, FairnessRule
from policies.ledger import Ledger
from policies.memory_ledger import MemoryLedger
from policies.uniform import uniform


@dataclass(frozen=True)
class Counted:
    """What an image was counted as in the ledger: to be given back where it is not made."""

    key: str
    member: str


@dataclass(frozen=True)
class Assigned:
    """What one image gets of the sets of some rules."""

    members: Mapping[str, str | None]
    """Concept set -> member; None where the image is left as it is."""
    shares: Mapping[str, float]
    """Concept set -> the share of images like this one that get the same of it."""
    how: str
    """The way of assigning, as reasons name it."""
    counted: Counted | None = None


@dataclass(frozen=True)
class Drawing:
    """How members are assigned."""

    assignment: Assignment
    ledger: Ledger = field(default_factory=MemoryLedger)
    key: Callable[[Sequence[str], Sequence[str]], str] = lambda sets, context: f"{sets}{context}"
    """The ledger's key for what is drawn: the sets, and what their shares depend on beyond them."""


def assign(
    rules: Sequence[FairnessRule],
    seeds: Sequence[int],
    sets: Mapping[str, Sequence[str]],
    drawing: Drawing,
    drawn: Sequence[Mapping[str, str | None]] | None = None,
) -> list[Assigned]:
    """Return what each image gets of all rules' sets.

    `drawn` is what each image has got of other sets before. Without a ledger the same arguments give the same
    members; with the ledger each image takes what is most underserved at that moment. Raises TooManyCellsError.
    """
    before = [{} for _ in seeds] if drawn is None else [_context(rules, one) for one in drawn]
    found: dict[int, Assigned] = {}
    for context in {tuple(one.items()): one for one in before}.values():
        places = [place for place, one in enumerate(before) if one == context]
        together = _assigned(rules, [seeds[place] for place in places], sets, drawing, context)
        found |= dict(zip(places, together, strict=True))
    return [found[place] for place in range(len(seeds))]


def draw(target: Mapping[str, float], seed: int, set_name: str) -> str:
    """Return the member of `set_name` that the image with this seed gets, were it drawn independently.

    `target` maps members to probabilities. The seed and the set's name are hashed to a number u in
    [0, 1), and u selects from the cumulative distribution of the members in alphabetical order. So
    the draw depends neither on the other images and sets of a request nor on the order in which
    the target was written, and the draws of one image from two sets are independent.
    """
    # The sum is 1 up to the document's tolerance; scaling u by it makes the last interval exact.
    total = sum(target.values())
    threshold = uniform(seed, set_name) * total
    drawable = sorted(member for member, share in target.items() if share > 0)
    cumulative = 0.0
    for member in drawable:
        cumulative += target[member]
        if threshold < cumulative:
            return member
    # Only rounding of the cumulative sum can end here.
    return drawable[-1]


def _context(rules: Sequence[FairnessRule], drawn: Mapping[str, str | None]) -> Mapping[str, str | None]:
    """Return what the rules' shares depend on of what was drawn before them."""
    asked = {name for rule in rules for case in rule.cases for name in case.given}
    return {name: member for name, member in drawn.items() if name in asked}


def _assigned(
    rules: Sequence[FairnessRule],
    seeds: Sequence[int],
    sets: Mapping[str, Sequence[str]],
    drawing: Drawing,
    context: Mapping[str, str | None],
) -> list[Assigned]:
    if not rules:
        return [Assigned({}, {}, "") for _ in seeds]
    names = [rule.set for rule in rules]
    if drawing.assignment == "independent":
        return [_drawn(rules, seed, sets, context) for seed in seeds]
    target = joint_target(rules, sets, context)
    if drawing.assignment == "balanced":
        cells = balanced_cells(target, len(seeds), seeds[0])
        return [_described(rules, cell, sets, context, "balanced in the request", None) for cell in cells]
    key = drawing.key(names, _named(context))
    # Ties go by name, and the first of a group would go to the same cell in every group: the numbers order them anew.
    by_name = {
        " ".join((f"{number:03}", *_named(dict(zip(names, cell, strict=True))))): cell
        for number, cell in enumerate(interleaved(target, key))
    }
    taken = drawing.ledger.take(key, {name: target[cell] for name, cell in by_name.items()}, len(seeds))
    how = "the most underserved of all served"
    return [_described(rules, by_name[name], sets, context, how, Counted(key, name)) for name in taken]


def _drawn(
    rules: Sequence[FairnessRule],
    seed: int,
    sets: Mapping[str, Sequence[str]],
    context: Mapping[str, str | None],
) -> Assigned:
    members: dict[str, str | None] = {}
    for rule in rules:
        shares = rule_shares(rule, sets[rule.set], {**context, **members})
        left = uniform(seed, f"{rule.set}:leave") < shares.pop(None, 0.0)
        named = {member: share for member, share in shares.items() if member is not None}
        members[rule.set] = None if left else draw(named, seed, rule.set)
    return _described(rules, tuple(members.values()), sets, context, "drawn by the image's seed", None)


def _described(
    rules: Sequence[FairnessRule],
    cell: Cell,
    sets: Mapping[str, Sequence[str]],
    context: Mapping[str, str | None],
    how: str,
    counted: Counted | None,
) -> Assigned:
    members = dict(zip((rule.set for rule in rules), cell, strict=True))
    shares = {
        rule.set: rule_shares(rule, sets[rule.set], {**context, **members})[members[rule.set]]
        for rule in rules
    }
    return Assigned(members, shares, how, counted)


def _named(members: Mapping[str, str | None]) -> list[str]:
    return [f"{name}={'-' if member is None else member}" for name, member in members.items()]
