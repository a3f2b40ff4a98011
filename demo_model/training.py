"""Rebuilding the embedded model from nothing: drawings, oracle, autoencoder, denoiser, pipeline.

`train(recipe, run, output, ...)` is the entry point. Each stage leaves its result in the run directory and is
skipped when that is there; the denoiser also leaves checkpoints: an interrupted run goes on where it was.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from safetensors.torch import save_file

from demo_model.autoencoder import build_autoencoder, encode_drawings, psnr_db, train_autoencoder
from demo_model.denoiser import DenoiserTraining, build_scheduler
from demo_model.drawings import Drawings, make_drawings
from demo_model.oracle import Oracle, accuracy, load_oracle, train_oracle
from demo_model.recipe import Recipe
from demo_model.tokenizer import build_tokenizer

Progress = Callable[[str, int, int, float | None], None]
"""Called with a stage's name, what is done, what there is to do, and the loss where there is one."""


class TrainingError(Exception):
    """The embedded model cannot be trained as asked."""


def train(
    recipe: Recipe, *, run: Path, output: Path, device: torch.device, progress: Progress
) -> dict[str, float]:
    """Train everything and write `pipeline/` and `oracle/oracle.safetensors` under `output`.

    Returns held-out figures: the oracle's accuracy of each attribute and the autoencoder's PSNR in dB.
    Raises TrainingError where `run` holds another recipe's results or a loss is not finite.
    """
    run.mkdir(parents=True, exist_ok=True)
    _claim(run / "recipe.json", recipe)
    stages = _Stages(recipe, run, device, progress)
    held_out = stages.drawings(recipe.held_out_drawings, "held-out", uniform=True)
    oracle = stages.oracle()
    drawings = stages.drawings(recipe.drawings, "captioned", uniform=False)
    autoencoder = stages.autoencoder(drawings)
    quality_db = psnr_db(autoencoder, held_out, device)
    pipeline = stages.denoiser(drawings, autoencoder)
    (output / "oracle").mkdir(parents=True, exist_ok=True)
    save_file(
        {
            name: value.half() if value.is_floating_point() else value
            for name, value in oracle.state_dict().items()
        },
        output / "oracle" / "oracle.safetensors",
    )
    pipeline.to(dtype=torch.float16).save_pretrained(output / "pipeline", safe_serialization=True)
    _load_as_fp32(output / "pipeline" / "text_encoder" / "config.json")
    shipped = load_oracle(output / "oracle" / "oracle.safetensors")
    figures = {f"oracle accuracy: {name}": share for name, share in accuracy(shipped, held_out).items()}
    return figures | {"autoencoder PSNR, dB": quality_db}


def _load_as_fp32(config: Path) -> None:
    """Let transformers load the fp16 file as fp32 by default, as diffusers does with the other parts."""
    content = json.loads(config.read_text(encoding="utf-8"))
    config.write_text(json.dumps(content | {"dtype": "float32"}, indent=2) + "\n", encoding="utf-8")


def _claim(path: Path, recipe: Recipe) -> None:
    """Write the recipe into a new run directory; refuse another recipe's."""
    if path.exists() and path.read_text() != recipe.to_json():
        raise TrainingError(
            f"{path.parent} holds a run of another recipe; give another directory or remove it"
        )
    path.write_text(recipe.to_json())


class _Stages:
    """The stages of one run, each made or loaded."""

    def __init__(self, recipe: Recipe, run: Path, device: torch.device, progress: Progress) -> None:
        self.recipe, self.run, self.device, self.progress = recipe, run, device, progress

    def drawings(self, count: int, name: str, *, uniform: bool) -> Drawings:
        """Draw a set; drawing is quicker than keeping."""
        for item in make_drawings(count, seed=self.recipe.seed, name=name, uniform=uniform):
            if isinstance(item, Drawings):
                return item
            self.progress(f"drawing: {name}", item, count, None)
        raise AssertionError("make_drawings ends with the set")

    def oracle(self) -> Oracle:
        """Train the oracle or load it."""
        path = self.run / "oracle.safetensors"
        if path.exists():
            return load_oracle(path)
        torch.manual_seed(self.recipe.seed)
        oracle = Oracle()
        drawings = self.drawings(self.recipe.drawings, "uniform", uniform=True)
        self._watch(
            "oracle", self.recipe.oracle_steps, train_oracle(oracle, drawings, self.recipe, self.device)
        )
        partial = path.with_suffix(".partial")
        save_file(oracle.state_dict(), partial)
        partial.replace(path)
        return oracle

    def autoencoder(self, drawings: Drawings) -> AutoencoderKL:
        """Train the autoencoder or load it."""
        path = self.run / "autoencoder"
        if path.exists():
            autoencoder = AutoencoderKL.from_pretrained(path).to(self.device).eval().requires_grad_(False)
            autoencoder.register_to_config(_name_or_path="")  # where a run was is nobody's business
            return autoencoder
        torch.manual_seed(self.recipe.seed)
        autoencoder = build_autoencoder()
        self._watch(
            "autoencoder",
            self.recipe.autoencoder_steps,
            train_autoencoder(autoencoder, drawings, self.recipe, self.device),
        )
        partial = self.run / "autoencoder.partial"
        autoencoder.save_pretrained(partial)
        partial.replace(path)
        return autoencoder

    def denoiser(self, drawings: Drawings, autoencoder: AutoencoderKL) -> StableDiffusionPipeline:
        """Train the text encoder and the U-Net, from the last checkpoint if there is one, and assemble the pipeline."""
        tokenizer = build_tokenizer()
        tokens = tokenizer(
            [*drawings.captions, ""], padding="max_length", truncation=True, return_tensors="pt"
        ).input_ids
        rows = torch.arange(len(drawings))
        latents = (
            encode_drawings(autoencoder, drawings, rows, self.device) * autoencoder.config.scaling_factor
        )
        training = DenoiserTraining(tokenizer, self.recipe, self.device)
        path = self.run / "denoiser.pt"
        if path.exists():
            training.load(path)
        self._watch(
            "denoiser",
            self.recipe.denoiser_steps,
            self._checkpointed(training, path, training.run(latents, tokens[:-1], tokens[-1])),
            done=training.step,
        )
        training.save(path)
        return StableDiffusionPipeline(
            vae=autoencoder,
            text_encoder=training.average.text_encoder,
            tokenizer=tokenizer,
            unet=training.average.unet,
            scheduler=build_scheduler(),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )

    def _checkpointed(
        self, training: DenoiserTraining, path: Path, losses: Iterator[float]
    ) -> Iterator[float]:
        """Keep a checkpoint every so many steps."""
        for loss in losses:
            if training.step % self.recipe.checkpoint_every == 0:
                training.save(path)
            yield loss

    def _watch(self, stage: str, steps: int, losses: Iterator[float], *, done: int = 0) -> None:
        """Run a stage, reporting progress; stop on a loss that is not finite."""
        for step, loss in enumerate(losses, start=done + 1):
            if not math.isfinite(loss):
                raise TrainingError(f"the {stage}'s loss is {loss} at step {step}; lower its learning rate")
            self.progress(stage, step, steps, loss)
