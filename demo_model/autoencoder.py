"""The autoencoder of the embedded model: 64 x 64 pixels to 16 x 16 latents of 4 channels, and back.

The loss (L1, squared error, and the L1 of the picture's gradients) weighs the faces threefold and adds more on
dark pixels: on dark skin the same error of value is a larger error to the eye.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from diffusers import AutoencoderKL

from demo_model.drawing import SIZE
from demo_model.drawings import Drawings
from demo_model.recipe import Recipe

KL_WEIGHT = 1e-3
FACE_WEIGHT = 3.0
DARKNESS_WEIGHT = 1.0


def build_autoencoder() -> AutoencoderKL:
    """Build the untrained autoencoder, 0.7M parameters."""
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(32, 32, 64),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=16,
        mid_block_add_attention=False,
        sample_size=SIZE,
    )


def train_autoencoder(
    autoencoder: AutoencoderKL, drawings: Drawings, recipe: Recipe, device: torch.device
) -> Iterator[float]:
    """Train in place, yielding the loss of each step; last, set the scaling factor that gives unit latents."""
    autoencoder.to(device).train()
    optimizer = torch.optim.AdamW(autoencoder.parameters(), lr=recipe.autoencoder_rate, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.autoencoder_rate, total_steps=recipe.autoencoder_steps, pct_start=0.1
    )
    for step in range(recipe.autoencoder_steps):
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
        rows = torch.randint(len(drawings), (recipe.autoencoder_batch,), generator=generator)
        pictures = drawings.floats(rows).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            posterior = autoencoder.encode(pictures).latent_dist
            noise = torch.randn(posterior.mean.shape, generator=generator).to(device)
            restored = autoencoder.decode(posterior.mean + posterior.std * noise).sample
        loss = reconstruction_loss(restored.float(), pictures) + KL_WEIGHT * posterior.kl().float().mean() / (
            posterior.mean[0].numel()
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(autoencoder.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        yield loss.item()
    autoencoder.eval().requires_grad_(False)
    sample = encode_drawings(autoencoder, drawings, torch.arange(min(2_000, len(drawings))), device)
    autoencoder.register_to_config(scaling_factor=round(1 / sample.std().item(), 4))


def reconstruction_loss(restored: torch.Tensor, pictures: torch.Tensor) -> torch.Tensor:
    """Return the weighted loss of reconstructions [rows, 3, 64, 64] against pictures of the same shape."""
    weight = torch.ones_like(pictures[:, :1])
    weight[:, :, 10:46, 16:48] = FACE_WEIGHT
    weight = weight + DARKNESS_WEIGHT * (pictures.mean(1, keepdim=True) < -0.2)
    difference = restored - pictures
    loss = (weight * (difference.abs() + difference.square())).mean()
    for axis in (2, 3):
        loss = loss + 0.5 * difference.diff(dim=axis).abs().mean()
    return loss


@torch.inference_mode()
def encode_drawings(
    autoencoder: AutoencoderKL, drawings: Drawings, rows: torch.Tensor, device: torch.device
) -> torch.Tensor:
    """Return the unscaled latents (the posterior's means) of drawings, [rows, 4, 16, 16] fp32 on the CPU."""
    parts = []
    for chunk in rows.split(256):
        with torch.autocast(device.type, torch.bfloat16):
            parts.append(autoencoder.encode(drawings.floats(chunk).to(device)).latent_dist.mean.float().cpu())
    return torch.cat(parts)


@torch.inference_mode()
def psnr_db(autoencoder: AutoencoderKL, drawings: Drawings, device: torch.device) -> float:
    """Return the peak signal-to-noise ratio of reconstructions, in dB over all pixels of a held-out set."""
    squares, count = 0.0, 0
    for chunk in torch.arange(len(drawings)).split(256):
        pictures = drawings.floats(chunk).to(device)
        restored = autoencoder.decode(autoencoder.encode(pictures).latent_dist.mean).sample.clamp(-1, 1)
        squares += (restored - pictures).square().sum().item()
        count += pictures.numel()
    return float(10 * torch.log10(torch.tensor(4 * count / squares)))
