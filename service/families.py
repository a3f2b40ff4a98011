"""The families of clients: whose routes are where, what they call the fields, and how they read an error.

Entry points: `Family`, `family_of`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from pydantic import BaseModel, JsonValue

from service import basic_auth
from service.schemas import ErrorDetail, ErrorResponse
from service.wire import huggingface, openai, webui
from service.wire.native import GenerateBody
from service.wire.openai_answers import OpenAIError
from service.wire.webui_answers import WebUIError

ErrorBody: TypeAlias = Mapping[str, JsonValue]


def _native_error(_status: int, detail: ErrorDetail) -> ErrorBody:
    return {"error": detail.model_dump(mode="json")}


@dataclass(frozen=True)
class Family:
    """What clients of one kind expect of every answer that is not a success."""

    prefix: str = "/"
    """Of the addresses of its routes."""
    error: Callable[[int, ErrorDetail], ErrorBody] = _native_error
    statuses: Mapping[int, int] = field(default_factory=dict)
    """What requests that cannot be followed are answered with instead of the service's own status."""
    fields: Collection[str] = tuple(GenerateBody.model_fields)
    """What the body may hold, for the cure of a misspelt name; `inside` says where in the body they are."""
    inside: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    """What it calls the service's fields, where that is something else."""
    error_model: type[BaseModel] = ErrorResponse
    """What `error` returns, as GET /openapi.json describes it."""

    challenges: Sequence[str] = ()
    """How it may show its key beside as a bearer, as the header WWW-Authenticate says."""

    def name_of(self, field: str | None) -> str | None:
        """Return what this family calls a place in a GenerateRequest, such as policy.safety.0."""
        if field is None:
            return None
        name, dot, rest = field.partition(".")
        return f"{self.names.get(name, name)}{dot}{rest}"


NATIVE = Family()
FAMILIES = (
    Family(
        "/v1/",
        openai.error_body,
        {422: 400},
        tuple(openai.ImagesRequest.model_fields),
        names=openai.NAMES,
        error_model=OpenAIError,
    ),
    Family(
        "/hf/",
        huggingface.error_body,
        fields=tuple(huggingface.Parameters.model_fields),
        inside="parameters.",
        names=MappingProxyType(huggingface.NAMES),
        error_model=huggingface.HuggingFaceError,
    ),
    Family(
        "/sdapi/",
        webui.error_body,
        fields=tuple(webui.Txt2ImgRequest.model_fields),
        names=webui.NAMES,
        error_model=WebUIError,
        challenges=[basic_auth.CHALLENGE],
    ),
)


def family_of(path: str) -> Family:
    """Return whose clients ask at this address: the service's own where it is nobody else's."""
    return next((family for family in FAMILIES if path.startswith(family.prefix)), NATIVE)
