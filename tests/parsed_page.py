"""A page of an evaluation as tests look at it: parsed, with what a browser would load or run."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

from PIL import Image

VOID = ("meta", "img")


class ParsedPage(HTMLParser):
    """The elements of a page in order, its text, and its pictures decoded."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.pictures: list[Image.Image] = []
        self._texts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, f"elements left open: {self._open}"

    @classmethod
    def of(cls, path: Path) -> "ParsedPage":
        return cls(path.read_text(encoding="utf-8"))

    @property
    def text(self) -> str:
        """What a reader reads, with single spaces."""
        return " ".join(" ".join(self._texts).split())

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of every element of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]

    def assert_self_contained(self) -> None:
        """Fail where a browser would load something, run something or follow a link out of the page."""
        ids = [attributes["id"] for _, attributes in self.elements if "id" in attributes]
        assert len(ids) == len(set(ids)), "an id twice"
        assert not re.search(r"https?:|@import|javascript:", self.html)
        for tag, attributes in self.elements:
            assert tag not in ("script", "link", "iframe", "object", "embed", "base", "form", "foreignobject")
            assert not [name for name in attributes if name.startswith("on")]
            assert attributes.get("src", "data:image/png;").startswith("data:image/png;")
            referred = [attributes["href"]] if "href" in attributes else []
            referred += re.findall(r"url\(([^)]*)\)", " ".join(attributes.values()))
            for place in referred:
                assert place.startswith("#"), place
                assert place[1:] in ids, f"{place} leads nowhere"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        if tag == "img":
            data = base64.b64decode(attributes["src"].partition(",")[2], validate=True)
            self.pictures.append(Image.open(io.BytesIO(data)).convert("RGB"))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] != "style":
            self._texts.append(data)
