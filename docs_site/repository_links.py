"""Links of a page that lead out of docs/: into files of the repository, which the site carries along.

Entry point: `LinkRewriter`.
"""

import os
import re
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from docs_site.errors import BrokenLinkError
from docs_site.places import PAGES_ELSEWHERE, ROOT

LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")
FENCE = re.compile(r"^\s*(```|~~~)")
CARRIED = "files"
"""The folder of the site in which files of the repository lie, by their paths."""


class LinkRewriter:
    """Rewrite pages' links for the site, and know which files it has to carry for that.

    `generated` are places of the site that no file of docs/ is. `carried` has the files of the repository, relative to
    its root, that links lead to; of a folder, all of its files.
    """

    def __init__(self, generated: Collection[str] = ()) -> None:
        self._generated = {f"docs/{place}" for place in generated}
        self.carried: set[str] = set()
        self.folders: set[str] = set()

    def rewrite(self, text: str, page: str, place: str) -> str:
        """The text of `page`, a path in the repository, as it stands at `place` in the site.

        Raises BrokenLinkError for a link to a file that is not there.
        """
        lines = []
        for number, line, is_code in _lines(text):
            target = partial(self._target, page=page, place=place, where=f"{page}:{number}")
            lines.append(line if is_code else LINK.sub(target, line))
        return "\n".join(lines) + "\n"

    def _target(self, found: re.Match[str], page: str, place: str, where: str) -> str:
        path = os.path.normpath((PurePosixPath(page).parent / found[1]).as_posix())
        if path not in self._generated and not (ROOT / path).exists():
            raise BrokenLinkError(
                f"{where} links to {found[1]!r}, and there is no {path}. Correct or remove the link."
            )
        return _relative(self._place_of(path), place) + (found[2] or "")

    def _place_of(self, path: str) -> str:
        if path in PAGES_ELSEWHERE:
            return PAGES_ELSEWHERE[path]
        if path.startswith("docs/"):
            return path.removeprefix("docs/")
        if (ROOT / path).is_dir():
            self.folders.add(path)
            self.carried.update(files_in(path))
            return f"{CARRIED}/{path}/index.md"
        self.carried.add(path)
        return f"{CARRIED}/{path}"


def files_in(folder: str) -> list[str]:
    """The files that lie in a folder of the repository, without those of its folders."""
    return sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / folder).iterdir() if path.is_file())


def folder_page(folder: str) -> str:
    """A page that lists the files of a folder."""
    listed = "\n".join(f"- [{Path(name).name}]({Path(name).name})" for name in files_in(folder))
    return f"# {folder}\n\nFiles of the repository.\n\n{listed}\n"


def _lines(text: str) -> Iterator[tuple[int, str, bool]]:
    """Each line with its number from 1, and whether it is code."""
    fence = ""
    for number, line in enumerate(text.splitlines(), 1):
        mark = FENCE.match(line)
        is_code = bool(fence) or mark is not None
        if mark is not None and not fence:
            fence = mark[1]
        elif mark is not None and mark[1] == fence:
            fence = ""
        yield number, line, is_code


def _relative(target: str, place: str) -> str:
    return os.path.relpath(target, PurePosixPath(place).parent)
