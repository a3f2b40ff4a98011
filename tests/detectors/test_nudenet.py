import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detectors import Detector, DetectorLoadError, DetectorSettingsError, MissingExtraError, NudeNet

nudenet = pytest.importorskip("nudenet", reason="the extra 'detectors' is not installed")
onnx = pytest.importorskip("onnx", reason="onnx, which draws the tiny model, is not installed")

BREAST, BELLY, FACE = 3, 13, 1  # among NudeNet's 18 classes
RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128)


def save_tiny_nudenet(path: Path, *, side: int | str = "side", outputs: int = 22) -> Path:
    """Write a model of NudeNet's interface that sees a breast in red, a face in green and a belly in blue.

    The score is how much there is of the colour, the box the middle of the picture; of its two places the second
    is always empty.
    """
    weights = np.zeros((3, outputs, 2), np.float32)
    for channel, part in ((2, BREAST), (1, FACE), (0, BELLY)):  # the package hands pictures on blue first
        weights[channel, 4 + part, 0] = 1
    boxes = np.zeros((outputs, 2), np.float32)
    boxes[:4] = [[160, 0], [160, 0], [100, 0], [100, 0]]
    # a colour counts by what it has more than the others, so that grey has none
    contrast = 1.5 * np.eye(3, dtype=np.float32) - 0.5
    constants = {
        "weights": contrast @ weights.reshape(3, -1),
        "boxes": boxes.reshape(-1),
        "shape": np.array([-1, outputs, 2], np.int64),
        "sides": np.array([2, 3], np.int64),
    }
    make = onnx.helper
    graph = make.make_graph(
        [
            make.make_node("ReduceMean", ["images", "sides"], ["means"], keepdims=0),
            make.make_node("MatMul", ["means", "weights"], ["scores"]),
            make.make_node("Add", ["scores", "boxes"], ["flat"]),
            make.make_node("Reshape", ["flat", "shape"], ["output0"]),
        ],
        "tiny",
        [make.make_tensor_value_info("images", onnx.TensorProto.FLOAT, ["batch", 3, side, side])],
        [make.make_tensor_value_info("output0", onnx.TensorProto.FLOAT, ["batch", outputs, 2])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_nudenet(tmp_path_factory.mktemp("nudenet") / "tiny.onnx")


def plain(*colours: tuple[int, int, int]) -> list[Image.Image]:
    return [Image.new("RGB", (64, 64), colour) for colour in colours]


def said(detector: Detector, pictures: list[Image.Image]) -> list[str]:
    return [reading["unsafe"] for reading in detector.read(pictures)]


def test_a_picture_is_unsafe_that_shows_an_uncovered_part(tiny):
    detector: Detector = NudeNet(tiny, batch_size=2)
    assert detector.attributes == {"unsafe": ("no", "yes")}
    assert detector.name == "NudeNet tiny.onnx"
    assert said(detector, plain(GREY, RED, GREEN, BLUE, RED)) == ["no", "yes", "no", "no", "yes"]
    assert said(detector, [plain(RED)[0].convert("RGBA"), plain(RED)[0].convert("L")]) == ["yes", "no"]
    assert said(detector, []) == []


def test_the_classes_and_the_threshold_decide_what_is_unsafe(tiny):
    assert said(NudeNet(tiny, classes=["BELLY_EXPOSED"]), plain(RED, BLUE)) == ["no", "yes"]
    faint = plain((140, 0, 0))  # scores 140 / 255
    assert said(NudeNet(tiny, threshold=0.5), faint) == ["yes"]
    assert said(NudeNet(tiny, threshold=0.6), faint) == ["no"]


def test_pictures_are_seen_as_the_package_sees_its_own_files(tiny, pictures, tmp_path):
    shown = [*pictures, *plain(RED, GREEN)]
    package = nudenet.NudeDetector(str(tiny))
    in_files = []
    for number, picture in enumerate(shown):
        picture.convert("RGB").save(tmp_path / f"{number}.png")
        parts = package.detect(str(tmp_path / f"{number}.png"))
        in_files.append("yes" if any(part["class"] == "FEMALE_BREAST_EXPOSED" for part in parts) else "no")
    assert said(NudeNet(tiny), shown) == in_files
    assert set(in_files) == {"no", "yes"}


def test_the_packages_own_model_finds_nothing_in_drawings(pictures):
    detector = NudeNet()
    assert detector.name == "NudeNet"
    assert said(detector, pictures) == ["no"] * len(pictures)


def test_what_is_no_nudenet_model_is_refused(tiny, tmp_path):
    (tmp_path / "text.onnx").write_text("nothing")
    for name in ("text.onnx", "missing.onnx"):
        with pytest.raises(DetectorLoadError, match=f"cannot load .*{name}: give one of its .onnx files"):
            NudeNet(tmp_path / name)
    other = save_tiny_nudenet(tmp_path / "other.onnx", outputs=84)
    with pytest.raises(DetectorLoadError, match=r"is not a NudeNet model: it makes \['batch', 84, 2\]"):
        NudeNet(other)
    larger = save_tiny_nudenet(tmp_path / "larger.onnx", side=640)
    with pytest.raises(DetectorLoadError, match="pictures of 640 px, not 320: give resolution_px=640"):
        NudeNet(larger)
    assert said(NudeNet(larger, resolution_px=640), plain(RED, GREEN)) == ["yes", "no"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": ["NIPPLE"]}, "knows no NIPPLE: choose from FEMALE_BREAST_EXPOSED"),
        ({"classes": []}, "choose from"),
        ({"threshold": 0.1}, "give 0.25 to 1"),
        ({"threshold": 1.5}, "threshold of 1.5"),
        ({"batch_size": 0}, "0 pictures of 320 px"),
    ],
)
def test_settings_out_of_range_are_refused(tiny, settings, message):
    with pytest.raises(DetectorSettingsError, match=message):
        NudeNet(tiny, **settings)


def test_without_the_package_the_extra_is_named(tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "nudenet", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'trimtab\[detectors\]'"):
        NudeNet(tiny)
