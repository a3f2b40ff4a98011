"""What the chart passes to the service is what the service takes, in every example, as its own settings read it."""

import json
from pathlib import Path
from typing import Any

import pytest
from rendered_chart import EXAMPLES, Manifest, example, one, rendered

from policies.files import shipped_policies
from service.settings import PREFIX, Settings, load_settings

KEYS = {"format_version": 1, "keys": []}


def service(manifests: list[Manifest]) -> Manifest:
    return one(manifests, "Deployment", "images-trimtab")["spec"]["template"]["spec"]


def mounted(manifests: list[Manifest], root: Path) -> dict[str, Path]:
    """Where each mount of the service's container is, with the files of ConfigMaps and Secrets in it."""
    pod = service(manifests)
    (container,) = pod["containers"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    there = {}
    for mount in container["volumeMounts"]:
        there[mount["mountPath"]] = folder = root / mount["mountPath"].lstrip("/")
        folder.mkdir(parents=True)
        volume = volumes[mount["name"]]
        if "configMap" in volume:
            files = one(manifests, "ConfigMap", volume["configMap"]["name"])["data"]
        elif "secret" in volume:
            files = {"keys.json": json.dumps(KEYS)}
        else:
            files = {}
        for name, text in files.items():
            # As the kubelet does: a folder of this version, and links to it.
            (folder / "..data").mkdir(exist_ok=True)
            (folder / "..data" / name).write_text(text)
            (folder / name).symlink_to(Path("..data") / name)
    return there


def variables(manifests: list[Manifest], there: dict[str, Path]) -> dict[str, str]:
    """The container's TRIMTAB_* variables, with the paths of this machine."""
    (container,) = service(manifests)["containers"]
    found = {}
    for variable in container["env"]:
        if not variable["name"].startswith(PREFIX):
            continue
        value = variable.get("value", "redis://:secret@redis:6379/0")
        for mount, folder in there.items():
            if value == mount or value.startswith(f"{mount}/"):
                value = f"{folder}{value.removeprefix(mount)}"
        found[variable["name"]] = value
    return found


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def load(manifests: list[Manifest]) -> Settings:
        for name, value in variables(manifests, mounted(manifests, tmp_path)).items():
            monkeypatch.setenv(name, value)
        return load_settings()

    return load


def test_the_service_takes_what_every_example_passes(manifests, settings):
    taken = settings(manifests)
    assert (taken.host, taken.port) == ("0.0.0.0", 8000)
    assert (taken.keys is None) is taken.allow_anonymous


def test_every_variable_is_a_setting(manifests):
    (container,) = service(manifests)["containers"]
    ours = {variable["name"] for variable in container["env"] if variable["name"].startswith(PREFIX)}
    assert ours <= {PREFIX + field.upper() for field in Settings.model_fields}
    assert {"TRIMTAB_CONFIG", "TRIMTAB_GRACE_S", "TRIMTAB_DRAIN_DELAY_S"} <= ours


def test_other_containers_get_no_settings(manifests):
    for manifest in manifests:
        if manifest["kind"] in ("Job", "Pod"):
            pod = manifest["spec"].get("template", manifest)["spec"]
            for container in pod["containers"]:
                assert not [one for one in container.get("env", []) if one["name"].startswith(PREFIX)]


def test_production_means_what_it_says(examples, settings):
    taken = settings(examples["gpu-production"])
    assert taken.model == "/models/stable-diffusion-v1-5" or taken.model.endswith(
        "/models/stable-diffusion-v1-5"
    )
    assert taken.device == "cuda"
    assert (taken.grace_s, taken.drain_delay_s, taken.timeout_s) == (110, 10, 120)
    assert taken.max_pixel_steps == 2_000_000_000
    assert (taken.default_policy, taken.floor, set(taken.policies)) == ("people", "safe", {"people", "safe"})
    assert taken.policies["people"].assignment == "ledger"
    assert taken.policies["safe"].safety[1].strength == 1.2
    assert taken.tenants["shop"].share == 3
    assert taken.keys is not None
    assert taken.redis_url is not None
    assert taken.vectors is not None


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_names_no_policy_that_is_not_there(name):
    values = example(name)
    there = values.get("policies") or shipped_policies()
    named = {values.get("settings", {}).get(key) for key in ("floor", "default_policy")} - {None}
    assert named <= set(there)


def test_numbers_arrive_whole(settings):
    """None is written as 1e+09, which Python's YAML takes for a text."""
    most = {"max_pixel_steps": 10**15, "max_strength": 0.0001, "audit_max_file_bytes": 123456789012}
    taken = settings(rendered({"settings": most}))
    assert (taken.max_pixel_steps, taken.max_strength, taken.audit_max_file_bytes) == (
        10**15,
        0.0001,
        123456789012,
    )


def test_texts_arrive_whole(settings):
    words = 'a "quoted" {{ template }} & <tag>: \n two lines — ünïcode'
    policies = {"mine": {"version": 1, "description": words, "safety": [{"concept": "anti-sexual"}]}}
    taken = settings(rendered({"policies": policies, "settings": {"default_policy": "mine"}}))
    assert taken.policies["mine"].description == words
