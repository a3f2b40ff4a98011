"""The authors' recipe: images of y+, noised, and denoised under y- with the vector added.

Source: Li et al., "Self-Discovering Interpretable Diffusion Latent Directions for Responsible Text-to-Image
Generation", CVPR 2024 (arXiv 2311.17216). Entry point: `learn_from_images`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from diffusers import DDPMScheduler
from PIL import Image, ImageOps, UnidentifiedImageError

from diffusion import DiffusionModel, Engine, Row, Sampling
from diffusion.processes import ALONE, Processes
from diffusion.steering import added_at_site
from learn_vectors.checkpoint import EVERY_STEPS, NOTHING, State, forget
from learn_vectors.errors import OptionsError
from learn_vectors.optimizer import VectorOptimizer
from learn_vectors.options import LearnOptions, PaperRecipe
from learn_vectors.progress import Progress
from learn_vectors.sites import site_of
from vectors import VectorLibrary


def learn_from_images(
    model: DiffusionModel,
    optimizer: VectorOptimizer,
    options: LearnOptions,
    recipe: PaperRecipe,
    progress: Progress,
    *,
    saved: State = NOTHING,
    save: Callable[[State], None] = forget,
    processes: Processes = ALONE,
) -> Iterator[float]:
    """Learn the optimizer's values [1, C, h, w], yielding the loss of each step.

    min over c of E || target - prediction(x_t, t, y-; h + c) ||^2, where x_t is a noised image of y+, t is
    uniform over the timesteps and the target is the noise (for a model that predicts v, v).

    Every process makes the images and takes its share of a step's rows. A run goes on from the images and the
    step that were saved.
    """
    keep = save if processes.is_main else forget
    prompts, latents = _latents(model, options, recipe, progress, saved, keep)
    if "values" in saved:
        optimizer.restore(saved)
    encodings = model.encode(prompts)
    noising = DDPMScheduler.from_config(model.scheduler_config)
    mine = slice(processes.index, None, processes.count)
    site = site_of(model, options, options.concepts[0])
    while optimizer.step_number < recipe.steps:
        # A generator for each step, so that a run that goes on draws what it would have drawn.
        generator = torch.Generator().manual_seed(options.seed * 1_000_003 + optimizer.step_number)
        rows = torch.randint(len(latents), (recipe.batch,), generator=generator)[mine]
        timesteps = torch.randint(*recipe.timesteps, (recipe.batch,), generator=generator)[mine]
        noise = torch.randn(recipe.batch, *latents.shape[1:], generator=generator)[mine]
        clean = latents[rows]
        target = (
            noise if model.prediction_type == "epsilon" else noising.get_velocity(clean, noise, timesteps)
        ).to(model.device)
        noised = noising.add_noise(clean, noise, timesteps).to(model.device)
        with added_at_site(model.pipe.unet, site, lambda h: h + optimizer.values[0].to(h.dtype)):
            prediction = model.predict(noised, timesteps.to(model.device), encodings[rows.to(model.device)])
        loss = (prediction.float() - target).square().sum() / (recipe.batch * target[0].numel())
        (gradient,) = torch.autograd.grad(loss, optimizer.values)
        optimizer.step(processes.sum(gradient))
        if optimizer.step_number % EVERY_STEPS == 0:
            keep(optimizer.state() | {"images": latents})
        yield float(processes.sum(loss.detach()))


def _latents(
    model: DiffusionModel,
    options: LearnOptions,
    recipe: PaperRecipe,
    progress: Progress,
    saved: State,
    keep: Callable[[State], None],
) -> tuple[list[str], torch.Tensor]:
    """Return the prompt y- and the latents [images, c, h, w] (fp32, CPU) of each image."""
    concept = options.concepts[0]
    if recipe.folder is not None:
        latents = _from_folder(model, Path(recipe.folder), progress)
        return [
            concept.base_prompts[number % len(concept.base_prompts)] for number in range(len(latents))
        ], latents
    engine = Engine(model, VectorLibrary(Path("none")))
    latents = saved.get("images", torch.empty(0, *model.latent_shape(*model.default_size)))
    count = len(concept.positive)
    while len(latents) < recipe.images:
        numbers = range(len(latents), min(len(latents) + engine.max_batch_rows, recipe.images))
        rows = [
            Row(
                prompt=concept.positive[number % count],
                seed=options.seed + number,
                negative_prompt=concept.negative_prompt or "",
            )
            for number in numbers
        ]
        made = engine.generate(
            rows, Sampling(recipe.inference_steps, recipe.guidance_scale, scheduler="pndm")
        )
        images = model.encode_images([one.image for one in made]).float().cpu()
        latents = torch.cat([latents, images])
        keep({"images": latents})
        progress("images", len(latents), recipe.images, None)
    return [concept.base_prompts[number % count] for number in range(recipe.images)], latents


SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def image_files(folder: Path) -> Sequence[Path]:
    """Return a folder's pictures in order; OptionsError where there are none."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        raise OptionsError(f"{folder} holds no pictures: give a folder with {', '.join(SUFFIXES)} files")
    return files


def _from_folder(model: DiffusionModel, folder: Path, progress: Progress) -> torch.Tensor:
    """Return the latents of a folder's pictures, each cut to the model's shape about its centre and resized."""
    height, width = model.default_size
    latents, files = [], image_files(folder)
    for number, path in enumerate(files, start=1):
        try:
            with Image.open(path) as opened:
                picture = ImageOps.fit(ImageOps.exif_transpose(opened).convert("RGB"), (width, height))
        except (UnidentifiedImageError, OSError) as error:
            raise OptionsError(f"{path} is not a picture that can be read ({error}): take it out") from error
        latents.append(model.encode_images([picture]).float().cpu())
        progress("images", number, len(files), None)
    return torch.cat(latents)
