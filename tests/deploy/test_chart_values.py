"""Values that make no sense are refused before anything is installed, with what is wrong."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from rendered_chart import CHART, chart, refusal, texts

from service.settings import Settings

DIGEST = f"sha256:{'0' * 64}"


def nested(path: str, value: object) -> dict[str, Any]:
    """Values with this one, named as --set does."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return value  # type: ignore[return-value]


def writer():
    spec = importlib.util.spec_from_file_location(
        "write_chart_settings", Path(__file__).parents[2] / "scripts/write_chart_settings.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("replica", 2, "additional properties 'replica' not allowed"),
        ("replicas", 0, "minimum: got 0, want 1"),
        ("replicas", "2", "got string, want integer"),
        ("replicas", 1.5, "got number, want integer"),
        ("image.tag", "not a tag", "does not match pattern"),
        ("image.digest", "sha256:abc", "does not match pattern"),
        ("image.pullPolicy", "Sometimes", "value must be one of 'Always', 'IfNotPresent', 'Never'"),
        ("image.pullSecrets", [{"name": "registry"}], "got object, want string"),
        ("model.source", "", "does not match pattern"),
        ("model.source", "../models", "does not match pattern"),
        ("model.source", "a model", "does not match pattern"),
        ("model.fingerprint", "0" * 64, "does not match pattern"),
        ("settings.max_image", 3, "additional properties 'max_image' not allowed"),
        ("settings.host", "0.0.0.0", "additional properties 'host' not allowed"),
        ("settings.redis_url", "redis://x", "additional properties 'redis_url' not allowed"),
        ("settings.max_images", 0, "minimum: got 0, want 1"),
        ("settings.max_images", "16", "got string, want integer"),
        ("settings.gate", "none", "value must be one of 'lexicon', 'lexicon+model'"),
        ("settings.timeout_s", 0, "exclusiveMinimum: got 0, want 0"),
        ("settings.log_level", "verbose", "value must be one of 'debug', 'info', 'warning', 'error'"),
        ("settings.allowed_hosts", ["https://x/"], "does not match pattern"),
        (
            "settings.tenants.shop",
            {"images_per_minut": 3},
            "additional properties 'images_per_minut' not allowed",
        ),
        ("settings.tenants.shop", {"share": 0}, "minimum: got 0"),
        ("policies.Mine", {"version": 1}, "additional properties 'Mine' not allowed"),
        ("policies.mine", {"versoin": 1}, "additional properties 'versoin' not allowed"),
        ("policies.mine", {"version": 1, "fairness": [{"target": {}}]}, "missing property 'set'"),
        ("policies.mine", {"version": 1, "assignment": "fair"}, "value must be one of"),
        ("existingPolicies", "My_Policies", "does not match pattern"),
        ("keys.existingSecret", "-x", "does not match pattern"),
        ("keys.secretKey", "a/b", "does not match pattern"),
        ("redis.mode", "cluster", "value must be one of 'none', 'external', 'bundled'"),
        ("redis.url", "http://redis", "does not match pattern"),
        ("redis.bundled.persistence.size", "2 GB", "does not match pattern"),
        ("gpu.count", -1, "minimum: got -1, want 0"),
        ("gpu.resource", "gpu", "does not match pattern"),
        ("resources.limits.memory", "lots", "does not match pattern"),
        ("resources.limit", {}, "additional properties 'limit' not allowed"),
        ("nodeSelector.gpu", True, "got boolean, want string"),
        ("tolerations", [{"operator": "Equals"}], "value must be one of 'Exists', 'Equal'"),
        (
            "topologySpreadConstraints",
            [{"maxSkew": 1, "topologyKey": "zone"}],
            "missing property 'whenUnsatisfiable'",
        ),
        ("volumes.models.size", "0Gi", "does not match pattern"),
        ("volumes.models.accessModes", ["ReadWriteAlways"], "value must be one of"),
        ("volumes.weights", {}, "additional properties 'weights' not allowed"),
        ("extraEnv", [{"name": "A-B"}], "does not match pattern"),
        ("probes.live.periodSeconds", 0, "minimum: got 0, want 1"),
        ("probes.liveness", {}, "additional properties 'liveness' not allowed"),
        ("shutdown.graceS", -1, "minimum: got -1, want 0"),
        ("shutdown.marginS", 1, "minimum: got 1, want 2"),
        ("shutdown.preStopS", 0.5, "got number, want integer"),
        ("strategy.maxSurge", "200%", "does not match pattern"),
        ("podDisruptionBudget.maxUnavailable", 0, "minimum: got 0, want 1"),
        ("autoscaling.kind", "vpa", "value must be one of 'none', 'hpa', 'keda'"),
        ("autoscaling.waitingRows", 0, "minimum: got 0, want 1"),
        ("autoscaling.keda.requests.prometheus", "prometheus:9090", "does not match pattern"),
        ("autoscaling.keda.jobs.address", "redis://redis:6379", "does not match pattern"),
        ("service.port", 70000, "maximum: got 70,000, want 65,535"),
        ("service.type", "ExternalName", "value must be one of 'ClusterIP', 'NodePort', 'LoadBalancer'"),
        ("routes.prefixes", ["/metrics"], "'not' failed"),
        ("routes.prefixes", ["/"], "'not' failed"),
        ("routes.exact", ["generate"], "does not match pattern"),
        ("routes.exact", ["/a//b"], "'not' failed"),
        ("routes.prefixes", ["/a/.."], "'not' failed"),
        ("routes.prefixes", [f"/{i}" for i in range(33)], "maxItems: got 33, want 32"),
        ("httpRoute.hostnames", ["https://images.example.com"], "does not match pattern"),
        ("httpRoute.parentRefs", [{"namespace": "gateway"}], "missing property 'name'"),
        ("httpRoute.parentRefs", [{"name": "x", "namespace": ""}], "does not match pattern"),
        ("httpRoute.parentRefs", [{"name": "x", "sectionName": "HTTPS"}], "does not match pattern"),
        ("httpRoute.parentRefs", [{"name": "x", "kind": ""}], "does not match pattern"),
        ("httpRoute.parentRefs", [{"name": "x"}, {"name": "x"}], "items at 0 and 1 are equal"),
        ("httpRoute.timeouts.request", "ten minutes", "does not match pattern"),
        ("ingress.hosts", ["Images.Example.Com"], "does not match pattern"),
        ("networkPolicy.gateway", [{}], "minProperties: got 0, want 1"),
        (
            "networkPolicy.metrics",
            [{"namespace": "monitoring"}],
            "additional properties 'namespace' not allowed",
        ),
        ("serviceMonitor.interval", "often", "does not match pattern"),
        ("alerts.overrides.TrimtabQueueSlow.fro", "5m", "additional properties 'fro' not allowed"),
        ("learner.gpus", 17, "maximum: got 17, want 16"),
        ("learner.name", "My Run", "does not match pattern"),
        ("helmTest.prompt", "", "minLength: got 0, want 1"),
    ],
)
def test_nonsense_is_refused_where_it_stands(path, value, says):
    said = refusal(nested(path, value))
    assert says in said
    assert path.split(".")[0] in said


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"replicas": 2}, "2 replicas share no state"),
        ({"autoscaling": {"kind": "hpa"}}, "4 replicas share no state"),
        ({"redis": {"mode": "external"}}, "Set redis.url, or redis.existingSecret"),
        (
            {"redis": {"mode": "external", "url": "redis://x", "existingSecret": "x"}},
            "redis.url and redis.existingSecret are both set",
        ),
        ({"redis": {"url": "redis://x"}}, "Set redis.mode to external"),
        (
            {"keys": {"existingSecret": "x", "content": "{}"}},
            "keys.existingSecret and keys.content are both set",
        ),
        (
            {"keys": {"existingSecret": "x"}, "access": {"anonymous": True}},
            "access.anonymous would get round the keys",
        ),
        ({"networkPolicy": {"enabled": False}}, "Others would reach a service without keys"),
        ({"networkPolicy": {"gateway": [{"podSelector": {}}]}}, "Others would reach a service without keys"),
        ({"service": {"type": "LoadBalancer"}}, "Others would reach a service without keys"),
        (
            {"httpRoute": {"enabled": True, "parentRefs": [{"name": "x"}]}},
            "Others would reach a service without keys",
        ),
        ({"ingress": {"enabled": True, "hosts": ["x"]}}, "Others would reach a service without keys"),
        ({"settings": {"tenants": {"shop": {}}}}, "without keys nobody is one of them"),
        (
            {"policies": {"mine": {"version": 1}}, "existingPolicies": "x"},
            "policies and existingPolicies are both set",
        ),
        (
            {"volumes": {"cache": {"existingClaim": "x", "create": True}}},
            "volumes.cache: existingClaim and create",
        ),
        ({"shutdown": {"drainDelayS": 30}}, "drainDelayS: 30 seconds are more than the whole graceS, 25"),
        ({"settings": {"timeout_s": 4000}}, "settings.timeout_s is more than settings.max_timeout_s"),
        ({"strategy": {"maxSurge": 0, "maxUnavailable": 0}}, "no pod is ever replaced"),
        (
            {"autoscaling": {"kind": "hpa", "minReplicas": 5}, "redis": {"mode": "bundled"}},
            "autoscaling.minReplicas is more than maxReplicas",
        ),
        (
            {"autoscaling": {"kind": "hpa", "minReplicas": 0}, "redis": {"mode": "bundled"}},
            "only jobs can wake a service of no replicas",
        ),
        (
            {"autoscaling": {"kind": "keda", "minReplicas": 0}, "redis": {"mode": "bundled"}},
            "only jobs can wake a service of no replicas",
        ),
        (
            {
                "autoscaling": {"kind": "keda", "keda": {"requests": {"enabled": False}}},
                "redis": {"mode": "bundled"},
            },
            "there is nothing to scale on",
        ),
        (
            {"autoscaling": {"kind": "keda", "maxReplicas": 1, "keda": {"jobs": {"enabled": True}}}},
            "jobs are counted in Redis, and there is none",
        ),
        (
            {
                "autoscaling": {"kind": "keda", "keda": {"jobs": {"enabled": True}}},
                "redis": {"mode": "external", "existingSecret": "x"},
            },
            "autoscaling.keda.jobs.address: KEDA reads no address from a Secret",
        ),
        ({"httpRoute": {"enabled": True}, "keys": {"existingSecret": "x"}}, "a route needs a gateway"),
        ({"ingress": {"enabled": True}, "keys": {"existingSecret": "x"}}, "an Ingress needs a name"),
        (
            {"ingress": {"enabled": True, "hosts": ["x"]}, "keys": {"existingSecret": "x"}},
            "the route's gateway would be kept out",
        ),
        ({"serviceMonitor": {"enabled": True}}, "Prometheus would be kept out"),
        ({"learner": {"enabled": True}}, "learner.name: a run needs one"),
        ({"learner": {"enabled": True, "name": "x"}}, "learner: say what to learn"),
        (
            {"learner": {"enabled": True, "name": "x", "args": ["--pos"]}},
            "published to the vectors volume, and there is none",
        ),
        ({"alerts": {"disabled": ["TrimtabSlow"]}}, "there is no alert TrimtabSlow. Choose from TrimtabDown"),
        ({"alerts": {"overrides": {"TrimtabSlow": {"for": "1m"}}}}, "there is no alert TrimtabSlow"),
    ],
)
def test_values_that_do_not_go_together_are_refused_with_the_cure(values, says):
    assert says in refusal(values)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("image.digest", DIGEST),
        ("model.source", "stable-diffusion-v1-5/stable-diffusion-v1-5"),
        ("settings.max_pixel_steps", 4_000_000_000),
        ("settings.floor", {"safety": [{"concept": "anti-sexual"}]}),
        ("settings.floor", "strict"),
        ("resources.limits.cpu", 0.5),
        ("shutdown.graceS", 90.5),
        ("strategy.maxSurge", "25%"),
        ("service.port", 65535),
    ],
)
def test_what_makes_sense_is_taken(path, value):
    assert texts(nested(path, value))


