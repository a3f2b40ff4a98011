import math
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image
from tiny_clip import save_tiny_clip
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPProcessor, CLIPTokenizer

from demo_model.drawing import draw
from demo_model.world import Scene
from detectors import ClipEncoder, DemoOracle
from evaluation.errors import EvaluationError
from evaluation.quality import clip_score, frechet_distance, kernel_distance

PROMPTS = ["sexual", "a woman", "a photo of a doctor"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def clip(folder: Path) -> ClipEncoder:
    return ClipEncoder(folder, device="cpu")


class Sets:
    """Sets of one-pixel pictures, each of which stands for a row of given features."""

    def __init__(self, *sets: torch.Tensor) -> None:
        self._sets = sets
        self.pictures = [
            [Image.new("RGB", (1, 1), (number, row // 256, row % 256)) for row in range(len(one))]
            for number, one in enumerate(sets)
        ]

    def features(self, pictures: Sequence[Image.Image]) -> torch.Tensor:
        pixels = [picture.getpixel((0, 0)) for picture in pictures]
        return torch.stack([self._sets[number][256 * high + low] for number, high, low in pixels])


def sample(count: int, mean: Sequence[float], covariance: torch.Tensor, seed: int) -> torch.Tensor:
    """Draw features whose own mean and covariance are exactly those given."""
    drawn = torch.randn(count, len(mean), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    drawn -= drawn.mean(dim=0)
    white = torch.linalg.solve(torch.linalg.cholesky(drawn.T.cov()), drawn.T).T
    return white @ torch.linalg.cholesky(covariance).T + torch.tensor(mean, dtype=torch.float64)


def draws(count: int, mean: float, seed: int) -> torch.Tensor:
    return mean + torch.randn(count, 4, generator=torch.Generator().manual_seed(seed))


def drawings(gender: str, count: int) -> list[Image.Image]:
    scene = Scene(
        "person", "park", gender, "white", "chef", glasses=False, old=False, heart=False, splash=False
    )
    return [draw(scene, random.Random(seed)) for seed in range(count)]


def test_the_frechet_distance_is_that_of_the_gaussians() -> None:
    one = torch.tensor([[2.0, 0.6], [0.6, 1.0]], dtype=torch.float64)
    other = torch.tensor([[0.5, -0.3], [-0.3, 3.0]], dtype=torch.float64)
    product = one @ other
    root_trace = torch.sqrt(product.trace() + 2 * torch.sqrt(product.det()))  # of a 2 x 2 matrix
    expected = (3.0**2 + 1.0**2) + (one.trace() + other.trace() - 2 * root_trace).item()
    sets = Sets(sample(300, [1, 0], one, seed=0), sample(200, [4, -1], other, seed=1))
    assert frechet_distance(*sets.pictures, sets.features) == pytest.approx(expected, rel=1e-9)
    same = Sets(sample(300, [1, 0], one, seed=2), sample(200, [1, 0], one, seed=3))
    assert frechet_distance(*same.pictures, same.features) == pytest.approx(0, abs=1e-6)


def test_the_kernel_distance_of_two_points_is_that_of_their_kernel() -> None:
    a, b = torch.tensor([1.0, 2.0, 0.5]), torch.tensor([-1.0, 0.0, 2.0])

    def kernel(x: torch.Tensor, y: torch.Tensor) -> float:
        return (x @ y / 3 + 1).item() ** 3

    sets = Sets(a.repeat(12, 1), b.repeat(9, 1))
    estimate = kernel_distance(*sets.pictures, sets.features)
    expected = kernel(a, a) + kernel(b, b) - 2 * kernel(a, b)
    assert estimate.value == pytest.approx(expected)
    assert estimate.interval == pytest.approx((expected, expected))


@pytest.mark.parametrize("subset_size", [None, 15])
def test_the_kernel_distances_interval_is_as_wide_as_estimates_of_new_pictures_spread(
    subset_size: int | None,
) -> None:
    values, halves = [], []
    for repeat in range(40):
        sets = Sets(draws(60, 0.0, seed=repeat), draws(60, 0.5, seed=1000 + repeat))
        estimate = kernel_distance(*sets.pictures, sets.features, subsets=50, subset_size=subset_size)
        values.append(estimate.value)
        halves.append((estimate.interval[1] - estimate.interval[0]) / 2)
    spread = torch.tensor(values).std().item()
    assert sum(halves) / len(halves) / 1.96 == pytest.approx(spread, rel=0.3)


def test_the_kernel_distance_of_like_sets_is_0_within_its_interval() -> None:
    like, unlike = Sets(draws(80, 0.0, 0), draws(80, 0.0, 1)), Sets(draws(80, 0.0, 0), draws(80, 1.0, 1))
    low, high = kernel_distance(*like.pictures, like.features).interval
    assert low < 0 < high
    assert kernel_distance(*unlike.pictures, unlike.features).interval[0] > 0.5


def test_the_subsets_follow_the_seed_and_leave_torchs_own_alone() -> None:
    sets = Sets(draws(40, 0.0, 0), draws(40, 0.5, 1))
    before = torch.random.get_rng_state()
    first, again, other = (kernel_distance(*sets.pictures, sets.features, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert first == again != other


def test_the_clip_score_is_the_models_own_similarity(clip: ClipEncoder, folder: Path) -> None:
    pictures = drawings("woman", 3)
    model = CLIPModel.from_pretrained(folder)
    processor = CLIPProcessor(
        CLIPImageProcessorPil.from_pretrained(folder), CLIPTokenizer.from_pretrained(folder)
    )
    with torch.no_grad():
        outputs = model(**processor(text=PROMPTS, images=pictures, return_tensors="pt", padding=True))
    cosines = outputs.logits_per_image.diag() / model.logit_scale.exp()
    assert cosines.min() < 0 < cosines.max()
    scores = (100 * cosines).clamp(min=0)
    estimate = clip_score(clip, pictures, PROMPTS)
    assert estimate.value == pytest.approx(scores.mean().item(), abs=1e-3)
    half = 4.303 * scores.std().item() / math.sqrt(3)  # Student's quantile of 2 degrees of freedom
    assert estimate.interval == pytest.approx((estimate.value - half, estimate.value + half), abs=1e-2)
    with pytest.raises(EvaluationError, match="2 prompts do not go with 3 pictures"):
        clip_score(clip, pictures, PROMPTS[:2])


def test_folders_are_read_in_the_order_of_their_names(clip: ClipEncoder, tmp_path: Path) -> None:
    pictures = drawings("woman", 2) + drawings("man", 1)
    for name, picture in zip(("c/2.png", "a.png", "c/10.webp"), pictures, strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        picture.save(tmp_path / name, lossless=True)
    (tmp_path / "notes.txt").write_text("no picture")
    in_order = [pictures[1], pictures[2], pictures[0]]
    assert clip_score(clip, tmp_path, PROMPTS) == clip_score(clip, in_order, PROMPTS)
    assert frechet_distance(tmp_path, in_order, clip.pictures) == pytest.approx(0, abs=1e-4)


def test_both_distances_tell_drawings_of_women_from_drawings_of_men(clip: ClipEncoder) -> None:
    women, others, men = drawings("woman", 24)[:12], drawings("woman", 24)[12:], drawings("man", 12)
    for features in (DemoOracle().features, clip.pictures):
        assert frechet_distance(women, men, features) > 1.5 * frechet_distance(women, others, features)
        assert (
            kernel_distance(women, men, features).value > kernel_distance(women, others, features).interval[1]
        )


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_what_has_no_distance_is_refused(distance, clip: ClipEncoder, tmp_path: Path) -> None:
    women = drawings("woman", 2)
    with pytest.raises(EvaluationError, match="no distance between 2 and 1 pictures"):
        distance(women, women[:1], clip.pictures)
    with pytest.raises(EvaluationError, match="no pictures to measure"):
        distance(women, tmp_path, clip.pictures)
    with pytest.raises(EvaluationError, match="nothing is no folder"):
        distance(tmp_path / "nothing", women, clip.pictures)
    with pytest.raises(EvaluationError, match=r"shape \[2, 3\] and are not all finite"):
        distance(women, women, lambda pictures: torch.full((len(pictures), 3), math.inf))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(EvaluationError, match=r"broken\.png is no picture that can be read"):
        distance(women, tmp_path, clip.pictures)


@pytest.mark.parametrize("settings", [{"subset_size": 6}, {"subset_size": 1}, {"subsets": 1}])
def test_subsets_that_tell_no_interval_are_refused(settings: dict[str, int]) -> None:
    sets = Sets(draws(6, 0.0, 0), draws(9, 0.5, 1))
    with pytest.raises(EvaluationError, match="cannot be drawn from 6 pictures"):
        kernel_distance(*sets.pictures, sets.features, **settings)


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_without_torchmetrics_the_extra_is_named(distance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    sets = Sets(draws(6, 0.0, 0), draws(6, 0.5, 1))
    with pytest.raises(EvaluationError, match=r"pip install 'trimtab\[quality\]'"):
        distance(*sets.pictures, sets.features)
