"""Small pictures of unfinished latents, without the autoencoder.

Entry point: `LatentPreview`.
"""

from __future__ import annotations

import torch
from PIL import Image
from torch.nn import functional

from diffusion.model import DiffusionModel

_DAMPING = 1e-3


class LatentPreview:
    """A linear map from latents to colours, fitted to the images that the autoencoder has decoded.

    A latent's channels mostly say the colour of the pixels under it, so one weight per channel and colour, found by
    least squares, shows what a picture is becoming. Before the first image it is fitted to decoded noise.
    """

    def __init__(self, model: DiffusionModel) -> None:
        self._model = model
        self._products: torch.Tensor | None = None
        self._answers: torch.Tensor | None = None

    @torch.no_grad()
    def learn(self, latents: torch.Tensor, pixels: torch.Tensor) -> None:
        """Take latents [rows, c, h, w] and their decoded pixels [rows, 3, height, width] in 0..1 into the fit."""
        colours = functional.adaptive_avg_pool2d(pixels.float(), (latents.shape[-2], latents.shape[-1]))
        inputs, answers = _points(_with_one(latents.float())), _points(colours)
        products, answers = inputs.T @ inputs, inputs.T @ answers
        if self._products is None or self._answers is None:
            self._products, self._answers = products, answers
        else:
            self._products, self._answers = self._products + products, self._answers + answers

    @torch.no_grad()
    def picture(self, latents: torch.Tensor) -> Image.Image:
        """Return a picture of clean latents [c, h, w], a pixel for each of their places."""
        if self._products is None or self._answers is None:
            noise = torch.randn(4, *latents.shape, generator=torch.Generator().manual_seed(0))
            noise = noise.to(self._model.device)
            self.learn(noise, self._model.decode(noise))
            assert self._products is not None and self._answers is not None  # noqa: PT018  they were just made
        damping = (
            _DAMPING * self._products.diagonal().mean() * torch.eye(len(self._products)).to(latents.device)
        )
        weights = torch.linalg.solve(self._products + damping, self._answers)
        colours = torch.einsum("nchw,ck->nkhw", _with_one(latents[None].float()), weights)
        return self._model.to_pil(colours.clamp(0, 1))[0]


def _with_one(latents: torch.Tensor) -> torch.Tensor:
    """Add a channel of ones, for the constant part of the map."""
    return torch.cat([latents, torch.ones_like(latents[:, :1])], dim=1)


def _points(maps: torch.Tensor) -> torch.Tensor:
    """Turn maps [rows, k, h, w] into [points, k]."""
    return maps.movedim(1, -1).flatten(0, -2)
