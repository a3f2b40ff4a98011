"""The authors' recipe: images of y+ made by the model, noised, and denoised under y- with the vector added.

Source: Li et al., "Self-Discovering Interpretable Diffusion Latent Directions for Responsible Text-to-Image
Generation", CVPR 2024 (arXiv 2311.17216). Entry point: `learn_from_images`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from diffusers import DDPMScheduler

from diffusion import DiffusionModel, Engine, Row, Sampling
from diffusion.steering import added_at_site
from learn_vectors.options import LearnOptions, PaperRecipe
from learn_vectors.progress import Progress
from vectors import VectorLibrary


def learn_from_images(
    model: DiffusionModel,
    values: torch.Tensor,
    options: LearnOptions,
    recipe: PaperRecipe,
    progress: Progress,
) -> Iterator[float]:
    """Learn `values` [C, h, w] (a leaf that requires gradients) in place, yielding the loss of each step.

    min over c of E || target - prediction(x_t, t, y-; h + c) ||^2, where x_t is a noised image of y+, t is
    uniform over the timesteps and the target is the noise (for a model that predicts v, v).
    """
    prompts, latents = _images(model, options, recipe, progress)
    encodings = model.encode(prompts)
    noising = DDPMScheduler.from_config(model.scheduler_config)
    generator = torch.Generator().manual_seed(options.seed)
    optimizer = torch.optim.Adam([values], lr=recipe.learning_rate)
    for _ in range(recipe.steps):
        rows = torch.randint(len(latents), (recipe.batch,), generator=generator)
        timesteps = torch.randint(*recipe.timesteps, (recipe.batch,), generator=generator)
        noise = torch.randn(recipe.batch, *latents.shape[1:], generator=generator)
        clean = latents[rows]
        target = (
            noise if model.prediction_type == "epsilon" else noising.get_velocity(clean, noise, timesteps)
        )
        noised = noising.add_noise(clean, noise, timesteps).to(model.device)
        with added_at_site(model.pipe.unet, options.site, lambda h: h + values.to(h.dtype)):
            prediction = model.predict(noised, timesteps.to(model.device), encodings[rows.to(model.device)])
        loss = (prediction.float() - target.to(model.device)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item()


def _images(
    model: DiffusionModel, options: LearnOptions, recipe: PaperRecipe, progress: Progress
) -> tuple[list[str], torch.Tensor]:
    """Make the images of y+, and return the prompt y- and the latents [images, c, h, w] of each (fp32, CPU)."""
    engine = Engine(model, VectorLibrary(Path("none")))
    count = len(options.positive)
    latents = []
    for start in range(0, recipe.images, engine.max_batch_rows):
        numbers = range(start, min(start + engine.max_batch_rows, recipe.images))
        rows = [
            Row(
                prompt=options.positive[number % count],
                seed=options.seed + number,
                negative_prompt=options.negative_prompt or "",
            )
            for number in numbers
        ]
        made = engine.generate(
            rows, Sampling(recipe.inference_steps, recipe.guidance_scale, scheduler="pndm")
        )
        latents.append(model.encode_images([one.image for one in made]).float().cpu())
        progress("images", numbers[-1] + 1, recipe.images, None)
    return [options.base_prompts[number % count] for number in range(recipe.images)], torch.cat(latents)
