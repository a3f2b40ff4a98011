"""Steering: adding concept vectors at a site of the U-Net while a pipeline runs.

Entry points: `steer` for a diffusers pipeline, `added_at_site` for any other addition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import torch
from diffusers import DiffusionPipeline
from torch import nn

from diffusion.bank import Steering, VectorBank, VectorSource, check_strengths, resolve_vectors
from diffusion.errors import SteeringError
from diffusion.site import resolve_site, site_map
from vectors import ConceptVector


@contextmanager
def added_at_site(unet: nn.Module, site: str, add: Callable[[torch.Tensor], torch.Tensor]) -> Iterator[None]:
    """Replace a site's output h [rows, C, h, w] by `add(h)` in every forward pass inside the `with` block.

    Gradients flow through `add`. Blocks nest: an inner one gets the outer one's result. Raises SiteError
    where there is no such site and, in the forward pass, where its output is not a map.
    """
    module = resolve_site(unet, site)
    with module.register_forward_hook(lambda _module, _inputs, output: add(site_map(site, output))):
        yield


@contextmanager
def steer(
    pipe: DiffusionPipeline,
    steering: Steering | Sequence[Steering],
    *,
    vectors: VectorSource | None = None,
) -> Iterator[None]:
    """Steer the images that a diffusers pipeline makes inside the `with` block.

    `pipe` is any Stable Diffusion or SDXL pipeline with a U-Net (text to image, image to image, inpainting).
    `steering` maps concepts to strengths, {"woman": 0.8}: one mapping for all images, or a sequence with one
    for each image in the order they come out (with `num_images_per_prompt`, all of the first prompt first).
    `vectors` is where concepts are looked up: a library, its folder, or a mapping of names to vectors; the
    shipped library by default.

    With classifier-free guidance a vector goes on those rows of each pair that its `halves` say, at the timesteps it
    is made for; one with a map for each row adds each to its own. Images without steering are those of the plain
    pipeline, bit by bit. Blocks nest and add up. Nothing is left behind in the pipeline, whatever happens inside.

    Raises UnknownConceptError, VectorMismatchError, SiteError and SteeringError on entry, and SteeringError
    from the pipeline's call where the number of images is not that of the sequence, or where there is no guidance
    and a vector has a map for unconditional rows.
    """
    _check_pipeline(pipe)
    steerings = [steering] if isinstance(steering, Mapping) else list(steering)
    for one in steerings:
        check_strengths(one)
    names = dict.fromkeys(name for one in steerings for name in one)
    found = resolve_vectors(pipe.unet, names, vectors)
    current = _ForwardPass(pipe, steering)
    with ExitStack() as hooks:
        hooks.enter_context(pipe.unet.register_forward_pre_hook(current.begin, with_kwargs=True))
        for site in dict.fromkeys(vector.site for vector in found.values()):
            here = {name: vector for name, vector in found.items() if vector.site == site}
            hooks.enter_context(added_at_site(pipe.unet, site, _SteeredSite(current, here)))
        yield


class _ForwardPass:
    """What the U-Net's current forward pass is about: taken from its inputs, read at every steered site."""

    def __init__(self, pipe: DiffusionPipeline, steering: Steering | Sequence[Steering]) -> None:
        self._pipe = pipe
        self._steering = steering
        self.steerings: Sequence[Steering] = ()
        self.timesteps = torch.empty(0)
        self.guided = False

    def begin(self, _unet: nn.Module, args: tuple[object, ...], kwargs: Mapping[str, object]) -> None:
        """A forward pre-hook of the U-Net."""
        inputs = dict(zip(("sample", "timestep"), args, strict=False)) | dict(kwargs)
        sample = torch.as_tensor(inputs["sample"])
        self.timesteps = torch.as_tensor(inputs["timestep"])
        self.guided = _is_guided(self._pipe)
        if self.guided:
            unconditional, conditional = sample.tensor_split(2)
            if not torch.equal(unconditional.nan_to_num(), conditional.nan_to_num()):
                raise SteeringError(
                    f"{type(self._pipe).__name__} does not guide with pairs of one unconditional and one "
                    "conditional row, so it is unclear which rows to steer. Use a pipeline that does."
                )
        self.steerings = self._per_image(images=len(sample) // (2 if self.guided else 1))

    def _per_image(self, images: int) -> Sequence[Steering]:
        if isinstance(self._steering, Mapping):
            return [self._steering] * images
        if len(self._steering) != images:
            raise SteeringError(
                f"The steering is for {len(self._steering)} images and the pipeline makes {images} (prompts "
                "x num_images_per_prompt). Give one mapping for each image, or a single mapping for all."
            )
        return self._steering


class _SteeredSite:
    """Adds the vectors of one site to its output, row by row."""

    def __init__(self, current: _ForwardPass, vectors: Mapping[str, ConceptVector]) -> None:
        self._current = current
        self._vectors = vectors
        self._banks: dict[tuple[int, int], VectorBank] = {}

    def __call__(self, h: torch.Tensor) -> torch.Tensor:
        bank = self._bank(h)
        coefficients = bank.coefficients(self._current.steerings)
        coefficients = bank.guided(coefficients) if self._current.guided else bank.unguided(coefficients)
        return bank.combine(h, coefficients, self._current.timesteps)

    def _bank(self, h: torch.Tensor) -> VectorBank:
        height, width = h.shape[-2:]
        if (height, width) not in self._banks:
            self._banks[height, width] = VectorBank.load(
                self._vectors, height=height, width=width, device=h.device
            )
        return self._banks[height, width]


def _check_pipeline(pipe: DiffusionPipeline) -> None:
    kind = type(pipe)
    if getattr(pipe, "unet", None) is None or not hasattr(kind, "do_classifier_free_guidance"):
        raise SteeringError(
            f"A {kind.__name__} cannot be steered: give a diffusers pipeline with a U-Net and guidance, such "
            "as StableDiffusionPipeline or StableDiffusionXLImg2ImgPipeline."
        )


def _is_guided(pipe: DiffusionPipeline) -> bool:
    try:
        return bool(pipe.do_classifier_free_guidance)
    except AttributeError as error:  # the pipeline learns it in its own call
        raise SteeringError(
            f"The U-Net was called outside of {type(pipe).__name__}'s own call, so it is unclear which rows "
            "are which. Call the pipeline inside `steer`, or use `added_at_site` around the U-Net."
        ) from error
