"""Requests made up from a service's own OpenAPI document, and what its answers have against that document.

Entry point: `asked_of`, one pass of schemathesis over every operation. The checks are all that schemathesis has but
these. `positive_data_acceptance` does not hold of any document: whether a prompt fits the text encoder, and what may be
asked for at once, are the model's and the settings' to say. `max_response_time` is a benchmark's matter. And
`use_after_free` takes a job for gone that was given up, which its client can still read to be cancelled.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema
from schemathesis.hooks import GLOBAL_HOOK_DISPATCHER

STEPS: Final = 2
"""What is asked for where a made-up request leaves the number of steps to the service, whose default is fifty."""

UNKNOWABLE: Final = frozenset(
    {
        *("policy", "scheduler", "sampler_name", "sampler_index", "model"),
        *("height", "width", "size", "preview_every", "output_compression"),
    }
)

LEAST_TIMEOUT_S: Final = 10.0
"""Who gives a request less time may be answered 504, as asked for; so that any other is found, nobody does."""

STEPS_FIELD: Final[Mapping[str, Sequence[str]]] = {
    "/generate": ("num_inference_steps",),
    "/jobs": ("num_inference_steps",),
    "/v1/images/generations": ("num_inference_steps",),
    "/sdapi/v1/txt2img": ("steps",),
    "/hf/text-to-image": ("parameters", "num_inference_steps"),
}
"""Where the routes that make images take their steps."""


@dataclass(frozen=True)
class Finding:
    """One way in which answers of an operation go against the document, and how to see it."""

    operation: str
    check: str
    title: str
    message: str
    request: str
    """A curl line."""

    @property
    def kind(self) -> tuple[str, str, str]:
        """What findings that are told once have in common."""
        return self.operation, self.check, self.title


@dataclass
class Asked:
    """What came of made-up requests."""

    statuses: Counter[int] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    """What kept schemathesis from testing an operation."""

    @property
    def cases(self) -> int:
        """How many requests were answered."""
        return self.statuses.total()

    @property
    def is_sound(self) -> bool:
        """Whether every answer is as the document says, and none is a failure of the service."""
        return not (self.findings or self.errors)

    def add(self, other: Asked) -> None:
        """Take in what came of more requests."""
        self.statuses += other.statuses
        self.operations += other.operations
        for finding in other.findings:
            if finding.kind not in {known.kind for known in self.findings}:
                self.findings.append(finding)
        self.errors += other.errors


def asked_of(
    url: str,
    *,
    examples: int,
    phases: Sequence[str],
    seed: int,
    key: str | None = None,
    on_answer: Callable[[], None] = lambda: None,
) -> Asked:
    """Make up to `examples` requests for each operation in each phase, and check every answer.

    `phases` are of examples, coverage, fuzzing and stateful. With a `key` every request carries it, but those that try
    to do without.
    """
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json", config=_config(examples, phases, seed, key))
    asked = Asked()

    def before_call(_context: object, case: Any, _kwargs: object) -> None:
        _settle(case, asked.cases)

    def after_call(_context: object, case: Any, response: Any) -> None:
        asked.statuses[response.status_code] += 1
        asked.operations[case.operation.label] += 1
        on_answer()

    with _hooked(before_call, after_call):
        for event in from_schema(schema).execute():
            match event:
                case events.ScenarioFinished():
                    asked.add(Asked(findings=_findings(event)))
                case events.NonFatalError():
                    asked.errors.append(f"{event.label}: {event.info.message}")
                case events.FatalError():
                    raise event.exception
    return asked


@contextmanager
def _hooked(*hooks: Callable[..., None]) -> Iterator[None]:
    """Have schemathesis call these; hooks around calls are the whole process's."""
    for hook in hooks:
        schemathesis.hook(hook)
    try:
        yield
    finally:
        for hook in hooks:
            GLOBAL_HOOK_DISPATCHER.unregister(hook)


def _config(examples: int, phases: Sequence[str], seed: int, key: str | None) -> SchemathesisConfig:
    given: dict[str, Any] = {
        "seed": seed,
        "workers": 1,
        "continue-on-failure": True,
        "request-timeout": 120,
        "suppress-health-check": ["all"],
        "checks": {
            "positive_data_acceptance": {"enabled": False},
            # A service without keys lets in whatever is sent.
            "ignored_auth": {"enabled": key is not None},
        },
        "operations": [{"include-path-regex": "^/jobs/", "checks": {"use_after_free": {"enabled": False}}}],
        "generation": {"max-examples": examples, "no-shrink": True, "database": "none"},
        "phases": {
            name: {"enabled": name in phases} for name in ("examples", "coverage", "fuzzing", "stateful")
        },
    }
    if key is not None:
        given["auth"] = {"openapi": {"APIKeyHeader": {"api_key": key}}}
    return SchemathesisConfig.from_dict(given)


def _settle(case: Any, number: int) -> None:
    """Ask for few steps where a body leaves them open; of what fits the schema every other time for what all know.

    What fits gives the service time.

    Names of policies, schedulers and models are texts to the document; made up, they would be refused every time, and
    no answer with images were ever seen. What is meant not to fit keeps all that is wrong with it.
    """
    if case.method != "POST" or case.operation.path not in STEPS_FIELD or not isinstance(case.body, dict):
        return
    fits = case.meta is not None and case.meta.generation.mode.is_positive
    if fits and isinstance(case.body.get("timeout_s"), int | float):
        case.body = {**case.body, "timeout_s": max(case.body["timeout_s"], LEAST_TIMEOUT_S)}
    *into, name = STEPS_FIELD[case.operation.path]
    case.body = body = copy.deepcopy(case.body)
    for part in into:
        if part not in body or (fits and body[part] is None):
            body[part] = {}
        body = body[part]
        if not isinstance(body, dict):
            return
    if name not in body or (fits and body[name] is None):
        body[name] = STEPS
    if fits and number % 2:
        for part in (case.body, body):
            for field_name in UNKNOWABLE & part.keys():
                del part[field_name]


def _findings(event: events.ScenarioFinished) -> list[Finding]:
    return [
        Finding(
            operation=str(event.label if event.label is not None else event.recorder.label),
            check=check.name,
            title=check.failure_info.failure.title,
            message=check.failure_info.failure.message[:1000],
            request=check.failure_info.code_sample[:2000],
        )
        for checks in event.recorder.checks.values()
        for check in checks
        if check.status == Status.FAILURE and check.failure_info is not None
    ]
