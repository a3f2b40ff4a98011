"""Settings as they are read: options, then TRIMTAB_* variables, then a YAML file, then defaults.

Entry points: `load_settings`, `Settings`.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import PrivateAttr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource
from pydantic_settings.exceptions import SettingsError as UnreadableSettings

from policies.errors import choose_from
from service.schemas import POLICY_TAGS
from service.settings.declared import PREFIX
from service.settings.together import Coherent


class SettingsError(Exception):
    """The configuration cannot be used; the text names every bad key and its cure."""


class Settings(Coherent):
    """What one service process runs with."""

    _given: dict[str, Any] = PrivateAttr(default_factory=dict)

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._given = given

    def read_again(self) -> "Settings":
        """Return what the same options, the variables, the file and the policy folder say now; raises SettingsError."""
        return load_settings(self._given)

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
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
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
    place = ".".join(str(part) for part in details["loc"] if part not in POLICY_TAGS)
    cause = details.get("ctx", {}).get("error")
    if details["type"] == "extra_forbidden" and len(details["loc"]) == 1:
        return f"{place}: not a setting. {choose_from(place, Settings.model_fields)}"
    if isinstance(cause, ValueError):
        return f"{place}: {cause}" if place else str(cause)
    return f"{place} = {details['input']!r:.80}: {details['msg']}."
