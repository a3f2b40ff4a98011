"""The project's commands from a process that has imported everything: each in a fork of it, by its real entry point.

Entry points: `WarmCommands`, which tests start; `main`, the process. A command takes a tenth of a second this way and
four seconds by itself, nearly all of them imports.
"""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import signal
import socket
import stat
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

    from diffusion import DiffusionModel, Sampling
    from vectors import ConceptVector

ROOT = Path(__file__).parents[1]
PLACE = "WARM_COMMANDS"
"""The variable that tells the stand-ins where the process listens."""
START_TIMEOUT_S = 120

STAND_IN = f"""#!{sys.executable} -SE
import json, os, socket, sys
argv = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
asked = json.dumps({{"argv": argv, "cwd": os.getcwd(), "env": dict(os.environ)}}).encode()
with socket.socket(socket.AF_UNIX) as line:
    line.connect(os.environ["{PLACE}"])
    socket.send_fds(line, [len(asked).to_bytes(8, "big")], [0, 1, 2])
    line.sendall(asked)
    sys.exit(int(line.recv(16) or b"1"))
"""


class WarmCommands:
    """Stand-ins for `trimtab`, `learn-vector` and `python`, in a folder to put first on the PATH."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "bin"
        self.programs.mkdir(parents=True)
        self._socket = folder / "socket"
        for name in ("trimtab", "learn-vector", "python"):
            file = self.programs / name
            file.write_text(STAND_IN, encoding="utf-8")
            file.chmod(file.stat().st_mode | stat.S_IXUSR)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> WarmCommands:
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(self._socket)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._socket.exists():
            assert self._process.poll() is None, "the process ended"
            assert time.monotonic() < deadline, "the process did not start"
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(30)

    def variables(self) -> dict[str, str]:
        """What the environment of a command needs, beside the PATH."""
        return {PLACE: str(self._socket)}


def main(place: str) -> None:
    """Import everything, then run what is asked for until terminated."""
    _import_all()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{place}.new")
        listener.listen(16)
        os.rename(f"{place}.new", place)
        while True:
            line, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _serve(line)
            line.close()


def _import_all() -> None:
    import matplotlib.figure  # noqa: F401
    import uvicorn  # noqa: F401

    import service.app
    import trimtab.commands.evaluate  # noqa: F401
    from diffusion import load_model
    from learn_vectors import pictures, run_directory
    from policies.gate import shipped_gate
    from trimtab import DEMO_MODEL

    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    load_model(DEMO_MODEL, device="cpu")
    shipped_gate()
    pictures.IMAGES_PER_PROMPT = 1
    run_directory.strengths_grid = _small_grid
    assert service.app


def _small_grid(
    model: DiffusionModel, vector: ConceptVector, prompts: Sequence[str], _sampling: Sampling, *, seed: int
) -> Image.Image:
    """A learning run's pictures of its vector, in few steps: no option of the command says how many."""
    from diffusion import Sampling
    from learn_vectors.pictures import strengths_grid

    return strengths_grid(model, vector, prompts[:1], Sampling(num_inference_steps=3), seed=seed)


def _serve(line: socket.socket) -> None:
    """Run one command in a process of its own and tell how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, files, _, _ = socket.recv_fds(line, 8, 3)
    asked = b""
    while len(asked) < int.from_bytes(head, "big"):
        asked += line.recv(65536)
    child = os.fork()
    if child == 0:
        line.close()
        os._exit(_run(json.loads(asked), files))
    for file in files:
        os.close(file)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(OSError):
        line.sendall(str(os.waitstatus_to_exitcode(status) % 256).encode())
    os._exit(0)


def _run(asked: dict[str, object], files: list[int]) -> int:
    for number, file in enumerate(files):
        os.dup2(file, number)
    argv, cwd, env = asked["argv"], asked["cwd"], asked["env"]
    assert isinstance(argv, list)
    assert isinstance(cwd, str)
    assert isinstance(env, dict)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    code: object = 0
    try:
        _enter(argv)
    except SystemExit as end:
        code = end.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


def _enter(argv: list[str]) -> None:
    """What the script that pip installs, or the interpreter, would do."""
    match argv:
        case ["trimtab", *_]:
            from trimtab.commands import main as entry
        case ["learn-vector", *_]:
            from trimtab.commands.learn import main as entry
        case ["python", "-m", module, *rest]:
            sys.argv = [module, *rest]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
            return
        case _:
            raise SystemExit(f"Of python only 'python -m MODULE' is known here, not {argv}.")
    sys.argv = argv
    entry()


if __name__ == "__main__":
    main(sys.argv[1])
