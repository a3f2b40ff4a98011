"""Learning at the size of Stable Diffusion 1.5: seconds a vector and peak memory, with random weights.

Time and memory do not depend on what the weights are, so the published configuration is enough.

    python benchmarks/learning/real_size.py --device cuda --dtype bfloat16 --json benchmarks/results/real_size.json
    python benchmarks/learning/real_size.py --device cpu --steps 1 --batch 1 --size 256    # does it run at all?
"""

from __future__ import annotations

import json
import os
import platform
import resource
import time
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated

import torch
import typer
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from rich.console import Console
from transformers import AutoTokenizer, CLIPTextConfig, CLIPTextModel

from diffusion import DiffusionModel
from learn_vectors import Concept, LearnOptions, TrajectoryRecipe, learn_vectors
from trimtab import DEMO_MODEL

CONCEPT = Concept(("a photo of a woman",), ("a photo of a person",))


def random_stable_diffusion_1_5(size: int, dtype: torch.dtype, device: str) -> DiffusionModel:
    """Build a pipeline of Stable Diffusion 1.5's published configuration with random weights."""
    torch.manual_seed(0)
    with torch.device(device):
        unet = UNet2DConditionModel(sample_size=size // 8, cross_attention_dim=768, attention_head_dim=8).to(
            dtype
        )
        text_encoder = CLIPTextModel(
            CLIPTextConfig(
                hidden_size=768,
                intermediate_size=3072,
                num_attention_heads=12,
                num_hidden_layers=12,
                projection_dim=768,
            )
        ).to(dtype)
        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            latent_channels=4,
        ).to(dtype)
    pipe = StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=AutoTokenizer.from_pretrained(DEMO_MODEL / "tokenizer", model_max_length=77),
        unet=unet,
        scheduler=DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return DiffusionModel(pipe, "Stable Diffusion 1.5, random weights")


def main(
    device: Annotated[str, typer.Option(help='"cuda" or "cpu".')] = "cuda",
    dtype: Annotated[str, typer.Option(help="What the model computes in.")] = "bfloat16",
    size: Annotated[int, typer.Option(help="Pixels of a side.")] = 512,
    batch: Annotated[int, typer.Option(help="Rows in a step.")] = TrajectoryRecipe().batch,
    steps: Annotated[int, typer.Option(help="Steps to time; a vector takes the recipe's.")] = 20,
    gradient_checkpointing: bool = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write the result here.")] = None,
) -> None:
    """Time a few steps of learning and say what a whole vector takes."""
    model = random_stable_diffusion_1_5(size, getattr(torch, dtype), device)
    if gradient_checkpointing:
        model.pipe.unet.enable_gradient_checkpointing()
    recipe = TrajectoryRecipe()
    options = LearnOptions((CONCEPT,), recipe=replace(recipe, steps=steps, batch=batch))
    times: list[float] = [time.perf_counter()]
    learn_vectors(model, options, lambda phase, done, total, loss: times.append(time.perf_counter()))
    per_step = (times[-1] - times[1]) / (steps - 1) if steps > 1 else times[1] - times[0]
    is_cuda = device.startswith("cuda")
    peak = (
        torch.cuda.max_memory_allocated()
        if is_cuda
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    )
    result = {
        "date": date.today().isoformat(),
        "machine": torch.cuda.get_device_name()
        if is_cuda
        else f"{os.cpu_count()} CPU cores ({platform.machine()})",
        "dtype": dtype,
        "size": size,
        "batch": batch,
        "gradient_checkpointing": gradient_checkpointing,
        "seconds_per_step": round(per_step, 4),
        "seconds_per_vector": round(per_step * recipe.steps, 1),
        "peak_memory_gib": round(peak / 2**30, 2),
    }
    Console().print_json(json.dumps(result))
    if json_path is not None:
        json_path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
