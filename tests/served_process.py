"""`trimtab serve` as a process of its own, for tests of signals and exit codes."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping

SERVE = (sys.executable, "-c", "from trimtab.commands import main; main()", "serve", "--port", "0")


class ServedProcess:
    """A service that has been started; `url` once it is ready."""

    def __init__(self, settings: Mapping[str, object]) -> None:
        variables = {
            f"TRIMTAB_{key.upper()}": json.dumps(value) if isinstance(value, list) else str(value)
            for key, value in settings.items()
        }
        self._process = subprocess.Popen(
            SERVE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", **variables},
        )
        self.said = ""
        self.url = ""

    def until_ready(self) -> None:
        for line in self._process.stdout:
            self.said += line
            if found := re.search(r"ready at +(http://\S+)", line):
                self.url = found[1]
                return
        raise AssertionError(self._process.stderr.read())

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def ended(self) -> tuple[int, str]:
        """Wait for its end; the exit code and what it said of errors."""
        _, errors = self._process.communicate(timeout=150)
        return self._process.returncode, errors

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()
