"""Building the site: the builder, Zensical, on assembled sources; any warning of it is an error.

Entry points: `build`, `serve`, `description`.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from docs_site.assemble import assemble
from docs_site.errors import BuildError
from docs_site.places import CONFIG, DOCS, PAGES_ELSEWHERE, ROOT, SITE, SOURCE

LOOK_AGAIN_S = 0.5
ZENSICAL = (sys.executable, "-m", "zensical")


def description() -> dict[str, Any]:
    """The OpenAPI document of a service with default settings."""
    from service.app import create_app
    from service.settings import Settings

    return create_app(Settings()).openapi()


def build(described: dict[str, Any]) -> Path:
    """Assemble and build all anew; gives the folder of the site. Raises DocsError."""
    assemble(SOURCE, described)
    shutil.rmtree(SITE, ignore_errors=True)
    done = subprocess.run(
        [*ZENSICAL, "build", "--clean", "--strict", "--config-file", CONFIG],
        cwd=ROOT,
        env=os.environ | {"NO_COLOR": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise BuildError(f"The site was not built:\n{done.stdout}{done.stderr}")
    return SITE


def serve(described: dict[str, Any], address: str) -> None:
    """Serve the site at `host:port` until interrupted; what is changed in docs/ is there at the next look."""
    assemble(SOURCE, described)
    process = subprocess.Popen([*ZENSICAL, "serve", "--config-file", CONFIG, "--dev-addr", address], cwd=ROOT)
    try:
        seen = _state()
        while process.poll() is None:
            time.sleep(LOOK_AGAIN_S)
            if (now := _state()) != seen:
                seen = now
                assemble(SOURCE, described)
    finally:
        process.terminate()
        process.wait()


def _state() -> dict[Path, int]:
    pages = [*DOCS.rglob("*"), *(ROOT / name for name in PAGES_ELSEWHERE)]
    return {path: path.stat().st_mtime_ns for path in pages if path.is_file()}
