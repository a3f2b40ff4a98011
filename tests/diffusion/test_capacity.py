"""How many U-Net rows a pass may have: what is measured to fit, and never less than one image takes."""

from collections.abc import Callable

import pytest
import torch

from diffusion.capacity import RowCapacity

ROW_BYTES = 100
OTHER_BYTES = 5_000
"""What a pass takes however many rows it has."""


class CountedMemory:
    """A device on which a pass takes so much for each of its rows, and something besides."""

    def __init__(self, unet: torch.nn.Module, free: int, total: int) -> None:
        self._unet, self._free, self._total = unet, free, total

    def peak_of(self, work: Callable[[], object]) -> int:
        rows: list[int] = []
        with self._unet.register_forward_pre_hook(lambda _unet, args: rows.append(len(args[0]))):
            work()
        return OTHER_BYTES + ROW_BYTES * max(rows)

    def free_and_total(self) -> tuple[int, int]:
        return self._free, self._total


def side(model, times: float = 1.0) -> tuple[int, int]:
    _, height, width = model.latent_shape(*model.default_size)
    return round(height * times), round(width * times)


def test_as_many_rows_are_allowed_as_fit_into_what_is_free_beside_a_reserve(sd1):
    capacity = RowCapacity(sd1, 64, CountedMemory(sd1.pipe.unet, free=3_000, total=10_000))
    assert capacity(side(sd1)) == (3_000 - 1_000) // ROW_BYTES == 20


def test_no_more_rows_are_allowed_than_asked_for(sd1):
    capacity = RowCapacity(sd1, 64, CountedMemory(sd1.pipe.unet, free=10**6, total=10**6))
    assert capacity(side(sd1)) == 64
    assert RowCapacity(sd1, 64)(side(sd1)) == 64


@pytest.mark.parametrize(("times", "rows"), [(0.5, 64), (1, 64), (2, 16), (4, 4), (100, 4)])
def test_larger_pictures_take_fewer_rows_and_one_image_always_fits(sd1, times, rows):
    assert RowCapacity(sd1, 64)(side(sd1, times)) == rows


def test_a_device_without_room_still_takes_one_image_at_a_time(sd1):
    capacity = RowCapacity(sd1, 64, CountedMemory(sd1.pipe.unet, free=0, total=10_000))
    assert capacity(side(sd1)) == 4
