import numpy as np
import torch

from diffusion.previews import LatentPreview


def test_the_fit_finds_the_colours_that_the_decoder_gives(sd1):
    """Pixels that are a linear map of the latents, eight times as large, are found again."""
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(4, 4, 8, 8, generator=generator)
    weights, constant = torch.randn(3, 4, generator=generator) / 20, torch.tensor([0.3, 0.5, 0.6])
    colours = torch.einsum("kc,nchw->nkhw", weights, latents) + constant[:, None, None]
    preview = LatentPreview(sd1)
    for half in (slice(0, 2), slice(2, 4)):
        preview.learn(latents[half], colours[half].repeat_interleave(8, 2).repeat_interleave(8, 3))
    (expected,) = sd1.to_pil(colours[:1].clamp(0, 1))
    made = preview.picture(latents[0])
    assert made.size == (8, 8)
    assert np.abs(np.asarray(made, int) - np.asarray(expected, int)).max() <= 2


def test_there_is_a_picture_before_the_first_image(sd1):
    picture = LatentPreview(sd1).picture(torch.zeros(4, 8, 6))
    assert picture.size == (6, 8)
