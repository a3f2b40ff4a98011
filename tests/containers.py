"""A container of an image that was built, by docker or podman, as confined as the chart runs it.

Entry points: `container_tool`, `Container`, `run_once`.
"""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2

CONFINED = ("--cap-drop", "all", "--security-opt", "no-new-privileges", "--network", "bridge")
READ_ONLY = ("--read-only", "--tmpfs", "/tmp")
READY_TIMEOUT_S = 180
KEY = re.compile(r"^This container's key: (\S+)$", re.MULTILINE)


def container_tool() -> str:
    """The program that runs containers here: CONTAINER_TOOL, or docker, or podman."""
    for tool in filter(None, (os.environ.get("CONTAINER_TOOL"), "docker", "podman")):
        if shutil.which(tool) and subprocess.run([tool, "info"], capture_output=True).returncode == 0:
            return tool
    raise AssertionError(
        "Containers are run by docker or podman, and neither works here. Set CONTAINER_TOOL."
    )


def run_once(image: str, *arguments: str, options: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run the image until it ends by itself."""
    return _said("run", "--rm", *CONFINED, *READ_ONLY, *options, image, *arguments)


class Container:
    """A container in the background; `options` are those of `docker run`."""

    def __init__(
        self,
        image: str,
        *arguments: str,
        options: Sequence[str] = READ_ONLY,
        env: Mapping[str, str] | None = None,
    ) -> None:
        variables = [word for name, value in (env or {}).items() for word in ("--env", f"{name}={value}")]
        started = _said(
            *("run", "--detach", "--publish", "127.0.0.1::8000", *CONFINED),
            *(*options, *variables, image, *arguments),
        )
        assert started.returncode == 0, started.stderr
        self.id = started.stdout.strip()

    def __enter__(self) -> "Container":
        return self

    def __exit__(self, *_: object) -> None:
        _said("kill", self.id)
        _said("rm", "--force", "--volumes", self.id)

    @property
    def url(self) -> str:
        """Where this machine reaches it."""
        address = _said("port", self.id, "8000/tcp").stdout.split()[0]
        return f"http://{address}"

    def until_ready(self) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        url = self.url
        while True:
            with suppress(httpx2.TransportError):
                if httpx2.get(f"{url}/readyz").status_code == 200:
                    return
            self._check_it_may_yet(deadline)
            time.sleep(0.1)

    def _check_it_may_yet(self, deadline: float) -> None:
        assert self.state()["Running"], self.logs()
        assert time.monotonic() < deadline, self.logs()

    def state(self) -> dict[str, Any]:
        (inspected,) = json.loads(_said("inspect", self.id).stdout)
        state: dict[str, Any] = inspected["State"]
        return state

    def logs(self) -> str:
        said = _said("logs", self.id)
        return said.stdout + said.stderr

    def until_said(self, text: str) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while text not in self.logs():
            self._check_it_may_yet(deadline)
            time.sleep(0.05)

    def key(self) -> str:
        """The key that it has made for itself."""
        found = KEY.search(self.logs())
        assert found, self.logs()
        return found[1]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it."""
        return _said("exec", self.id, *command)

    def stop(self) -> int:
        """Send SIGTERM and return the exit code; 137 where it had to be killed after two minutes."""
        _said("stop", "--time", "120", self.id)
        return int(self.state()["ExitCode"])

    def changed_paths(self) -> set[Path]:
        """What differs from the image, volumes aside."""
        return {Path(line.split(maxsplit=1)[1]) for line in _said("diff", self.id).stdout.splitlines()}


def inspected_image(image: str) -> dict[str, Any]:
    (inspected,) = json.loads(_said("image", "inspect", image).stdout)
    found: dict[str, Any] = inspected
    return found


def _said(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([container_tool(), *arguments], capture_output=True, text=True, timeout=300)
