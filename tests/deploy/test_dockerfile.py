"""The Dockerfile passes its linter, and agrees with the chart, the settings and what the packages are made of."""

import http.server
import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from contextlib import contextmanager
from pathlib import Path

import pytest
from dockerfile import DOCKERFILE, environment, instructions, last_stage, only
from free_ports import free_port
from rendered_chart import CHART, chart, containers, one, rendered

from service.settings import PREFIX, Settings

ROOT = DOCKERFILE.parents[1]
IMAGE_FILES = ROOT / "deploy/image"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
HADOLINT = Path(sys.executable).with_name("hadolint")


def findings(dockerfile: Path) -> set[str]:
    done = subprocess.run([HADOLINT, "--format", "json", dockerfile], capture_output=True, text=True)
    return {f"{one['code']} line {one['line']}: {one['message']}" for one in json.loads(done.stdout)}


@pytest.fixture(scope="module")
def pod():
    return one(rendered({}), "Deployment")["spec"]["template"]["spec"]


def test_hadolint_finds_nothing():
    assert findings(DOCKERFILE) == set()


def test_hadolint_would_find_a_fault(tmp_path):
    bad = tmp_path / "Dockerfile"
    text = DOCKERFILE.read_text()
    assert "USER 10001:10001\n" in text
    bad.write_text(
        text.replace("# hadolint ignore=DL3008\n", "").replace("USER 10001:10001\n", "USER root\n")
        + "ADD . /srv\nRUN cd /srv && sudo make\n"
    )
    assert {"DL3002", "DL3003", "DL3004", "DL3008", "DL3020"} <= {one[:6] for one in findings(bad)}


def test_the_user_is_the_charts_and_a_number(pod):
    assert only("USER") == f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", only("USER"))


def test_caches_are_where_the_chart_has_them(pod):
    (container,) = containers(pod)
    charts = {one["name"]: one["value"] for one in container["env"] if not one["name"].startswith(PREFIX)}
    ours = environment()
    assert {name: ours[name] for name in charts} == charts


def test_what_the_chart_mounts_is_there_and_the_users_own():
    volumes = ("models", "vectors", "cache")
    values = {"volumes": {name: {"create": True} for name in volumes}}
    learner = {"enabled": True, "name": "woman", "args": ["--pos", "a", "--neg", "b"]}
    manifests = rendered({**values, "learner": learner})
    (made,) = re.findall(r"install --directory --owner=10001 --group=10001 ([/\w ]+)", str(last_stage()))
    mounted = {
        mount["mountPath"]
        for kind in ("Deployment", "Job")
        for container in containers(one(manifests, kind)["spec"]["template"]["spec"])
        for mount in container["volumeMounts"]
        if not mount["mountPath"].startswith(("/etc/", "/dev/", "/tmp"))
    }
    assert mounted == set(made.split())


def test_the_port_is_the_charts_and_the_services(pod):
    (container,) = containers(pod)
    (port,) = container["ports"]
    default = Settings.model_fields["port"].default
    assert (only("EXPOSE"), environment()["TRIMTAB_PORT"]) == (str(default), str(default))
    assert port["containerPort"] == default


def test_variables_of_the_image_are_settings_and_none_opens_it():
    ours = {name for name in environment() if name.startswith(PREFIX)}
    assert ours <= {PREFIX + field.upper() for field in Settings.model_fields}
    assert not ours & {"TRIMTAB_ALLOW_ANONYMOUS", "TRIMTAB_HOST"}


def test_the_version_is_the_projects_and_the_charts():
    (version,) = (
        rest.partition("=")[2] for name, rest in instructions() if (name, rest[:8]) == ("ARG", "VERSION=")
    )
    assert version == PROJECT["project"]["version"]
    assert f'appVersion: "{version}"' in (CHART / "Chart.yaml").read_text()
    assert chart().values["image"]["repository"] == "trimtab"


def test_the_python_is_debians_and_the_projects():
    """Debian 12 has Python 3.11; its successors do not."""
    (base,) = (rest for name, rest in instructions() if (name, rest[:5]) == ("ARG", "BASE="))
    assert re.fullmatch(r"BASE=docker\.io/library/debian:12\.\d+-slim", base)
    assert PROJECT["project"]["requires-python"] == ">=3.11,<3.12"


