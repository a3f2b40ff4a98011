"""The run directory: every picture of an evaluation with where it comes from, so that none is made twice.

    settings.json         what all pictures have in common
    pictures/<key>.png    the pictures
    pictures-<n>.jsonl    of each picture a line: how it was made, by process n

Entry points: `RunStore`, `open_run`.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from diffusion.processes import ALONE, Processes
from evaluation.errors import OtherSettingsError, RunStoreError

_SETTINGS = "settings.json"
_METHODS = "methods"


class RunStore:
    """The pictures under `root`, by their keys.

    A picture is written to a temporary file that is renamed, and counts once its line is there too: whatever
    happens in between, it is made again or whole. Several processes may write, each to a file of lines of its own.
    """

    def __init__(self, root: Path, process: int = 0) -> None:
        self._pictures = root / "pictures"
        self._lines = root / f"pictures-{process}.jsonl"
        self._root = root
        self._digests: dict[str, str] = {}
        self.read_again()

    def read_again(self) -> None:
        """Learn which pictures other processes have made; one whose file is missing or damaged does not count."""
        for lines in sorted(self._root.glob("pictures-*.jsonl")):
            for line in _lines(lines):
                path = self._path(line["key"])
                if line["key"] not in self and path.exists() and _digest(path.read_bytes()) == line["digest"]:
                    self._digests[line["key"]] = line["digest"]

    def __contains__(self, key: str) -> bool:
        return key in self._digests

    def save(self, key: str, image: Image.Image, provenance: Mapping[str, Any]) -> None:
        """Keep a picture and how it was made, unless it is there already. Raises OSError where the disk refuses."""
        if key in self:
            return
        file = io.BytesIO()
        image.save(file, format="PNG")
        self._pictures.mkdir(parents=True, exist_ok=True)
        _write(self._path(key), file.getvalue())
        digest = _digest(file.getvalue())
        line = json.dumps({"key": key, "digest": digest, **provenance}) + "\n"
        with self._lines.open("ab+") as lines:
            lines.seek(0, os.SEEK_END)
            if lines.tell():  # an interrupted line must not swallow this one
                lines.seek(-1, os.SEEK_END)
                line = line if lines.read(1) == b"\n" else f"\n{line}"
            lines.write(line.encode())
        self._digests[key] = digest

    def load(self, key: str) -> Image.Image:
        """Return a picture that is there."""
        with Image.open(self._path(key)) as image:
            return image.convert("RGB")

    def _path(self, key: str) -> Path:
        return self._pictures / f"{key}.png"


@contextmanager
def open_run(
    root: Path | None, settings: Mapping[str, Any], processes: Processes = ALONE
) -> Iterator[RunStore]:
    """Open the run directory of an evaluation with these settings, or one that is gone after the block.

    `settings` are JSON-able; of "methods" in it, name -> settings, a later run may have others too. Raises
    OtherSettingsError where the directory holds pictures of other settings, and RunStoreError where it is
    something else, or where several processes have no directory to share.
    """
    if root is not None:
        wanted = _agreed(root, json.loads(json.dumps(settings)))
        processes.wait_for_everyone()  # each has seen the directory before any of them writes to it
        if processes.is_main:
            root.mkdir(parents=True, exist_ok=True)
            _write(root / _SETTINGS, f"{json.dumps(wanted, indent=2)}\n".encode())
        yield RunStore(root, processes.index)
    elif processes.count > 1:
        raise RunStoreError(
            f"{processes.count} processes share their pictures through a directory: give one with --out"
        )
    else:
        with tempfile.TemporaryDirectory(prefix="trimtab-") as folder:
            yield RunStore(Path(folder))


def _agreed(root: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """See that a directory is this evaluation's; return its settings, with all methods it has had."""
    path = root / _SETTINGS
    if path.exists():
        known = _read_settings(path)
        _check_same(root, known, settings)
        return {**settings, _METHODS: known.get(_METHODS, {}) | settings.get(_METHODS, {})}
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise RunStoreError(f"{root} is no run directory and not empty: give a new or an empty one")
    return settings


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunStoreError(f"{path} cannot be read: {error}; give another directory") from error
    if not isinstance(known, dict):
        raise RunStoreError(f"{path} holds no settings; give another directory")
    return known


def _check_same(root: Path, known: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Raise OtherSettingsError unless both agree; methods may be added."""
    old, new = _flat(known), _flat(settings)
    added = set(known.get(_METHODS, {})) ^ set(settings.get(_METHODS, {}))
    differences = [
        f"{name.replace('/', ' ')} was {old.get(name, 'not set')} and is {new.get(name, 'not set')}"
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
        and not any(name.startswith(f"{_METHODS}/{method}/") for method in added)
    ]
    if differences:
        raise OtherSettingsError(root, differences)


def _flat(settings: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return nested settings by their paths, "sampling/guidance_scale"."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= _flat(value, f"{above}{name}/") if isinstance(value, dict) else {f"{above}{name}": value}
    return flat


def _lines(path: Path) -> list[dict[str, str]]:
    """Return the whole lines of a file; one that was cut off by an interruption is passed over."""
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and {"key", "digest"} <= set(entry):
            found.append(entry)
    return found


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
