"""The U-Net's forward pass inside a step: of just these rows, or padded to a few sizes in fixed places of memory.

Entry points: `ForwardInputs`, `Forward`, and its two forms, `PlainForward` and `StaticForward`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch

from diffusion.encoding import PromptEncoding
from diffusion.executions import Execution
from diffusion.kernels import add_vectors
from diffusion.model import DiffusionModel
from diffusion.steering import added_at_site

PADDED_SIZES = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128)
"""Rows that a batch is padded to: at most a third of a large one is padding."""


@dataclass(frozen=True)
class ForwardInputs:
    """What one forward pass is about; all on the model's device but the coefficients, which come from the CPU."""

    latents: torch.Tensor
    """[rows, c, h, w], scaled as the U-Net takes them."""
    timesteps: torch.Tensor
    """[rows], fp32."""
    encoding: PromptEncoding
    """The same object for as long as the same images run."""
    guidance: torch.Tensor | None
    """[rows, dim], see `DiffusionModel.embed_guidance`."""
    banks: Mapping[str, torch.Tensor]
    """Site -> its vectors on the device, [places, C, h, w]."""
    coefficients: Mapping[str, torch.Tensor]
    """Site -> strengths [rows, places] on the CPU, of those sites where something is added."""


class Forward(Protocol):
    """Runs the U-Net."""

    @property
    def sizes(self) -> Sequence[int]:
        """Numbers of rows whose first pass takes long, as it is prepared then: run them once beforehand."""
        ...

    def __call__(self, inputs: ForwardInputs) -> torch.Tensor:
        """Return its steered predictions [rows, c, h, w], good until the next call."""
        ...


class PlainForward:
    """A pass over just the rows there are; where nothing is steered, the plain model's."""

    sizes: Sequence[int] = ()

    def __init__(self, model: DiffusionModel) -> None:
        self._model = model

    def __call__(self, inputs: ForwardInputs) -> torch.Tensor:
        """Return the predictions."""
        with ExitStack() as hooks:
            for site, coefficients in inputs.coefficients.items():
                bank = inputs.banks[site]
                add = partial(_with_vectors, bank=bank, coefficients=coefficients.to(bank.device))
                hooks.enter_context(added_at_site(self._model.pipe.unet, site, add))
            return self._model.predict(inputs.latents, inputs.timesteps, inputs.encoding, inputs.guidance)


class StaticForward:
    """Passes over batches padded to a few sizes, each from its own fixed places in memory.

    So a pass can be compiled, or captured in a CUDA graph, once for each size: which images run and how they are
    steered are numbers in those places. Latents of other shapes than `latent_shape` go by a plain pass, as do
    batches beyond the largest size.
    """

    def __init__(
        self,
        model: DiffusionModel,
        execution: Execution,
        latent_shape: tuple[int, int, int],
        sizes: Sequence[int] = PADDED_SIZES,
    ) -> None:
        self._model, self._execution, self._latent_shape = model, execution, latent_shape
        self.sizes: Sequence[int] = sorted(sizes)
        self._plain = PlainForward(model)
        self._places: dict[int, _Places] = {}

    def __call__(self, inputs: ForwardInputs) -> torch.Tensor:
        """Return the predictions; the first pass of a size takes as long as it takes to prepare it."""
        rows = len(inputs.latents)
        size = next((size for size in self.sizes if size >= rows), None)
        if size is None or inputs.latents.shape[1:] != self._latent_shape:
            return self._plain(inputs)
        places = self._places.get(size)
        if places is None or not places.hold(inputs.banks):
            places = self._places[size] = _Places(self._model, self._execution, size, inputs)
        return places.run(inputs)


class _Places:
    """The inputs of a pass of one size, where they stay, and the prepared pass over them."""

    def __init__(self, model: DiffusionModel, execution: Execution, size: int, inputs: ForwardInputs) -> None:
        self._latents = _room(inputs.latents, size, model.dtype)
        self._timesteps = _room(inputs.timesteps, size)
        pooled = inputs.encoding.pooled
        self._encoding = PromptEncoding(
            _room(inputs.encoding.embeds, size), None if pooled is None else _room(pooled, size)
        )
        self._guidance = None if inputs.guidance is None else _room(inputs.guidance, size)
        self._banks = dict(inputs.banks)
        self._coefficients = {
            site: torch.zeros(size, len(bank), device=bank.device) for site, bank in self._banks.items()
        }
        self._encoded: PromptEncoding | None = None
        unet = model.pipe.unet
        add_vectors_as_it_is = torch.compiler.disable(_with_vectors)  # a compiled pass calls our kernel
        self._hooks = [
            (unet, site, partial(add_vectors_as_it_is, bank=bank, coefficients=self._coefficients[site]))
            for site, bank in self._banks.items()
        ]
        self._model = model
        with ExitStack() as hooks:
            self._steered(hooks)
            self._prepared: Callable[[], torch.Tensor] = execution(self._predict)

    def hold(self, banks: Mapping[str, torch.Tensor]) -> bool:
        """Whether these are the banks that the pass reads: they move where they grow, and sites come up."""
        return banks.keys() == self._banks.keys() and all(
            bank is self._banks[site] for site, bank in banks.items()
        )

    def run(self, inputs: ForwardInputs) -> torch.Tensor:
        """Fill the places and run the pass; rows beyond the batch's are whatever was there, and unsteered."""
        rows = len(inputs.latents)
        self._latents[:rows].copy_(inputs.latents)
        self._timesteps[:rows].copy_(inputs.timesteps)
        if inputs.encoding is not self._encoded:
            self._encoded = inputs.encoding
            self._encoding.embeds[:rows].copy_(inputs.encoding.embeds)
            if self._encoding.pooled is not None and inputs.encoding.pooled is not None:
                self._encoding.pooled[:rows].copy_(inputs.encoding.pooled)
            if self._guidance is not None and inputs.guidance is not None:
                self._guidance[:rows].copy_(inputs.guidance)
        for site, places in self._coefficients.items():
            places.zero_()
            if site in inputs.coefficients:
                places[:rows].copy_(inputs.coefficients[site])
        with ExitStack() as hooks:
            self._steered(hooks)
            return self._prepared()[:rows]

    def _steered(self, hooks: ExitStack) -> None:
        for unet, site, add in self._hooks:
            hooks.enter_context(added_at_site(unet, site, add))

    def _predict(self) -> torch.Tensor:
        return self._model.predict(self._latents, self._timesteps, self._encoding, self._guidance)


def _room(like: torch.Tensor, size: int, dtype: torch.dtype | None = None) -> torch.Tensor:
    """Return zeros for `size` rows of such a tensor."""
    return torch.zeros(size, *like.shape[1:], dtype=dtype or like.dtype, device=like.device)


def _with_vectors(h: torch.Tensor, bank: torch.Tensor, coefficients: torch.Tensor) -> torch.Tensor:
    """Return a site's output with each row's vectors added; a copy, since a module may hand on its input."""
    h = h.clone()
    add_vectors(h, bank, coefficients)
    return h
