from PIL import Image

from detectors import pixel_change


def test_a_pixel_change_counts_every_channel() -> None:
    grey, bluer = Image.new("RGB", (4, 4), (10, 10, 10)), Image.new("RGB", (4, 4), (10, 10, 40))
    assert pixel_change(grey, bluer) == pixel_change(bluer, grey) == 10
    assert pixel_change(grey, grey) == 0
