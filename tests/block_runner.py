"""Runs the blocks of one page one after another, in one folder, as a reader would who follows the page.

Entry point: `PageRun`. Commands are real, on the demo model, with few steps and images (`quickened`).
"""

import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from documented_blocks import ROOT, Block
from warm_commands import WarmCommands

ADDRESS = "http://127.0.0.1:8000"
SERVING = re.compile(r"^(?:[A-Z_]+=\S+ )*(?:(?:\.venv/bin/)?trimtab serve\b.*|make serve)$", re.MULTILINE)
COMMAND_TIMEOUT_S = 280
READY_TIMEOUT_S = 120
QUICKER = (
    (re.compile(r"""(num_inference_steps["']?\s*[:=]\s*)\d+"""), r"\g<1>4"),
    (re.compile(r'("num_images"\s*:\s*)\d+'), r"\g<1>2"),
    (re.compile(r'("preview_every"\s*:\s*)\d+'), r"\g<1>2"),
    (re.compile(r"(--steps )\d+"), r"\g<1>3"),
    (
        re.compile(r"((?:learn-vector|trimtab learn)\b)(?! --help)"),
        r"\g<1> --steps 3 --batch 4 --dtype bfloat16 --detector none",
    ),
    (re.compile(r"(trimtab generate\b)"), r"\g<1> --steps 4"),
    (re.compile(r"(trimtab generate\b.* -n )\d+"), r"\g<1>2"),
)
PLACES = {"/etc/trimtab/": "etc/", "/var/lib/trimtab/": "var/", "/var/backups/": "backups/"}
"""Folders of a machine, which here are folders of the page's own."""


def quickened(text: str) -> str:
    """The same block with few steps and few images."""
    for pattern, replacement in QUICKER:
        text = pattern.sub(replacement, text)
    return text


def close_all(names: Mapping[str, object]) -> None:
    """Close what a block left open: where a client is left to the garbage collector, its sockets may go before it."""
    for value in names.values():
        if not isinstance(value, type | ModuleType) and callable(close := getattr(value, "close", None)):
            close()


class PageRun:
    """The folder, the variables and the server that a page's blocks share."""

    def __init__(
        self, folder: Path, url: str, commands: WarmCommands, env: Mapping[str, str] = os.environ
    ) -> None:
        self.folder = folder
        self._url = url
        self._names: dict[str, object] = {}
        self._server: tuple[int, subprocess.Popen[bytes]] | None = None
        (folder / ".venv").symlink_to(commands.programs.parent)
        (folder / "benchmarks").mkdir()
        for labelled in ("gate", "responsible_text"):
            (folder / "benchmarks" / labelled).symlink_to(ROOT / "benchmarks" / labelled)
        (folder / "library").mkdir()  # which learning adds to
        for place in PLACES.values():
            (folder / place).mkdir()
        kept = {key: value for key, value in env.items() if not key.startswith(("TRIMTAB_", "OTEL_"))}
        self._env = (
            kept
            | commands.variables()
            | {
                "PATH": f"{commands.programs}:{env['PATH']}",
                "PYTHONPATH": str(ROOT),
                "COLUMNS": "200",
                "NO_COLOR": "1",
                "TRIMTAB_DRAIN_DELAY_S": "0",
                "TRIMTAB_DEVICE": "cpu",
                "TRIMTAB_AUDIT_REPLICA": "demo",
            }
        )

    @property
    def url(self) -> str:
        """The server that the page speaks to."""
        return self._url

    def close(self) -> None:
        """Close what the page's Python opened, and stop the server that the page started, if it did."""
        close_all(self._names)
        if self._server is not None:
            listening, process = self._server
            os.kill(listening, signal.SIGINT)
            process.wait(60)
            self._server = None

    def run(self, block: Block) -> str:
        """Run a block and give what it printed. Raises AssertionError where a command fails."""
        if block.language == "python":
            self._exec(block)
            return ""
        if block.language == "console":
            return "".join(self._bash(command) for command, _ in commands_of(block.text))
        return self._bash(block.text)

    def printed(self, script: str) -> str:
        """What a script prints."""
        return self._script(script)

    def write(self, block: Block) -> Path:
        """The file that a block is, in the page's folder."""
        path = self.folder / self._here(block.title)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._here(block.text), encoding="utf-8")
        return path

    def _here(self, text: str) -> str:
        for place, here in PLACES.items():
            text = text.replace(place, f"{self.folder}/{here}")
        return text.replace(ADDRESS, self._url)

    def _exec(self, block: Block) -> None:
        code = compile("\n" * block.line + quickened(self._here(block.text)), str(ROOT / block.page), "exec")
        with contextlib.chdir(self.folder):
            exec(code, self._names)

    def _bash(self, script: str) -> str:
        """Run a script whose variables the next one sees; a server that it starts is there for what follows."""
        printed = ""
        while (serving := SERVING.search(script)) is not None:
            printed += self._script(script[: serving.start()])
            self._serve(serving[0])
            script = script[serving.end() :]
        return printed + self._script(script)

    def _script(self, script: str) -> str:
        if not script.strip():
            return ""
        variables = self.folder / ".variables"
        keep = f"trap 'env -0 > {shlex.quote(str(variables))}' EXIT"
        text = f"set -aeuo pipefail\n{keep}\n{quickened(self._here(script))}"
        done = subprocess.run(
            ["bash", "-c", text],
            cwd=self.folder,
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
        )
        assert done.returncode == 0, f"{script}\nended with {done.returncode}:\n{done.stdout}"
        pairs = variables.read_text(encoding="utf-8").rstrip("\0").split("\0")
        self._env = dict(pair.split("=", 1) for pair in pairs)
        return done.stdout

    def _serve(self, command: str) -> None:
        """Start the server that a line of the page starts, on a free port, and wait until it is ready."""
        self.close()
        port = _free_port()
        line = self._here(command).replace("make serve", "trimtab serve").replace("0.0.0.0", "127.0.0.1")
        log = self.folder / "server.log"
        with log.open("w") as file:
            process = subprocess.Popen(
                ["bash", "-c", f"{line} --port {port}"],
                cwd=self.folder,
                env=self._env,
                stdout=file,
                stderr=file,
            )
        deadline = time.monotonic() + READY_TIMEOUT_S
        while (ready := re.search(r"ready at\s+(http://\S+)", log.read_text())) is None:
            assert process.poll() is None, f"{command}\nended:\n{log.read_text()}"
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        self._url = ready[1]
        self._server = (_listening_process(port), process)


def commands_of(text: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with what the page says it prints."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines(keepends=True):
        if line.startswith("$ "):
            found.append((line[2:], ""))
        elif found and found[-1][0].endswith("\\\n"):
            found[-1] = (found[-1][0] + line, "")
        elif found:
            found[-1] = (found[-1][0], found[-1][1] + line)
    return found


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _listening_process(port: int) -> int:
    import psutil

    (one,) = [
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
    ]
    assert one is not None
    return one
