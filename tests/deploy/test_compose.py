"""The Compose file is valid and confined, and agrees with the image, the chart and what Prometheus and Grafana read."""

import json
import re
import shutil
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose
from dockerfile import only
from rendered_chart import CHART, chart, containers, one, rendered

from service.settings import PREFIX, load_settings

DEPLOY = CHART.parents[1]
COMPOSE = DEPLOY / "compose.yaml"
TEXT = COMPOSE.read_text()
DOCUMENT: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = DOCUMENT["services"]
ACCEPTED = {"CL-0019"}
"""Findings of compose-lint that are meant: images are named by version, and their digests are for who deploys them."""


def checked(text: str) -> PyCompose:
    """The document as the Compose specification has it, which knows no merge keys: YAML itself resolves them."""
    compose = PyCompose.from_json(json.dumps(yaml.safe_load(text)))
    compose.validate()
    return compose


def linted(file: Path) -> set[str]:
    command = [sys.executable, "-m", "compose_lint", "check", "--no-env", "--format", "json", file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return {finding["rule_id"] for finding in json.loads(done.stdout)["findings"]}


def bound(service: str) -> dict[str, Path]:
    """Files and folders of the repository by where a service has them; each is there, and is only read."""
    found = {}
    for volume in SERVICES[service]["volumes"]:
        source, target, *mode = volume.split(":")
        if source.startswith("."):
            assert mode == ["ro"], volume
            found[target] = DEPLOY / source
            assert found[target].exists(), volume
    return found


def test_it_is_valid():
    assert set(checked(TEXT).service_names()) == {"trimtab", "redis", "prometheus", "grafana"}


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("read_only", "readonly"),
        ("networks: [inside]", "networks: [outside]"),
        ("interval: 10s", "interval: tens"),
        ("mem_limit: 4g", "mem_limit: many"),
    ],
)
def test_it_would_be_seen_that_it_is_not_valid(right, wrong):
    assert right in TEXT
    with pytest.raises(ValueError, match=r"\S"):
        checked(TEXT.replace(right, wrong))


def test_its_linter_finds_nothing_that_is_not_meant():
    assert linted(COMPOSE) == ACCEPTED


