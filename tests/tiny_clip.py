"""A CLIP model in miniature with random weights.

Entry point: `save_tiny_clip` writes one in the layout that `ClipEncoder` reads (32 px, 12 dimensions).
"""

from pathlib import Path

import torch
from tiny_pipelines import TOKEN_LIMIT, tiny_tokenizer
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

DIMENSION = 12
SIZE = 32


def save_tiny_clip(folder: Path, seed: int = 0) -> Path:
    """Write a model, its tokenizer and its preprocessing, which crops the middle of a picture."""
    tokenizer = tiny_tokenizer()
    blocks = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "initializer_factor": 4.0,  # so that random weights tell pictures apart
    }
    text = {
        **blocks,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": TOKEN_LIMIT,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = {**blocks, "image_size": SIZE, "patch_size": 8}
    torch.manual_seed(seed)
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=DIMENSION)).save_pretrained(
        folder
    )
    tokenizer.save_pretrained(folder)
    CLIPImageProcessorPil(
        size={"shortest_edge": SIZE}, crop_size={"height": SIZE, "width": SIZE}
    ).save_pretrained(folder)
    return folder
