"""Who is led to the service, and where to: clients to what they use, through the gateway alone."""

import re

import pytest
from kubernetes_schemas import problems
from rendered_chart import NAMESPACE, example, one, rendered
from starlette.routing import Route

from service.app import create_app
from service.settings import Settings

PRIVATE = ("/startupz", "/healthz", "/readyz", "/metrics", "/admin", "/admission", "/sdapi/admission")


@pytest.fixture(scope="module")
def addresses() -> list[str]:
    """An address of each route that the service has."""
    app = create_app(Settings())
    paths = {route.path for route in app.routes if isinstance(route, Route)} | set(app.openapi()["paths"])
    return sorted(re.sub(r"{[^}]*}", "x", path) for path in paths)


def led(path: str, kind: str, value: str) -> bool:
    """Whether a rule of a route is for a path, as the Gateway API and the Ingress say it."""
    if kind == "Exact":
        return path == value
    return path == value or path.startswith(f"{value.rstrip('/')}/")


def rules_of(manifests):
    route = next(manifest for manifest in manifests if manifest["kind"] in ("HTTPRoute", "Ingress"))
    if route["kind"] == "Ingress":
        return [(path["pathType"], path["path"]) for path in route["spec"]["rules"][0]["http"]["paths"]]
    return [
        (match["path"]["type"], match["path"]["value"])
        for rule in route["spec"]["rules"]
        for match in rule["matches"]
    ]


@pytest.mark.parametrize("name", ["httproute", "ingress"])
def test_clients_reach_what_they_use_and_nothing_else(examples, addresses, name):
    rules = rules_of(examples[name])
    assert {"/generate", "/v1/images/generations", "/jobs/x/events", "/metrics"} <= set(addresses)
    for path in addresses:
        is_private = path.startswith(PRIVATE)
        assert any(led(path, kind, value) for kind, value in rules) is not is_private, path
    # Nor does a prefix take in more than whole parts of a path.
    assert not any(led("/generated", kind, value) for kind, value in rules)


def test_a_route_leads_to_the_service(examples):
    service = one(examples["httproute"], "Service")
    (container,) = one(examples["httproute"], "Deployment")["spec"]["template"]["spec"]["containers"]
    (port,) = service["spec"]["ports"]
    assert port["targetPort"] in [one["name"] for one in container["ports"]]
    for rule in one(examples["httproute"], "HTTPRoute")["spec"]["rules"]:
        assert rule["backendRefs"] == [{"name": service["metadata"]["name"], "port": port["port"]}]
    for host in one(examples["ingress"], "Ingress")["spec"]["rules"]:
        for path in host["http"]["paths"]:
            assert path["backend"] == {
                "service": {"name": service["metadata"]["name"], "port": {"name": port["name"]}}
            }


def test_the_gateway_never_ends_a_request_before_the_service_does():
    for settings, expected in (({}, "3630s"), ({"max_timeout_s": 900.5}, "931s")):
        values = example("httproute") | {"settings": settings}
        waited, followed = one(rendered(values), "HTTPRoute")["spec"]["rules"]
        assert waited["timeouts"] == {"request": expected, "backendRequest": expected}
        # Whoever follows jobs does so for as long as they like.
        assert [match["path"]["value"] for match in followed["matches"]] == ["/jobs"]
        assert followed["timeouts"] == {"request": "0s", "backendRequest": "0s"}
        longest_s = Settings(**settings).max_timeout_s
        assert int(expected.removesuffix("s")) > longest_s


def test_a_patience_of_days_is_one_that_the_gateway_reads():
    values = example("httproute") | {"settings": {"max_timeout_s": 200_000}}
    route = one(rendered(values), "HTTPRoute")
    assert problems(route, "1.30") == []
    (request,) = {rule["timeouts"]["request"] for rule in route["spec"]["rules"]} - {"0s"}
    assert request == "3334m"
    assert int(request.removesuffix("m")) * 60 > 200_000


