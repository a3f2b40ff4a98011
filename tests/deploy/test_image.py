"""An image that was built, run for real: `scripts/test-image IMAGE`. Skipped where CONTAINER_IMAGE names none."""

import base64
import json
import os
import re
import tomllib
from pathlib import Path

import httpx2
import pytest
from containers import READ_ONLY, Container, inspected_image, run_once

ROOT = Path(__file__).parents[2]
IMAGE = os.environ.get("CONTAINER_IMAGE", "")
USER = 10001
COMPILERS = ("gcc", "g++", "cc", "c++", "clang", "ld", "as", "make", "nvcc", "tcc", "cargo", "go", "pip")
WANTED = {
    "prompt": "a photo of a doctor",
    "num_images": 1,
    "seed": 1,
    "num_inference_steps": 4,
    "policy": "default",
}
MOST_BYTES = {"cpu": 1_600_000_000, "gpu": 9_000_000_000}

pytestmark = pytest.mark.skipif(
    not IMAGE, reason="scripts/test-image IMAGE runs it on an image that was built"
)


@pytest.fixture(scope="module")
def served():
    """The image as somebody runs it who was told nothing, with a read-only root file system."""
    with Container(IMAGE) as container:
        container.until_ready()
        yield container


@pytest.fixture(scope="module")
def materials():
    printed = run_once(IMAGE, "/usr/share/trimtab/sbom.cdx.json", options=("--entrypoint", "cat"))
    return json.loads(printed.stdout)


def test_it_answers_at_once_and_makes_pictures_for_who_has_its_key(served):
    refused = httpx2.post(f"{served.url}/generate", json=WANTED)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "missing_key")
    headers = {"Authorization": f"Bearer {served.key()}"}
    answer = httpx2.post(f"{served.url}/generate", json=WANTED, headers=headers, timeout=120)
    assert answer.status_code == 200, answer.text
    (image,) = answer.json()["images"]
    assert base64.b64decode(image["b64_json"]).startswith(b"\x89PNG")
    assert image["applied"]
    page = httpx2.get(served.url)
    assert page.status_code == 200
    assert "text/html" in page.headers["content-type"]


def test_nobody_in_it_is_root_or_can_become_it(served):
    status = served.run("cat", "/proc/1/status").stdout
    assert re.search(rf"^Uid:(\s+{USER}){{4}}$", status, re.MULTILINE)
    assert re.search(rf"^Gid:(\s+{USER}){{4}}$", status, re.MULTILINE)
    assert served.run("id", "-u").stdout.strip() == str(USER)
    set_ids = served.run("find", "/opt", "/usr/local", "-perm", "/6000")
    assert set_ids.stdout == ""


def test_its_root_file_system_cannot_be_written(served):
    denied = served.run("touch", "/opt/trimtab/written")
    assert denied.returncode != 0
    assert "Read-only file system" in denied.stderr


def test_it_writes_nothing_but_below_cache_and_tmp():
    """Where it could: with a root file system that can be written, and as the owner of nothing in it."""
    with Container(IMAGE, options=()) as container:
        container.until_ready()
        headers = {"Authorization": f"Bearer {container.key()}"}
        made = httpx2.post(f"{container.url}/generate", json=WANTED, headers=headers, timeout=120)
        assert made.status_code == 200
        changed = container.changed_paths()
    # What the tools themselves lay there: resolv.conf, hosts, the mount points of their files.
    theirs = {"etc", "run", "dev", "proc", "sys"}
    ours = {path for path in changed if path.parts[1] not in theirs}
    assert {path.parts[1] for path in ours} <= {"tmp", "cache"}, ours


def test_who_has_keys_of_its_own_gets_no_other(tmp_path):
    tmp_path.chmod(0o777)
    made = ("keys", "create", "--keys", "/keys/keys.json", "--tenant", "shop")
    key = run_once(IMAGE, *made, options=("--volume", f"{tmp_path}:/keys")).stdout.strip()
    options = (*READ_ONLY, "--volume", f"{tmp_path}:/keys:ro")
    with Container(IMAGE, options=options, env={"TRIMTAB_KEYS": "/keys/keys.json"}) as container:
        container.until_ready()
        assert "key:" not in container.logs()
        headers = {"Authorization": f"Bearer {key}"}
        assert httpx2.get(f"{container.url}/policies", headers=headers).status_code == 200
        assert httpx2.get(f"{container.url}/policies").status_code == 401


def test_without_keys_it_is_not_for_others_unless_that_is_said():
    refused = run_once(IMAGE, "serve", "--host", "0.0.0.0")
    assert refused.returncode != 0
    assert "without keys the service listens to this machine alone" in refused.stderr


def test_as_the_chart_runs_it():
    """With its arguments and variables; a healthy container says so by the command that Docker asks."""
    env = {"TRIMTAB_HOST": "0.0.0.0", "TRIMTAB_ALLOW_ANONYMOUS": "true", "TRIMTAB_DRAIN_DELAY_S": "0"}
    with Container(IMAGE, "serve", env=env) as container:
        container.until_ready()
        healthy = container.run("trimtab-healthy")
        assert (healthy.returncode, healthy.stdout + healthy.stderr) == (0, "")
        assert httpx2.post(f"{container.url}/generate", json=WANTED, timeout=120).status_code == 200
        assert container.stop() == 0
        assert "Stopped." in container.logs()


def test_a_service_that_does_not_answer_is_not_healthy():
    with Container(IMAGE, "infinity", options=(*READ_ONLY, "--entrypoint", "sleep")) as container:
        unhealthy = container.run("trimtab-healthy")
    assert unhealthy.returncode == 1
    assert "http://127.0.0.1:8000/readyz" in unhealthy.stderr


