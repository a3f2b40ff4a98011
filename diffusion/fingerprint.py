"""The fingerprint of a base model: a digest of its U-Net that does not depend on how it was loaded.

Entry point: `fingerprint`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from diffusers import UNet2DConditionModel
from safetensors import safe_open

# What the names and shapes of the weights do not tell about how they are used. A fixed list, because a later
# diffusers may add settings with defaults, which must not change the fingerprint of an old model.
_ARCHITECTURE = (
    "act_fn",
    "addition_embed_type",
    "attention_head_dim",
    "block_out_channels",
    "center_input_sample",
    "cross_attention_dim",
    "down_block_types",
    "flip_sin_to_cos",
    "freq_shift",
    "layers_per_block",
    "mid_block_type",
    "norm_eps",
    "norm_num_groups",
    "num_attention_heads",
    "resnet_time_scale_shift",
    "transformer_layers_per_block",
    "up_block_types",
)

# Hashing a large U-Net takes seconds: the answer is kept with the count of in-place changes it was given at.
_KNOWN: WeakKeyDictionary[torch.nn.Module, tuple[int, str]] = WeakKeyDictionary()


def fingerprint(unet: UNet2DConditionModel) -> str:
    """The fingerprint of a U-Net's weights and architecture: "sha256:" and 64 hexadecimal digits.

    Every weight enters by name, shape and fp16 rounding, in the order of the names, so that a model has one
    fingerprint whether it is loaded as fp32 or fp16, from the full files or the fp16 ones. A U-Net in bf16
    has lost that rounding: its files are read instead, wherever they are seen to hold the same weights. Text
    encoders and VAE do not enter, since vectors act on the U-Net alone. Takes seconds for a large model and
    is kept until a weight is changed in place.
    """
    changes = sum(parameter._version for parameter in unet.parameters())
    known = _KNOWN.get(unet)
    if known is None or known[0] != changes:
        known = changes, _digest(unet)
        _KNOWN[unet] = known
    return known[1]


def _digest(unet: UNet2DConditionModel) -> str:
    architecture = {key: unet.config.get(key) for key in _ARCHITECTURE}
    content = hashlib.sha256(json.dumps(architecture, sort_keys=True).encode())
    for name, weight in _published_weights(unet):
        rounded = weight.to("cpu", torch.float16).contiguous()
        content.update(f"{name}{list(rounded.shape)}".encode())
        content.update(rounded.numpy().data)
    return f"sha256:{content.hexdigest()}"


def _published_weights(unet: UNet2DConditionModel) -> Iterator[tuple[str, torch.Tensor]]:
    """The weights by sorted name; for one held in bf16, the stored one that it was rounded from."""
    weights = unet.state_dict()
    with ExitStack() as open_files:
        stored: dict[str, Any] = {}
        if any(weight.dtype == torch.bfloat16 for weight in weights.values()):
            for path in _weight_files(unet):
                file = open_files.enter_context(safe_open(path, framework="pt"))
                stored |= dict.fromkeys(file.keys(), file)
        for name in sorted(weights):
            weight = weights[name]
            if name in stored:
                original = stored[name].get_tensor(name)
                # A weight that was trained or merged since loading stands for itself.
                if torch.equal(original.to(weight.dtype), weight.cpu()):
                    weight = original
            yield name, weight


def _weight_files(unet: UNet2DConditionModel) -> list[Path]:
    """The files a U-Net was loaded from, those of reduced precision first; none for one built in memory."""
    folder = unet.config.get("_name_or_path")
    if not folder:
        return []
    return sorted(
        Path(folder).glob("diffusion_pytorch_model*.safetensors"),
        key=lambda path: ".fp16" not in path.suffixes,
    )
