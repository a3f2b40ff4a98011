"""Every manifest of every example is one that Kubernetes takes, and each has what it says it has."""

import copy
from collections import Counter

import helm_python
import pytest
from kubernetes_schemas import problems
from rendered_chart import CHART, EXAMPLES, NAMESPACE, example, one, rendered, texts

OLDEST, NEWEST = "1.30", "1.37"


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_manifest_is_valid(manifests, version):
    found = {
        f"{manifest['kind']} {manifest['metadata']['name']}": wrong
        for manifest in manifests
        if (wrong := problems(manifest, version))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("Deployment", lambda spec: spec["template"]["spec"]["containers"][0].update(prots=[])),
        ("Deployment", lambda spec: spec.update(replicas="many")),
        ("NetworkPolicy", lambda spec: spec["ingress"][0].update(ports="http")),
        ("HTTPRoute", lambda spec: spec["rules"][0]["timeouts"].update(request="ten minutes")),
        ("HTTPRoute", lambda spec: spec["rules"][0]["timeouts"].update(idle="10s")),
        ("HTTPRoute", lambda spec: spec["rules"][0].update(matches=None)),
        ("HTTPRoute", lambda spec: spec["rules"][0]["matches"][0]["path"].update(value="/a/../b")),
        ("HTTPRoute", lambda spec: spec["rules"][0]["backendRefs"][0].pop("port")),
        ("HTTPRoute", lambda spec: spec["parentRefs"][0].update(kind="A Gateway")),
        ("HTTPRoute", lambda spec: spec["parentRefs"].append(spec["parentRefs"][0])),
        ("ServiceMonitor", lambda spec: spec["endpoints"][0].update(intervall="15s")),
        ("PrometheusRule", lambda spec: spec["groups"][0]["rules"][0].update({"for": "a while"})),
    ],
)
def test_what_is_no_manifest_is_seen(examples, kind, change):
    manifest = copy.deepcopy(one(examples["gpu-production"], kind))
    assert problems(manifest, NEWEST) == []
    change(manifest["spec"])
    assert problems(manifest, NEWEST)


@pytest.mark.parametrize("kind", ["ScaledObject", "TriggerAuthentication"])
def test_what_is_no_custom_resource_of_kedas_is_seen(examples, kind):
    manifest = copy.deepcopy(one(examples["keda"], kind))
    assert problems(manifest, NEWEST) == []
    (first, *_) = manifest["spec"].get("triggers") or manifest["spec"]["secretTargetRef"]
    first["nmae"] = "x"
    assert problems(manifest, NEWEST)


@pytest.mark.parametrize(
    ("trigger", "change"),
    [
        ("requests", {"treshold": "1"}),
        ("requests", {"threshold": "2e+06"}),
        ("requests", {"query": ""}),
        ("jobs", {"consumerGroup": "workers"}),
        ("jobs", {"streamLength": "many"}),
        ("jobs", {"enableTLS": "yes"}),
    ],
)
def test_what_no_scaler_of_kedas_takes_is_seen(examples, trigger, change):
    manifest = copy.deepcopy(one(examples["keda"], "ScaledObject"))
    (changed,) = (one for one in manifest["spec"]["triggers"] if one["name"] == trigger)
    changed["metadata"] |= change
    assert problems(manifest, NEWEST)


@pytest.mark.parametrize("name", EXAMPLES)
def test_helm_finds_nothing_to_complain_of(name):
    report = helm_python.lint(CHART, example(name), strict=True, namespace=NAMESPACE)
    wrong = [message for message in report["messages"] if message["severity"] > 1]
    assert (wrong, report["errors"]) == ([], None) or (wrong, report["errors"]) == ([], [])


def test_every_template_is_in_some_example():
    made = {path for name in EXAMPLES for path, text in texts(example(name)).items() if text.strip()}
    files = {
        str(path.relative_to(CHART)) for path in (CHART / "templates").rglob("*.*") if path.suffix != ".tpl"
    }
    assert made == files


