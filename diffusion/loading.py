"""Loading a model from a folder or the Hugging Face Hub.

Entry point: `load_model`.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

import torch
from diffusers import DiffusionPipeline, StableDiffusionPipeline, StableDiffusionXLPipeline

from diffusion.errors import ModelLoadError
from diffusion.layout import fastest_layout
from diffusion.model import DiffusionModel

LOADING: Final = threading.Lock()
"""Held while a model of diffusers or transformers is loaded.

Both replace functions of torch.nn for the whole process while they load: where two loads overlap, one can leave every
later module of the process without its weights.
"""

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def load_model(
    name_or_path: str | Path,
    *,
    device: str | torch.device = "auto",
    dtype: str | torch.dtype = "auto",
) -> DiffusionModel:
    """Load a diffusers pipeline from a folder, or by its name from the Hugging Face Hub.

    `device` "auto" is the first of CUDA, MPS and CPU that is there. `dtype` "auto" is fp16 on CUDA and fp32
    elsewhere; names such as "bfloat16" are understood. The pipeline's own safety checker is left out: vectors
    and detectors do its work. Threads may ask at once: one loads after the other. Raises ModelLoadError where
    there is no such pipeline, where it is of another kind, or where its weights are pickled.
    """
    name = str(name_or_path)
    chosen_device = _resolve_device(device)
    chosen_dtype = _resolve_dtype(dtype, chosen_device)
    kind = _pipeline_class(name)
    try:
        with LOADING:
            pipe = _read_pipeline(kind, name, chosen_dtype)
    except (OSError, ValueError) as error:
        raise ModelLoadError(
            f"The pipeline {name} cannot be loaded: every part must be there, its weights in safetensors "
            f"files (pickled weights can run code and are refused). {error}"
        ) from error
    pipe.to(chosen_device)
    for part in (pipe.unet, pipe.vae):
        part.to(memory_format=fastest_layout(chosen_device))
    return DiffusionModel(pipe, name)


def _read_pipeline(
    kind: str, name: str, dtype: torch.dtype
) -> StableDiffusionPipeline | StableDiffusionXLPipeline:
    if kind == "StableDiffusionPipeline":
        return StableDiffusionPipeline.from_pretrained(
            name,
            dtype=dtype,
            use_safetensors=True,
            safety_checker=None,
            requires_safety_checker=False,
        )
    if kind == "StableDiffusionXLPipeline":
        return StableDiffusionXLPipeline.from_pretrained(
            name, dtype=dtype, use_safetensors=True, add_watermarker=False
        )
    raise ModelLoadError(
        f"{name} is a {kind}, which is not supported: give a StableDiffusionPipeline (1.x or 2.x) or "
        "a StableDiffusionXLPipeline."
    )


def _pipeline_class(name: str) -> str:
    """The name of a pipeline's class, from its index alone: nothing large is fetched before it is known."""
    try:
        index = DiffusionPipeline.load_config(name)
    except (OSError, ValueError) as error:
        raise ModelLoadError(
            f"No diffusers pipeline {name}: give a folder with a model_index.json, or a name on the Hugging "
            f"Face Hub that can be reached from here. {error}"
        ) from error
    return str(index.get("_class_name"))


def _resolve_device(device: str | torch.device) -> torch.device:
    if device == "auto":
        backends = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
        device = next(name for name, is_there in backends.items() if is_there)
    try:
        return torch.device(device)
    except RuntimeError as error:
        raise ModelLoadError(f"No device {str(device)!r}: use auto, cpu, cuda, cuda:1 or mps.") from error


def _resolve_dtype(dtype: str | torch.dtype, device: torch.device) -> torch.dtype:
    if dtype == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    if isinstance(dtype, torch.dtype):
        return dtype
    if dtype not in _DTYPES:
        raise ModelLoadError(f"No dtype {dtype!r}: use auto, {', '.join(_DTYPES)}.")
    return _DTYPES[dtype]
