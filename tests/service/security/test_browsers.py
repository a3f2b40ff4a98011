"""What browsers are told: on pages, on everything else, and to pages of other origins."""

from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import pytest
from fastapi.testclient import TestClient
from pydantic import ValidationError

from diffusion import Engine
from service.app import create_app
from service.settings import Settings

QUICK = {"prompt": "a photo of a doctor", "num_inference_steps": 1, "seed": 7}
STUDIO = "https://studio.example.com"


class Page(HTMLParser):
    """What a page loads, and the scripts that stand in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.scripts: list[str] = []
        self.handlers: list[str] = []
        self._in_script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.loads += [str(given[name]) for name in ("src", "href") if name in given]
        self.handlers += [name for name in given if name.startswith("on")]
        self._in_script = tag == "script" and "src" not in given

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.scripts.append(data)


def directives(answer) -> dict[str, list[str]]:
    parts = (part.split() for part in answer.headers["content-security-policy"].split(";"))
    return {name: sources for name, *sources in parts}


def test_the_page_loads_its_own_files_alone_and_runs_its_own_script(client):
    answer = client.get("/docs")
    page, policy = Page(answer.text), directives(answer)
    assert len(page.loads) == 3
    for address in page.loads:
        assert not address.startswith(("http:", "https:", "//"))
        assert client.get(f"/{address}").status_code == 200
    (script,) = page.scripts
    assert "openapi.json" in script
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert policy["script-src"] == ["'self'", f"'sha256-{digest}'"]
    assert page.handlers == []
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == ["'none'"]
    assert policy["connect-src"] == ["'self'"]


def test_no_other_file_is_given_beside_the_page(client):
    for name in ("redoc.standalone.js", "..%2f__init__.py", "%2e%2e/core.py", "..%2f..%2f..%2fetc%2fpasswd"):
        assert client.get(f"/docs/{name}").status_code == 404
    assert client.get("/redoc").status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/docs"),
        ("GET", "/policies"),
        ("GET", "/nowhere"),
        ("GET", "/generate"),
        ("POST", "/generate"),
    ],
)
def test_every_answer_says_what_it_is_and_who_may_show_it(client, method, path):
    answer = client.request(method, path, json={**QUICK, "num_images": 99} if method == "POST" else None)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    policy = directives(answer)
    assert policy["frame-ancestors"] == policy["default-src"] == ["'none'"]


def test_an_unforeseen_failure_has_the_headers_too(options, monkeypatch, until_ready):
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(Engine, "prepare", broken)
    with TestClient(create_app(Settings(**options)), raise_server_exceptions=False) as client:
        until_ready(client.get)
        answer = client.post("/generate", json=QUICK)
    assert answer.status_code == 500
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_picture_may_be_shown_by_who_has_its_address(client):
    answer = client.post(
        "/v1/images/generations",
        json={"prompt": "a cat", "size": "16x16", "num_inference_steps": 1, "response_format": "url"},
    )
    picture = client.get(answer.json()["data"][0]["url"])
    assert picture.headers["content-type"] == "image/png"
    assert picture.headers["cross-origin-resource-policy"] == "cross-origin"
    assert picture.headers["x-content-type-options"] == "nosniff"


def preflight(client: TestClient, origin: str):
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-api-key",
    }
    return client.options("/generate", headers=asked)


def test_pages_of_other_origins_are_told_nothing_unless_they_are_configured(client):
    answer = client.get("/policies", headers={"Origin": STUDIO})
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    refused = preflight(client, STUDIO)
    assert refused.status_code in (403, 405)
    assert not [name for name in refused.headers if name.startswith("access-control-")]


def test_pages_of_configured_origins_may_ask_and_others_still_not(options, until_ready):
    with TestClient(create_app(Settings(**options, cors_origins=[STUDIO]))) as client:
        until_ready(client.get)
        allowed = preflight(client, STUDIO)
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == STUDIO
        assert "x-api-key" in allowed.headers["access-control-allow-headers"].lower()
        assert "access-control-allow-credentials" not in allowed.headers
        answer = client.post("/generate", json=QUICK, headers={"Origin": STUDIO})
        assert answer.headers["access-control-allow-origin"] == STUDIO
        assert "X-Trimtab-Id" in answer.headers["access-control-expose-headers"]
        error = client.post("/generate", json={}, headers={"Origin": STUDIO})
        assert (error.status_code, error.headers["access-control-allow-origin"]) == (422, STUDIO)
        for origin in ("https://studio.example.com.evil.net", "http://studio.example.com", "null"):
            assert preflight(client, origin).status_code == 400
            answer = client.get("/policies", headers={"Origin": origin})
            assert answer.status_code == 403
            assert "access-control-allow-origin" not in answer.headers


def test_pages_of_all_origins_may_ask_where_all_are_configured(options, until_ready):
    with TestClient(create_app(Settings(**options, cors_origins=["*"]))) as client:
        until_ready(client.get)
        answer = client.get("/policies", headers={"Origin": STUDIO})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")
        assert client.get("/policies", headers={"Origin": STUDIO, "Host": "evil.example"}).status_code == 421


@pytest.mark.parametrize(
    "origin",
    [
        "studio.example.com",
        "https://studio.example.com/",
        "https://*.example.com",
        "HTTPS://studio.example.com",
        "null",
    ],
)
def test_what_is_no_origin_is_refused(origin):
    with pytest.raises(ValidationError, match="is no origin"):
        Settings(cors_origins=[origin])
