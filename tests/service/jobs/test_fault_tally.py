"""The count of benchmarks/faults: what must not happen would show."""

from benchmarks.faults.load import Outcome, items
from benchmarks.faults.tally import tallied

JOB, OTHER = items(8, steps=1)[0], items(8, steps=1)[4]
UNDISTURBED = {JOB.number: "a", OTHER.number: "b"}


def counted(*outcomes: Outcome, ended: tuple[str, ...] = ()):
    return tallied("case", outcomes, UNDISTURBED, ended, seconds=1)


def test_what_finished_once_with_its_images_is_sound():
    tally = counted(
        Outcome(JOB, "finished", job="j", digest="a"), Outcome(OTHER, "finished", digest="b"), ended=("j",)
    )
    assert (tally.accepted, tally.finished, tally.is_sound) == (2, 2, True)


def test_what_is_told_why_is_sound_and_not_finished():
    tally = counted(Outcome(JOB, "told", job="j", why="unknown_job"), Outcome(OTHER, "told", accepted=False))
    assert (tally.accepted, tally.finished, tally.told) == (1, 0, {"unknown_job": 1})
    assert (tally.refused, tally.is_sound) == (1, True)


def test_other_images_endings_twice_and_silence_are_not_sound():
    finished = Outcome(JOB, "finished", job="j", digest="a")
    for tally in (
        counted(Outcome(OTHER, "finished", digest="a")),
        counted(finished, ended=("j", "j")),
        counted(Outcome(JOB, "finished", job="j", digest="a", endings=2)),
        counted(Outcome(JOB, "lost", job="j")),
    ):
        assert (tally.finished, tally.is_sound) == (0, False)
