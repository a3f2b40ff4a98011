"""Alerts that Prometheus itself evaluates, a dashboard of metrics that exist, and a runbook for each alert."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from rendered_chart import CHART, example, one, rendered

from service.metrics import Metrics

ALERTS = yaml.safe_load((CHART / "alerts/trimtab.yaml").read_text())
RULES = {rule["alert"]: rule for group in ALERTS["groups"] for rule in group["rules"]}
DASHBOARD = json.loads((CHART / "dashboards/trimtab.json").read_text())
DOCS = Path(__file__).parents[2] / "docs"
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


@pytest.fixture(scope="module")
def promtool():
    program = shutil.which("promtool")
    assert program, "The tests need promtool: run scripts/install-test-services."

    def run(*arguments: object) -> None:
        done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    return run


@pytest.fixture(scope="module")
def metrics() -> set[str]:
    """The names of all samples that /metrics can have."""
    names = set()
    for family in text_string_to_metric_families(Metrics().exposition().decode()):
        endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        names |= {f"{family.name}{ending}" for ending in endings}
    return names


def asked_for(query: str) -> set[str]:
    return set(re.findall(r"\b(?:trimtab|process)_[a-z_]+\b", query))


def test_prometheus_takes_the_alerts_and_they_come_when_they_should(promtool, tmp_path):
    cases = Path(__file__).parent / "alerts_test.yaml"
    shutil.copy(CHART / "alerts/trimtab.yaml", tmp_path)
    shutil.copy(cases, tmp_path)
    promtool("check", "rules", tmp_path / "trimtab.yaml")
    promtool("test", "rules", tmp_path / cases.name)


def test_every_alert_is_seen_to_come():
    cases = yaml.safe_load((Path(__file__).parent / "alerts_test.yaml").read_text())
    come = {
        test["alertname"] for case in cases["tests"] for test in case["alert_rule_test"] if test["exp_alerts"]
    }
    assert come == set(RULES)


def test_alerts_and_dashboard_ask_for_metrics_that_exist(metrics):
    queries = [rule["expr"] for rule in RULES.values()]
    queries += [target["expr"] for panel in PANELS for target in panel["targets"]]
    queries += [
        variable["definition"] for variable in DASHBOARD["templating"]["list"] if "definition" in variable
    ]
    for query in queries:
        assert asked_for(query), query
        assert asked_for(query) <= metrics, query


def test_labels_that_are_asked_for_are_on_the_metrics():
    """By a walk through the service's own documentation of its metrics, and what Prometheus adds."""
    table = (DOCS / "observability.md").read_text()
    documented = {
        name: set(re.findall(r"`([a-z_]+)`", labels))
        for name, labels in re.findall(r"^\| `(trimtab_[a-z_]+)` \| [a-z]+ \| ([^|]*)\|", table, re.MULTILINE)
    }
    added = {"namespace", "job", "instance", "le"}
    queries = [rule["expr"] for rule in RULES.values()]
    queries += [target["expr"] for panel in PANELS for target in panel["targets"]]
    for query in queries:
        for name, matchers in re.findall(r"\b(trimtab_[a-z_]+)\{([^}]*)\}", query):
            name = re.sub(r"_(bucket|sum|count)$", "", name)
            labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
            assert labels <= documented[name] | added, query
        named = {
            label.strip()
            for group in re.findall(r"\b(?:by|on) \(([^)]*)\)", query)
            for label in group.split(",")
        }
        sources = {
            re.sub(r"_(bucket|sum|count)$", "", name)
            for name in asked_for(query)
            if name.startswith("trimtab")
        }
        assert named <= set().union(*(documented[name] for name in sources)) | added, query


def test_every_alert_has_a_runbook_that_says_what_to_do():
    operations = (DOCS / "operations.md").read_text()
    sections = dict(re.findall(r"^### (Trimtab\w+)\n(.*?)(?=^##)", operations, re.MULTILINE | re.DOTALL))
    assert list(sections) == list(RULES)
    for name, rule in RULES.items():
        assert rule["annotations"]["runbook_url"] == f"#{name.lower()}"
        assert len(sections[name].split()) > 25, name
        assert re.search(r"\*\*(Look|Do)\*\*", sections[name]), name
        assert rule["labels"]["severity"] in ("critical", "warning", "info")


