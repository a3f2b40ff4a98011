"""Pods as the Pod Security standard "restricted" wants them, whose mounts, times and probes fit."""

import re

import pytest
from rendered_chart import containers, one, pods, refusal, rendered
from starlette.routing import Route

from service.routes import health

RESTRICTED_VOLUMES = {"configMap", "emptyDir", "persistentVolumeClaim", "secret", "projected", "downwardAPI"}


@pytest.fixture
def service(manifests):
    return one(manifests, "Deployment", "images-trimtab")["spec"]["template"]["spec"]


def test_every_pod_is_restricted(manifests):
    seen = 0
    for what, pod in pods(manifests):
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True, what
        assert security["runAsUser"] > 0, what
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, what
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(), what
        for volume in pod.get("volumes", []):
            assert volume.keys() - {"name"} <= RESTRICTED_VOLUMES, what
        for container in containers(pod):
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False, what
            assert own["capabilities"] == {"drop": ["ALL"]}, what
            assert own["readOnlyRootFilesystem"] is True, what
            assert not {"privileged", "runAsUser", "runAsNonRoot", "seccompProfile"} & own.keys(), what
            assert all("hostPort" not in port for port in container.get("ports", [])), what
            seen += 1
    assert seen


def test_no_pod_has_a_token_or_variables_of_services(manifests):
    for what, pod in pods(manifests):
        assert pod["automountServiceAccountToken"] is False, what
        assert pod["enableServiceLinks"] is False, what
    for manifest in manifests:
        if manifest["kind"] == "ServiceAccount":
            assert manifest["automountServiceAccountToken"] is False


def test_every_container_has_limits_of_memory(manifests):
    for what, pod in pods(manifests):
        for container in containers(pod):
            assert container["resources"]["limits"]["memory"], what
            assert container["resources"]["requests"]["cpu"], what


def test_what_is_mounted_is_there_and_what_is_there_is_mounted(manifests):
    for what, pod in pods(manifests):
        there = [volume["name"] for volume in pod.get("volumes", [])]
        mounted = {mount["name"] for one in containers(pod) for mount in one.get("volumeMounts", [])}
        assert len(there) == len(set(there)), what
        if what.startswith("Job"):  # of the model's volumes it has those for vectors too
            assert mounted <= set(there), what
        else:
            assert mounted == set(there), what
        for container in containers(pod):
            paths = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
            assert len(paths) == len(set(paths)), what


def test_what_a_pod_refers_to_is_in_the_release_or_named_in_the_values(manifests):
    ours = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests}
    given = {"trimtab-keys", "trimtab-redis", "trimtab-test-key", "models", "vectors"}
    for what, pod in pods(manifests):
        wanted = set()
        for volume in pod.get("volumes", []):
            wanted |= {
                *(("ConfigMap", volume[kind]["name"]) for kind in ("configMap",) if kind in volume),
                *(("Secret", volume[kind]["secretName"]) for kind in ("secret",) if kind in volume),
                *(
                    ("PersistentVolumeClaim", volume[kind]["claimName"])
                    for kind in ("persistentVolumeClaim",)
                    if kind in volume
                ),
            }
        for container in containers(pod):
            for variable in container.get("env", []):
                if "valueFrom" in variable:
                    wanted.add(("Secret", variable["valueFrom"]["secretKeyRef"]["name"]))
        assert {(kind, name) for kind, name in wanted - ours if name not in given} == set(), what


def test_caches_are_written_where_something_can_be_written(manifests):
    for what, pod in pods(manifests):
        writable = {
            mount["mountPath"]
            for container in containers(pod)
            for mount in container.get("volumeMounts", [])
            if not mount.get("readOnly")
        }
        for container in containers(pod):
            for variable in container.get("env", []):
                if re.search(r"HOME$|_DIR$|DIR$", variable["name"]):
                    assert any(
                        variable["value"] == path or variable["value"].startswith(f"{path}/")
                        for path in writable
                    ), (what, variable)


def test_probes_ask_what_the_service_answers(service):
    (container,) = service["containers"]
    answered = {route.path for route in health.router.routes if isinstance(route, Route)}
    probes = {
        name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")
    }
    assert probes == {"startup": "/startupz", "liveness": "/healthz", "readiness": "/readyz"}
    assert set(probes.values()) <= answered
    (port,) = container["ports"]
    variables = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert variables["TRIMTAB_PORT"] == str(port["containerPort"])
    assert {container[f"{name}Probe"]["httpGet"]["port"] for name in probes} == {port["name"]}


