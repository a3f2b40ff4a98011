"""How every error is answered: one table of HTTP statuses and codes, and of each family of clients one form.

Entry points: `install_handlers`, `answer`, `code_of`, `status_of`, `detail_of`, `explained`. The table is read along an
error's ancestors, nearest first.
"""

import json
import logging
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import JsonValue
from starlette.exceptions import HTTPException

import diffusion
import policies.errors as policy_errors
import service.errors as service_errors
import vectors
from policies.errors import PolicyError, choose_from
from service.allowed_methods import allowed_methods
from service.errors import RequestError, ServiceError
from service.families import NATIVE, Family, family_of
from service.observability.trail import current
from service.retry_headers import retry_headers
from service.schemas import POLICY_TAGS, ErrorDetail
from service.security_headers import API_HEADERS

logger = logging.getLogger(__name__)

CLIENT_CLOSED_REQUEST = 499
"""What nginx logs for a client that went away; nobody reads this answer."""

MAX_ECHO_CHARACTERS = 200


@dataclass(frozen=True)
class Refusal:
    """The HTTP status of an error, and the code by which a program tells it from others."""

    status: int
    code: str


REFUSALS: Mapping[type[Exception], Refusal] = {
    policy_errors.ProbabilityError: Refusal(422, "invalid_probabilities"),
    policy_errors.StrengthError: Refusal(422, "strength_out_of_range"),
    policy_errors.ConflictError: Refusal(422, "conflicting_rules"),
    policy_errors.UnknownSetError: Refusal(422, "unknown_set"),
    policy_errors.UnknownMemberError: Refusal(422, "unknown_member"),
    policy_errors.UnknownConceptError: Refusal(422, "unknown_concept"),
    policy_errors.WordError: Refusal(422, "no_words"),
    policy_errors.TooManyCellsError: Refusal(422, "too_many_combinations"),
    policy_errors.NoScreenError: Refusal(422, "no_screen"),
    policy_errors.UnknownCategoryError: Refusal(422, "unknown_category"),
    policy_errors.FloorError: Refusal(422, "against_the_floor"),
    policy_errors.FloorUnmetError: Refusal(503, "floor_unmet"),
    service_errors.EmptyPromptError: Refusal(422, "empty_prompt"),
    service_errors.OverlongPromptError: Refusal(422, "overlong_prompt"),
    service_errors.TooManyImagesError: Refusal(422, "too_many_images"),
    service_errors.TooManyStepsError: Refusal(422, "too_many_steps"),
    service_errors.ImpossibleStepsError: Refusal(422, "impossible_steps"),
    service_errors.TooFewStepsError: Refusal(422, "too_few_steps"),
    service_errors.TooLittleGuidanceError: Refusal(422, "too_little_guidance"),
    service_errors.SchedulerNotAllowedError: Refusal(422, "scheduler_not_allowed"),
    service_errors.UnknownSchedulerError: Refusal(422, "unknown_scheduler"),
    service_errors.ImpossibleSizeError: Refusal(422, "impossible_size"),
    service_errors.ImageTooLargeError: Refusal(422, "image_too_large"),
    service_errors.UnknownPolicyError: Refusal(422, "unknown_policy"),
    service_errors.UnknownVectorError: Refusal(404, "unknown_vector"),
    service_errors.NotReadyError: Refusal(503, "not_ready"),
    service_errors.LoadFailedError: Refusal(503, "load_failed"),
    service_errors.UnsteeredImageError: Refusal(500, "unsteered_image"),
    service_errors.ScreenFailedError: Refusal(500, "screen_failed"),
    service_errors.EngineDownError: Refusal(503, "engine_failed"),
    service_errors.StateUnavailableError: Refusal(503, "state_unavailable"),
    diffusion.QueueFullError: Refusal(429, "queue_full"),
    diffusion.DeadlineExceeded: Refusal(504, "deadline_exceeded"),
    diffusion.OutOfMemoryError: Refusal(507, "out_of_memory"),
    diffusion.NonFiniteError: Refusal(500, "not_an_image"),
    diffusion.EngineFailedError: Refusal(503, "engine_failed"),
    diffusion.GenerationCancelled: Refusal(CLIENT_CLOSED_REQUEST, "cancelled"),
    vectors.VectorError: Refusal(500, "vector_unavailable"),
    service_errors.UnknownJobError: Refusal(404, "unknown_job"),
    service_errors.OtherModelError: Refusal(409, "other_base_model"),
    service_errors.UnreadablePlanError: Refusal(409, "unreadable_plan"),
    service_errors.ConflictingOptionsError: Refusal(422, "conflicting_options"),
    service_errors.UnknownModelError: Refusal(404, "model_not_found"),
    service_errors.AllBlockedError: Refusal(400, "moderation_blocked"),
    service_errors.UnknownPictureError: Refusal(404, "unknown_picture"),
    service_errors.UnusableKeyError: Refusal(422, "unusable_idempotency_key"),
    service_errors.KeyReusedError: Refusal(422, "idempotency_key_reused"),
    service_errors.StillRunningError: Refusal(409, "still_running"),
    policy_errors.NotAllowedError: Refusal(403, "concept_not_allowed"),
    service_errors.MissingKeyError: Refusal(401, "missing_key"),
    service_errors.UnknownKeyError: Refusal(401, "unknown_key"),
    service_errors.EndedKeyError: Refusal(401, "ended_key"),
    service_errors.MissingRoleError: Refusal(403, "missing_role"),
    service_errors.UnknownTenantError: Refusal(403, "unknown_tenant"),
    RequestValidationError: Refusal(422, "invalid_request"),
    Exception: Refusal(500, "internal_error"),
    service_errors.UnknownPlaceError: Refusal(422, "unknown_place"),
    service_errors.AllowanceExceeded: Refusal(429, "allowance_exceeded"),
    service_errors.JobQueueFullError: Refusal(429, "job_queue_full"),
    service_errors.UnknownBlobError: Refusal(500, "vector_unavailable"),
    service_errors.UnsoundVectorError: Refusal(422, "unsound_vector"),
    service_errors.MisfitVectorError: Refusal(422, "vector_does_not_fit"),
    service_errors.VectorRangeError: Refusal(422, "vector_out_of_range"),
    service_errors.AgainstPoliciesError: Refusal(409, "against_policies"),
    service_errors.NeededVectorError: Refusal(409, "vector_needed"),
    service_errors.PolicyReloadError: Refusal(409, "policies_not_reloaded"),
    service_errors.TracingError: Refusal(500, "traces_not_sent"),
    service_errors.UnknownHostError: Refusal(421, "unknown_host"),
    service_errors.ForeignOriginError: Refusal(403, "foreign_origin"),
    service_errors.AuditLogError: Refusal(503, "audit_log_unusable"),
    service_errors.AuditUnavailableError: Refusal(503, "audit_unavailable"),
    service_errors.CredentialsError: Refusal(503, "credentials_unusable"),
    service_errors.NotFiniteError: Refusal(422, "not_finite"),
    service_errors.TooMuchWorkError: Refusal(422, "too_much_work"),
    service_errors.TooMuchTimeError: Refusal(422, "too_much_time"),
    service_errors.ShuttingDownError: Refusal(503, "shutting_down"),
    service_errors.OutOfTimeError: Refusal(504, "deadline_exceeded"),
    service_errors.TooManyConnectionsError: Refusal(503, "too_many_connections"),
}

