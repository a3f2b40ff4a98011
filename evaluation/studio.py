"""The studio: makes the pictures of an evaluation's conditions that are not made yet, this process's share of them.

Entry point: `Studio`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import groupby

from diffusion import Engine, GeneratedImage, Sampling
from diffusion.processes import ALONE, Processes
from evaluation.condition import Condition, picture_key
from evaluation.progress import Progress
from evaluation.run_store import RunStore
from evaluation.wish import Wish


@dataclass(frozen=True)
class _Chunk:
    """Wishes that are made together, because the pictures of one batch can differ in the last bits from another's."""

    condition: Condition
    wishes: tuple[Wish, ...]

    @property
    def keys(self) -> list[str]:
        return [picture_key(self.condition.method, wish) for wish in self.wishes]

    @property
    def image_steps(self) -> int:
        return len(self.wishes) * self.wishes[0].sampling.num_inference_steps


class Studio:
    """Makes pictures in chunks of up to `engine.max_batch_rows`, and keeps each in the store once it is made.

    The chunks do not depend on which pictures are there or how many processes share the work, and so neither do the
    pictures: a chunk that was interrupted while it was kept is made again, and only what is missing is written.
    """

    def __init__(
        self, engine: Engine, store: RunStore, *, progress: Progress, processes: Processes = ALONE
    ) -> None:
        self._engine = engine
        self._store = store
        self._progress = progress
        self._processes = processes

    def make(self, conditions: Sequence[Condition]) -> None:
        """Make what is missing, each picture once; returns when every process has made its share.

        Everything is checked first: raises what the methods' `check` raises.
        """
        chunks = list(_chunks(conditions, self._engine.max_batch_rows))
        for chunk in chunks:
            chunk.condition.method.check(chunk.wishes, chunk.wishes[0].sampling)
        mine = chunks[self._processes.index :: self._processes.count]
        missing = [chunk for chunk in mine if not all(key in self._store for key in chunk.keys)]
        for title, group in groupby(missing, key=lambda chunk: chunk.condition.title):
            self._make_all(title, list(group))
        self._processes.wait_for_everyone()
        self._store.read_again()

    def _make_all(self, title: str, chunks: Sequence[_Chunk]) -> None:
        """Make the chunks of one condition."""
        total = sum(chunk.image_steps for chunk in chunks)
        done = 0
        for chunk in chunks:
            on_step = partial(_tell, self._progress if self._processes.is_main else None, title, done, total)
            method = chunk.condition.method
            images = method.make(chunk.wishes, chunk.wishes[0].sampling, on_step)
            for key, wish, image in zip(chunk.keys, chunk.wishes, images, strict=True):
                self._store.save(key, image.image, self._provenance(chunk.condition, wish, image))
            done += chunk.image_steps

    def _provenance(self, condition: Condition, wish: Wish, image: GeneratedImage) -> dict[str, object]:
        """How a picture was made."""
        return {
            "method": condition.method.name,
            "asked": wish.prompt.text,
            "concepts": list(wish.concepts),
            "strength": wish.strength,
            "prompt": image.prompt,
            "seed": image.seed,
            "sampling": asdict(wish.sampling),
            "model": self._engine.model.fingerprint,
            "vectors": [asdict(vector) for vector in image.applied],
        }


def _tell(progress: Progress | None, title: str, before: int, total: int, done: int, _total: int) -> None:
    """Tell the progress of a chunk as that of its condition."""
    if progress is not None:
        progress(title, before + done, total)


def _chunks(conditions: Sequence[Condition], size: int) -> Iterator[_Chunk]:
    """Cut the conditions' wishes into chunks of one method and one sampling, each picture in one of them."""
    planned: set[str] = set()
    for condition in conditions:
        new: dict[Sampling, list[Wish]] = {}
        for key, wish in zip(condition.keys, condition.heard, strict=True):
            if key not in planned:
                planned.add(key)
                new.setdefault(wish.sampling, []).append(wish)
        for alike in new.values():
            for start in range(0, len(alike), size):
                yield _Chunk(condition, tuple(alike[start : start + size]))
