"""GET /docs: the service's description as a page, Swagger UI.

Its files come from this service, and from fastapi-offline's package there, so that the page works where nothing else
can be reached and runs nobody else's scripts. ReDoc, a second view of the same, is left out.
"""

import hashlib
import re
from base64 import b64encode
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException

router = APIRouter(include_in_schema=False)

_FILES: Final = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")


@router.get("/docs")
async def show_docs() -> Response:
    """Show what the service can be asked for, and try it."""
    # Relative, so that the page is whole behind a proxy that serves it under another path.
    page = get_swagger_ui_html(
        openapi_url="openapi.json",
        title="Trimtab",
        swagger_js_url="docs/swagger-ui-bundle.js",
        swagger_css_url="docs/swagger-ui.css",
        swagger_favicon_url="docs/favicon.png",
    )
    page.headers["Content-Security-Policy"] = _policy(bytes(page.body).decode())
    return page


@router.get("/docs/{name}")
async def show_docs_file(name: str) -> FileResponse:
    """Return one of the page's files."""
    if name not in _FILES:
        raise HTTPException(404, "Not Found")
    return FileResponse(_folder() / name, headers={"Cache-Control": "max-age=86400"})


def _policy(page: str) -> str:
    """Return what the page may load: its files from here, the script in it by its digest, styles in it as they are."""
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digests = (b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src 'self' {allowed}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _folder() -> Path:
    # The package is not imported: it would make apps of its own kind.
    spec = find_spec("fastapi_offline")
    assert spec is not None, "it is a dependency"
    assert spec.origin is not None, "it is a package with files"
    return Path(spec.origin).with_name("static")
