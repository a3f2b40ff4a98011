"""GET /: the playground, one page of plain HTML, CSS and ES modules that asks this service and nobody else.

Its files are those of the folder `service/playground`, as they stand there. The page takes no key; what it asks for
takes the key that its reader types.
"""

from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException

from service.security_headers import PAGE_POLICY

router = APIRouter(include_in_schema=False)

_FOLDER: Final = Path(__file__).parents[1] / "playground"
_MEDIA_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_POLICY: Final = f"{PAGE_POLICY}; require-trusted-types-for 'script'; trusted-types 'none'"
"""Beyond what holds for every page, no text can become markup or script."""

# Modules of two releases do not work together: each is asked for with every visit.
_HEADERS: Final = {"Cache-Control": "no-cache"}


@router.get("/")
async def show_playground() -> FileResponse:
    """Show the playground."""
    headers = {**_HEADERS, "Content-Security-Policy": _POLICY}
    return FileResponse(_FOLDER / "index.html", headers=headers, media_type="text/html")


@router.get("/playground/{name}")
async def show_playground_file(name: str) -> FileResponse:
    """Return one of the page's files."""
    media_type = _MEDIA_TYPES.get(Path(name).suffix)
    file = _FOLDER / name
    if media_type is None or file.parent != _FOLDER or not file.is_file():
        raise HTTPException(404, "Not Found")
    return FileResponse(file, headers=_HEADERS, media_type=media_type)
