"""What the built pages link to and load: every link leads somewhere, and nothing is fetched from elsewhere.

Entry points: `read_site`, `broken_links`, `foreign_loads`.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src"}
LOADED_RELATIONS = {
    "stylesheet",
    "icon",
    "preload",
    "prefetch",
    "preconnect",
    "dns-prefetch",
    "modulepreload",
    "manifest",
}
STYLE_LOAD = re.compile(r"(?:url\(\s*['\"]?|@import\s+['\"])((?:https?:)?//[^'\")\s]+)")


@dataclass
class Page(HTMLParser):
    """What stands in one page: the ids that links can lead to, its links, and what a browser loads for it."""

    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element's id, link and load."""
        given = {name: value for name, value in attrs if value is not None}
        self.ids.update(given[name] for name in ("id", "name") if name in given)
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "link" and "href" in given and LOADED_RELATIONS & set(given.get("rel", "").split()):
            self.loads.append(given["href"])
        if (attribute := LOADING.get(tag)) and attribute in given:
            self.loads.append(given[attribute])


def read_site(site: Path) -> dict[str, Page]:
    """The pages of a built site, by their paths in it."""
    pages = {}
    for path in sorted(site.rglob("*.html")):
        pages[path.relative_to(site).as_posix()] = page = Page()
        page.feed(path.read_text(encoding="utf-8"))
    return pages


def broken_links(site: Path, pages: Mapping[str, Page]) -> list[str]:
    """What leads nowhere within the site, as `page: target`; other sites are not asked."""
    return [
        f"{place}: {target}"
        for place, page in pages.items()
        for target in [*page.links, *page.loads]
        if not _is_foreign(target) and not _is_there(site, pages, place, target)
    ]


def foreign_loads(site: Path, pages: Mapping[str, Page]) -> list[str]:
    """What a browser would fetch from another host to show a page, as `file: address`."""
    found = [f"{place}: {load}" for place, page in pages.items() for load in page.loads if _is_foreign(load)]
    return [*found, *_foreign_in_styles(site)]


def _foreign_in_styles(site: Path) -> Iterator[str]:
    for path in [*site.rglob("*.css"), *site.rglob("*.html")]:
        for address in STYLE_LOAD.findall(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(site).as_posix()}: {address}"


def _is_foreign(target: str) -> bool:
    parts = urlsplit(target)
    return bool(parts.netloc) or parts.scheme not in ("", "data")


def _is_there(site: Path, pages: Mapping[str, Page], place: str, target: str) -> bool:
    parts = urlsplit(target)
    if parts.scheme == "data":
        return True
    path = place
    if parts.path:
        folder = "" if parts.path.startswith("/") else PurePosixPath(place).parent.as_posix()
        path = os.path.normpath(os.path.join(folder, unquote(parts.path).lstrip("/")))
    if (site / path).is_dir():
        path = os.path.normpath(PurePosixPath(path) / "index.html")
    if not (site / path).is_file():
        return False
    return not parts.fragment or path not in pages or unquote(parts.fragment) in pages[path].ids
