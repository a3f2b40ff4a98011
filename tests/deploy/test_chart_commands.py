"""What pods run: what `helm test` does, against a real service, and commands, as their own parsers read them."""

import os
import subprocess
import sys
from itertools import pairwise

import helm_python
import pytest
import typer
from accelerate.commands.launch import launch_command_parser
from real_server import real_server
from rendered_chart import CHART, containers, example, one, pods, refusal, rendered, texts
from typer.testing import CliRunner

from learn_vectors.concepts_file import read_concepts
from service.settings import Settings
from trimtab.commands import app
from trimtab.commands.learn import learn

OPEN = {"settings": {"floor": "strict"}}
CLOSED = {"keys": {"existingSecret": "trimtab-keys"}}
WITH_KEY = CLOSED | {"helmTest": {"existingSecret": "trimtab-test-key"}}


def helm_test(values, url, key="") -> subprocess.CompletedProcess[str]:
    """Run what the test's pod would, with its variables but for the service's address and the key."""
    (container,) = one(rendered(values), "Pod")["spec"]["containers"]
    program, *arguments = container["command"]
    assert program == "python"
    variables = {variable["name"]: variable.get("value", key) for variable in container["env"]}
    assert variables["SERVICE"] == "http://images-trimtab.studio.svc:80"
    environment = {"PATH": os.environ["PATH"], **variables, "SERVICE": url}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def anonymous():
    with real_server(Settings(floor="strict")) as url:
        yield url


@pytest.fixture(scope="module")
def key_file(tmp_path_factory):
    return tmp_path_factory.mktemp("keys") / "keys.json"


@pytest.fixture(scope="module")
def key(key_file):
    made = CliRunner().invoke(app, ["keys", "create", "--tenant", "shop", "--keys", str(key_file)])
    assert made.exit_code == 0, made.output
    return made.stdout.strip()


@pytest.fixture(scope="module")
def with_keys(key, key_file):
    with real_server(Settings(keys=key_file)) as url:
        yield url


def test_a_service_without_keys_makes_the_test_a_picture(anonymous):
    done = helm_test(OPEN, anonymous)
    assert done.returncode == 0, done.stderr
    assert "A picture was made, with" in done.stdout


def test_a_service_with_keys_makes_one_for_whoever_has_one(with_keys, key):
    done = helm_test(WITH_KEY, with_keys, f"{key}\n")
    assert done.returncode == 0, done.stderr
    assert "A picture was made, with" in done.stdout


def test_a_service_with_keys_passes_by_asking_for_one(with_keys):
    done = helm_test(CLOSED, with_keys)
    assert done.returncode == 0, done.stderr
    assert "asks for a key" in done.stdout


@pytest.mark.parametrize(
    ("values", "key", "says"),
    [
        (CLOSED, "", "should be refused with 401 missing_key. The answer is 200"),
        (OPEN | {"helmTest": {"prompt": "x" * 2000}}, "", "422"),
    ],
)
def test_a_service_that_does_otherwise_fails_the_test(anonymous, values, key, says):
    done = helm_test(values, anonymous, key)
    assert done.returncode == 1
    assert says in done.stderr


def test_a_wrong_key_fails_the_test(with_keys):
    done = helm_test(WITH_KEY, with_keys, "trimtab_nonsense")
    assert done.returncode == 1
    assert "401" in done.stderr


def test_a_service_that_is_not_there_fails_the_test():
    assert helm_test(OPEN, "http://127.0.0.1:9").returncode == 1


def parsed(command: str, arguments: list[str]) -> dict[str, object]:
    """What one of our commands would be given."""
    group = typer.main.get_command(app)
    return group.commands[command].make_context(command, list(arguments)).params


def test_containers_give_our_commands_arguments_that_they_take(manifests):
    seen = set()
    for _, pod in pods(manifests):
        for container in containers(pod):
            if "command" not in container and container["name"] != "redis":
                command, *arguments = container["args"]
                parsed(command, arguments)
                seen.add(command)
    assert "serve" in seen


def test_the_model_is_verified_before_anything_is_served(examples):
    pod = one(examples["gpu-production"], "Deployment")["spec"]["template"]["spec"]
    (verify,) = pod["initContainers"]
    command, *arguments = verify["args"]
    assert command == "fingerprint"
    fingerprint = example("gpu-production")["model"]["fingerprint"]
    assert parsed(command, arguments) == {"model": "/models/stable-diffusion-v1-5", "expect": fingerprint}
    (serving,) = pod["containers"]
    models = [mount for mount in verify["volumeMounts"] if mount["mountPath"] == "/models"]
    assert models == [mount for mount in serving["volumeMounts"] if mount["mountPath"] == "/models"] != []
    assert {"name": "TRIMTAB_MODEL", "value": "/models/stable-diffusion-v1-5"} in serving["env"]
    assert verify["image"] == serving["image"]


def learner(values):
    (container,) = one(rendered(values), "Job")["spec"]["template"]["spec"]["containers"]
    program, subcommand, *options = container["command"]
    assert (program, subcommand) == ("accelerate", "launch")
    launched = launch_command_parser().parse_args([*options, *container["args"]])
    assert (launched.module, launched.training_script) == (True, learn.__module__)
    single = typer.Typer()
    single.command()(learn)
    return launched, launched.training_script_args, container, single


