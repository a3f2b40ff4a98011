"""Manifests against Kubernetes' own schemas, and custom resources against those in tests/deploy/crds, strictly.

Entry point: `problems`.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
from kubernetes_validate.utils import schema_contents
from referencing import Registry, Resource

CRDS = Path(__file__).parent / "deploy/crds"
CUSTOM = ("gateway.networking.k8s.io", "monitoring.coreos.com", "keda.sh")


def problems(manifest: Mapping[str, Any], version: str) -> list[str]:
    """Everything that is wrong with a manifest; unknown fields too. A kind without a schema raises."""
    validator = _validator(manifest["apiVersion"], manifest["kind"], version)
    return [
        f"{'.'.join(map(str, error.path))}: {error.message:.300}" for error in validator.iter_errors(manifest)
    ]


@cache
def _validator(api_version: str, kind: str, version: str) -> jsonschema.Draft202012Validator:
    group = api_version.rpartition("/")[0]
    if group in CUSTOM:
        schema = json.loads((CRDS / f"{kind.lower()}.json").read_text())
        return jsonschema.Draft202012Validator(schema)
    # As kubernetes_validate names its files: rbac.authorization.k8s.io/v1 is rbac-v1.
    short = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    folder = f"kubernetes-json-schema/v{version}.0-local-strict"
    schema = schema_contents(f"{folder}/{kind.lower()}-{short}.json", version)
    return jsonschema.Draft202012Validator(schema, registry=_definitions(folder, version))


@cache
def _definitions(folder: str, version: str) -> Registry[Any]:
    definitions: Resource[Any] = Resource.from_contents(
        schema_contents(f"{folder}/_definitions.json", version)
    )
    return definitions @ Registry()
