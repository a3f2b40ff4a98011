"""What Stable Diffusion WebUI's API answers, as models: what GET /openapi.json says of it, and its errors.

Entry points: `Txt2ImgAnswer`, `Sampler`, `Checkpoint`, `Options`, `WebUIError`.
"""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class _Answer(BaseModel):
    # WebUI has names such as model_name, which pydantic keeps for itself otherwise.
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Txt2ImgAnswer(_Answer):
    """The images of one request."""

    images: tuple[str, ...] = Field(description="PNG files in base64; of a blocked image words on grey.")
    parameters: Mapping[str, JsonValue] = Field(description="The request.")
    info: str = Field(description="WebUI's account of the images as JSON; under `trimtab` the service's own.")


class Sampler(_Answer):
    """One sampler, by WebUI's name; the alias is the service's."""

    name: str
    aliases: tuple[str, ...]
    options: Mapping[str, JsonValue] = {}


class Checkpoint(_Answer):
    """The model that is loaded."""

    title: str
    model_name: str
    hash: str
    sha256: str
    filename: str
    config: None = None


class Options(_Answer):
    """The one option that clients look for."""

    sd_model_checkpoint: str


class WebUIError(_Answer):
    """An error as WebUI's own API has it."""

    error: str
    detail: str
    body: str
    errors: str
