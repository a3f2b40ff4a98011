"""The library: a directory of published vectors, <root>/<concept>/<version>.safetensors.

Versions count from 1, are never overwritten and their numbers never given twice. Entry points:
`VectorLibrary` and `shipped_library`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vectors.concept import ConceptVector
from vectors.errors import (
    InvalidReferenceError,
    UnknownConceptError,
    UnknownVersionError,
    VectorError,
    VectorFormatError,
)
from vectors.file_format import (
    SUFFIX,
    TEMPORARY_SUFFIX,
    content_of,
    load_vector,
    read_vector,
    staged,
    sync_folder,
)
from vectors.names import Reference, is_concept_name, parsed_version
from vectors.sets import DEFAULT_SETS, ConceptSet, read_sets, write_sets

SETS_FILE = "sets.yaml"

# An empty file that keeps a deleted version's number from being given again: audit records name versions.
_DELETED_SUFFIX = ".deleted"


@dataclass(frozen=True)
class StoredVector:
    """A vector as it is published in a library."""

    name: str
    version: int
    path: Path
    vector: ConceptVector

    @property
    def reference(self) -> str:
        """The one way to name exactly this vector, such as "woman@2"."""
        return str(Reference(self.name, self.version))

    @property
    def digest(self) -> str:
        """The vector's digest."""
        return self.vector.digest


