"""Write what the service's settings may be into the chart's values.schema.json, so that Helm refuses what it would.

Entry points: `python scripts/write_chart_settings.py` after a setting was added or changed, and `with_settings`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from service.settings import Settings

SCHEMA: Final = Path(__file__).parents[1] / "deploy/helm/trimtab/values.schema.json"

OF_THE_CHART: Final = frozenset(
    {
        "config",
        "host",
        "port",
        "model",
        "device",
        "vectors",
        "policies",
        "policy_folder",
        "keys",
        "allow_anonymous",
        "redis_url",
        "grace_s",
        "drain_delay_s",
    }
)
"""The settings that follow from other values of the chart."""


def with_settings(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the chart's schema with `settings` and `policies` as the service takes them now."""
    service = Settings.model_json_schema()
    allowed = {
        name: _given(described)
        for name, described in service["properties"].items()
        if name not in OF_THE_CHART
    }
    return {
        **schema,
        "properties": {
            **schema["properties"],
            "settings": {"type": "object", "additionalProperties": False, "properties": allowed},
            "policies": {**_given(service["properties"]["policies"]), "additionalProperties": False},
        },
        "$defs": service["$defs"],
    }


def written(schema: Mapping[str, Any]) -> str:
    """Return the text of the schema's file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _given(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a setting that is given: without its default, and never null."""
    kept = {key: value for key, value in described.items() if key not in ("default", "title", "format")}
    if "anyOf" in kept:
        (one,) = (choice for choice in kept.pop("anyOf") if choice != {"type": "null"})
        kept = {**_given(one), **kept}
    return kept


if __name__ == "__main__":
    SCHEMA.write_text(
        written(with_settings(json.loads(SCHEMA.read_text(encoding="utf-8")))), encoding="utf-8"
    )
    print(f"{SCHEMA} is written.")
