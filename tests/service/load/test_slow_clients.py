"""Clients that send slowly, read slowly, never come to the point or are too many, on real sockets."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx2
import pytest
from held_engines import held_steps, slow_steps
from real_server import sample

PATIENCE_S = 120
"""More than any limit of the server under test."""
BODY = json.dumps({"prompt": "a photo of a doctor", "num_inference_steps": 2}).encode()
JSON = {"Content-Type": "application/json"}
LONG = {"prompt": "a photo of a doctor", "num_inference_steps": 999, "num_images": 2}


def address_of(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("http://").partition(":")
    return host, int(port)


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    with socket.socket() as connection:
        connection.settimeout(PATIENCE_S)
        connection.connect(address_of(url))
        yield connection


def head(length: int) -> bytes:
    return (
        "POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()


def all_of(connection: socket.socket) -> bytes:
    """What comes until the server closes the connection."""
    received = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            received += part
    return received


def until(holds) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_body_that_does_not_come_is_answered_408_and_the_connection_ends(impatient_url):
    with connected(impatient_url) as connection:
        connection.sendall(head(len(BODY)) + BODY[:10])
        answer = all_of(connection)
    status, _, body = answer.partition(b"\r\n\r\n")
    assert status.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in status.lower()
    assert json.loads(body)["error"]["code"] == "body_too_slow"
    assert "sooner" in json.loads(body)["error"]["cure"]


def test_a_body_that_trickles_has_one_limit_for_all_of_it(impatient_url):
    with connected(impatient_url) as connection:
        connection.sendall(head(len(BODY)))
        for byte in BODY[:-1]:
            try:
                connection.sendall(bytes([byte]))
            except OSError:
                break
            time.sleep(0.05)
        else:
            raise AssertionError("the whole body was taken, for seconds")


def test_a_body_in_parts_is_taken(crowded_url):
    with connected(crowded_url) as connection:
        connection.sendall(head(len(BODY)) + BODY[:10])
        time.sleep(0.1)
        connection.sendall(BODY[10:])
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("sent", [b"", b"POST /generate HTTP/1.1\r\nHost: localhost\r\n"])
def test_a_head_that_does_not_come_ends_the_connection(impatient_url, sent):
    with connected(impatient_url) as connection:
        connection.sendall(sent)
        assert all_of(connection) == b""


def test_a_head_that_is_too_large_is_refused_though_it_comes_at_once(impatient_url):
    for length, said in ((14_000, b"HTTP/1.1 200 "), (20_000, b"HTTP/1.1 400 ")):
        with connected(impatient_url) as connection:
            connection.sendall(
                b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: "
                + b"x" * length
                + b"\r\n\r\n"
            )
            assert all_of(connection).startswith(said)


def test_the_head_of_a_second_request_has_its_limit_too(impatient_url):
    with connected(impatient_url) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        received = b""
        while not received.endswith(b'{"status":"ok"}'):
            received += connection.recv(1000)
        connection.sendall(b"GET /healthz HTT")
        assert all_of(connection) == b""


def test_a_request_that_takes_longer_than_its_head_may_is_answered(impatient_url):
    with connected(impatient_url) as connection, held_steps() as held:
        connection.sendall(head(len(BODY)) + BODY)
        held.until_reached()
        time.sleep(1.5)
        held.let_go()
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_reads_nothing_is_cut_off_and_its_images_are_given_up(impatient_url):
    before = sample(impatient_url, 'trimtab_requests_total{outcome="cancelled"}')
    body = json.dumps({**LONG, "stream": True, "preview_every": 1}).encode()
    with socket.socket() as connection, slow_steps(0.01):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.connect(address_of(impatient_url))
        connection.sendall(head(len(body)) + body)
        until(lambda: sample(impatient_url, 'trimtab_requests_total{outcome="cancelled"}') == before + 1)
    assert sample(impatient_url, "trimtab_requests_in_flight") == 0


def test_one_connection_too_many_is_told_when_to_come_back_and_probes_are_answered(crowded_url):
    with httpx2.Client(timeout=PATIENCE_S) as late:
        crowd = [socket.create_connection(address_of(crowded_url)) for _ in range(8)]
        try:
            answer = late.post(f"{crowded_url}/generate", content=BODY, headers=JSON)
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "too_many_connections")
            assert answer.json()["error"]["value"] == 8
            assert answer.headers["retry-after"] == "1"
            assert answer.headers["connection"] == "close"
            assert answer.headers["x-request-id"]
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert late.get(f"{crowded_url}/healthz").status_code == 200
        finally:
            for one in crowd:
                one.close()

    def is_served() -> bool:
        answer = httpx2.post(f"{crowded_url}/generate", content=BODY, headers=JSON, timeout=PATIENCE_S)
        return answer.status_code == 200

    until(is_served)