def test_the_learner_is_launched_on_every_gpu_and_publishes_where_it_is_served(tmp_path):
    values = example("learner")
    launched, arguments, container, single = learner(values)
    assert (launched.num_processes, launched.num_machines, launched.multi_gpu) == (4, 1, True)
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 4
    assert container["image"] == "trimtab:0.1.0"
    (concepts,) = (one for one in arguments if one.startswith("--concepts="))
    document = one(rendered(values), "ConfigMap", "images-trimtab-learn-ages-1")["data"]["concepts.yaml"]
    (file := tmp_path / "concepts.yaml").write_text(document)
    arguments[arguments.index(concepts)] = f"--concepts={file}"
    given = typer.main.get_command(single).make_context("learn", arguments).params
    assert str(given["library"]) == "/vectors"
    assert str(given["out"]) == "/runs/ages-1"
    assert (given["model"], given["steps"]) == ("/models/stable-diffusion-v1-5", 200)
    read = read_concepts(file)
    assert [concept.name for concept in read.concepts] == ["old", "young"]
    assert read.sets == {"age": ("young", "old")}
    mounts = {mount["mountPath"]: mount.get("readOnly", False) for mount in container["volumeMounts"]}
    assert (mounts["/vectors"], mounts["/runs"], mounts["/models"]) == (False, False, True)
    (serving,) = one(rendered(values), "Deployment")["spec"]["template"]["spec"]["containers"]
    assert {"name": "TRIMTAB_VECTORS", "value": "/vectors"} in serving["env"]
    claims = {
        volume["name"]: volume["persistentVolumeClaim"]["claimName"]
        for pod in (one(rendered(values), kind)["spec"]["template"]["spec"] for kind in ("Job", "Deployment"))
        for volume in pod["volumes"]
        if volume["name"] == "vectors"
    }
    assert claims == {"vectors": "images-trimtab-vectors"}


@pytest.mark.parametrize(("gpus", "cpu", "many"), [(0, True, False), (1, False, False), (2, False, True)])
def test_the_learner_is_launched_for_what_there_is(gpus, cpu, many):
    values = {
        "volumes": {"vectors": {"existingClaim": "vectors"}},
        "learner": {
            "enabled": True,
            "name": "woman-1",
            "gpus": gpus,
            "args": ["--pos", 'a photo of a "woman"', "--neg", "a photo of a person", "--steps", 7],
        },
    }
    launched, arguments, container, single = learner(values)
    assert (launched.num_processes, launched.cpu, launched.multi_gpu) == (max(1, gpus), cpu, many)
    assert container["image"] == ("trimtab:0.1.0" if gpus else "trimtab:0.1.0-cpu")
    given = typer.main.get_command(single).make_context("learn", arguments).params
    assert (given["pos"], given["neg"], given["steps"]) == (
        ['a photo of a "woman"'],
        ["a photo of a person"],
        7,
    )


@pytest.mark.parametrize(
    ("name", "has", "has_not"),
    [
        (
            "default",
            ["port-forward service/images-trimtab 8000:80", "There is no floor"],
            ["NOBODY IS ASKED"],
        ),
        ("cpu-demo", ["NOBODY IS ASKED FOR A KEY", "Its Redis is one pod"], ["There is no floor"]),
        (
            "gpu-production",
            ["https://images.example.com", "Secret trimtab-keys", "Init:Error", "1 GPU a replica"],
            ["Before others depend on it", "port-forward"],
        ),
        ("ingress", ["https://images.example.com"], ["port-forward"]),
        (
            "learner",
            ["Nothing verifies the model", "rollout restart", "The vectors volume begins empty"],
            ["Init:Error"],
        ),
    ],
)
def test_the_notes_say_what_to_do_now(name, has, has_not):
    notes = texts(example(name))["templates/NOTES.txt"]
    assert "<no value>" not in notes
    assert "helm -n studio test images --logs" in notes
    for words in has:
        assert words in notes
    for words in has_not:
        assert words not in notes


def test_what_the_readme_tells_to_install_can_be_installed():
    """Every command of the chart's README is rendered, with the values that it gives."""
    readme = (CHART / "README.md").read_text().replace("\\\n", " ")
    commands = [
        line.split()
        for line in readme.splitlines()
        if line.lstrip().startswith(("helm install", "helm upgrade"))
    ]
    assert len(commands) >= 4
    for command in commands:
        values: dict[str, object] = {}
        for option, value in pairwise(command):
            if option == "-f":
                values = merged(values, example(value.split("/")[-1].removesuffix(".yaml")))
            elif option == "--set":
                values = merged(values, helm_python.parse_set_string(value))
            elif option == "--set-file":
                values = merged(values, helm_python.parse_set_string(f"{value.split('=')[0]}=text"))
        assert texts(values), command


def merged(one, other):
    both = {**one, **other}
    for key in one.keys() & other.keys():
        if isinstance(one[key], dict) and isinstance(other[key], dict):
            both[key] = merged(one[key], other[key])
    return both


def test_a_learner_that_nobody_told_what_is_refused():
    assert "say what to learn" in refusal({"learner": {"enabled": True, "name": "x"}})
