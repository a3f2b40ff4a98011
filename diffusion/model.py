"""The frozen text-to-image model: one loaded diffusers pipeline, and its parts under plain names.

Entry point: `DiffusionModel`; `diffusion.loading.load_model` makes one.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from PIL import Image

from diffusion.encoding import PromptEncoding
from diffusion.errors import ModelLoadError, PromptTooLongError, SizeError
from diffusion.fingerprint import fingerprint
from diffusion.schedules import make_scheduler
from diffusion.site import BOTTLENECK, site_shape

_PREDICTION_TYPES = ("epsilon", "v_prediction")


class DiffusionModel:
    """A text-to-image pipeline (Stable Diffusion 1.x, 2.x or SDXL) whose weights never change.

    Owns `pipe` and freezes all of it. Every method takes and returns tensors whose first dimension is rows,
    and rows are independent. Raises ModelLoadError where the pipeline predicts what cannot be sampled.
    """

    def __init__(self, pipe: StableDiffusionPipeline | StableDiffusionXLPipeline, name: str) -> None:
        self.pipe = pipe
        self.name = name
        for part in pipe.components.values():
            if isinstance(part, torch.nn.Module):
                part.eval().requires_grad_(False)
        pipe.set_progress_bar_config(disable=True)
        # Kept, since diffusers goes through all parameters to find them.
        self.device: torch.device = pipe.unet.device
        """Where the U-Net is, for good."""
        self.dtype: torch.dtype = pipe.unet.dtype
        """What the U-Net computes in, for good."""
        self.fingerprint = fingerprint(pipe.unet)
        """The identity of the U-Net's weights, see `diffusion.fingerprint`."""
        self.scheduler_config: Mapping[str, Any] = pipe.scheduler.config
        """The configuration of the scheduler the model came with, which any other is built from."""
        noise = make_scheduler("ddim", self.scheduler_config)
        self.prediction_type: str = noise.config.prediction_type
        """What the U-Net predicts: "epsilon" or "v_prediction"."""
        if self.prediction_type not in _PREDICTION_TYPES:
            raise ModelLoadError(
                f"{name} predicts {self.prediction_type!r}; only models that predict "
                f"{' or '.join(_PREDICTION_TYPES)} are supported."
            )
        self.alphas_cumprod: torch.Tensor = noise.alphas_cumprod.to(self.device)
        """The share of the image's variance left at each training timestep, [num_train_timesteps], fp32."""
        self.final_alpha_cumprod: torch.Tensor = noise.final_alpha_cumprod.to(self.device)
        """The same after the last step, a scalar: 1, or for Stable Diffusion that of timestep 0."""
        self._sizes: dict[tuple[int, int, torch.dtype], torch.Tensor] = {}
        # A tokenizer must not be used by two threads at once; prompts are counted while others are encoded.
        self._tokenizer_lock = threading.Lock()

    @property
    def num_train_timesteps(self) -> int:
        """How many timesteps the model was trained on; they count from 0."""
        return len(self.alphas_cumprod)

    @property
    def default_size(self) -> tuple[int, int]:
        """The (height, width) in pixels the model was trained for."""
        side = self.pipe.unet.config.sample_size
        rows, columns = (side, side) if isinstance(side, int) else side
        return rows * self.pipe.vae_scale_factor, columns * self.pipe.vae_scale_factor

    @property
    def pixel_multiple(self) -> int:
        """What heights and widths in pixels must be a multiple of."""
        return math.lcm(8, self.pipe.vae_scale_factor)  # 8 is what diffusers' pipelines insist on

    def check_size(self, height: int, width: int) -> None:
        """Raise SizeError unless the model can make images of height x width pixels."""
        multiple = self.pixel_multiple
        for side, pixels in (("height", height), ("width", width)):
            if pixels < multiple or pixels % multiple:
                lower = max(pixels // multiple, 1) * multiple
                raise SizeError(
                    f"The {side} {pixels} is not a multiple of {multiple} pixels: use {lower} or "
                    f"{lower + multiple}, or the model's own size, {' x '.join(map(str, self.default_size))}."
                )

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """The shape (c, h, w) of one image's latents, for a size in pixels; raises SizeError."""
        self.check_size(height, width)
        factor = self.pipe.vae_scale_factor
        channels: int = self.pipe.unet.config.in_channels
        return channels, height // factor, width // factor

    def site_shape(self, height: int, width: int, site: str = BOTTLENECK) -> tuple[int, int, int]:
        """The shape (C, h, w) of a site's output, for a size in pixels; raises SizeError and SiteError."""
        _, rows, columns = self.latent_shape(height, width)
        return site_shape(self.pipe.unet, site, (rows, columns))

    @property
    def embeds_guidance(self) -> bool:
        """Whether the U-Net is told the guidance scale, as distilled ones are, and needs no unconditional rows."""
        return self.pipe.unet.config.time_cond_proj_dim is not None

    @property
    def token_limit(self) -> int:
        """How many tokens of a prompt are read, the marks of start and end included."""
        return min(int(tokenizer.model_max_length) for tokenizer in self._tokenizers)

    def count_tokens(self, prompt: str) -> int:
        """How many tokens a prompt has, the marks of start and end included; safe to call from any thread."""
        with self._tokenizer_lock:
            return max(len(tokenizer(prompt, verbose=False).input_ids) for tokenizer in self._tokenizers)

    def check_prompt(self, prompt: str) -> None:
        """Raise PromptTooLongError where the text encoder would cut a prompt off."""
        tokens = self.count_tokens(prompt)
        if tokens > self.token_limit:
            raise PromptTooLongError(prompt, tokens, self.token_limit)

    @torch.no_grad()
    def encode(self, prompts: Sequence[str]) -> PromptEncoding:
        """Encode prompts, one row each; raises PromptTooLongError."""
        for prompt in prompts:
            self.check_prompt(prompt)
        with self._tokenizer_lock:
            embeds, _, *pooled = self.pipe.encode_prompt(
                prompt=list(prompts),
                device=self.device,
                num_images_per_prompt=1,
                do_classifier_free_guidance=False,
            )
        return PromptEncoding(embeds, pooled[0] if pooled else None)

    @torch.no_grad()
    def summarise(self, prompts: Sequence[str]) -> torch.Tensor:
        """Return each prompt as one vector, [prompts, dim] in fp32 on the CPU: the first text encoder's pooled output.

        Of a prompt longer than the limit, it is what the encoder would read. Safe to call from any thread.
        """
        tokenizer = self._tokenizers[0]
        with self._tokenizer_lock:
            tokens = tokenizer(
                list(prompts),
                padding="max_length",
                max_length=self.token_limit,
                truncation=True,
                return_tensors="pt",
            ).input_ids
        pooled: torch.Tensor = self.pipe.text_encoder(tokens.to(self.device)).pooler_output
        return pooled.float().cpu()

    def encode_negative(self, prompts: Sequence[str]) -> PromptEncoding:
        """Encode negative prompts for unconditional rows, "" standing for none; raises PromptTooLongError.

        SDXL was trained with zeros where there is no prompt: there "" gives zeros, as it does in diffusers'
        pipeline without a negative prompt.
        """
        encoding = self.encode(prompts)
        if not self.pipe.config.get("force_zeros_for_empty_prompt", False) or encoding.pooled is None:
            return encoding
        empty = torch.tensor([not prompt for prompt in prompts], device=self.device)
        return PromptEncoding(
            encoding.embeds.masked_fill(empty[:, None, None], 0),
            encoding.pooled.masked_fill(empty[:, None], 0),
        )

    def predict(
        self,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        encoding: PromptEncoding,
        guidance: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The U-Net's prediction (epsilon or v) for latents [rows, c, h, w] at timesteps [rows].

        Latents are taken as the DDIM process has them, and rows may be at different timesteps, also between the
        training ones. `guidance` [rows, dim] is for models that embed it, see `embed_guidance`. Returns
        [rows, c, h, w] in the model's dtype. Gradients flow, for what is learned through the frozen model.
        """
        added_conditions = None
        if encoding.pooled is not None:  # SDXL: the original size, no cropping, the size to be made
            time_ids = self._size_ids(latents.shape[-2], latents.shape[-1], encoding.embeds.dtype)
            added_conditions = {
                "text_embeds": encoding.pooled,
                "time_ids": time_ids.expand(len(encoding), -1),
            }
        prediction: torch.Tensor = self.pipe.unet(
            latents.to(self.dtype),
            timesteps,
            encoder_hidden_states=encoding.embeds,
            timestep_cond=guidance,
            added_cond_kwargs=added_conditions,
            return_dict=False,
        )[0]
        return prediction

    def _size_ids(self, height: int, width: int, dtype: torch.dtype) -> torch.Tensor:
        """SDXL's numbers [6] for latents of a size; kept on the device, as a captured pass can copy nothing there."""
        key = (height, width, dtype)
        if key not in self._sizes:
            size = [side * self.pipe.vae_scale_factor for side in (height, width)]
            self._sizes[key] = torch.tensor([*size, 0, 0, *size], device=self.device, dtype=dtype)
        return self._sizes[key]

    def embed_guidance(self, scales: Sequence[float]) -> torch.Tensor | None:
        """The embedding [rows, dim] of guidance scales for models that take one, in the model's dtype; else None."""
        if not self.embeds_guidance:
            return None
        embedded: torch.Tensor = self.pipe.get_guidance_scale_embedding(
            torch.tensor(scales) - 1, embedding_dim=self.pipe.unet.config.time_cond_proj_dim
        )
        return embedded.to(self.device, self.dtype)

    def clean(self, latents: torch.Tensor, prediction: torch.Tensor, timestep: int) -> torch.Tensor:
        """The clean latents that a prediction (epsilon or v) for latents at one timestep points to, fp32.

        Ho, Jain, Abbeel, "Denoising Diffusion Probabilistic Models", 2020, equation 15; for v, Salimans, Ho,
        "Progressive Distillation for Fast Sampling of Diffusion Models", 2022, appendix D.
        """
        alpha = self.alphas_cumprod[timestep]
        signal, noise = alpha.sqrt(), (1 - alpha).sqrt()
        if self.prediction_type == "v_prediction":
            return signal * latents.float() - noise * prediction.float()
        return (latents.float() - noise * prediction.float()) / signal

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """The images of finished latents [rows, c, h, w]: [rows, 3, height, width], fp32 in 0..1."""
        vae = self.pipe.vae
        mean, std = self._latent_statistics()
        # SDXL's VAE overflows in fp16; its pipeline decodes in fp32 too.
        overflows = vae.dtype == torch.float16 and vae.config.force_upcast and self._is_sdxl
        if overflows:
            vae.to(torch.float32)
        try:
            scaled = latents * std / vae.config.scaling_factor + mean
            images = vae.decode(scaled.to(vae.dtype), return_dict=False)[0]
        finally:
            if overflows:
                vae.to(torch.float16)
        pixels: torch.Tensor = (images.float() / 2 + 0.5).clamp(0, 1)
        return pixels

    def to_pil(self, images: torch.Tensor) -> list[Image.Image]:
        """Images [rows, 3, height, width] in 0..1 as pictures."""
        processor = self.pipe.image_processor
        pictures: list[Image.Image] = processor.numpy_to_pil(processor.pt_to_numpy(images))
        return pictures

    @torch.no_grad()
    def encode_images(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """The latents [rows, c, h, w] of pictures of one size, the most likely ones, in the model's dtype.

        Raises SizeError where the sizes differ or the model cannot make them.
        """
        sizes = sorted({image.size for image in images})
        if len(sizes) != 1:
            raise SizeError(
                "Images are encoded together where they are of one size; these are "
                f"{' and '.join(f'{height} x {width}' for width, height in sizes) or 'none'}."
            )
        width, height = sizes[0]
        self.check_size(height, width)
        vae = self.pipe.vae
        pixels = self.pipe.image_processor.preprocess([image.convert("RGB") for image in images])
        latents = vae.encode(pixels.to(self.device, vae.dtype)).latent_dist.mode()
        mean, std = self._latent_statistics()
        scaled: torch.Tensor = (latents - mean) * vae.config.scaling_factor / std
        return scaled.to(self.dtype)

    @property
    def _is_sdxl(self) -> bool:
        return isinstance(self.pipe, StableDiffusionXLPipeline)

    @cached_property
    def _tokenizers(self) -> list[Any]:
        # diffusers looks at the pipeline's signature whenever it is asked for its components.
        parts = self.pipe.components
        return [parts[name] for name in ("tokenizer", "tokenizer_2") if parts.get(name) is not None]

    def _latent_statistics(self) -> tuple[torch.Tensor | float, torch.Tensor | float]:
        """The mean and standard deviation of the VAE's latents; 0 and 1 where only their scale is given."""
        config = self.pipe.vae.config
        if not self._is_sdxl or config.latents_mean is None or config.latents_std is None:
            return 0.0, 1.0
        mean, std = (
            torch.tensor(values, device=self.device).view(1, -1, 1, 1)
            for values in (config.latents_mean, config.latents_std)
        )
        return mean, std
