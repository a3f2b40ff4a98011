"""How large a site's output is: the unit in which vectors are small or large.

Entry point: `site_scale`.
"""

from __future__ import annotations

import torch

from diffusion.model import DiffusionModel
from diffusion.site import note_shape, site_map


@torch.no_grad()
def site_scale(model: DiffusionModel, site: str) -> float:
    """Return the root mean square of a site's output on pure noise, without a prompt: the unit of its vectors."""
    outputs: list[torch.Tensor] = []
    noise = torch.randn(
        4, *model.latent_shape(*model.default_size), generator=torch.Generator().manual_seed(0)
    )
    timesteps = torch.full((4,), model.num_train_timesteps - 1, device=model.device)
    module = model.pipe.unet.get_submodule(site)
    with module.register_forward_hook(
        lambda _module, _inputs, output: outputs.append(site_map(site, output))
    ):
        model.predict(noise.to(model.device), timesteps, model.encode_negative([""] * 4))
    note_shape(model.pipe.unet, site, (noise.shape[-2], noise.shape[-1]), outputs[0])
    return outputs[0].float().square().mean().sqrt().item()
