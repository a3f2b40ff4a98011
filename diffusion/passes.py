"""The U-Net rows that one image takes in a step, and how its guided prediction is made of theirs.

Pure, no torch. Entry points: `Pass`, `passes_of`.
"""

from __future__ import annotations

from dataclasses import dataclass

from diffusion.rows import Row

MAX_PASSES = 4
"""The most U-Net rows that an image takes."""


@dataclass(frozen=True)
class Pass:
    """One U-Net row of an image."""

    is_conditional: bool
    """Whether it reads the prompt, or the negative one."""
    is_steered: bool
    weight: float
    """Of its output in the guided prediction; the weights of an image's passes sum to 1."""


def passes_of(
    row: Row, *, guidance_scale: float, steers_conditional: bool, steers_unconditional: bool
) -> tuple[Pass, ...]:
    """Return an image's U-Net rows: guided so much, with vectors or without, of which one may go on both halves.

    Guided by s, the prediction is (1 - s) * unconditional + s * conditional (Ho, Salimans, "Classifier-Free
    Diffusion Guidance", 2022), and a step is linear in it: so the average of a steered and an unsteered step,
    which keeps structure, is the step of the averaged prediction.
    """
    halves = [(True, 1.0)]
    if guidance_scale > 1:
        halves = [(False, 1 - guidance_scale), (True, guidance_scale)]
    passes = []
    for is_conditional, weight in halves:
        takes = steers_conditional if is_conditional else steers_unconditional
        if takes and row.preserves_structure:
            passes += [Pass(is_conditional, steered, weight / 2) for steered in (True, False)]
        else:
            passes.append(Pass(is_conditional, takes, weight))
    return tuple(passes)
