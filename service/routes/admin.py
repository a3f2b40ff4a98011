"""/admin: publish and retire vectors, and have the policies read again, for all replicas and without a restart."""

import logging
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.concurrency import run_in_threadpool

from service.callers import Caller
from service.catalogue import Catalogue
from service.catalogue_version import CatalogueVersion
from service.dependencies import CallerOf, ReadyCatalogue, ReadyGeneration, needs
from service.schemas import (
    CatalogueEntry,
    CatalogueResponse,
    ErrorResponse,
    ReloadedResponse,
    RetiredResponse,
)

logger = logging.getLogger(__name__)

UPLOAD_PATH = "/admin/vectors"

router = APIRouter(
    prefix="/admin",
    tags=["admin"],
    dependencies=[needs("admin")],
    responses={
        503: {"model": ErrorResponse, "description": "The shared state cannot be reached; nothing changed."}
    },
)

_FILE = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


@router.get("/vectors")
def list_versions(catalogue: ReadyCatalogue) -> CatalogueResponse:
    """List all versions of all vectors, as the answering replica knows them."""
    return CatalogueResponse(
        revision=catalogue.revision, vectors=tuple(_entry(version) for version in catalogue.versions())
    )


@router.post(
    "/vectors",
    status_code=201,
    openapi_extra={"requestBody": {"required": True, "content": _FILE}},
    responses={
        409: {"model": ErrorResponse, "description": "A configured policy could not be followed with it."},
        413: {"model": ErrorResponse, "description": "The file is too large."},
        422: {"model": ErrorResponse, "description": "The file is not sound, or does not fit."},
    },
)
async def publish(request: Request, caller: CallerOf, catalogue: ReadyCatalogue) -> CatalogueEntry:
    """Publish a vector's .safetensors file, sent as the body, as the next version of its concept.

    New requests get it on every replica within a second. The file that is the latest version already is not published
    anew.
    """
    # Read here and not by a parameter, so that nothing is read of what a caller may not send.
    content = await request.body()
    version = await run_in_threadpool(catalogue.publish, content)
    _note(f"{version.reference} was published", caller)
    return _entry(version)


_RETIRING: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorResponse},
    409: {"model": ErrorResponse, "description": "A configured policy could not be followed without it."},
}


@router.delete("/vectors/{name}", responses=_RETIRING)
def retire(name: str, caller: CallerOf, catalogue: ReadyCatalogue) -> RetiredResponse:
    """Retire every version of a vector: new requests do not get it, on any replica, within a second."""
    return _retired(name, catalogue.retire(name), caller, catalogue)


@router.delete("/vectors/{name}/{version}", responses=_RETIRING)
def retire_version(
    name: str, version: Annotated[int, Path(ge=1)], caller: CallerOf, catalogue: ReadyCatalogue
) -> RetiredResponse:
    """Retire one version: where it is served, the one before it is served again."""
    return _retired(name, catalogue.retire(name, version), caller, catalogue)


@router.post(
    "/policies/reload",
    responses={
        409: {"model": ErrorResponse, "description": "Something is wrong with them; nothing changed."}
    },
)
def reload_policies(
    caller: CallerOf, catalogue: ReadyCatalogue, generation: ReadyGeneration
) -> ReloadedResponse:
    """Read the policy folder and the configuration file again, on every replica, and check all as at the start."""
    waiting = catalogue.reload_policies()
    _note("The policies were read again", caller)
    return ReloadedResponse(policies=tuple(generation.loaded.policies.named), waiting=tuple(waiting))


def _retired(
    name: str, versions: Sequence[CatalogueVersion], caller: Caller, catalogue: Catalogue
) -> RetiredResponse:
    references = tuple(version.reference for version in versions)
    _note(f"{', '.join(references) or f'Nothing more of {name}'} was retired", caller)
    return RetiredResponse(retired=references, served=catalogue.served(name))


def _note(what: str, caller: Caller) -> None:
    """Keep in the log who changed what."""
    logger.info("%s by %s.", what, "anyone" if caller.key_id is None else f"the key {caller.key_id}")


def _entry(version: CatalogueVersion) -> CatalogueEntry:
    entry = version.entry
    return CatalogueEntry(
        concept=version.name,
        version=version.version,
        state=version.state,
        digest=None if entry is None else entry.digest,
        published_s=None if entry is None else entry.published_s,
        problem=version.problem,
    )
