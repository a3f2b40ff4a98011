"""How every error is answered: by the table in `service.refusals`, and of each family of clients in one form.

Entry points: `install_handlers`, `answer`, `code_of`, `status_of`, `detail_of`, `explained`.
"""

import json
import logging
import math
import reprlib
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import JsonValue
from starlette.exceptions import HTTPException

import diffusion
from policies.errors import PolicyError, choose_from
from service.allowed_methods import allowed_methods
from service.errors import RequestError, ServiceError
from service.families import NATIVE, Family, family_of
from service.observability.trail import current
from service.refusals import HTTP_CODES, HTTP_CURES, REFUSALS, VALIDATION_REFUSALS, Refusal
from service.retry_headers import retry_headers
from service.schemas import POLICY_TAGS, ErrorDetail
from service.security_headers import API_HEADERS

logger = logging.getLogger(__name__)

MAX_ECHO_CHARACTERS = 200


def install_handlers(app: FastAPI) -> None:
    """Answer every error of this app with an ErrorResponse."""
    app.add_exception_handler(HTTPException, answer)
    for error in REFUSALS:
        app.add_exception_handler(error, answer)


def code_of(error: Exception) -> str:
    """Return the code by which an error is answered and counted."""
    return detail_of(error).code


def status_of(code: str) -> int:
    """Return the status that an error of this code is answered with, where its code is all that is left of it."""
    known = {refusal.code: refusal.status for refusal in (*VALIDATION_REFUSALS.values(), *REFUSALS.values())}
    return known.get(code, HTTPStatus.INTERNAL_SERVER_ERROR.value)


def explained(error: Exception, path: str) -> tuple[int, ErrorDetail]:
    """Return the status and the content of the answer at this address, and log what is a fault of the service."""
    family = family_of(path)
    status, detail = _explained(error, family)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, ServiceError):
        # Its address may be a picture's secret, or have a key in it: the line of its end has the id and the route.
        logger.error("A request failed.", exc_info=error)
    if isinstance(error, RequestError | PolicyError | RequestValidationError):
        status = family.statuses.get(status, status)
    return status, detail


def detail_of(error: Exception) -> ErrorDetail:
    """Return what is said of an error, to whoever is told of it."""
    return _explained(error, NATIVE)[1]


async def answer(request: Request, error: Exception) -> Response:
    """Return an error as the clients that ask at this address read it."""
    path = request.url.path
    status, detail = explained(error, path)
    current().outcome = detail.code
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = ", ".join(["Bearer", *family_of(path).challenges])
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = allowed_methods(request.app.routes, request.scope)
    # Written in ASCII: a value may hold what UTF-8 cannot, such as half of a surrogate pair.
    body = json.dumps(family_of(path).error(status, detail), ensure_ascii=True)
    # What fails unforeseen is answered outside the middleware that adds them.
    headers = {**API_HEADERS, **headers, **retry_headers(error)}
    return Response(body, status, headers, media_type="application/json")


def _explained(error: Exception, family: Family) -> tuple[int, ErrorDetail]:
    """Return the status and the body's content."""
    if isinstance(error, RequestValidationError):
        return _explained_validation(error, family)
    if isinstance(error, HTTPException):
        return error.status_code, ErrorDetail(
            code=HTTP_CODES.get(error.status_code, "refused"),
            message=f"{error.detail.rstrip('.')}.",
            field=None,
            value=None,
            cure=HTTP_CURES.get(error.status_code, "GET /docs describes the routes and what they take."),
        )
    refusal = _refusal(error)
    if isinstance(error, PolicyError):
        return refusal.status, _detail(refusal, error, field=family.name_of(f"policy.{error.field}"))
    if isinstance(error, ServiceError):
        return refusal.status, _detail(refusal, error, field=family.name_of(error.field))
    if isinstance(error, diffusion.QueueFullError):
        return refusal.status, _explained_full(refusal, error, family)
    internal = refusal.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return refusal.status, ErrorDetail(
        code=refusal.code,
        message="The service failed on this request." if internal else str(error),
        field=None,
        value=None,
        cure=_cure(error) if internal else "Change the request.",
    )