def test_runbooks_name_codes_and_metrics_that_exist(metrics):
    from service.http_errors import HTTP_CODES, REFUSALS, VALIDATION_REFUSALS

    operations = (DOCS / "operations.md").read_text()
    runbooks = operations[operations.index("## When an alert comes") : operations.index("## The start")]
    codes = {refusal.code for refusal in (*REFUSALS.values(), *VALIDATION_REFUSALS.values())} | set(
        HTTP_CODES.values()
    )
    said = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`(?: \(\d{3}\))", runbooks))
    assert {"floor_unmet", "state_unavailable", "deadline_exceeded"} <= said <= codes
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in metrics}
    for name in asked_for(runbooks):
        assert name in metrics | families, name


def test_prometheus_takes_every_query_of_the_dashboard(promtool, tmp_path):
    rules = []
    for panel in PANELS:
        for target in panel["targets"]:
            query = target["expr"].replace("$namespace", ".*").replace("$job", ".*")
            assert "$" not in query
            rules.append({"record": f"panel:{panel['id']}:{target['refId']}", "expr": query})
    file = tmp_path / "dashboard.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", file)


def test_the_dashboard_is_whole(metrics):
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    titles = [panel["title"] for panel in DASHBOARD["panels"]]
    assert len(titles) == len(set(titles))
    taken = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
    for panel in PANELS:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        for target in panel["targets"]:
            assert 'namespace=~"$namespace",job=~"$job"' in target["expr"] or "process_" in target["expr"]
    # What the service counts is looked at somewhere.
    shown = set().union(*(asked_for(target["expr"]) for panel in PANELS for target in panel["targets"]))
    families = {
        re.sub(r"_(total|bucket|sum|count)$", "", name) for name in metrics if name.startswith("trimtab")
    }
    unshown = families - {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in shown}
    assert unshown <= {"trimtab_served_share"}


def test_the_chart_hands_the_dashboard_on(examples):
    config_map = one(examples["cpu-demo"], "ConfigMap", "images-trimtab-dashboard")
    assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(config_map["data"]["trimtab.json"]) == DASHBOARD


def test_the_chart_hands_the_alerts_on_as_they_were_chosen(examples):
    rule = one(examples["gpu-production"], "PrometheusRule")
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    made = {one["alert"]: one for group in rule["spec"]["groups"] for one in group["rules"]}
    assert made.keys() == RULES.keys() - {"TrimtabFloorOpposed"}
    slow = made["TrimtabQueueSlow"]
    assert slow["for"] == "10m"
    assert slow["labels"] == {"severity": "critical", "team": "images"}
    assert slow["expr"] == RULES["TrimtabQueueSlow"]["expr"]
    for name, alert in made.items():
        assert alert["annotations"]["runbook_url"] == f"docs/operations.md#{name.lower()}"
        assert alert["annotations"]["summary"] == RULES[name]["annotations"]["summary"]
        assert alert["labels"]["team"] == "images"


def test_all_alerts_can_be_off():
    rule = one(rendered({"alerts": {"enabled": True, "disabled": list(RULES)}}), "PrometheusRule")
    assert rule["spec"] == {"groups": []}


def test_runbooks_can_be_elsewhere():
    values = {"alerts": {"enabled": True, "runbooks": "https://docs.example.com/operations/"}}
    rule = one(rendered(values), "PrometheusRule")
    first = rule["spec"]["groups"][0]["rules"][0]
    assert first["annotations"]["runbook_url"] == "https://docs.example.com/operations/#trimtabdown"


def test_prometheus_is_led_to_the_service(examples):
    monitor = one(examples["gpu-production"], "ServiceMonitor")["spec"]
    service = one(examples["gpu-production"], "Service")
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["endpoints"]
    assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]
    # A bundled Redis has a Service too, which nobody scrapes.
    manifests = rendered(example("hpa"))
    redis = one(manifests, "Service", "images-trimtab-redis")
    selected = one(manifests, "ServiceMonitor")["spec"]["selector"]["matchLabels"]
    assert not selected.items() <= redis["metadata"]["labels"].items()