def test_no_rule_is_for_every_path():
    """As one without matches would be."""
    for routes in ({"exact": [], "prefixes": ["/jobs"]}, {"exact": ["/generate"], "prefixes": ["/jobs"]}):
        route = one(rendered(example("httproute") | {"routes": routes}), "HTTPRoute")
        assert problems(route, "1.30") == []
        assert [value for _, value in rules_of([route])] == [*routes["exact"], *routes["prefixes"]]


def test_an_ingress_has_the_same_patience_and_hands_streams_on(examples):
    annotations = one(examples["ingress"], "Ingress")["metadata"]["annotations"]
    said = {key.removeprefix("nginx.ingress.kubernetes.io/"): value for key, value in annotations.items()}
    assert int(said["proxy-read-timeout"]) > Settings().max_timeout_s
    assert said["proxy-buffering"] == "off"
    assert said["proxy-body-size"] == "64m"


def allows(policy, namespace: dict[str, str], pod: dict[str, str], port: str) -> bool:
    """Whether a NetworkPolicy lets in who comes from such a namespace with such labels."""

    def is_chosen(selector, labels):
        return selector.get("matchLabels", {}).items() <= labels.items()

    own = {"kubernetes.io/metadata.name": NAMESPACE}
    for rule in policy["spec"]["ingress"]:
        if port not in [one["port"] for one in rule["ports"]]:
            continue
        if not rule.get("from"):
            return True
        for peer in rule["from"]:
            in_namespace = (
                is_chosen(peer["namespaceSelector"], namespace)
                if "namespaceSelector" in peer
                else namespace == own
            )
            if in_namespace and is_chosen(peer.get("podSelector", {}), pod):
                return True
    return False


def test_the_gateway_the_monitoring_and_the_test_are_let_in_and_nobody_else(examples):
    policy = one(examples["gpu-production"], "NetworkPolicy", "images-trimtab")
    own = {"kubernetes.io/metadata.name": NAMESPACE}
    test = one(examples["gpu-production"], "Pod")["metadata"]["labels"]
    service = one(examples["gpu-production"], "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= service.items()
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    for namespace in ("gateway", "monitoring"):
        assert allows(policy, {"kubernetes.io/metadata.name": namespace}, {"app": "any"}, "http")
    assert allows(policy, own, test, "http")
    assert not allows(policy, own, {"app": "any"}, "http")
    assert not allows(policy, own, service, "http")
    assert not allows(policy, {"kubernetes.io/metadata.name": "default"}, test, "http")


def test_nobody_but_the_test_is_let_in_where_nobody_is_named(examples):
    policy = one(examples["default"], "NetworkPolicy")
    own = {"kubernetes.io/metadata.name": NAMESPACE}
    assert allows(policy, own, one(examples["default"], "Pod")["metadata"]["labels"], "http")
    assert not allows(policy, own, {"app": "any"}, "http")
    without = one(rendered({"helmTest": {"enabled": False}}), "NetworkPolicy")
    assert without["spec"]["ingress"] == []
    assert without["spec"]["policyTypes"] == ["Ingress"]


def test_the_bundled_redis_is_for_the_service_alone(examples):
    policy = one(examples["redis-bundled"], "NetworkPolicy", "images-trimtab-redis")
    own = {"kubernetes.io/metadata.name": NAMESPACE}
    labels = {
        manifest["metadata"]["name"]: manifest["spec"]["template"]["metadata"]["labels"]
        for manifest in examples["redis-bundled"]
        if manifest["kind"] == "Deployment"
    }
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels["images-trimtab-redis"].items()
    assert allows(policy, own, labels["images-trimtab"], "redis")
    assert not allows(policy, own, {"app": "any"}, "redis")
    assert not allows(policy, {"kubernetes.io/metadata.name": "default"}, labels["images-trimtab"], "redis")
    (dns, to_redis) = one(examples["redis-bundled"], "NetworkPolicy", "images-trimtab")["spec"]["egress"]
    assert {port["port"] for port in dns["ports"]} == {53}
    assert to_redis["to"][0]["podSelector"]["matchLabels"].items() <= labels["images-trimtab-redis"].items()
