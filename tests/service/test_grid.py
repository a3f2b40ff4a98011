import pytest
from PIL import Image, ImageChops

from service.grid import MARGIN_PX, MIN_TILE_PX, PAPER, labelled_grid

RED, BLUE = (255, 0, 0), (0, 0, 255)


def ink_under_tile(grid: Image.Image, left: int, top: int, tile: int) -> tuple[int, int, int, int] | None:
    """The box of what is printed in the strip under a tile, None where it is blank."""
    strip = grid.crop((left, top + tile, left + tile, top + tile + 30))
    return ImageChops.difference(strip, Image.new("RGB", strip.size, PAPER)).getbbox()


@pytest.mark.parametrize(("side", "tile"), [(64, 192), (50, 200), (192, 192), (512, 512)])
def test_small_images_are_enlarged_by_a_whole_factor(side, tile):
    grid = labelled_grid([Image.new("RGB", (side, side), RED)], ["woman"])
    assert grid.width == tile + 2 * MARGIN_PX
    assert tile >= MIN_TILE_PX
    assert grid.getpixel((MARGIN_PX + tile // 2, MARGIN_PX + tile // 2)) == RED


def test_images_are_in_reading_order_with_a_label_under_each():
    images = [Image.new("RGB", (64, 64), colour) for colour in (RED, BLUE, BLUE, RED, RED)]
    grid = labelled_grid(images, ["woman · asian"] * 5)
    tile = 192
    row_height = (grid.height - MARGIN_PX) // 2
    for index, image in enumerate(images):
        row, column = divmod(index, 3)
        left, top = MARGIN_PX + column * (tile + MARGIN_PX), MARGIN_PX + row * row_height
        assert grid.getpixel((left + 96, top + 96)) == image.getpixel((0, 0))
        box = ink_under_tile(grid, left, top, tile)
        assert box is not None
        assert box[2] - box[0] > 60


def test_a_long_label_stays_within_its_picture():
    grid = labelled_grid([Image.new("RGB", (64, 64), RED)] * 2, ["a-very-long-name · another-long-name", "x"])
    left, _, right, _ = ink_under_tile(grid, MARGIN_PX, MARGIN_PX, 192)
    assert left > 0
    assert right < 192