def test_the_schema_knows_the_settings_as_the_service_takes_them():
    module = writer()
    file = json.loads(module.SCHEMA.read_text())
    assert module.SCHEMA == CHART / "values.schema.json"
    assert file == module.with_settings(file), "Run: python scripts/write_chart_settings.py"
    known = {*file["properties"]["settings"]["properties"], *module.OF_THE_CHART}
    assert known == set(Settings.model_fields)


def test_every_value_of_the_schema_is_in_the_file_of_values(values):
    def keys(schema, path=()):
        for key, one in schema.get("properties", {}).items():
            below = list(keys(one, (*path, key)))
            yield from below or [(*path, key)]

    optional = {
        "global",
        "settings",
        "policies",
        "initialDelaySeconds",
        "nodeAffinity",
        "podAffinity",
        "podAntiAffinity",
    }
    for path in keys(chart().schema):
        at = values
        for key in path:
            if key in optional:
                break
            assert key in at, f"{'.'.join(path)} is nowhere in values.yaml"
            at = at[key]


def test_every_value_of_the_file_is_read_by_a_template(values):
    templates = "\n".join(template["data"] for template in chart().templates)

    def keys(one, path=()):
        for key, value in one.items():
            yield key
            if isinstance(value, dict) and key not in ("labels", "annotations", "requests", "limits"):
                yield from keys(value)

    # Handed on as they are, in a whole block.
    whole = {"periodSeconds", "timeoutSeconds", "failureThreshold", "maxSurge", "requests", "limits"}
    unread = {
        key
        for key in keys(values)
        if key not in whole and f".{key}" not in templates and f'"{key}"' not in templates
    }
    assert unread - {"grafana_dashboard"} == set()
