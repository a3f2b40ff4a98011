"""What GET /openapi.json says beyond what FastAPI reads from the routes: the limits, and every refusal in its form.

Entry point: `describe`. Which statuses an operation can be answered with follows from what it is: whether it takes a
key, a body or parameters, and whether it makes images. What a route declares of its own keeps its description.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from service.families import FAMILIES, NATIVE, family_of
from service.routes.once import MAX_KEY_CHARACTERS
from service.settings import Settings

Json: TypeAlias = dict[str, Any]

_REF: Final = "#/components/schemas/{model}"

_IMAGE_MAKERS: Final = frozenset({"images", "clients that exist"})
"""The tags of routes that answer a POST with images."""

_ALWAYS_SERVED: Final = frozenset({"/metrics"})
"""What is answered whatever has become of the model."""

_DESCRIPTIONS: Final[Mapping[int, str]] = {
    400: "The body cannot be read.",
    401: "There is no key, or none that opens.",
    403: "The key may not do this.",
    404: "What the request names is not there.",
    408: "The body has not come in in time.",
    409: "The same request is being answered; see Retry-After.",
    413: "The body is too large.",
    422: "The request cannot be followed.",
    429: "Too much is asked for at once; see Retry-After.",
    500: "The service failed. No image that its policy does not allow is served instead.",
    503: "It cannot be served now; see Retry-After.",
    504: "It was not made in time.",
    507: "It does not fit into the accelerator's memory.",
}

_RETRYABLE: Final = frozenset({409, 429, 503})

_RETRY_AFTER: Final[Json] = {
    "Retry-After": {
        "description": "Seconds after which to try again.",
        "schema": {"type": "integer", "minimum": 0},
    }
}

_IDEMPOTENCY_KEY: Final[Json] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A request that is sent twice with one key is made once.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_CHARACTERS},
}

_WWW_AUTHENTICATE: Final[Json] = {"WWW-Authenticate": {"schema": {"type": "string"}, "required": True}}


def describe(app: FastAPI, settings: Settings, max_body_bytes: int) -> None:
    """Have the app describe itself with its limits, every status that it answers, and every body as it is."""
    app.description = _limits(settings, max_body_bytes)

    def openapi() -> Json:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _described(app: FastAPI) -> Json:
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
        openapi_version="3.1.0",
    )
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            makes_images = method == "post" and not _IMAGE_MAKERS.isdisjoint(operation.get("tags", ()))
            if makes_images or (path, method) == ("/jobs", "post"):
                operation["parameters"] = [_IDEMPOTENCY_KEY]
            _declare(operation, path, makes_images=makes_images)
    schemas = document["components"]["schemas"]
    models = {family.error_model for family in (NATIVE, *FAMILIES)}
    _, errors = models_json_schema([(model, "serialization") for model in models], ref_template=_REF)
    schemas.update(errors["$defs"])
    # FastAPI's form of a refusal, which nothing here is answered in.
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    return document


def _declare(operation: Json, path: str, *, makes_images: bool) -> None:
    """Add the refusals of an operation, and give those that it declares its family's form."""
    responses: Json = operation["responses"]
    for status in _statuses(operation, path, makes_images=makes_images):
        responses.setdefault(str(status), {})
    model = family_of(path).error_model.__name__
    for code, response in responses.items():
        status = int(code)
        if status < 400:
            continue
        if response.get("description", "Validation Error") == "Validation Error":
            response["description"] = _DESCRIPTIONS[status]
        response["content"] = {"application/json": {"schema": {"$ref": _REF.format(model=model)}}}
        if status in _RETRYABLE:
            response["headers"] = _RETRY_AFTER
        if status == 401:
            response["headers"] = _WWW_AUTHENTICATE
    operation["responses"] = dict(sorted(responses.items()))


def _statuses(operation: Json, path: str, *, makes_images: bool) -> Iterator[int]:
    if operation.get("security"):
        yield from (401, 403)
    if "requestBody" in operation:
        yield from (400, 408, 413, 422)
    if operation.get("parameters"):
        yield 422
    if makes_images:
        yield from (404, 409, 429, 500, 504, 507)
    if path not in _ALWAYS_SERVED:
        yield 503


def _limits(settings: Settings, max_body_bytes: int) -> str:
    """Return the limits of requests under these settings, as Markdown."""
    limits = (
        f"a body of {max_body_bytes // 1024} KiB, sent within {settings.body_timeout_s:g} s",
        f"{settings.max_images} images, of {settings.max_pixels} pixels and {settings.max_steps} steps each",
        f"images x height x width x steps within {settings.max_pixel_steps}",
        f"{settings.timeout_s:g} s where it names no `timeout_s`, and at most {settings.max_timeout_s:g} s",
        f"{settings.max_waiting} images that wait, of all requests together: beyond them the answer is 429, and "
        "`Retry-After` says when there will be room",
    )
    return "A request is within these limits:\n\n" + "\n".join(f"- {limit}" for limit in limits)