def test_no_stage_is_taken_as_latest_and_nothing_is_built_from_source():
    for name, rest in instructions():
        if name == "FROM":
            assert rest.split()[0] in {"scratch", "${BASE}", "tools", "dependencies", "runtime"}
    assert "PIP_ONLY_BINARY=:all:" in str(instructions())
    installs = [rest for name, rest in instructions() if name == "RUN" and "pip install" in rest]
    assert installs
    for rest in installs:
        for command in rest.split("&&"):
            if "pip" in command and " install" in command:
                assert "--constraint constraints.txt" in command or "--no-index --no-deps" in command


def test_arguments_are_declared_in_the_stage_that_reads_them():
    """Not every builder hands them on to the stages that are made from it."""
    declared: set[str] = set()
    for name, rest in instructions():
        if name == "FROM":
            declared = {"BASE"}
        elif name == "ARG":
            declared.add(rest.partition("=")[0])
        elif name in ("RUN", "LABEL"):
            assert set(re.findall(r"\$\{(\w+)\}", rest)) <= declared, rest


def test_compilers_are_in_no_stage_that_the_image_is():
    installed = " ".join(rest for name, rest in last_stage() if name == "RUN")
    assert re.findall(r"--no-install-recommends ([\w .-]+)", installed) == ["ca-certificates python3 tini "]


def test_signals_go_through_tini_and_docker_asks_whether_it_is_ready():
    assert json.loads(only("ENTRYPOINT")) == ["/usr/bin/tini", "--", "trimtab-start"]
    assert only("HEALTHCHECK").endswith('CMD ["trimtab-healthy"]')
    for program in ("trimtab-start", "trimtab-healthy"):
        assert os.access(IMAGE_FILES / program, os.X_OK)


def test_everything_that_is_packaged_is_sent_and_nothing_else():
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    packages = {name.rstrip("*") for name in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]}
    files = {"LICENSE", "README.md", "constraints.txt", "pyproject.toml", "deploy/image"}
    assert sent == packages | files
    for _, rest in filter(lambda one: one[0] == "COPY" and "--from" not in one[1], instructions()):
        for path in [word for word in rest.split()[:-1] if not word.startswith("--") and word != "."]:
            assert any(path == one or path.startswith(f"{one}/") for one in sent), path
            assert (ROOT / path).is_file(), path


@pytest.mark.parametrize(("device", "has_triton"), [("gpu", True), ("cpu", False)])
def test_what_is_installed_are_the_dependencies_and_the_extras(device, has_triton):
    done = listed(device, "c2pa,otel")
    lines = set(done.stdout.splitlines())
    extras = PROJECT["project"]["optional-dependencies"]
    assert {*PROJECT["project"]["dependencies"], *extras["c2pa"], *extras["otel"]} <= lines
    assert (set(extras["gpu"]) <= lines) is has_triton


@pytest.mark.parametrize(("device", "extras", "said"), [("tpu", "", "'tpu'"), ("cpu", "c3pa", "'c3pa'")])
def test_what_cannot_be_installed_is_refused_by_name(device, extras, said):
    done = listed(device, extras)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stdout == ""


def listed(device: str, extras: str) -> subprocess.CompletedProcess[str]:
    script = [sys.executable, IMAGE_FILES / "requirements.py", device, extras]
    return subprocess.run(script, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_healthy_is_who_is_ready(status, code):
    with answering(status) as port:
        done = healthy(port)
    assert done.returncode == code
    assert (str(status) in done.stderr) is (code == 1)


def test_who_does_not_listen_is_not_healthy():
    port = free_port()
    done = healthy(port)
    assert done.returncode == 1
    assert f"http://127.0.0.1:{port}/readyz" in done.stderr


def healthy(port: int) -> subprocess.CompletedProcess[str]:
    script = [sys.executable, "-IS", IMAGE_FILES / "trimtab-healthy"]
    # A proxy is for what is elsewhere.
    env = {"TRIMTAB_PORT": str(port), "http_proxy": "http://127.0.0.1:9"}
    return subprocess.run(script, env=env, capture_output=True, text=True)


@contextmanager
def answering(status: int):
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()
