"""A method for tests of evaluations that need no model.

Entry point: `DrawnMethod`.
"""

import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict

from PIL import Image

from diffusion import GeneratedImage, Sampling
from evaluation.wish import Wish


class DrawnMethod:
    """Paints each wish in a colour of its own, and keeps what it was asked for, call by call."""

    has_strength = True

    def __init__(
        self,
        name: str = "drawn",
        *,
        covers: Callable[[Sequence[str]], bool] = lambda _: True,
        interrupted_at: int | None = None,
    ) -> None:
        """`interrupted_at` is the call, counted from 0, that a KeyboardInterrupt ends."""
        self.name = name
        self.calls: list[tuple[Wish, ...]] = []
        self.interrupted_at = interrupted_at
        self.refusal: Exception | None = None
        """What `check` raises."""
        self._covers = covers

    def covers(self, concepts: Sequence[str]) -> bool:
        return self._covers(concepts)

    def heard(self, wish: Wish) -> Wish:
        return wish

    def settings(self, concepts: Sequence[str]) -> dict[str, list[str]]:
        return {"concepts": list(concepts)}

    def check(self, wishes: Sequence[Wish], sampling: Sampling) -> None:
        if self.refusal is not None:
            raise self.refusal

    def make(
        self, wishes: Sequence[Wish], sampling: Sampling, on_step: Callable[[int, int], None]
    ) -> list[GeneratedImage]:
        if self.interrupted_at == len(self.calls):
            raise KeyboardInterrupt
        self.calls.append(tuple(wishes))
        steps = len(wishes) * sampling.num_inference_steps
        on_step(steps, steps)
        return [GeneratedImage(painted(wish), wish.seed, wish.prompt.text, ()) for wish in wishes]


def painted(wish: Wish) -> Image.Image:
    """The picture that a wish gets."""
    shade = zlib.crc32(json.dumps(asdict(wish)).encode())
    return Image.new("RGB", (8, 8), (shade % 256, shade // 256 % 256, shade // 65536 % 256))
