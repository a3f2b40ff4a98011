"""Verifying a chain: which lines were changed, removed, put in, moved, or are missing at its end.

Entry point: `verify`. What it cannot see alone is a chain that was written anew as a whole, or cut at its end: a head
that was kept elsewhere shows both.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from service.audit.chain import Head, Line, UnsoundLineError, genesis, read_line
from service.audit.reading import Placed

Kind: TypeAlias = Literal["changed", "removed", "moved", "repeated", "replaced", "foreign", "cut-off", "head"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    kind: Kind
    place: str
    """Where it is seen: a file and the line's number in it, or a stream's entry."""
    problem: str


@dataclass(frozen=True)
class Verdict:
    """What became of verifying a chain."""

    chain: str | None
    """Its name; None where no line can be read."""
    lines: int
    head: Head | None
    """Of the last line that can be read: to be kept where nobody can change it."""
    findings: tuple[Finding, ...]

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def verify(lines: Iterable[Placed], *, head: Head | None = None, after: Head | None = None) -> Verdict:
    """Read a whole chain, oldest line first.

    `head` is one that was kept earlier: it has to be in the chain. `after` is the head that the first line follows,
    where older ones were put away.
    """
    return _Verifying(head, after).verdict(lines)


@dataclass(frozen=True)
class _Gap:
    place: str
    first: int
    last: int


class _Verifying:
    def __init__(self, kept: Head | None, after: Head | None) -> None:
        self._kept, self._after = kept, after
        self._is_kept_there = kept is None or kept == after
        self._chain: str | None = None
        self._head: Head | None = after
        self._unsound = 0
        """How many lines that say nothing follow the last one that was read."""
        self._gaps: list[_Gap] = []
        self._late: list[tuple[int, str]] = []
        self._findings: list[Finding] = []

    def verdict(self, lines: Iterable[Placed]) -> Verdict:
        count, place = 0, "the end"
        for placed in lines:
            count, place = count + 1, placed.place
            if not placed.is_whole:
                self._find("cut-off", place, "The log ends within it: whoever wrote it was stopped.")
                continue
            try:
                line = read_line(placed.text)
            except UnsoundLineError as error:
                self._unsound += 1
                self._find("changed", place, f"It was changed or put in: {error}.")
            else:
                self._follow(line, place)
        self._findings += self._misplaced()
        self._check_end(place)
        return Verdict(self._chain, count, self._head, tuple(self._findings))

    def _follow(self, line: Line, place: str) -> None:
        if self._chain is None:
            self._chain = line.chain
        before = self._head or genesis(self._chain)
        if line.chain != self._chain:
            self._find(
                "foreign", place, f"It is of the chain {line.chain!r:.100}, not of {self._chain!r:.100}."
            )
            return
        sequence, due = line.head.sequence, before.sequence + 1
        if sequence < due:
            self._late.append((sequence, place))
            return
        if sequence == due and not self._unsound and line.previous != before.digest:
            which = f"line {before.sequence}" if before.sequence else "the beginning of its chain"
            self._find("replaced", place, f"It does not follow {which}: one of the two was replaced.")
        if sequence > due + self._unsound:
            self._gaps.append(_Gap(place, due, sequence - 1 - self._unsound))
        self._head, self._unsound = line.head, 0
        if self._kept is not None and self._kept.sequence == sequence:
            self._is_kept_there = self._kept == line.head

    def _misplaced(self) -> Iterator[Finding]:
        """Tell lines that are elsewhere from those that are not there, and from those that are there twice."""
        moved = set()
        for sequence, place in self._late:
            if sequence not in moved and any(gap.first <= sequence <= gap.last for gap in self._gaps):
                moved.add(sequence)
                yield Finding("moved", place, f"Line {sequence} stands after later ones.")
            else:
                yield Finding("repeated", place, f"Line {sequence} is there once more.")
        for gap in self._gaps:
            there = sorted(number for number in moved if gap.first <= number <= gap.last)
            if len(there) <= gap.last - gap.first:
                what = _missing(gap.first, gap.last, there)
                yield Finding("removed", gap.place, f"Before it {what} missing.")

    def _check_end(self, place: str) -> None:
        if self._kept is None or self._is_kept_there:
            return
        last = 0 if self._head is None else self._head.sequence
        if last < self._kept.sequence:
            gone = _missing(last + 1, self._kept.sequence, [])
            self._find("head", place, f"The log ended at line {self._kept.sequence} once: {gone} missing.")
        else:
            self._find("head", place, f"Line {self._kept.sequence} is not the one whose head was kept.")

    def _find(self, kind: Kind, place: str, problem: str) -> None:
        self._findings.append(Finding(kind, place, problem))


def _missing(first: int, last: int, but: Sequence[int]) -> str:
    """Return "line 3 is" or "lines 3, 5 to 9 are" for the numbers from first to last, but for those, which rise."""
    starts, ends = [first, *(number + 1 for number in but)], [*(number - 1 for number in but), last]
    spans = [(start, end) for start, end in zip(starts, ends, strict=True) if start <= end]
    text = ", ".join(f"{start}" if start == end else f"{start} to {end}" for start, end in spans)
    return f"line {text} is" if spans[0][0] == spans[-1][1] else f"lines {text} are"
