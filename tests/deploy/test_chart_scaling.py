"""Replicas by what waits: what the autoscalers ask for is what the service counts and what Redis has."""

import base64
import time
from urllib.parse import urlsplit

import pytest
import redis
from kubernetes_schemas import problems
from redis_server import RedisServer
from rendered_chart import NAMESPACE, example, one, rendered

from service.metrics import Metrics
from service.state.jobs import Ending, NewJob
from service.state.redis_client import RedisClient
from service.state.redis_jobs import RedisJobs


@pytest.fixture
def keda(examples):
    return {trigger["name"]: trigger for trigger in one(examples["keda"], "ScaledObject")["spec"]["triggers"]}


def test_the_horizontal_autoscaler_scales_the_deployment_on_the_queue(examples):
    scaler = one(examples["hpa"], "HorizontalPodAutoscaler")["spec"]
    deployment = one(examples["hpa"], "Deployment", "images-trimtab")
    assert scaler["scaleTargetRef"] == {
        "apiVersion": deployment["apiVersion"],
        "kind": "Deployment",
        "name": deployment["metadata"]["name"],
    }
    (metric,) = scaler["metrics"]
    assert metric["pods"] == {
        "metric": {"name": "trimtab_waiting_rows"},
        "target": {"type": "AverageValue", "averageValue": "8"},
    }
    assert b"# TYPE trimtab_waiting_rows gauge" in Metrics().exposition()
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 6)


@pytest.mark.parametrize("name", ["hpa", "keda"])
def test_who_scales_is_not_contradicted(examples, name):
    assert "replicas" not in one(examples[name], "Deployment", "images-trimtab")["spec"]


def test_keda_asks_prometheus_for_this_release_alone(keda, examples):
    assert keda["requests"]["metadata"] == {
        "serverAddress": "http://prometheus.monitoring.svc:9090",
        "query": f'sum(trimtab_waiting_rows{{namespace="{NAMESPACE}",service="images-trimtab"}})',
        "threshold": "16",
    }
    # The label service is the Service's name, where a ServiceMonitor found it.
    assert one(examples["keda"], "Service")["metadata"]["name"] == "images-trimtab"
    assert one(examples["keda"], "ServiceMonitor")["spec"]["endpoints"][0]["path"] == "/metrics"


def test_large_numbers_stay_numbers():
    """Helm itself would write a million as 1e+06."""
    million = 1_000_000
    values = example("keda")
    values["autoscaling"] |= {"waitingRows": million}
    values["autoscaling"]["keda"] |= {"pollingInterval": million, "cooldownPeriod": million}
    values["autoscaling"]["keda"]["jobs"] |= {"perReplica": million}
    scaled = one(rendered(values), "ScaledObject")
    assert problems(scaled, "1.30") == []
    assert scaled["spec"]["pollingInterval"] == scaled["spec"]["cooldownPeriod"] == million
    requests, jobs = (trigger["metadata"] for trigger in scaled["spec"]["triggers"])
    assert (requests["threshold"], jobs["streamLength"]) == ("1000000", "1000000")


def test_keda_counts_jobs_that_wait_or_run(keda, own_server):
    metadata = keda["jobs"]["metadata"]
    jobs = RedisJobs(RedisClient(own_server.url))
    with redis.Redis(port=own_server.port, db=int(metadata["databaseIndex"])) as client:

        def entries() -> int:
            return client.xlen(metadata["stream"])

        assert entries() == 0
        for id in ("first", "second", "third"):
            jobs.add(NewJob(id, "shop", None, "{}", 1, time.time()))
        assert entries() == 3
        assert [claim.id for claim in jobs.claim("worker")] == ["first"]
        assert entries() == 3
        # A job that was put back wakes a service of no replicas too.
        jobs.release("worker", "first")
        assert entries() == 3
        assert [claim.id for claim in jobs.claim("worker", 2)] == ["first", "second"]
        # One that was cancelled counts until a worker comes by.
        assert jobs.cancel("third")
        assert jobs.claim("worker") == []
        assert entries() == 2
        for id in ("first", "second"):
            assert jobs.finish("worker", id, Ending("done", b"{}"))
        assert entries() == 0


def test_keda_shows_redis_its_password(examples, keda):
    authentication = one(examples["keda"], "TriggerAuthentication")
    assert keda["jobs"]["authenticationRef"] == {"name": authentication["metadata"]["name"]}
    assert authentication["spec"]["secretTargetRef"] == [
        {"parameter": "password", "name": "redis", "key": "password"}
    ]


def test_the_bundled_redis_has_one_password_everywhere():
    values = example("redis-bundled") | {
        "autoscaling": {"kind": "keda", "keda": {"requests": {"enabled": False}, "jobs": {"enabled": True}}}
    }
    manifests = rendered(values)
    secret = one(manifests, "Secret", "images-trimtab-redis")
    url = urlsplit(base64.b64decode(secret["data"]["redis-url"]).decode())
    assert (url.scheme, url.hostname, url.port, url.path) == (
        "redis",
        f"images-trimtab-redis.{NAMESPACE}.svc",
        6379,
        "/0",
    )
    assert url.password == base64.b64decode(secret["data"]["password"]).decode()
    assert len(url.password) == 40
    (trigger,) = one(manifests, "ScaledObject")["spec"]["triggers"]
    assert trigger["metadata"]["address"] == f"{url.hostname}:{url.port}"
    assert one(manifests, "TriggerAuthentication")["spec"]["secretTargetRef"] == [
        {"parameter": "password", "name": "images-trimtab-redis", "key": "password"}
    ]


def test_the_bundled_redis_starts_as_the_chart_starts_it(examples, tmp_path):
    """The arguments are taken by a real Redis, which then forgets nothing when it is short of room."""
    deployment = one(examples["redis-bundled"], "Deployment", "images-trimtab-redis")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    options = ["secret" if one == "$(REDISCLI_AUTH)" else one for one in container["args"]]
    options[options.index("--dir") + 1] = str(tmp_path)
    assert options[:2] == ["--requirepass", "secret"]
    with RedisServer(tmp_path, options=options[2:]) as server, redis.Redis(port=server.port) as client:
        settings = client.config_get("maxmemory-policy", "appendonly")
        assert settings == {"maxmemory-policy": "noeviction", "appendonly": "yes"}
