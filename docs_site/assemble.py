"""The Markdown that the site is built from: docs/, pages from elsewhere in the repository, and the API reference.

Entry point: `assemble`.
"""

import shutil
from pathlib import Path
from typing import Any

from docs_site.api_reference import api_pages
from docs_site.places import DOCS, PAGES_ELSEWHERE, ROOT
from docs_site.repository_links import CARRIED, LinkRewriter, folder_page


def assemble(target: Path, description: dict[str, Any]) -> None:
    """Write the site's sources into `target`; files that would be the same are left alone, others are removed.

    `description` is the service's OpenAPI document. Raises BrokenLinkError where a page links to what is not there.
    """
    made = {place: text.encode() for place, text in api_pages(description).items()}
    rewriter = LinkRewriter(made)
    for path in sorted(DOCS.rglob("*")):
        place = path.relative_to(DOCS).as_posix()
        if path.suffix == ".md":
            made[place] = rewriter.rewrite(path.read_text(encoding="utf-8"), f"docs/{place}", place).encode()
        elif path.is_file():
            made[place] = path.read_bytes()
    for source, place in PAGES_ELSEWHERE.items():
        if place not in made:
            text = (ROOT / source).read_text(encoding="utf-8")
            made[place] = rewriter.rewrite(text, source, place).encode()
    made |= {
        f"{CARRIED}/{name}": (ROOT / name).read_bytes()
        for name in rewriter.carried
        if not name.endswith(".md")
    }
    made |= {f"{CARRIED}/{name}/index.md": folder_page(name).encode() for name in rewriter.folders}
    _write(target, made)


def _write(target: Path, made: dict[str, bytes]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for path in [path for path in target.rglob("*") if path.is_file()]:
        if path.relative_to(target).as_posix() not in made:
            path.unlink()
    for place, content in made.items():
        path = target / place
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    for folder in sorted((path for path in target.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            shutil.rmtree(folder)
