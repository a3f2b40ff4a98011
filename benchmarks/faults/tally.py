"""What a case came to: every request accounted for.

Entry points: `Tally`, `tallied`, `table`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

from benchmarks.faults.load import Outcome


@dataclass(frozen=True)
class Tally:
    """One case, counted."""

    case: str
    accepted: int
    finished: int
    """Exactly once, with the very images of an undisturbed run."""
    told: Mapping[str, int]
    """Whose clients were told why not, by the code."""
    lost: int
    """Whose clients heard nothing."""
    doubled: int
    """That ended twice, by the replicas' logs or for their clients."""
    other_images: int
    """That came out differently than in an undisturbed run."""
    refused: int
    """That no replica accepted within the client's patience."""
    seconds: float

    @property
    def is_sound(self) -> bool:
        """Whether nothing went wrong that must not."""
        return self.lost == self.doubled == self.other_images == 0


def tallied(
    case: str,
    outcomes: Sequence[Outcome],
    undisturbed: Mapping[int, str],
    ended: Iterable[str],
    seconds: float,
) -> Tally:
    """Count what became of the requests; `ended` are the jobs that replicas say they ended, as often as they did."""
    times = Counter(ended)
    accepted = [outcome for outcome in outcomes if outcome.accepted]
    doubled = {
        outcome.item.number
        for outcome in accepted
        if outcome.endings > 1 or (outcome.job is not None and times[outcome.job] > 1)
    }
    finished = [outcome for outcome in accepted if outcome.ending == "finished"]
    other = [outcome for outcome in finished if outcome.digest != undisturbed[outcome.item.number]]
    return Tally(
        case=case,
        accepted=len(accepted),
        finished=sum(outcome.item.number not in doubled for outcome in finished) - len(other),
        told=dict(Counter(outcome.why or "" for outcome in accepted if outcome.ending == "told")),
        lost=sum(outcome.ending == "lost" for outcome in accepted),
        doubled=len(doubled),
        other_images=len(other),
        refused=len(outcomes) - len(accepted),
        seconds=round(seconds, 1),
    )


def table(tallies: Sequence[Tally]) -> Table:
    """Return the cases as a table."""
    drawn = Table(
        "case", "accepted", "finished once", "told why not", "lost", "doubled", "other images", "seconds"
    )
    for one in tallies:
        why = ", ".join(f"{count} {code}" for code, count in one.told.items())
        drawn.add_row(
            one.case,
            str(one.accepted),
            str(one.finished),
            why or "0",
            *(str(count) for count in (one.lost, one.doubled, one.other_images)),
            f"{one.seconds:g}",
        )
    return drawn
