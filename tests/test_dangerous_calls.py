"""Calls that run what a file says do not stand anywhere in the code; and every dependency has one version."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = (
    *("benchmarks", "demo_model", "detectors", "diffusion", "evaluation", "learn_vectors", "policies"),
    *("scripts", "service", "trimtab", "vectors"),
)
UNSAFE = {
    *(
        "pickle.load",
        "pickle.loads",
        "pickle.Unpickler",
        "joblib.load",
        "dill.load",
        "marshal.loads",
        "shelve.open",
    ),
    *(
        "yaml.load",
        "yaml.unsafe_load",
        "yaml.full_load",
        "yaml.load_all",
        "os.system",
        "os.popen",
        "eval",
        "exec",
    ),
    *("subprocess.getoutput", "torch.jit.load", "torch.hub.load", "numpy.fromfile"),
}


def called(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call with its dotted name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def said(call: ast.Call, name: str) -> object:
    return next((ast.literal_eval(one.value) for one in call.keywords if one.arg == name), None)


def problems(path: Path) -> Iterator[str]:
    for name, call in called(ast.parse(path.read_text(encoding="utf-8"))):
        place = f"{path.relative_to(ROOT)}:{call.lineno}: {name}"
        if name in UNSAFE:
            yield place
        if name == "torch.load" and said(call, "weights_only") is not True:
            yield f"{place} without weights_only=True"
        if name in ("np.load", "numpy.load") and said(call, "allow_pickle"):
            yield f"{place} with allow_pickle"
        for keyword in call.keywords:
            value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
            if keyword.arg in ("trust_remote_code", "shell", "allow_pickle") and value is not False:
                yield f"{place} with {keyword.arg}"
            if keyword.arg == "verify" and value is False:
                yield f"{place} without a look at certificates"


def sources() -> list[Path]:
    return [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def test_nothing_that_is_read_can_run():
    paths = sources()
    assert len(paths) > 200
    assert [problem for path in paths for problem in problems(path)] == []


@pytest.mark.parametrize(
    "line",
    [
        "import torch; torch.load(path)",
        "torch.load(path, weights_only=False)",
        "pickle.loads(data)",
        "yaml.load(text, Loader)",
        "np.load(path, allow_pickle=True)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
        "subprocess.run(line, shell=True)",
        "httpx.get(url, verify=False)",
    ],
)
def test_what_runs_is_found(tmp_path, monkeypatch, line):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    file = tmp_path / "one.py"
    file.write_text(line, encoding="utf-8")
    assert list(problems(file))


def from_pretrained_calls() -> list[tuple[Path, ast.Call]]:
    return [
        (path, call)
        for path in sources()
        for name, call in called(ast.parse(path.read_text(encoding="utf-8")))
        if name.endswith("Pipeline.from_pretrained") or name.endswith("Model.from_pretrained")
    ]


def test_every_model_is_read_from_safetensors():
    calls = from_pretrained_calls()
    assert calls
    for path, call in calls:
        assert said(call, "use_safetensors") is True, f"{path}:{call.lineno}"


def test_every_dependency_has_one_version():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    pinned = dict(line.split("==") for line in lines)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {name.split(">=")[0].split("[")[0].lower() for name in wanted} - {"trimtab"}
    assert names <= {name.lower().replace("_", "-") for name in pinned}
    assert all(version[0].isdigit() for version in pinned.values())
