"""Tiny diffusers pipelines with random weights: Stable Diffusion 1.x, 2.x and SDXL in miniature.

Entry points: `tiny_sd1`, `tiny_sd2`, `tiny_sdxl`, `tiny_distilled` build one in memory (32 px, latents 4x8x8, mid-block
32x4x4); `pipe.save_pretrained(folder)` writes it in the layout that `load_model` reads.
"""

from collections.abc import Sequence

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

WORDS = ("a", "photo", "of", "person", "woman", "man", "doctor", "nurse", "picture", "dog", "ugly", "sexual")
TOKEN_LIMIT = 16
TEXT_DIM = 16
POOLED_DIM = 24


def tiny_tokenizer(words: Sequence[str] = WORDS) -> CLIPTokenizer:
    """A CLIP tokenizer that knows some words as single tokens and spells every other word in letters."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,-'"
    tokens = [*letters, *(letter + "</w>" for letter in letters)]
    merges: list[tuple[str, str]] = []
    for word in words:
        pieces = [*word[:-1], word[-1] + "</w>"]
        while len(pieces) > 1:
            merge = (pieces[0], pieces[1])
            pieces[:2] = [pieces[0] + pieces[1]]
            if merge not in merges:
                merges.append(merge)
                tokens.append(pieces[0])
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocab = {token: index for index, token in enumerate(dict.fromkeys(tokens))}
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=TOKEN_LIMIT)


def _text_config(tokenizer: CLIPTokenizer, projection_dim: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=TEXT_DIM,
        intermediate_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=TOKEN_LIMIT,
        projection_dim=projection_dim,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _vae() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=32,
    )


def _sd_unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 32),
        layers_per_block=1,
        norm_num_groups=8,
        attention_head_dim=8,
        cross_attention_dim=TEXT_DIM,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )


_NOISE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}


def tiny_sd1(seed: int = 0, words: Sequence[str] = WORDS) -> StableDiffusionPipeline:
    """Stable Diffusion 1.x in miniature: predicts epsilon, stored with a PNDM scheduler, knows some words."""
    torch.manual_seed(seed)
    tokenizer = tiny_tokenizer(words)
    return StableDiffusionPipeline(
        vae=_vae(),
        text_encoder=CLIPTextModel(_text_config(tokenizer, TEXT_DIM)),
        tokenizer=tokenizer,
        unet=_sd_unet(),
        scheduler=PNDMScheduler(**_NOISE, skip_prk_steps=True, set_alpha_to_one=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def tiny_sd2(seed: int = 0) -> StableDiffusionPipeline:
    """Stable Diffusion 2.x in miniature: predicts v, stored with a DDIM scheduler."""
    pipe = tiny_sd1(seed)
    pipe.scheduler = DDIMScheduler(
        **_NOISE, clip_sample=False, set_alpha_to_one=False, prediction_type="v_prediction"
    )
    return pipe


def tiny_sdxl(seed: int = 0) -> StableDiffusionXLPipeline:
    """SDXL in miniature: two text encoders, pooled embeddings and sizes as added conditions."""
    torch.manual_seed(seed)
    tokenizer = tiny_tokenizer()
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 32),
        layers_per_block=1,
        norm_num_groups=8,
        attention_head_dim=(2, 4),
        transformer_layers_per_block=(1, 2),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=POOLED_DIM + 6 * 8,
        cross_attention_dim=2 * TEXT_DIM,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )
    return StableDiffusionXLPipeline(
        vae=_vae(),
        text_encoder=CLIPTextModel(_text_config(tokenizer, TEXT_DIM)),
        text_encoder_2=CLIPTextModelWithProjection(_text_config(tokenizer, POOLED_DIM)),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=unet,
        scheduler=DDIMScheduler(**_NOISE, clip_sample=False, set_alpha_to_one=False),
    )


def tiny_distilled() -> StableDiffusionPipeline:
    """Stable Diffusion 1.x whose U-Net is told the guidance scale, as LCM-distilled ones are."""
    pipe = tiny_sd1()
    torch.manual_seed(3)
    pipe.unet = UNet2DConditionModel.from_config(pipe.unet.config, time_cond_proj_dim=16)
    return pipe


BUILDERS = {"sd1": tiny_sd1, "sd2": tiny_sd2, "sdxl": tiny_sdxl}
"""The builders by the names that tests use."""
