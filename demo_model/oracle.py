"""The oracle: a small convolutional network that reads a picture's attributes back from its pixels.

`load_oracle()` loads the shipped weights; `Oracle.read(pictures)` returns one mapping attribute -> value a picture.
It learns on drawings with independent, even attributes, blurred and noised at random, so that it judges generated
pictures by what they show and brings no bias of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from demo_model import oracle_path, world
from demo_model.drawing import SIZE
from demo_model.drawings import Drawings
from demo_model.recipe import Recipe

ATTRIBUTES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "subject": world.SUBJECTS,
        "scene": world.SCENES,
        "gender": world.GENDERS,
        "race": world.RACES,
        "profession": world.PROFESSIONS,
        "glasses": ("no", "yes"),
        "old": ("no", "yes"),
        "heart": ("no", "yes"),
        "splash": ("no", "yes"),
    }
)
_NOT_APPLICABLE: Final = -100  # torch's ignore_index: a cat has no profession


class Oracle(nn.Module):
    """Reads every attribute of the drawn world from pictures [rows, 3, 64, 64] in -1 to 1."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 32, 64, 96, 128)
        layers: list[nn.Module] = []
        for narrow, wide in pairwise(widths):
            layers += [nn.Conv2d(narrow, wide, 3, stride=2, padding=1), nn.BatchNorm2d(wide), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.hidden = nn.Linear(widths[-1] * 4 * 4, 128)
        self.heads = nn.Linear(128, sum(len(values) for values in ATTRIBUTES.values()))

    def forward(self, pictures: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the logits of each attribute, [rows, number of its values]."""
        hidden = functional.relu(self.hidden(self.features(pictures).flatten(1)))
        sizes = [len(values) for values in ATTRIBUTES.values()]
        return dict(zip(ATTRIBUTES, self.heads(hidden).split(sizes, dim=1), strict=True))

    @torch.inference_mode()
    def read(self, pictures: Sequence[Image.Image]) -> list[dict[str, str]]:
        """Read the attributes of pictures of any size; what does not apply to a subject is left out."""
        rows = [picture.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BOX) for picture in pictures]
        pixels = torch.from_numpy(np.stack([np.asarray(row) for row in rows])).permute(0, 3, 1, 2)
        logits = self(pixels.float() / 127.5 - 1)
        readings = []
        for row in range(len(rows)):
            reading = {name: ATTRIBUTES[name][int(logits[name][row].argmax())] for name in ATTRIBUTES}
            for name in _inapplicable(reading["subject"]):
                del reading[name]
            readings.append(reading)
        return readings


def load_oracle(path: Path | None = None) -> Oracle:
    """Load an oracle's weights (default: the shipped ones), ready to read."""
    oracle = Oracle()
    weights = load_file(path or oracle_path())
    oracle.load_state_dict(
        {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}
    )
    return oracle.eval().requires_grad_(False)


def labels_of(scenes: Sequence[world.Scene]) -> dict[str, torch.Tensor]:
    """Return the true value indices of each attribute, [scenes]; -100 where one does not apply."""
    labels: dict[str, list[int]] = {name: [] for name in ATTRIBUTES}
    for scene in scenes:
        inapplicable = _inapplicable(scene.subject)
        for name, values in ATTRIBUTES.items():
            value = getattr(scene, name)
            said = ("yes" if value else "no") if isinstance(value, bool) else value
            labels[name].append(_NOT_APPLICABLE if name in inapplicable else values.index(said))
    return {name: torch.tensor(indices) for name, indices in labels.items()}


def accuracy(oracle: Oracle, drawings: Drawings) -> dict[str, float]:
    """Return the share read rightly of each attribute where it applies, over held-out drawings."""
    labels = labels_of(drawings.scenes)
    right: dict[str, list[torch.Tensor]] = {name: [] for name in ATTRIBUTES}
    with torch.inference_mode():
        for rows in torch.arange(len(drawings)).split(256):
            for name, logits in oracle(drawings.floats(rows)).items():
                truth = labels[name][rows]
                right[name].append((logits.argmax(1) == truth)[truth != _NOT_APPLICABLE])
    return {name: torch.cat(parts).float().mean().item() for name, parts in right.items()}


def train_oracle(oracle: Oracle, drawings: Drawings, recipe: Recipe, device: torch.device) -> Iterator[float]:
    """Train in place on a uniform set, yielding the loss of each step."""
    labels = labels_of(drawings.scenes)
    oracle.to(device).train()
    optimizer = torch.optim.AdamW(oracle.parameters(), lr=recipe.oracle_rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.oracle_rate, total_steps=recipe.oracle_steps
    )
    for step in range(recipe.oracle_steps):
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
        rows = torch.randint(len(drawings), (recipe.oracle_batch,), generator=generator)
        pictures = _degrade(drawings.floats(rows), generator).to(device)
        loss = torch.stack(
            [
                functional.cross_entropy(logits, labels[name][rows].to(device), ignore_index=_NOT_APPLICABLE)
                for name, logits in oracle(pictures).items()
            ]
        ).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        yield loss.item()
    oracle.cpu().eval().requires_grad_(False)


def _degrade(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Blur some pictures and add noise to all, as a generative model's imperfections would."""
    rows = len(pictures)
    blurred = functional.avg_pool2d(functional.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    share = torch.rand(rows, 1, 1, 1, generator=generator) * (
        torch.rand(rows, 1, 1, 1, generator=generator) < 0.5
    )
    noise = (
        torch.randn(pictures.shape, generator=generator)
        * 0.12
        * torch.rand(rows, 1, 1, 1, generator=generator)
    )
    return torch.lerp(pictures, blurred, share) + noise


def _inapplicable(subject: str) -> tuple[str, ...]:
    """Which attributes a subject does not have."""
    if subject == "person":
        return ()
    return (
        "gender",
        "race",
        "profession",
        "old",
        "heart",
        *(() if subject in world.ANIMALS else ("glasses",)),
    )
