"""Picture quality: how well pictures show their prompts, and how far a set of pictures lies from another.

Entry points: `clip_score`, `frechet_distance` (FID), `kernel_distance` (KID). The distances come with
`pip install 'trimtab[quality]'`; between which features is the caller's choice: a CLIP model's, the demo oracle's
or an Inception network's.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import torch
from PIL import Image
from torch import nn
from torch.nn.functional import cosine_similarity

from detectors import ClipEncoder
from evaluation.errors import EvaluationError
from evaluation.measures import Z95, Estimate, mean

Pictures: TypeAlias = Path | Sequence[Image.Image]
"""Pictures in memory, or a folder: every picture file in it and below it, in the order of their names."""
Features: TypeAlias = Callable[[Sequence[Image.Image]], torch.Tensor]
"""Pictures -> their features, [pictures, features]: `ClipEncoder.pictures` for CLIP-FID (Kynkäänniemi et al., ICLR
2023), `DemoOracle.features` on the demo model."""

_SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".webp"})
_OPEN_AT_ONCE: Final = 64
_LARGEST_SUBSET: Final = 1000  # of Bińkowski et al.


def clip_score(clip: ClipEncoder, pictures: Pictures, prompts: Sequence[str]) -> Estimate:
    """Return the mean over pictures of 100 max(0, cos(picture, its prompt)) in CLIP's space, 0 to 100.

    Hessel et al., EMNLP 2021, in the scale that image generation quotes. A folder's pictures go with the prompts
    in the order of their names. Raises EvaluationError where there is not one prompt for each picture.
    """
    # torchmetrics' CLIPScore does not work with the outputs of transformers 5
    shown = _features_of(pictures, clip.pictures)
    if len(shown) != len(prompts):
        raise EvaluationError(
            f"{len(prompts)} prompts do not go with {len(shown)} pictures: give one for each."
        )
    return mean((100 * cosine_similarity(shown, clip.texts(prompts)).clamp(min=0)).tolist())


def frechet_distance(reference: Pictures, pictures: Pictures, features: Features) -> float:
    """Return the squared Fréchet distance of the Gaussians fitted to two sets' features: FID by given features.

    Heusel et al., NeurIPS 2017. It falls with the number of pictures: compare sets of one size, of more pictures
    than features, or use the kernel distance. Raises EvaluationError for sets of fewer than 2 pictures.
    """
    expected, shown = _both(reference, pictures, features)
    _check_extra()
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=_GivenFeatures(expected.shape[1]), sync_on_compute=False)
    metric.update(expected, real=True)
    metric.update(shown, real=False)
    return float(metric.compute())


def kernel_distance(
    reference: Pictures,
    pictures: Pictures,
    features: Features,
    *,
    subsets: int = 100,
    subset_size: int | None = None,
    seed: int = 0,
) -> Estimate:
    """Return the squared kernel distance of two sets' features, the mean over random subsets: KID by given features.

    Bińkowski et al., ICLR 2018; unbiased at any number of pictures, and below 0 for sets that hardly differ. By
    default a subset is half of the smaller set, 1,000 at most. The interval is the delete-d jackknife's (Shao and
    Wu, 1989): the subsets' variance, times m / (n - m) for subsets of m in n. Raises EvaluationError for sets of
    fewer than 4 pictures, and for subsets that are not smaller than the sets.
    """
    expected, shown = _both(reference, pictures, features)
    smaller = min(len(expected), len(shown))
    size = min(smaller // 2, _LARGEST_SUBSET) if subset_size is None else subset_size
    if subsets < 2 or not 2 <= size < smaller:
        raise EvaluationError(
            f"{subsets} subsets of {size} cannot be drawn from {smaller} pictures for an interval: give at least 2 "
            f"subsets of at least 2 and fewer than {smaller} pictures."
        )
    _check_extra()
    from torchmetrics.image.kid import KernelInceptionDistance

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Metric `Kernel Inception Distance` will save all", UserWarning)
        metric = KernelInceptionDistance(
            feature=_GivenFeatures(expected.shape[1]),
            subsets=subsets,
            subset_size=size,
            sync_on_compute=False,
        )
    metric.update(expected, real=True)
    metric.update(shown, real=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        value, spread = (float(part) for part in metric.compute())
    half = Z95 * spread * math.sqrt(size / (smaller - size))
    return Estimate(value, (value - half, value + half))


class _GivenFeatures(nn.Identity):
    """Stands where torchmetrics puts an Inception network: the features are there already."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.num_features = count


def _check_extra() -> None:
    try:
        import torchmetrics  # noqa: F401
    except ImportError as error:
        raise EvaluationError(
            "Distances between sets of pictures need the package torchmetrics, which is not installed: "
            "pip install 'trimtab[quality]'."
        ) from error


def _both(reference: Pictures, pictures: Pictures, features: Features) -> tuple[torch.Tensor, torch.Tensor]:
    """The features of two sets, in double precision."""
    expected, shown = (_features_of(one, features).double() for one in (reference, pictures))
    if min(len(expected), len(shown)) < 2:
        raise EvaluationError(
            f"There is no distance between {len(expected)} and {len(shown)} pictures: give 2 or more of each."
        )
    return expected, shown


def _features_of(pictures: Pictures, features: Features) -> torch.Tensor:
    """Read all pictures, few at a time."""
    read = [features(batch) for batch in _batches(pictures)]
    if not read:
        raise EvaluationError("There are no pictures to measure: give at least one.")
    together = torch.cat(read)
    if together.ndim != 2 or not together.isfinite().all():
        raise EvaluationError(
            f"The features have the shape {list(together.shape)}"
            f"{'' if together.isfinite().all() else ' and are not all finite'}; they must be numbers [pictures, "
            "features]."
        )
    return together


def _batches(pictures: Pictures) -> Iterator[list[Image.Image]]:
    if isinstance(pictures, Path):
        if not pictures.is_dir():
            raise EvaluationError(f"{pictures} is no folder: give a folder with pictures.")
        paths = sorted(path for path in pictures.rglob("*") if path.suffix.lower() in _SUFFIXES)
        for start in range(0, len(paths), _OPEN_AT_ONCE):
            yield [_opened(path) for path in paths[start : start + _OPEN_AT_ONCE]]
    else:
        for start in range(0, len(pictures), _OPEN_AT_ONCE):
            yield list(pictures[start : start + _OPEN_AT_ONCE])


def _opened(path: Path) -> Image.Image:
    try:
        with Image.open(path) as picture:
            return picture.convert("RGB")
    except OSError as error:
        raise EvaluationError(f"{path} is no picture that can be read. {error}") from error
