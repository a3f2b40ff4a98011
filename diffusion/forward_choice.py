"""Which way the forward passes of a model are run on its device: chosen by name, or by measurement.

Entry points: `choose_forward`, `EXECUTION_NAMES`.
"""

from __future__ import annotations

import logging

import torch

from diffusion.errors import ExecutionError
from diffusion.executions import Pass, executions, fastest
from diffusion.forward import PADDED_SIZES, Forward, PlainForward, StaticForward
from diffusion.model import DiffusionModel

logger = logging.getLogger(__name__)

EXECUTION_NAMES = ("auto", "plain", "graphs", "compile")


def choose_forward(model: DiffusionModel, execution: str, max_rows: int) -> Forward:
    """Return what runs a model's forward passes of up to `max_rows` U-Net rows.

    "plain" runs them as they are, which is all there is without CUDA; "graphs" captures those of the model's own
    size in CUDA graphs, "compile" compiles them before. "auto" times all three with a full batch and takes the
    fastest; a first compilation takes a minute or more, later ones find it in PyTorch's cache. Raises
    ExecutionError for another name, or one that the device does not know.
    """
    if execution not in EXECUTION_NAMES:
        raise ExecutionError(
            f"Forward passes are not run by {execution!r}: choose {', '.join(EXECUTION_NAMES)}."
        )
    if model.device.type != "cuda":
        if execution not in ("auto", "plain"):
            raise ExecutionError(
                f"Forward passes are run by {execution!r} on CUDA only; on {model.device.type} choose auto or plain."
            )
        return PlainForward(model)
    known = executions()
    if execution == "auto":
        execution = fastest(_a_pass(model, max_rows), model.device, {"plain": lambda run: run, **known})
    logger.info("Forward passes are run by %s.", execution)
    if execution == "plain":
        return PlainForward(model)
    sizes = [size for size in PADDED_SIZES if size < max_rows] + [max_rows]
    return StaticForward(model, known[execution], model.latent_shape(*model.default_size), sizes)


def _a_pass(model: DiffusionModel, rows: int) -> Pass:
    """Return a pass of so many rows of the model's own size."""
    latents = torch.zeros(rows, *model.latent_shape(*model.default_size), device=model.device)
    timesteps = torch.zeros(rows, device=model.device)
    encoding = model.encode_negative([""] * rows)
    guidance = model.embed_guidance([1.0] * rows)
    return lambda: model.predict(latents, timesteps, encoding, guidance)