def test_its_linter_would_find_a_fault(tmp_path):
    bad = tmp_path / "compose.yaml"
    bad.write_text(
        TEXT.replace("read_only: true", "privileged: true")
        .replace("cap_drop: [ALL]", "cap_add: [SYS_ADMIN]")
        .replace('"127.0.0.1:8000:8000"', '"8000:8000"')
    )
    assert {"CL-0002", "CL-0005", "CL-0006", "CL-0007"} <= linted(bad)


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_confined_and_looked_at(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "cpus", "pids_limit", "healthcheck"} <= service.keys()
    assert not {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc"} & service.keys()
    user = service.get("user") or only("USER")
    assert re.fullmatch(r"[1-9]\d*:\d+", user)
    image, _, tag = service["image"].rpartition(":")
    assert image
    assert re.match(r"v?\d+\.\d+", tag)
    for port in service.get("ports", []):
        address, _, _ = port.split(":")
        assert ip_address(address).is_loopback
    for volume in service["volumes"]:
        source = volume.partition(":")[0]
        assert source.startswith("./") or source in DOCUMENT["volumes"]
    for needed, condition in service.get("depends_on", {}).items():
        assert condition == {"condition": "service_healthy"}
        assert "healthcheck" in SERVICES[needed]


def test_images_are_those_of_the_chart():
    pod = one(rendered({}), "Deployment")["spec"]["template"]["spec"]
    assert SERVICES["trimtab"]["image"] == pod["containers"][0]["image"]
    assert SERVICES["redis"]["image"] == chart().values["redis"]["bundled"]["image"]


def test_the_service_takes_its_variables_and_lets_this_machine_alone_in(monkeypatch):
    service = SERVICES["trimtab"]
    for name, value in service["environment"].items():
        assert name.startswith(PREFIX)
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert (settings.host, settings.allow_anonymous, settings.keys) == ("0.0.0.0", True, None)
    assert settings.guards_against_pages
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == "redis://redis:6379/0"
    assert service["ports"] == [f"127.0.0.1:8000:{settings.port}"]
    seconds = int(re.fullmatch(r"(\d+)s", service["stop_grace_period"])[1])
    assert seconds >= settings.grace_s + 2  # in which it gives jobs back
    (image_check,) = re.findall(r"CMD (\[.*\])", only("HEALTHCHECK"))
    assert service["healthcheck"]["test"] == ["CMD", *json.loads(image_check)]


def test_the_service_has_what_it_writes_to():
    service = SERVICES["trimtab"]
    writable = {volume.split(":")[1] for volume in service["volumes"]}
    writable |= {one.partition(":")[0] for one in service["tmpfs"]}
    pod = one(rendered({}), "Deployment")["spec"]["template"]["spec"]
    mounts = [mount for container in containers(pod) for mount in container["volumeMounts"]]
    assert writable == {mount["mountPath"] for mount in mounts if not mount.get("readOnly")}


def test_redis_forgets_nothing_and_answers_the_service_without_a_password():
    command = SERVICES["redis"]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert (options["--maxmemory-policy"], options["--appendonly"]) == ("noeviction", "yes")
    assert options["--protected-mode"] == "no"
    assert "ports" not in SERVICES["redis"]


def test_prometheus_takes_its_file_with_the_charts_alerts(tmp_path):
    program = shutil.which("promtool")
    assert program, "The tests need promtool: run scripts/install-test-services."
    files = bound("prometheus")
    text = files["/etc/prometheus/prometheus.yaml"].read_text()
    assert files["/etc/prometheus/alerts"] == DEPLOY / "./helm/trimtab/alerts"
    assert "/etc/prometheus/alerts/" in text
    here = tmp_path / "prometheus.yaml"
    here.write_text(text.replace("/etc/prometheus/alerts", str(CHART / "alerts")))
    done = subprocess.run([program, "check", "config", here], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    alerts = yaml.safe_load((CHART / "alerts/trimtab.yaml").read_text())
    rules = sum(len(group["rules"]) for group in alerts["groups"])
    assert f"{rules} rules found" in done.stdout
    flags = dict(one.split("=", 1) for one in SERVICES["prometheus"]["command"])
    assert flags["--config.file"] in files
    assert f"prometheus:{flags['--storage.tsdb.path']}" in SERVICES["prometheus"]["volumes"]


def test_prometheus_asks_the_service_where_it_answers_and_labels_it_as_the_alerts_expect():
    (job,) = yaml.safe_load((DEPLOY / "compose/prometheus.yaml").read_text())["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    assert (found["names"], found["port"]) == (["trimtab"], 8000)
    assert job.get("metrics_path", "/metrics") == "/metrics"
    assert {"target_label": "namespace", "replacement": "compose"} in job["relabel_configs"]
    assert SERVICES["prometheus"]["networks"] == SERVICES["trimtab"]["networks"]


def test_grafana_has_the_charts_dashboard_and_its_data():
    files = bound("grafana")
    (source,) = yaml.safe_load(files["/etc/grafana/provisioning/datasources/trimtab.yaml"].read_text())[
        "datasources"
    ]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    (provider,) = yaml.safe_load(files["/etc/grafana/provisioning/dashboards/trimtab.yaml"].read_text())[
        "providers"
    ]
    folder = files[provider["options"]["path"]]
    assert folder == DEPLOY / "./helm/trimtab/dashboards"
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    dashboard = json.loads((folder / Path(home).name).read_text())
    assert Path(home).parent == Path(provider["options"]["path"])
    kinds = [one["query"] for one in dashboard["templating"]["list"] if one["type"] == "datasource"]
    assert kinds == [source["type"]]
