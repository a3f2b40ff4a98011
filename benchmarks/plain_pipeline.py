"""One row made alone by the diffusers pipeline, steered by `steer`: what the engine is held against.

Entry point: `by_the_plain_pipeline`.
"""

from __future__ import annotations

from typing import Any, Literal

import torch

from diffusion import Engine, Row, Sampling, make_scheduler, steer


def by_the_plain_pipeline(
    engine: Engine, row: Row, sampling: Sampling, output_type: Literal["latent", "pil"]
) -> Any:
    """Return the latents [C, h, w] that the pipeline of the engine's model finishes with, or the picture of them."""
    pipe = engine.model.pipe
    own = pipe.scheduler
    pipe.scheduler = make_scheduler(sampling.scheduler, engine.model.scheduler_config)
    try:
        with steer(pipe, row.steering, vectors=engine.vectors):
            return pipe(
                row.prompt,
                negative_prompt=row.negative_prompt or None,
                num_inference_steps=sampling.num_inference_steps,
                guidance_scale=sampling.guidance_scale,
                eta=sampling.eta,
                height=sampling.height,
                width=sampling.width,
                generator=torch.Generator().manual_seed(row.seed),
                output_type=output_type,
            ).images[0]
    finally:
        pipe.scheduler = own
