import subprocess
import sys
from pathlib import Path

import pytest

import trimtab


def test_importing_is_quick_because_torch_is_not():
    has_torch = "print('torch' in sys.modules)"
    code = f"import sys, trimtab; {has_torch}; trimtab.ConceptVector; {has_torch}"
    root = Path(trimtab.__file__).parents[1]
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    ).stdout
    assert told.split() == ["False", "True"]


@pytest.mark.parametrize("name", trimtab.__all__)
def test_every_public_name_is_there(name):
    assert getattr(trimtab, name) is not None
    assert name in dir(trimtab)


def test_the_demo_model_is_a_folder_of_the_package():
    assert trimtab.DEMO_MODEL.parts[-2:] == ("demo_model", "pipeline")


def test_an_unknown_name_is_told_with_those_there_are():
    with pytest.raises(AttributeError, match=r"no attribute 'stear'; it has DEMO_MODEL, .*steer"):
        trimtab.stear  # noqa: B018
