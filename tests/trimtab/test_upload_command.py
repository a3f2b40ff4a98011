import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
import uvicorn
from typer.testing import CliRunner

from service.app import create_app
from service.settings import Settings
from trimtab.commands import app
from vectors import save_vector, shipped_library


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The demo model, served."""
    server = uvicorn.Server(uvicorn.Config(create_app(Settings(device="cpu")), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    deadline = time.monotonic() + 120
    while httpx2.get(f"{address}/readyz", timeout=60).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield address
    server.should_exit = True
    thread.join()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tall.safetensors"
    save_vector(replace(shipped_library().resolve("woman").vector, concept="tall"), path)
    return path


def uploaded(*arguments: object):
    return CliRunner().invoke(app, ["vectors", "upload", *map(str, arguments)])


def test_a_file_is_published(url, file):
    done = uploaded(file, "--url", url + "/")
    assert (done.exit_code, done.stdout) == (0, "tall@1 is served.\n"), done.output
    assert httpx2.get(f"{url}/vectors/tall", timeout=60).json()["version"] == 1


def test_what_the_service_says_is_told(url, tmp_path):
    file = tmp_path / "none.safetensors"
    file.write_bytes(b"no vector")
    refused = uploaded(file, "--url", url)
    assert refused.exit_code == 1
    assert "Error: The file is not a readable safetensors file" in refused.stderr


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "nowhere", "file:///etc"])
def test_where_no_service_is(file, address):
    refused = uploaded(file, "--url", address)
    assert refused.exit_code == 1
    assert f"The service at {address} cannot be reached" in refused.stderr
