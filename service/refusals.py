"""What each error is answered with: one table of HTTP statuses and codes.

Entry points: `Refusal`, `REFUSALS`, read along an error's ancestors, nearest first; `VALIDATION_REFUSALS`,
`HTTP_CODES` and `HTTP_CURES` for what the framework finds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fastapi.exceptions import RequestValidationError

import diffusion
import policies.errors as policy_errors
import service.errors as service_errors
import vectors

CLIENT_CLOSED_REQUEST = 499
"""What nginx logs for a client that went away; nobody reads this answer."""


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

HTTP_CURES: Mapping[int, str] = {
    400: "Send the body as GET /docs describes it.",
    405: "Ask by a method that the header Allow names.",
    408: "Send the whole body sooner; where it was sent at once, see what holds it up on the way.",
    413: "Send a smaller one; GET /docs describes what the routes take.",
}
"""What to do about them; about others GET /docs says it."""
