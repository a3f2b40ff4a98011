"""Yes-or-no answers counted against the right ones: precision and recall.

Entry point: `Score`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Score:
    """Answers counted; yes is the positive one."""

    right_yes: int
    wrong_yes: int
    wrong_no: int

    @classmethod
    def counted(cls, counts: Mapping[tuple[str, bool, bool], int], name: str) -> Self:
        """Return the score of one thing that was asked, of counts by its name, what is right and what was said."""
        asked = ((True, True), (False, True), (True, False))
        return cls(*(counts.get((name, right, said), 0) for right, said in asked))

    @property
    def precision(self) -> float:
        """Of the yeses, the share that is right; 1 where there are none."""
        said = self.right_yes + self.wrong_yes
        return self.right_yes / said if said else 1.0

    @property
    def recall(self) -> float:
        """Of what should be a yes, the share that is; 1 where there is none."""
        wanted = self.right_yes + self.wrong_no
        return self.right_yes / wanted if wanted else 1.0
