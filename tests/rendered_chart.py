"""The Helm chart as the real Helm renders it: objects as Kubernetes would get them.

Entry points: `CHART`, `EXAMPLES`, `example`, `rendered`, `one`, `pods`, `refusal`.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml

Values = Mapping[str, Any]
Manifest = dict[str, Any]

CHART = Path(__file__).parents[1] / "deploy/helm/trimtab"
EXAMPLES = sorted(path.stem for path in (CHART / "examples").glob("*.yaml"))
RELEASE, NAMESPACE = "images", "studio"


@cache
def chart() -> helm_python.Chart:
    return helm_python.Chart.load(CHART)


def example(name: str) -> dict[str, Any]:
    """Values as helm reads them from a file."""
    return helm_python.values_from_yaml((CHART / f"examples/{name}.yaml").read_text())


def texts(values: Values, release: str = RELEASE) -> dict[str, str]:
    """What each template became, by its path in the chart."""
    made = chart().render(dict(values), name=release, namespace=NAMESPACE)
    return {path.removeprefix("trimtab/"): text for path, text in made.items()}


def rendered(values: Values, release: str = RELEASE) -> list[Manifest]:
    return [
        manifest
        for path, text in texts(values, release).items()
        if path.endswith(".yaml")
        for manifest in yaml.load_all(text, Loader=StrictLoader)
        if manifest is not None
    ]


def one(manifests: list[Manifest], kind: str, name: str | None = None) -> Manifest:
    (found,) = (
        manifest
        for manifest in manifests
        if manifest["kind"] == kind and name in (None, manifest["metadata"]["name"])
    )
    return found


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Every pod's specification with what it is for, from whatever makes it."""
    for manifest in manifests:
        template = manifest.get("spec", {}).get("template", {})
        pod = manifest if manifest["kind"] == "Pod" else template
        if "spec" in pod:
            yield f"{manifest['kind']} {manifest['metadata']['name']}", pod["spec"]


def containers(pod: Manifest) -> list[Manifest]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def refusal(values: Values) -> str:
    """What Helm says of values that it does not take."""
    with pytest.raises(helm_python.HelmError) as refused:
        texts(values)
    return str(refused.value)


class StrictLoader(yaml.SafeLoader):
    """Refuses a key that is there twice, as Kubernetes' strict decoding does."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        assert not twice, f"{twice} twice at {node.start_mark}"
        return super().construct_mapping(node, deep)
