"""The service's configuration: options, then TRIMTAB_* variables, then a YAML file, then defaults.

Entry point: `load_settings`. The result is frozen; unknown keys and variables are refused.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import DirectoryPath, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings.exceptions import SettingsError as UnreadableSettings

from policies.document import FairnessRule, Name, Policy, SafetyRule
from policies.errors import choose_from

PREFIX = "TRIMTAB_"
DEMO_MODEL = "demo"


class SettingsError(Exception):
    """The configuration cannot be used; the text names every bad key and its cure."""


def _shipped_policies() -> dict[str, Policy]:
    return {
        "default": Policy(
            fairness=(FairnessRule(set="gender"), FairnessRule(set="race")),
            safety=(SafetyRule(concept="anti-sexual"), SafetyRule(concept="anti-violence")),
        ),
        "none": Policy(),
    }


class Settings(BaseSettings):
    """What one service process runs with."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    config: Path | None = Field(default=None, description="The YAML file with these keys.")
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    model: str = Field(
        default=DEMO_MODEL, description='A diffusers directory or hub name; "demo" is the embedded model.'
    )
    device: str = Field(default="auto", description="cpu, cuda, cuda:1, mps, or auto.")
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = Field(
        default="auto", description="What the model computes in."
    )
    vectors: DirectoryPath | None = Field(
        default=None, description="A vector library's directory. Default: the shipped vectors."
    )
    policies: dict[Name, Policy] = Field(
        default_factory=_shipped_policies,
        description="Policies that requests can name. What is given here replaces the shipped ones.",
    )
    default_policy: str = Field(default="default", description="The policy of a request that names none.")
    max_images: int = Field(default=16, ge=1, description="Images per request.")
    max_steps: int = Field(default=150, ge=1, description="Inference steps per image.")
    max_pixels: int = Field(default=1024 * 1024, ge=1, description="Height times width of an image.")
    max_strength: float = Field(
        default=3.0, gt=0, allow_inf_nan=False, description="Largest absolute strength of a concept."
    )
    max_batch_rows: int = Field(
        default=64, ge=1, description="U-Net rows of a step: two an image with guidance, one without."
    )
    execution: Literal["auto", "plain", "graphs", "compile"] = Field(
        default="auto",
        description="How forward passes are run on a GPU: captured in CUDA graphs, compiled, or as they are; "
        "auto takes the fastest.",
    )
    max_waiting: int = Field(default=1024, ge=1, description="Images that may wait for the engine.")

    @model_validator(mode="after")
    def _default_policy_is_there(self) -> Self:
        if self.default_policy not in self.policies:
            raise ValueError(
                f"default_policy: there is no policy {self.default_policy!r}. "
                f"{choose_from(self.default_policy, self.policies)}"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read options, then variables, then the YAML file that one of them names."""
        file = init_settings().get("config") or env_settings().get("config")
        from_file = _read_yaml(Path(file)) if file else {}
        return init_settings, env_settings, InitSettingsSource(settings_cls, init_kwargs=from_file)


def load_settings(options: Mapping[str, object] | None = None) -> Settings:
    """Return the settings, or raise SettingsError with every problem found.

    `options` are keys of Settings that win over variables and file; a None stands for "not given".
    """
    given: dict[str, Any] = {key: value for key, value in (options or {}).items() if value is not None}
    _refuse_unknown_variables()
    try:
        return Settings(**given)
    except ValidationError as error:
        problems = "\n".join(f"  {_described(details)}" for details in error.errors())
        raise SettingsError(f"The configuration has problems:\n{problems}") from error
    except UnreadableSettings as error:
        raise SettingsError(f"A variable cannot be read: {error}. Write it as JSON.") from error


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"The configuration file {file} cannot be read: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise SettingsError(
            f"The configuration file {file} holds {content!r:.80}, not settings. "
            "Write lines such as 'port: 8000'."
        )
    return content


def _refuse_unknown_variables() -> None:
    known = {PREFIX + field.upper() for field in Settings.model_fields}
    for variable in os.environ:
        if variable.upper().startswith(PREFIX) and variable.upper() not in known:
            raise SettingsError(f"The variable {variable} sets nothing. {choose_from(variable, known)}")


def _described(details: ErrorDetails) -> str:
    place = ".".join(str(part) for part in details["loc"])
    cause = details.get("ctx", {}).get("error")
    if details["type"] == "extra_forbidden" and len(details["loc"]) == 1:
        return f"{place}: not a setting. {choose_from(place, Settings.model_fields)}"
    if isinstance(cause, ValueError):
        return f"{place}: {cause}" if place else str(cause)
    return f"{place} = {details['input']!r:.80}: {details['msg']}."
