import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from diffusion import DiffusionModel
from vectors import ConceptVector, VectorLibrary

MakeVector = Callable[..., ConceptVector]


@pytest.fixture
def make_vector() -> MakeVector:
    """Makes a random vector for a model, strong enough to be seen in its pictures."""

    def make(
        model: DiffusionModel,
        concept: str = "woman",
        *,
        shape: tuple[int, int, int] = (32, 4, 4),
        seed: int = 0,
        **settings: object,
    ) -> ConceptVector:
        values = 3 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))
        return ConceptVector(concept, values, **({"base_model": model.fingerprint} | settings))

    return make


@pytest.fixture
def library(tmp_path: Path) -> VectorLibrary:
    return VectorLibrary(tmp_path / "vectors")


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Python turns to another thread as often as it can, so that what could happen in between does."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


@pytest.fixture
def watched() -> Callable[..., object]:
    """`with watched(unet) as seen:` collects the mid-block's outputs, one [rows, C, h, w] for each pass.

    Entered inside `steer`, it sees what the rest of the U-Net sees.
    """

    @contextmanager
    def watch(unet: torch.nn.Module, site: str = "mid_block") -> Iterator[list[torch.Tensor]]:
        seen: list[torch.Tensor] = []
        module = unet.get_submodule(site)
        with module.register_forward_hook(lambda _module, _inputs, output: seen.append(output.clone())):
            yield seen

    return watch


@pytest.fixture
def latents_of() -> Callable[..., torch.Tensor]:
    """`latents_of(pipe, prompts, ...)`: the finished latents of images with the seeds 0, 1, 2, ..."""

    def run(
        pipe: object,
        prompts: list[str],
        *,
        steps: int = 3,
        guidance: float = 5.0,
        images_per_prompt: int = 1,
        **arguments: object,
    ) -> torch.Tensor:
        images = len(prompts) * images_per_prompt
        return pipe(
            prompts,
            num_inference_steps=steps,
            guidance_scale=guidance,
            num_images_per_prompt=images_per_prompt,
            generator=[torch.Generator().manual_seed(seed) for seed in range(images)],
            output_type="latent",
            **arguments,
        ).images

    return run
