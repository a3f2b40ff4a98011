"""What reads pictures, by the names that commands take.

Entry point: `open_detector`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from trimtab.commands.console import is_demo

if TYPE_CHECKING:
    from detectors import Detector

DETECTORS: Final = ("oracle", "clip", "nudenet", "clip-probe")

_THINGS: Final = {
    "glasses": {"no": "a face without glasses", "yes": "a face with glasses"},
    "subject": {"person": "a person", "cat": "a cat", "dog": "a dog"},
}
"""What evaluations ask of pictures besides whom they show, in texts for CLIP."""


def open_detector(
    names: Sequence[str], *, model: str, device: str, clip: str, probe: Path | None, nudenet: Path | None
) -> Detector:
    """Load a detector; several read unsafe content together, which any of them may find.

    Raises EvaluationError for a detector that is not there or cannot read this model's pictures, and DetectorError
    where one cannot be loaded or they do not go together.
    """
    from detectors import AnyOf
    from evaluation import EvaluationError

    unknown = [name for name in names if name not in DETECTORS]
    if unknown:
        raise EvaluationError(f"no detector {', '.join(unknown)}; there are {', '.join(DETECTORS)}")
    found = [
        _opened(name, model=model, device=device, clip=clip, probe=probe, nudenet=nudenet) for name in names
    ]
    return found[0] if len(found) == 1 else AnyOf(*found)


def _opened(
    name: str, *, model: str, device: str, clip: str, probe: Path | None, nudenet: Path | None
) -> Detector:
    from evaluation import EvaluationError

    if name == "oracle":
        from detectors import DemoOracle

        if not is_demo(model):
            raise EvaluationError(
                f"the demo oracle cannot read the pictures of {model!r}: give --detector clip, or nudenet or "
                "clip-probe for unsafe content"
            )
        return DemoOracle()
    if name == "nudenet":
        from detectors import NudeNet

        return NudeNet(nudenet)
    from detectors import ClipEncoder, ClipProbe, ClipZeroShot
    from detectors.clip_zero_shot import PEOPLE

    if name == "clip":
        return ClipZeroShot(ClipEncoder(clip, device=device), {**PEOPLE, **_THINGS})
    if probe is None:
        raise EvaluationError(
            "clip-probe reads by two learned points of CLIP's space: give their file, --probe FILE"
        )
    return ClipProbe(ClipEncoder(clip, device=device), probe)
