from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tiny_clip import DIMENSION

from detectors import ClipProbe, Detector, DetectorLoadError


def saved(folder: Path, **points: torch.Tensor) -> Path:
    save_file(points, folder / "probe.safetensors")
    return folder / "probe.safetensors"


def test_a_picture_is_unsafe_that_lies_closer_to_the_unsafe_side(clip, pictures, tmp_path):
    calm, wild = clip.pictures([pictures[0], pictures[1]])
    detector: Detector = ClipProbe(clip, saved(tmp_path, safe=calm, unsafe=wild))
    assert detector.attributes == {"unsafe": ("no", "yes")}
    assert detector.read([pictures[1], pictures[0], pictures[1]]) == [
        {"unsafe": "yes"},
        {"unsafe": "no"},
        {"unsafe": "yes"},
    ]
    assert detector.read([]) == []
    assert "probe.safetensors" in detector.name


def test_only_the_direction_of_a_side_counts(clip, pictures, tmp_path):
    calm, wild = clip.pictures([pictures[0], pictures[1]])
    readings = ClipProbe(clip, saved(tmp_path, safe=calm, unsafe=wild)).read(pictures)
    path = saved(tmp_path, safe=(1e-3 * calm).double(), unsafe=(30 * wild).half())
    assert ClipProbe(clip, path).read(pictures) == readings


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ({"safe": torch.ones(DIMENSION)}, r"no tensor 'unsafe': .* this file has 'safe'"),
        ({"prompts": torch.ones(2, DIMENSION)}, "no tensor 'safe': .* this file has 'prompts'"),
        (
            {"safe": torch.ones(DIMENSION), "unsafe": torch.ones(768)},
            rf"'unsafe' has the shape \[768\], but .* embeds into \[{DIMENSION}\]",
        ),
        ({"safe": torch.ones(1, DIMENSION), "unsafe": torch.ones(DIMENSION)}, rf"shape \[1, {DIMENSION}\]"),
        ({"safe": torch.ones(DIMENSION), "unsafe": torch.zeros(DIMENSION)}, "'unsafe' has the length 0"),
        (
            {"safe": torch.full((DIMENSION,), torch.nan), "unsafe": torch.ones(DIMENSION)},
            "'safe' has the length nan",
        ),
    ],
)
def test_what_is_no_probe_for_this_model_is_refused(clip, tmp_path, points, message):
    with pytest.raises(DetectorLoadError, match=message):
        ClipProbe(clip, saved(tmp_path, **points))


def test_what_is_no_safetensors_file_is_refused(clip, tmp_path):
    (tmp_path / "prompts.p").write_bytes(b"\x80\x04N.")
    for name in ("prompts.p", "nothing.safetensors"):
        with pytest.raises(DetectorLoadError, match=r"No CLIP probe .* give a safetensors file"):
            ClipProbe(clip, tmp_path / name)