@dataclass(frozen=True)
class Finding:
    """What `VectorLibrary.verify` found out about one file: a problem, or None where it is sound."""

    path: Path
    problem: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the file is sound."""
        return self.problem is None


class VectorLibrary:
    """Published vectors under `root`, which need not exist before something is published.

    Every call reads the directory anew, so that several processes may publish to it and read from it.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def publish(self, vector: ConceptVector) -> StoredVector:
        """Store `vector` as its concept's next version.

        The version appears at once and whole; processes that publish at the same time get different numbers.
        Raises OSError where the disk refuses.
        """
        folder = self.root / vector.concept
        folder.mkdir(parents=True, exist_ok=True)
        with staged(content_of(vector), folder) as temporary:
            while True:
                version = max(self._numbers(vector.concept, SUFFIX, _DELETED_SUFFIX), default=0) + 1
                path = folder / f"{version}{SUFFIX}"
                try:
                    # A link, unlike a rename, fails where another process took the number first.
                    os.link(temporary, path)
                except FileExistsError:
                    continue
                break
        sync_folder(folder)
        return StoredVector(vector.concept, version, path, vector)

    def adopt(self, content: bytes, version: int) -> StoredVector:
        """Keep a vector's file, byte by byte, as this very version; one that is there is replaced.

        It need not survive a power cut, since what is adopted is kept elsewhere. Raises VectorFormatError where it is
        no sound one, InvalidReferenceError for a number that no version has, OSError where the disk refuses.
        """
        vector = read_vector(content, f"the file of version {version}")
        if parsed_version(str(version)) is None:
            raise InvalidReferenceError(f"{vector.concept}@{version}", "versions count from 1")
        path = self._path(vector.concept, version)
        path.parent.mkdir(parents=True, exist_ok=True)
        with staged(content, path.parent, is_synced=False) as temporary:
            os.replace(temporary, path)
        return StoredVector(vector.concept, version, path, vector)

    def names(self) -> Sequence[str]:
        """The concepts with at least one version, in alphabetical order."""
        if not self.root.is_dir():
            return []
        return sorted(folder.name for folder in self.root.iterdir() if self.versions(folder.name))

    def versions(self, name: str) -> Sequence[int]:
        """The versions of a concept, oldest first; none for a concept that is not here."""
        return sorted(self._numbers(name, SUFFIX))

    def resolve(self, reference: str) -> StoredVector:
        """Load what "woman" (the latest version) or "woman@2" names.

        Raises InvalidReferenceError, UnknownConceptError or UnknownVersionError where it names nothing, and
        VectorFormatError where its file is unsound.
        """
        return self._load(*self._located(Reference.parse(reference)))

    def list(self, *, all_versions: bool = False) -> Sequence[StoredVector]:
        """Load the latest version of each concept, or every version, by concept and version."""
        return [
            self._load(name, version)
            for name in self.names()
            for version in (self.versions(name) if all_versions else self.versions(name)[-1:])
        ]

    def delete(self, reference: str) -> None:
        """Remove one version, named in full ("woman@2"); its number is not given again.

        Works on an unsound file too. Raises as `resolve` does for a reference that names no one version.
        """
        parsed = Reference.parse(reference)
        if parsed.version is None:
            raise InvalidReferenceError(reference, "deleting needs the version in full")
        path = self._path(*self._located(parsed))
        path.with_suffix(_DELETED_SUFFIX).touch()
        path.unlink(missing_ok=True)

    def sets(self) -> Mapping[str, ConceptSet]:
        """The concept sets by name: the default ones, and those of <root>/sets.yaml, which win.

        Raises InvalidSetError where that file is malformed.
        """
        own = self.root / SETS_FILE
        return {**DEFAULT_SETS, **(read_sets(own) if own.exists() else {})}

    def define_set(self, defined: ConceptSet) -> None:
        """Keep a concept set in <root>/sets.yaml, beside the ones that are there; one of the same name is replaced.

        Raises InvalidSetError where that file is malformed, OSError where the disk refuses.
        """
        own = self.root / SETS_FILE
        known = (read_sets(own) if own.exists() else {}) | {defined.name: defined}
        self.root.mkdir(parents=True, exist_ok=True)
        write_sets(known.values(), own)

    def verify(self) -> Sequence[Finding]:
        """Read every file that is or looks like part of the library; one finding for each."""
        files = sorted(path for path in self.root.rglob("*") if not path.is_dir())
        return [finding for path in files if (finding := self._finding(path))]

    def _numbers(self, name: str, *suffixes: str) -> set[int]:
        # The rule for names keeps "..", separators and the like from ever reaching the file system.
        if not is_concept_name(name):
            return set()
        files = (self.root / name).glob("*")
        return {number for file in files if file.suffix in suffixes and (number := parsed_version(file.stem))}

    def _located(self, reference: Reference) -> tuple[str, int]:
        versions = self.versions(reference.concept)
        if not versions:
            raise UnknownConceptError(reference.concept, self.names(), self.root)
        if reference.version is None:
            return reference.concept, versions[-1]
        if reference.version not in versions:
            raise UnknownVersionError(reference.concept, reference.version, versions, self.root)
        return reference.concept, reference.version

    def _path(self, name: str, version: int) -> Path:
        return self.root / name / f"{version}{SUFFIX}"

    def _load(self, name: str, version: int) -> StoredVector:
        path = self._path(name, version)
        vector = load_vector(path)
        if vector.concept != name:
            raise VectorFormatError(
                path,
                f"holds the concept {vector.concept!r}, but lies among the versions of {name!r}; "
                "publish it under its own name instead of copying files.",
            )
        return StoredVector(name, version, path, vector)

    def _finding(self, path: Path) -> Finding | None:
        name, version = path.parent.name, parsed_version(path.stem)
        try:
            if path == self.root / SETS_FILE:
                read_sets(path)
            elif path.suffix == TEMPORARY_SUFFIX:
                return Finding(
                    path, "an interrupted write; delete it unless something is being published now."
                )
            elif path.suffix != SUFFIX:
                return None
            elif version and is_concept_name(name) and path == self._path(name, version):
                self._load(name, version)
            else:
                return Finding(path, "is not at <concept>/<version>.safetensors and never used; publish it.")
        except VectorError as error:
            return Finding(path, str(error).removeprefix(f"{path}: "))
        return Finding(path)


def shipped_library() -> VectorLibrary:
    """The vectors that come with Trimtab, learned on the demo model."""
    return VectorLibrary(Path(__file__).parent / "shipped")
