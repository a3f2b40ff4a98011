"""The recipe of the embedded model: every number its training depends on, frozen, with one seed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Recipe:
    """How the embedded model is made; the defaults made the shipped one.

    Steps are optimiser steps, batches are pictures per step, learning rates are AdamW's at the peak of a
    one-cycle schedule (a short linear rise, then a cosine to nearly zero).
    """

    seed: int = 0
    drawings: int = 50_000
    held_out_drawings: int = 4_000
    oracle_steps: int = 1_500
    oracle_batch: int = 128
    oracle_rate: float = 2e-3
    autoencoder_steps: int = 1_000
    autoencoder_batch: int = 32
    autoencoder_rate: float = 2e-3
    denoiser_steps: int = 2_800
    denoiser_batch: int = 64
    denoiser_rate: float = 6e-4
    checkpoint_every: int = 200

    def to_json(self) -> str:
        """Return the resolved recipe as it is kept beside the run."""
        return json.dumps(asdict(self), indent=2) + "\n"
