"""What the playground is made of: files of this service alone, under a policy that lets in nothing else."""

import re
from pathlib import Path

import pytest

import service

FOLDER = Path(service.__file__).parent / "playground"
FILES = sorted(FOLDER.iterdir())


def test_the_page_is_under_a_policy_that_runs_no_text(client):
    answer = client.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert policy["trusted-types"] == "'none'"
    assert "unsafe" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_its_files_are_served_as_they_stand(client, file):
    if file.name == "index.html":
        assert client.get("/").content == file.read_bytes()
        return
    answer = client.get(f"/playground/{file.name}")
    assert (answer.status_code, answer.content) == (200, file.read_bytes())
    kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    assert answer.headers["content-type"].startswith(kinds[file.suffix])
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-cache"


def test_no_other_file_is_given(client):
    for name in (
        "index.html",
        "..%2f__init__.py",
        "%2e%2e/app.py",
        "..%2fplayground%2fmain.js",
        "none.js",
        ".js",
    ):
        assert client.get(f"/playground/{name}").status_code == 404


def test_nothing_is_loaded_that_is_not_there_or_from_elsewhere(client):
    text = (FOLDER / "index.html").read_text()
    loads = re.findall(r'(?:src|href)="([^"#]+)"', text)
    assert len(loads) >= 7
    for address in loads:
        assert not address.startswith(("http:", "https:", "/"))
        assert client.get(f"/{address}").status_code == 200
    assert "style=" not in text
    assert not re.search(r"\son[a-z]+=", text)
    for module in FOLDER.glob("*.js"):
        for imported in re.findall(r'from "([^"]+)"', module.read_text()):
            assert (FOLDER / imported).is_file(), (module.name, imported)
        assert not re.search(r"https?://|innerHTML|outerHTML|insertAdjacent|localStorage", module.read_text())
