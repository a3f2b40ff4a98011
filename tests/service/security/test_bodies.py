"""Bodies that want to cost more than they weigh, or to be more than text."""

import gzip
import io
import json
import re
import socket
import time
import zlib

import httpx2
import pytest
from PIL import Image
from real_server import real_server, sample

from service.settings import Settings

JSON = {"Content-Type": "application/json"}
QUICK = {"prompt": "a photo of a doctor", "num_inference_steps": 1, "width": 16, "height": 16}


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/generate", '{"prompt": %s}'),
        ("/policies/explain", '{"prompt": "a", "policy": {"screen": %s}}'),
        ("/sdapi/v1/txt2img", '{"prompt": "a", "steps": %s}'),
        ("/v1/images/generations", '{"prompt": %s}'),
    ],
)
def test_a_deep_body_is_refused_at_every_depth(client, path, form, opening, closing):
    """The parser takes a little more than what repeats the value in the answer could write: there is where to look."""

    def answered(depth: int) -> str:
        body = form % (opening * depth + "1" + closing * depth)
        answer = client.post(path, content=body, headers=JSON)
        assert answer.status_code in (400, 422), depth
        return answer.text

    def is_parsed(depth: int) -> bool:
        return "parsing the body" not in answered(depth)

    parsed, unparsed = 10, 5000
    assert is_parsed(parsed)
    assert not is_parsed(unparsed)
    while unparsed - parsed > 1:
        middle = (parsed + unparsed) // 2
        parsed, unparsed = (middle, unparsed) if is_parsed(middle) else (parsed, middle)
    for depth in range(parsed - 40, parsed + 3):
        answered(depth)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_json_has_not_is_not_repeated(client, number):
    for name in ("eta", "alwayson_scripts"):
        value = number if name == "eta" else f'{{"deep": [{number}]}}'
        body = f'{{"prompt": "a doctor", "steps": 1, "{name}": {value}}}'
        answer = client.post("/sdapi/v1/txt2img", content=body, headers=JSON)
        assert answer.status_code == 422
        assert answer.json()["error"] == "not_finite"
        assert answer.json()["body"] == name


def test_nothing_is_unpacked(client):
    """What a Content-Encoding promises is not looked for: the bytes are what they are, and bounded as such."""
    body = json.dumps({**QUICK, "negative_prompt": " " * 50_000_000}).encode()
    for encoding, packed in (("gzip", gzip.compress(body)), ("deflate", zlib.compress(body))):
        assert len(packed) < 64 * 1024
        answer = client.post("/generate", content=packed, headers={**JSON, "Content-Encoding": encoding})
        assert answer.status_code == 400
        assert answer.json()["error"]["cure"]


def bomb(image_format: str) -> bytes:
    """A small file of a large picture."""
    side = 20_000 if image_format == "png" else 16_000
    file = io.BytesIO()
    Image.new("1" if image_format == "png" else "RGB", (side, side)).save(file, image_format)
    return file.getvalue()


def test_no_picture_of_a_client_is_opened(client, monkeypatch):
    """There is no route that takes one; where one is sent all the same nobody looks into it."""
    png = bomb("png")
    opened = []
    monkeypatch.setattr(Image, "open", lambda *given, **_: opened.append(given))
    for path in ("/generate", "/v1/images/generations", "/hf/text-to-image", "/sdapi/v1/txt2img", "/jobs"):
        headers = {"Content-Type": "image/png"}
        assert client.post(path, content=png[:60_000], headers=headers).status_code in (400, 422)
        fields = {"prompt": "a cat", "image": "x", "init_images": ["x"], "mask": "x", "firstpass_image": "x"}
        assert client.post(path, json=fields).status_code in (400, 422)
    assert client.post("/admin/vectors", content=png).json()["error"]["code"] == "unsound_vector"
    assert not opened


def test_a_body_that_never_ends_holds_no_rows_and_keeps_nobody_waiting(options):
    with real_server(Settings(**options)) as url:
        host, port = url.removeprefix("http://").split(":")
        head = f"POST /generate HTTP/1.1\r\nHost: {host}\r\n"
        head += "Content-Type: application/json\r\nContent-Length: 90\r\n\r\n"
        slow = [socket.create_connection((host, int(port))) for _ in range(20)]
        try:
            for connection in slow:
                connection.sendall(head.encode() + b'{"prompt"')
            deadline = time.monotonic() + 120
            while httpx2.post(f"{url}/generate", json=QUICK, timeout=60).status_code != 200:
                assert time.monotonic() < deadline
            metrics = httpx2.get(f"{url}/metrics", timeout=60).text
            assert re.search(r"^trimtab_images_total 1\.0$", metrics, re.MULTILINE)
            assert sample(url, 'trimtab_requests_total{outcome="ok"}') == 1
        finally:
            for connection in slow:
                connection.close()
