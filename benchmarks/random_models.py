"""Stable Diffusion 1.5 and SDXL of their published configurations, with random weights: as fast and as large as real.

Entry point: `random_model`. Time and memory do not depend on what the weights are.
"""

from __future__ import annotations

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import AutoTokenizer, CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from diffusion import DiffusionModel
from trimtab import DEMO_MODEL

NAMES = ("sd15", "sdxl")


def random_model(name: str, size: int, dtype: torch.dtype, device: str) -> DiffusionModel:
    """Build a model by its name in `NAMES`, for pictures of size x size pixels."""
    torch.manual_seed(0)
    build = _stable_diffusion_1_5 if name == "sd15" else _stable_diffusion_xl
    with torch.device(device):
        pipe = build(size // 8)
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            part.to(device, dtype)
    if device.startswith("cuda"):  # as `load_model` does
        pipe.unet.to(memory_format=torch.channels_last)
        pipe.vae.to(memory_format=torch.channels_last)
    return DiffusionModel(pipe, f"{name}, random weights")


def _stable_diffusion_1_5(latent_side: int) -> StableDiffusionPipeline:
    return StableDiffusionPipeline(
        vae=_autoencoder(0.18215),
        text_encoder=CLIPTextModel(_text_config(768, 12, 12, "quick_gelu")),
        tokenizer=_tokenizer(),
        unet=UNet2DConditionModel(sample_size=latent_side, cross_attention_dim=768, attention_head_dim=8),
        scheduler=_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _stable_diffusion_xl(latent_side: int) -> StableDiffusionXLPipeline:
    unet = UNet2DConditionModel(
        sample_size=latent_side,
        block_out_channels=(320, 640, 1280),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(5, 10, 20),
        transformer_layers_per_block=(1, 2, 10),
        use_linear_projection=True,
        cross_attention_dim=2048,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=2816,
    )
    return StableDiffusionXLPipeline(
        vae=_autoencoder(0.13025),
        text_encoder=CLIPTextModel(_text_config(768, 12, 12, "quick_gelu")),
        text_encoder_2=CLIPTextModelWithProjection(_text_config(1280, 32, 20, "gelu")),
        tokenizer=_tokenizer(),
        tokenizer_2=_tokenizer(),
        unet=unet,
        scheduler=_scheduler(),
        add_watermarker=False,
    )


def _autoencoder(scaling_factor: float) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=4,
        scaling_factor=scaling_factor,
    )


def _text_config(width: int, layers: int, heads: int, activation: str) -> CLIPTextConfig:
    return CLIPTextConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_attention_heads=heads,
        num_hidden_layers=layers,
        projection_dim=width,
        hidden_act=activation,
    )


def _tokenizer() -> object:
    """The demo's: any will do, where the text encoder has learned nothing."""
    return AutoTokenizer.from_pretrained(DEMO_MODEL / "tokenizer", model_max_length=77)


def _scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )
