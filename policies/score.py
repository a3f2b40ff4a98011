"""Yes-or-no answers counted against the right ones: precision and recall.

Entry point: `Score`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """Answers counted; yes is the positive one."""

    right_yes: int
    wrong_yes: int
    wrong_no: int

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
