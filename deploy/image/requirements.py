"""Prints what an image installs besides Trimtab itself: its dependencies and those of the extras that are asked for.

python3 requirements.py DEVICE EXTRAS      DEVICE: gpu or cpu; EXTRAS: c2pa,otel
"""

import sys
import tomllib
from pathlib import Path

device, extras = sys.argv[1:]
if device not in ("gpu", "cpu"):
    sys.exit(f"DEVICE is {device!r}. Set it to gpu or cpu.")
project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
known = project["optional-dependencies"]
wanted = [*filter(None, extras.split(",")), *(["gpu"] if device == "gpu" else [])]
for extra in wanted:
    if extra not in known:
        sys.exit(f"EXTRAS: there is no {extra!r}. Choose from {', '.join(known)}.")
print(*project["dependencies"], *(one for extra in wanted for one in known[extra]), sep="\n")