def _explained_full(refusal: Refusal, error: diffusion.QueueFullError, family: Family) -> ErrorDetail:
    """Explain a full queue: one that will have room, or one that never has so much."""
    if error.requested > error.limit:
        field, cure = family.name_of("num_images"), f"Ask for at most {error.limit} images at once."
    else:
        field, cure = None, f"Try again in {math.ceil(error.retry_after_s or 1)} seconds."
    return ErrorDetail(code=refusal.code, message=str(error), field=field, value=error.requested, cure=cure)


def _cure(error: Exception) -> str:
    """Say what to do about a failure whose text is for the service's log alone."""
    match error:
        case diffusion.OutOfMemoryError():
            return "Ask for a smaller picture."
        case diffusion.EngineFailedError():
            return "Try again: the engine begins anew."
        case _:
            return "Report it with the time: the service's log says why."


def _explained_validation(error: RequestValidationError, family: Family) -> tuple[int, ErrorDetail]:
    """Explain the first problem that pydantic found; the others show when it is cured."""
    problem: Mapping[str, Any] = error.errors()[0]
    field = _field(problem["loc"])
    cause = problem.get("ctx", {}).get("error")
    if isinstance(cause, PolicyError | ServiceError):
        refusal = _refusal(cause)
        return refusal.status, _detail(refusal, cause, field=field or cause.field)
    refusal = VALIDATION_REFUSALS.get(problem["type"], REFUSALS[RequestValidationError])
    value = _echo(problem["input"])
    cure = f"{problem['msg']}."
    match problem["type"]:
        case "json_invalid":
            message = f"The body is not JSON: {cause} at character {problem['loc'][-1]}."
            field, value, cure = None, None, "Send a JSON object."
        case "missing":
            message = f"{field} is missing." if field else "The body is missing."
            value, cure = None, f"Give {field}." if field else "Send a JSON object."
        case "extra_forbidden":
            message = f"{field} is not a field."
            cure = _known_fields(str(field), family)
        case "model_attributes_type" if field is None:
            message = "The body is not a JSON object."
            cure = "Send a JSON object with Content-Type: application/json."
        case _:
            message = f"{field} cannot be {json.dumps(value)}."
    return refusal.status, ErrorDetail(
        code=refusal.code, message=message, field=field, value=value, cure=cure
    )


def _known_fields(field: str, family: Family) -> str:
    """Say which field is meant by a name in the family's own part of the body; elsewhere that there is none."""
    within, name = field.startswith(family.inside), field.removeprefix(family.inside)
    if not within or "." in name:
        return "Remove it; GET /docs lists the fields."
    return choose_from(name, family.fields)


def _refusal(error: Exception) -> Refusal:
    return next(REFUSALS[kind] for kind in type(error).__mro__ if kind in REFUSALS)


def _detail(refusal: Refusal, error: PolicyError | ServiceError, *, field: str | None) -> ErrorDetail:
    return ErrorDetail(
        code=refusal.code, message=error.problem, field=field, value=_echo(error.value), cure=error.cure
    )


def _field(place: Sequence[int | str]) -> str | None:
    """Return a place in the body as a path: ("body", "policy", tag, "safety", 0) is "policy.safety.0"."""
    _, *path = place
    return ".".join(str(part) for part in path if part not in POLICY_TAGS) or None


def _echo(value: object) -> JsonValue:
    """Return the value as it was given, or its beginning as text where it is long or not JSON."""
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        text = repr(value)
    except RecursionError:  # as deep as the parser's stack allows, and the writer's does not
        text = reprlib.repr(value)
    else:
        if len(text) <= MAX_ECHO_CHARACTERS:
            parsed: JsonValue = json.loads(text)
            return parsed
    return text if len(text) <= MAX_ECHO_CHARACTERS else f"{text[:MAX_ECHO_CHARACTERS]}…"