def test_the_examples_are_what_the_chart_is_made_for(examples):
    kinds = {
        name: Counter(manifest["kind"] for manifest in manifests) for name, manifests in examples.items()
    }
    assert kinds["default"] == {
        "Deployment": 1,
        "Service": 1,
        "ServiceAccount": 1,
        "ConfigMap": 1,
        "PodDisruptionBudget": 1,
        "NetworkPolicy": 1,
        "Pod": 1,
    }
    assert kinds["everything-off"] == {"Deployment": 1, "Service": 1, "ConfigMap": 1}
    assert kinds["hpa"]["HorizontalPodAutoscaler"] == kinds["keda"]["ScaledObject"] == 1
    assert kinds["ingress"]["Ingress"] == kinds["httproute"]["HTTPRoute"] == 1
    assert kinds["redis-bundled"]["Deployment"] == 2
    assert kinds["redis-external"]["Secret"] == kinds["learner"]["Job"] == 1
    production = kinds["gpu-production"]
    assert {"HTTPRoute", "ServiceMonitor", "PrometheusRule"} <= production.keys()
    assert production["ConfigMap"] == 3
    assert "Secret" not in production


def test_manifests_are_told_apart_and_belong_together(manifests):
    names = Counter((manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests)
    assert max(names.values()) == 1
    for manifest in manifests:
        assert manifest["metadata"]["namespace"] == NAMESPACE
        labels = manifest["metadata"]["labels"]
        assert labels["app.kubernetes.io/instance"] == "images"
        assert labels["app.kubernetes.io/managed-by"] == "Helm"


def test_selectors_choose_their_own_pods_alone(manifests):
    labelled = {
        manifest["metadata"]["name"]: manifest["spec"]["template"]["metadata"]["labels"]
        for manifest in manifests
        if manifest["kind"] in ("Deployment", "Job")
    }
    for manifest in manifests:
        if manifest["kind"] in ("Deployment", "Service", "PodDisruptionBudget"):
            selector = manifest["spec"]["selector"]
            wanted = selector.get("matchLabels", selector)
            chosen = [name for name, labels in labelled.items() if wanted.items() <= labels.items()]
            assert chosen == [manifest["metadata"]["name"]]


@pytest.mark.parametrize(
    "release", ["a", "trimtab", "a-release-of-fifty-three-letters-is-what-helm-lets-one"]
)
def test_names_fit_whatever_the_release_is_called(release):
    for name in ("gpu-production", "redis-bundled", "learner", "keda"):
        for manifest in rendered(example(name), release):
            assert problems(manifest, NEWEST) == []
            assert len(manifest["metadata"]["name"]) <= 63
            assert not manifest["metadata"]["name"].endswith("-")
            assert all(len(label) <= 63 for label in manifest["metadata"]["labels"].values())


def test_names_that_yaml_would_read_otherwise_stay_names():
    odd = {"existingSecret": "123", "secretKey": "1e3"}
    volume = {"existingClaim": "456"}
    values = {
        "keys": odd,
        "redis": {"mode": "external", **odd},
        "helmTest": odd,
        "image": {"pullSecrets": ["789"]},
        "model": {"source": "someone/1e3", "hubToken": {"existingSecret": "123", "key": "1e3"}},
        "existingPolicies": "123",
        "volumes": {"models": volume, "vectors": volume, "cache": volume},
        "priorityClassName": "123",
        "runtimeClassName": "1e3",
        "serviceAccount": {"create": False, "name": "123"},
        "learner": {"enabled": True, "name": "1", "args": ["--pos", 5], "runs": volume},
    }
    for manifest in rendered(values):
        assert problems(manifest, NEWEST) == []


def test_a_chart_that_is_packed_has_everything(tmp_path):
    archive = helm_python.package(CHART, destination=tmp_path)
    packed = helm_python.Chart.load(archive)
    assert packed.render(example("gpu-production"), name="images", namespace=NAMESPACE).keys() == (
        {f"trimtab/{path}" for path in texts(example("gpu-production"))}
    )
    assert packed.metadata["kubeVersion"] == f">={OLDEST}.0-0"
