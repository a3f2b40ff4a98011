import socket
from collections.abc import Iterator, Mapping

import pytest
from real_server import real_server

from service.settings import Settings


@pytest.fixture(scope="module")
def impatient_url(options: Mapping[str, object]) -> Iterator[str]:
    """A server that makes two guided images at a time, and gives its clients a second for what they have to do."""
    waits = {"header_timeout_s": 1, "body_timeout_s": 1, "read_timeout_s": 1}
    listener = socket.create_server(("127.0.0.1", 0))
    # Of what a client does not read the kernel keeps little, so that it is soon the server's to keep.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    settings = Settings(**{**options, **waits, "max_steps": 1000, "max_batch_rows": 4})
    with real_server(settings, listener) as url:
        yield url


@pytest.fixture(scope="module")
def crowded_url(options: Mapping[str, object]) -> Iterator[str]:
    """A server that takes no more than eight connections."""
    with real_server(Settings(**options, max_connections=8)) as url:
        yield url
