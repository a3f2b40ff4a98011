"""The site: the module of a U-Net whose output is steered, found by its dotted name.

Entry points: `resolve_site`, `site_shape`, and two sites by what they are: `BOTTLENECK` and `prompt_reader`.
"""

from __future__ import annotations

from typing import Final, TypeAlias
from weakref import WeakKeyDictionary

import torch
from diffusers import UNet2DConditionModel
from torch import nn

from diffusion.errors import SiteError, did_you_mean

_Measured: TypeAlias = dict[tuple[str, tuple[int, int]], tuple[int, int, int]]

BOTTLENECK: Final = "mid_block"
"""The middle of a U-Net, between its down and its up blocks: h-space."""

# The shapes found so far, by site and latent size, for as long as their U-Net lives.
_MEASURED: WeakKeyDictionary[nn.Module, _Measured] = WeakKeyDictionary()


def resolve_site(unet: nn.Module, site: str) -> nn.Module:
    """The module of `unet` at the dotted name `site`, such as "mid_block" or "up_blocks.0.resnets.1".

    Raises SiteError where there is none, naming the part that is missing and the modules beside it.
    """
    module, found = unet, ""
    for part in site.split("."):
        children = dict(module.named_children())
        if part not in children:
            place = f"{type(unet).__name__}.{found}" if found else type(unet).__name__
            there = f"It has: {', '.join(children)}." if children else "It has no modules inside."
            raise SiteError(
                f"No module {part!r} in {place} for the site {site!r}.{did_you_mean(part, children)} {there}"
            )
        module, found = children[part], f"{found}.{part}" if found else part
    return module


def prompt_reader(unet: nn.Module) -> str:
    """The site that the last attention to the prompt reads in the first of the up blocks that have any.

    What comes after the bottleneck reads the prompt again: a vector there changes what is looked for in it. That of a
    U-Net without such a block is the bottleneck.
    """
    for number, block in enumerate(unet.get_submodule("up_blocks").children()):
        if getattr(block, "has_cross_attention", False):
            last, _ = list(block.get_submodule("resnets").named_children())[-1]
            return f"up_blocks.{number}.resnets.{last}"
    return BOTTLENECK


def site_map(site: str, output: object) -> torch.Tensor:
    """The output of a site, known to be one map [rows, C, h, w]; raises SiteError where it is not."""
    if isinstance(output, torch.Tensor) and output.ndim == 4:
        return output
    what = (
        f"a tensor {list(output.shape)}" if isinstance(output, torch.Tensor) else f"a {type(output).__name__}"
    )
    raise SiteError(
        f"The site {site!r} gives {what}; a vector can only be added to one map [rows, C, h, w]. "
        "Choose a module that gives one, such as 'mid_block' or 'up_blocks.0'."
    )


def site_shape(unet: UNet2DConditionModel, site: str, latent_size: tuple[int, int]) -> tuple[int, int, int]:
    """The shape (C, h, w) of a site's output for latents of `latent_size` (rows, columns).

    Measured once in a forward pass of a copy on torch's meta device, which has shapes and no values: it never
    meets the hooks, weights or device of the U-Net itself. Raises SiteError.
    """
    measured = _MEASURED.setdefault(unet, {})
    if (site, latent_size) not in measured:
        measured[site, latent_size] = _measure(unet, site, latent_size)
    return measured[site, latent_size]


def note_shape(
    unet: UNet2DConditionModel, site: str, latent_size: tuple[int, int], output: torch.Tensor
) -> None:
    """Spare `site_shape` its measurement: `output` [rows, C, h, w] is what the site has given for such latents."""
    _, channels, height, width = output.shape
    _MEASURED.setdefault(unet, {})[site, latent_size] = channels, height, width


def _measure(unet: UNet2DConditionModel, site: str, latent_size: tuple[int, int]) -> tuple[int, int, int]:
    resolve_site(unet, site)  # what is not there is told before the copy is made
    with torch.device("meta"):
        skeleton = type(unet).from_config(unet.config).eval()
    shapes: list[torch.Size] = []
    resolve_site(skeleton, site).register_forward_hook(
        lambda _module, _inputs, output: shapes.append(site_map(site, output).shape)
    )
    with torch.no_grad():
        skeleton(**_nothing_to_denoise(unet, latent_size))
    if not shapes:
        raise SiteError(
            f"The site {site!r} takes no part in a forward pass. Choose one that does: 'mid_block'."
        )
    _, channels, height, width = shapes[0]
    return channels, height, width


def _nothing_to_denoise(unet: UNet2DConditionModel, latent_size: tuple[int, int]) -> dict[str, object]:
    """Inputs of the U-Net's forward for one row, on the meta device."""
    config = unet.config
    inputs: dict[str, object] = {
        "sample": torch.empty(1, config.in_channels, *latent_size, device="meta"),
        "timestep": torch.empty(1, device="meta"),
        "encoder_hidden_states": torch.empty(1, 1, config.cross_attention_dim, device="meta"),
    }
    if config.addition_embed_type == "text_time":  # SDXL: a pooled embedding and six sizes
        pooled_dim = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
        inputs["added_cond_kwargs"] = {
            "text_embeds": torch.empty(1, pooled_dim, device="meta"),
            "time_ids": torch.empty(1, 6, device="meta"),
        }
    return inputs