def test_sigterm_ends_it_while_it_loads():
    """As the first process of a container it would hear no signal that it has not begun to listen for."""
    with Container(IMAGE) as container:
        container.until_said("Loading the model")
        assert container.stop() in (0, 143)


def test_the_first_process_hands_signals_on(served):
    assert served.run("cat", "/proc/1/comm").stdout.strip() == "tini"


def test_the_charts_other_commands_are_there(served):
    assert served.run("accelerate", "launch", "--help").returncode == 0
    assert served.run("python", "-m", "trimtab.commands.learn", "--help").returncode == 0
    assert served.run("python", "-c", "import trimtab").returncode == 0
    fingerprint = run_once(IMAGE, "fingerprint", "demo")
    assert re.search(r"sha256:[0-9a-f]{64}", fingerprint.stdout), fingerprint.stderr
    (expected,) = re.findall(r"sha256:[0-9a-f]{64}", fingerprint.stdout)
    assert run_once(IMAGE, "fingerprint", "demo", "--expect", expected).returncode == 0
    assert run_once(IMAGE, "fingerprint", "demo", "--expect", f"sha256:{'0' * 64}").returncode != 0


def test_there_is_no_compiler_in_it(served):
    names = [
        word for name in COMPILERS for word in ("-name", name, "-o", "-name", f"*-linux-gnu-{name}", "-o")
    ]
    found = served.run(
        "find",
        "/",
        "-xdev",
        "(",
        *names[:-1],
        ")",
        "(",
        "-type",
        "f",
        "-o",
        "-type",
        "l",
        ")",
        "-perm",
        "/111",
    )
    assert found.stdout == ""
    assert served.run("sh", "-c", "ls /usr/include/*.h").returncode != 0


def test_triton_has_its_bridge_to_the_driver_where_there_is_triton(served):
    found = served.run(
        "python",
        "-c",
        "import hashlib, importlib.util, pathlib, sysconfig\n"
        "if importlib.util.find_spec('triton') is not None:\n"
        "    import triton.backends.nvidia as nvidia\n"
        "    from triton.runtime.build import platform_key\n"
        "    from triton.runtime.cache import get_cache_manager\n"
        "    code = pathlib.Path(nvidia.__file__).with_name('driver.c').read_text()\n"
        "    cache = get_cache_manager(hashlib.sha256((code + platform_key()).encode()).hexdigest())\n"
        "    print(cache.get_file('cuda_utils' + sysconfig.get_config_var('EXT_SUFFIX')))",
    )
    assert found.returncode == 0, found.stderr
    if not found.stdout:
        pytest.skip("an image for CPUs has no Triton")
    assert found.stdout.startswith("/opt/trimtab/share/triton/")


def test_what_python_runs_is_compiled_to_bytecode(served):
    """It could not be kept later, and would be compiled at every start."""
    missing = served.run(
        "python",
        "-c",
        "import importlib.util as u, pathlib as p, service, torch, diffusers\n"
        "for m in (service, torch, diffusers):\n"
        "    for f in p.Path(m.__file__).parent.glob('*.py'):\n"
        "        if not p.Path(u.cache_from_source(str(f))).is_file(): print(f)",
    )
    assert (missing.returncode, missing.stdout) == (0, "")


def test_the_bill_of_materials_is_what_is_installed_in_the_pinned_versions(materials, served):
    listed = {
        one["name"].lower(): one["version"]
        for one in materials["components"]
        if "pypi" in one.get("purl", "")
    }
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
    pinned = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pins.items()}
    for name in ("torch", "diffusers"):
        assert listed[name].split("+")[0] == pinned[name]
    for name, version in listed.items():
        key = re.sub(r"[-_.]+", "-", name)
        if not key.startswith(("nvidia-", "cuda-")):  # torch pins those
            assert version.split("+")[0] == pinned[key], name
    installed = served.run(
        "python",
        "-c",
        "import importlib.metadata as m, json\n"
        "print(json.dumps({d.name.lower(): d.version for d in m.distributions()}))",
    )
    there = json.loads(installed.stdout)
    assert there.pop("trimtab") == materials["metadata"]["component"]["version"]
    assert listed == there


def test_the_bill_of_materials_has_debians_packages(materials, served):
    listed = {
        one["purl"] for one in materials["components"] if one.get("purl", "").startswith("pkg:deb/debian/")
    }
    said = served.run("dpkg-query", "--show", "--showformat", "${Package}\n").stdout.split()
    assert {re.findall(r"debian/([^@]+)@", one)[0].replace("%2B", "+") for one in listed} == set(said)
    assert {"libc6", "python3.11", "tini"} <= set(said)


def test_its_configuration_says_how_it_is_run_and_what_it_is(served):
    inspected = inspected_image(IMAGE)
    config = inspected["Config"]
    assert config["User"] == f"{USER}:{USER}"
    assert config["Entrypoint"] == ["/usr/bin/tini", "--", "trimtab-start"]
    assert config["ExposedPorts"] == {"8000/tcp": {}}
    health = config.get("Healthcheck") or inspected["Healthcheck"]  # Docker's place, and Podman's
    assert health["Test"] == ["CMD", "trimtab-healthy"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    labels = {name.removeprefix("org.opencontainers.image."): text for name, text in config["Labels"].items()}
    assert (labels["version"], labels["licenses"]) == (project["version"], project["license"])
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", labels["revision"])
    assert labels["base.name"]


def test_it_is_slim(served):
    has_cuda = served.run("python", "-c", "import torch; print(torch.version.cuda)").stdout.strip() != "None"
    size = inspected_image(IMAGE)["Size"]
    assert size < MOST_BYTES["gpu" if has_cuda else "cpu"], size
