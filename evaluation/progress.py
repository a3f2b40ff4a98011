"""How an evaluation tells what it is at."""

from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the condition being made, the image steps done and those to do."""