# What pydantic and FastAPI find before any of our code runs, where a code of its own says more.
VALIDATION_REFUSALS: Mapping[str, Refusal] = {
    "json_invalid": Refusal(400, "malformed_json"),
    "missing": Refusal(422, "missing_field"),
    "extra_forbidden": Refusal(422, "unknown_field"),
    "string_too_long": Refusal(422, "overlong_prompt"),
}

# What the framework refuses on its own: bodies and addresses.
HTTP_CODES: Mapping[int, str] = {
    400: "unreadable_body",
    404: "unknown_address",
    405: "wrong_method",
    408: "body_too_slow",
    413: "body_too_large",
}


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
        logger.error("A request to %r failed.", path, exc_info=error)
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
            cure="GET /docs describes the routes and what they take.",
        )
    refusal = _refusal(error)
    if isinstance(error, PolicyError):
        return refusal.status, _detail(refusal, error, field=family.name_of(f"policy.{error.field}"))
    if isinstance(error, ServiceError):
        return refusal.status, _detail(refusal, error, field=family.name_of(error.field))
    internal = refusal.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return refusal.status, ErrorDetail(
        code=refusal.code,
        message="The service failed on this request." if internal else str(error),
        field=None,
        value=None,
        cure="Report it with the time: the service's log says why." if internal else "Change the request.",
    )


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