def test_a_pod_is_killed_after_it_had_all_its_time(service):
    (container,) = service["containers"]
    variables = {variable["name"]: variable.get("value") for variable in container["env"]}
    stop_s = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    grace_s, delay_s = float(variables["TRIMTAB_GRACE_S"]), float(variables["TRIMTAB_DRAIN_DELAY_S"])
    assert delay_s <= grace_s
    # The service itself goes on for two seconds, in which traces are sent and jobs are given back.
    assert service["terminationGracePeriodSeconds"] >= stop_s + grace_s + 2


@pytest.mark.parametrize(
    ("shutdown", "expected"),
    [
        ({}, 32),
        ({"preStopS": 0, "graceS": 0, "drainDelayS": 0, "marginS": 2}, 2),
        ({"graceS": 110.5, "marginS": 10}, 123),
    ],
)
def test_the_time_until_it_is_killed_is_the_sum(shutdown, expected):
    pod = one(rendered({"shutdown": shutdown}), "Deployment")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == expected
    assert ("lifecycle" in pod["containers"][0]) is (shutdown.get("preStopS", 2) > 0)


def test_gpus_are_asked_for_and_placed(examples):
    pod = one(examples["gpu-production"], "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["resources"]["limits"] == {"memory": "32Gi", "nvidia.com/gpu": 1}
    assert {"name": "TRIMTAB_DEVICE", "value": "cuda"} in container["env"]
    assert pod["runtimeClassName"] == "nvidia"
    assert pod["nodeSelector"] == {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
    assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert [one["topologyKey"] for one in pod["topologySpreadConstraints"]] == [
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    ]
    for constraint in pod["topologySpreadConstraints"]:
        assert constraint["labelSelector"]["matchLabels"]["app.kubernetes.io/component"] == "service"
    # Only what computes needs one.
    (verify,) = pod["initContainers"]
    assert "nvidia.com/gpu" not in verify["resources"]["limits"]


@pytest.mark.parametrize(
    ("values", "image"),
    [
        ({}, "trimtab:0.1.0-cpu"),
        ({"gpu": {"count": 1}}, "trimtab:0.1.0"),
        (
            {"image": {"repository": "registry.example.com:5000/a/b", "tag": "main"}},
            "registry.example.com:5000/a/b:main",
        ),
        ({"image": {"digest": f"sha256:{'0' * 64}", "tag": "main"}}, f"trimtab@sha256:{'0' * 64}"),
    ],
)
def test_the_image_is_the_one_for_the_device(values, image):
    pod = one(rendered(values), "Deployment")["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == image


def test_a_change_of_settings_or_policies_replaces_the_pods_and_one_of_keys_does_not():
    def annotations(values):
        return one(rendered(values), "Deployment")["spec"]["template"]["metadata"]["annotations"]

    plain = {"keys": {"content": "{}"}}
    assert annotations(plain) == annotations({"keys": {"content": '{"keys": []}'}})
    assert annotations(plain) != annotations({**plain, "settings": {"max_images": 3}})
    assert annotations(plain) != annotations({**plain, "policies": {"mine": {"version": 1}}})


def test_models_are_read_alone_and_what_the_hub_brings_is_kept():
    def mounts(source):
        values = {"model": {"source": source}, "volumes": {"models": {"existingClaim": "models"}}}
        (container,) = one(rendered(values), "Deployment")["spec"]["template"]["spec"]["containers"]
        (models,) = (mount for mount in container["volumeMounts"] if mount["name"] == "models")
        variables = {variable["name"]: variable.get("value") for variable in container["env"]}
        return models["readOnly"], variables["HF_HOME"]

    assert mounts("/models/sd") == (True, "/cache/huggingface")
    assert mounts("someone/some-model") == (False, "/models/huggingface")


def test_a_new_claim_outlives_the_release():
    values = {"volumes": {"vectors": {"create": True, "size": "3Gi", "storageClass": "fast"}}}
    claim = one(rendered(values), "PersistentVolumeClaim")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert claim["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "fast",
        "resources": {"requests": {"storage": "3Gi"}},
    }


def test_a_folder_that_is_nowhere_is_refused():
    assert "the folder /models/sd is on no volume" in refusal({"model": {"source": "/models/sd"}})
