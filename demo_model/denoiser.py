"""The denoiser of the embedded model: text encoder and U-Net, trained together on cached latents.

A U-Net in the layout of Stable Diffusion 1.x with a cross-attention mid-block (output 192 x 4 x 4), epsilon
prediction, min-SNR-5 weighting (Hang et al. 2023, arXiv 2303.09556) and an exponential moving average of weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from demo_model.recipe import Recipe
from demo_model.tokenizer import MAX_TOKENS

MIN_SNR = 5.0
DROPPED_CAPTIONS = 0.1
AVERAGE_DECAY = 0.999
_TEXT_WIDTH = 128


class Denoiser(nn.Module):
    """The text encoder and the U-Net as one module, so that they are trained, averaged and kept together."""

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        super().__init__()
        self.text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(tokenizer),
                hidden_size=_TEXT_WIDTH,
                intermediate_size=4 * _TEXT_WIDTH,
                num_hidden_layers=2,
                num_attention_heads=4,
                max_position_embeddings=MAX_TOKENS,
                projection_dim=_TEXT_WIDTH,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
        )
        self.unet = UNet2DConditionModel(
            sample_size=16,
            in_channels=4,
            out_channels=4,
            block_out_channels=(64, 128, 192),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=_TEXT_WIDTH,
            attention_head_dim=4,
            norm_num_groups=16,
        )

    def forward(self, latents: torch.Tensor, timesteps: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Predict the noise in latents [rows, 4, 16, 16] at timesteps [rows], given token ids [rows, 32]."""
        text = self.text_encoder(tokens).last_hidden_state
        prediction: torch.Tensor = self.unet(latents, timesteps, text).sample
        return prediction


def build_scheduler() -> DDIMScheduler:
    """Return Stable Diffusion 1.x's noise schedule, sampled by DDIM."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="epsilon",
    )


class DenoiserTraining:
    """The state of the denoiser's training: made, continued from a checkpoint, stepped."""

    def __init__(self, tokenizer: CLIPTokenizer, recipe: Recipe, device: torch.device) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.device = recipe, device
        self.denoiser = Denoiser(tokenizer).to(device).train()
        self.average = Denoiser(tokenizer).to(device).eval().requires_grad_(False)
        self.average.load_state_dict(self.denoiser.state_dict())
        self.optimizer = torch.optim.AdamW(
            self.denoiser.parameters(), lr=recipe.denoiser_rate, betas=(0.9, 0.99), weight_decay=1e-2
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, recipe.denoiser_rate, total_steps=recipe.denoiser_steps, pct_start=0.05
        )
        self.alphas_cumprod = build_scheduler().alphas_cumprod
        self.step = 0

    def save(self, path: Path) -> None:
        """Write a checkpoint: to a temporary file first, so that a killed run keeps its last one."""
        state = {
            "denoiser": self.denoiser.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "step": self.step,
        }
        temporary = path.with_suffix(".partial")
        torch.save(state, temporary)
        temporary.replace(path)

    def load(self, path: Path) -> None:
        """Continue from a checkpoint."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.denoiser.load_state_dict(state["denoiser"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.step = state["step"]

    def run(self, latents: torch.Tensor, tokens: torch.Tensor, empty: torch.Tensor) -> Iterator[float]:
        """Train to the recipe's last step, yielding the loss of each.

        `latents` [n, 4, 16, 16] are scaled, `tokens` [n, 32] belong to them, `empty` [32] are the empty prompt's.
        What a step sees depends on the seed and its number alone, so a resumed run sees what it would have seen.
        """
        batch = self.recipe.denoiser_batch
        while self.step < self.recipe.denoiser_steps:
            generator = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + self.step)
            rows = torch.randint(len(latents), (batch,), generator=generator)
            timesteps = torch.randint(1000, (batch,), generator=generator)
            noise = torch.randn(batch, *latents.shape[1:], generator=generator)
            dropped = torch.rand(batch, 1, generator=generator) < DROPPED_CAPTIONS
            alphas = self.alphas_cumprod[timesteps].view(-1, 1, 1, 1)
            noised = alphas.sqrt() * latents[rows] + (1 - alphas).sqrt() * noise
            text = torch.where(dropped, empty, tokens[rows])
            loss = self._loss(*(part.to(self.device) for part in (noised, timesteps, text, noise, alphas)))
            self._update(loss)
            self.step += 1
            yield loss.item()

    def _loss(
        self,
        noised: torch.Tensor,
        timesteps: torch.Tensor,
        text: torch.Tensor,
        noise: torch.Tensor,
        alphas: torch.Tensor,
    ) -> torch.Tensor:
        """Return the min-SNR-weighted squared error of the predicted noise."""
        with torch.autocast(self.device.type, torch.bfloat16):
            prediction = self.denoiser(noised, timesteps, text)
        snr = alphas / (1 - alphas)
        weight = snr.clamp(max=MIN_SNR) / snr
        loss: torch.Tensor = (weight * (prediction.float() - noise).square()).mean()
        return loss

    def _update(self, loss: torch.Tensor) -> None:
        """Take one optimiser step and move the average along."""
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.denoiser.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        decay = min(AVERAGE_DECAY, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for average, value in zip(self.average.parameters(), self.denoiser.parameters(), strict=True):
                average.lerp_(value, 1 - decay)
