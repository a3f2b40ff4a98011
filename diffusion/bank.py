"""The vectors of one site on the device, and the sum of them that each row gets.

Entry points: `VectorBank`, and `resolve_vectors` for finding vectors that fit a U-Net by name.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import torch
from diffusers import UNet2DConditionModel

from diffusion.errors import SteeringError, did_you_mean
from diffusion.fingerprint import fingerprint
from diffusion.kernels import add_vectors
from diffusion.site import site_shape
from vectors import ConceptVector, VectorLibrary, check_compatible, shipped_library

logger = logging.getLogger(__name__)

Steering: TypeAlias = Mapping[str, float]
"""How one image is steered: concept (or reference, "woman@2") -> strength."""

VectorSource: TypeAlias = VectorLibrary | str | Path | Mapping[str, ConceptVector]
"""Where names are looked up: a library, the folder of one, or vectors by name."""


@dataclass(frozen=True, eq=False)
class VectorBank:
    """The vectors of one site, for maps of one size.

    What decides about rows (ranges, halves, coefficients) stays on the CPU, so that choosing the rows of a
    forward pass never waits for the device.
    """

    names: tuple[str, ...]
    """[n]: the name of each map's vector; a vector with a map for each row of a guidance pair is there twice."""
    values: torch.Tensor
    """[n, C, h, w], fp32, on the device."""
    on_conditional: torch.Tensor
    """[n] bool: whether the map goes on the conditional row of a guidance pair, or on the only one."""
    on_unconditional: torch.Tensor
    """[n] bool: whether it goes on the unconditional row."""
    ranges: torch.Tensor
    """[n, 2]: the half-open range of training timesteps of each map's vector."""

    @classmethod
    def load(
        cls, vectors: Mapping[str, ConceptVector], *, height: int, width: int, device: torch.device
    ) -> VectorBank:
        """Put vectors of one site on the device, resized to its map of height x width where they differ."""
        for name, vector in vectors.items():
            if vector.shape[1:] != (height, width):
                logger.info(
                    "Vector %s resized from %d x %d to %d x %d.", name, *vector.shape[1:], height, width
                )
        sized = [(name, vector.resized(height, width)) for name, vector in vectors.items()]
        maps = [(name, vector, values) for name, vector in sized for values in vector.maps]
        return cls(
            names=tuple(name for name, _, _ in maps),
            values=torch.stack([values for _, _, values in maps]).to(device),
            on_conditional=torch.tensor([vector.on(conditional=True) is one for _, vector, one in maps]),
            on_unconditional=torch.tensor([vector.on(conditional=False) is one for _, vector, one in maps]),
            ranges=torch.tensor([vector.timesteps for _, vector, _ in maps]),
        )

    def coefficients(self, steerings: Sequence[Steering]) -> torch.Tensor:
        """The strength of every map for every image, [images, n]; names of other banks are passed over."""
        strengths = [[steering.get(name, 0.0) for name in self.names] for steering in steerings]
        return torch.tensor(strengths, dtype=torch.float32)  # also of whole numbers, {"woman": 1}

    def unguided(self, coefficients: torch.Tensor) -> torch.Tensor:
        """The coefficients [images, n] of images made without guidance, which have a conditional row alone.

        Raises SteeringError for a vector that has a map for unconditional rows, without which it does not do its work.
        """
        for place, name in enumerate(self.names):
            if not self.on_conditional[place] and coefficients[:, place].any():
                raise refused_without_guidance(name)
        return coefficients

    def guided(self, coefficients: torch.Tensor) -> torch.Tensor:
        """The coefficients [2 * images, n] of guidance pairs: first all unconditional rows, then the rest."""
        return torch.cat([coefficients * self.on_unconditional, coefficients * self.on_conditional])

    def combine(self, h: torch.Tensor, coefficients: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """The site's output with each row's vectors added: h + sum over n of coefficient * map.

        `h` is [rows, C, h, w], `coefficients` [rows, n], `timesteps` [rows] or one for all rows. Summed in
        fp32, also under autocast, and returned in the dtype of `h`. A row without a vector at its timestep is
        handed on bit by bit; where that holds for all rows, so is `h` itself.
        """
        timesteps = timesteps.cpu().reshape(-1, 1)
        start, end = self.ranges.unbind(1)
        active = coefficients * ((start <= timesteps) & (timesteps < end))
        if not active.any():
            return h
        steered = h.clone()
        add_vectors(steered, self.values, active.to(h.device))
        return steered


def refused_without_guidance(name: str) -> SteeringError:
    """Return the error of a vector that has a map for unconditional rows, in a picture that has none."""
    return SteeringError(
        f"{name!r} has a map for the unconditional rows of guidance, and there is no guidance: ask for a guidance "
        "scale above 1, or learn it with --halves conditional."
    )


def check_strengths(steering: Steering) -> None:
    """Raise SteeringError for a strength that is not a finite number."""
    for name, strength in steering.items():
        if not math.isfinite(strength):
            raise SteeringError(
                f"The strength {strength} of {name!r} must be finite; most vectors are made for 1."
            )


def resolve_vectors(
    unet: UNet2DConditionModel, names: Iterable[str], source: VectorSource | None = None
) -> dict[str, ConceptVector]:
    """Find vectors by name in `source`, the shipped library by default, and see that they fit the U-Net.

    Raises UnknownConceptError (or, for a mapping, SteeringError) for a name that is not there,
    VectorMismatchError for a vector of another model or number of channels, and SiteError for one of a site
    that the U-Net does not have.
    """
    if source is None:
        source = shipped_library()
    found = {name: _look_up(name, source) for name in names}
    for vector in found.values():
        check_fit(unet, vector)
    return found


def check_fit(unet: UNet2DConditionModel, vector: ConceptVector) -> None:
    """Raise VectorMismatchError or SiteError unless the vector was made for this U-Net."""
    side = unet.config.sample_size
    channels, _, _ = site_shape(unet, vector.site, (side, side) if isinstance(side, int) else tuple(side))
    check_compatible(vector, base_model=fingerprint(unet), site=vector.site, channels=channels)


def _look_up(name: str, source: VectorSource) -> ConceptVector:
    if not isinstance(source, Mapping):
        library = source if isinstance(source, VectorLibrary) else VectorLibrary(source)
        return library.resolve(name).vector
    if name not in source:
        there = f"There are: {', '.join(source)}." if source else "There are none."
        raise SteeringError(f"No vector {name!r} among those given.{did_you_mean(name, source)} {there}")
    return source[name]
