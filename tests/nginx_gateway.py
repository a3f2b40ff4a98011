"""The gateway of deploy/gateway for tests: a real nginx on a free port of loopback, in front of what a test serves.

Entry points: `Gateway`, `running`, `gateways_error`.
"""

import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx2
from free_ports import free_port
from redis_tls import Certificates

from service.families import family_of
from service.schemas import ErrorDetail

SHIPPED = Path(__file__).parents[1] / "deploy" / "gateway"
START_TIMEOUT_S = 60
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


class Gateway:
    """An nginx with the shipped files; what a reader decides is decided here.

    `decided` replaces whole files of yours/; `changed` replaces text in any file, for what a test cannot
    wait for.
    """

    def __init__(
        self,
        folder: Path,
        certificates: Certificates,
        replicas: Sequence[int],
        *,
        decided: Mapping[str, str] | None = None,
        changed: Mapping[str, str] | None = None,
    ) -> None:
        self._program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        assert self._program, "The tests need nginx: run scripts/install-test-services."
        self._folder = folder
        self.trust = ssl.create_default_context(cafile=certificates.authority)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        shutil.copytree(SHIPPED, folder)
        files = {
            "machine.conf": f"worker_processes 2;\nerror_log {folder}/error.log info;\npid {folder}/pid;\n",
            "replicas.conf": "".join(f"server 127.0.0.1:{port} max_fails=0;\n" for port in replicas),
            "server.conf": self._server(certificates),
            **(decided or {}),
        }
        for name, text in files.items():
            assert (folder / "yours" / name).is_file(), f"{name} is not shipped"
            (folder / "yours" / name).write_text(text, encoding="ascii")
        for old, new in (changed or {}).items():
            found = [file for file in folder.rglob("*.conf") if old in file.read_text(encoding="ascii")]
            assert found, f"{old!r} is not there to be replaced"
            for file in found:
                file.write_text(file.read_text(encoding="ascii").replace(old, new), encoding="ascii")

    def _server(self, certificates: Certificates) -> str:
        temporary = "".join(f"{kind}_temp_path {self._folder}/temp/{kind};\n" for kind in _TEMPORARY)
        (self._folder / "temp").mkdir()
        return (
            f"listen 127.0.0.1:{self.port} ssl http2;\nserver_name 127.0.0.1;\n{temporary}"
            f"ssl_certificate {certificates.certificate};\nssl_certificate_key {certificates.key};\n"
            f"access_log {self._folder}/access.log trimtab;\n"
        )

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def client(self, key: str | None = None) -> httpx2.Client:
        """A client that trusts the certificate, and shows a key."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return httpx2.Client(base_url=self.url, verify=self.trust, headers=headers, timeout=120)

    @property
    def logged(self) -> str:
        """What it has said of requests."""
        return (self._folder / "access.log").read_text(encoding="utf-8")

    @property
    def complained(self) -> str:
        """What it has said of troubles."""
        return (self._folder / "error.log").read_text(encoding="utf-8")

    def told(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Call nginx with this configuration."""
        return subprocess.run(
            [*self._command, *options], capture_output=True, text=True, timeout=START_TIMEOUT_S
        )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        tried = self.told("-t")
        assert tried.returncode == 0, tried.stderr
        assert "[warn]" not in tried.stderr, tried.stderr
        self._process = subprocess.Popen([*self._command, "-g", "daemon off;"])
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            assert self._process.poll() is None, self.complained
            assert time.monotonic() < deadline, self.complained
            try:
                httpx2.get(f"{self.url}/nothing", verify=self.trust, timeout=10)
            except httpx2.TransportError:
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """End it; what it still does is given up."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    @property
    def _command(self) -> list[str]:
        return [self._program, "-p", str(self._folder), "-c", str(self._folder / "nginx.conf")]


@contextmanager
def running(gateway: Gateway) -> Iterator[Gateway]:
    try:
        gateway.start()
        yield gateway
    finally:
        gateway.stop()


def gateways_error(path: str, status: int, code: str, message: str, cure: str) -> Mapping[str, object]:
    """What the service would say for the gateway at this address."""
    detail = ErrorDetail(code=code, message=message, field=None, value=None, cure=cure)
    return family_of(path).error(status, detail)
