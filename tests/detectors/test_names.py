import subprocess
import sys

import pytest

import detectors


def test_every_name_is_there() -> None:
    assert all(getattr(detectors, name) is not None for name in detectors.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = detectors.Nothing


def test_the_interface_and_the_errors_come_without_torch() -> None:
    line = (
        "import sys, detectors; detectors.Detector, detectors.AnyOf, detectors.DetectorError; "
        "assert not {'torch', 'transformers', 'nudenet'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", line], check=True)
