"""deploy/Dockerfile as its instructions.

Entry points: `DOCKERFILE`, `instructions`, `last_stage`, `environment`.
"""

import re
import shlex
from pathlib import Path

DOCKERFILE = Path(__file__).parents[1] / "deploy/Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """Each instruction with what follows it, comments and line ends aside."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    text = "\n".join(lines).replace("\\\n", " ")
    found = [line.strip().partition(" ") for line in text.splitlines() if line.strip()]
    return [(name, " ".join(rest.split())) for name, _, rest in found]


def last_stage() -> list[tuple[str, str]]:
    """The instructions of the stages that the image is: the last one, and those it is made from."""
    stages: dict[str, list[tuple[str, str]]] = {}
    below: dict[str, str] = {}
    name = ""
    for instruction, rest in instructions():
        if instruction == "FROM":
            base, name = re.fullmatch(r"(\S+) AS (\S+)", rest).groups()
            stages[name], below[name] = [], base
        elif name:
            stages[name].append((instruction, rest))
    whole: list[tuple[str, str]] = []
    while name in stages:
        whole = [*stages[name], *whole]
        name = below[name]
    return whole


def environment() -> dict[str, str]:
    """The image's variables."""
    words = [word for name, rest in last_stage() if name == "ENV" for word in shlex.split(rest)]
    return dict(word.split("=", 1) for word in words)


def only(name: str) -> str:
    """What follows the one instruction of this name in the image's stages."""
    (rest,) = (rest for instruction, rest in last_stage() if instruction == name)
    return rest
