"""YAML that wants to be more than it is written as."""

import json

import pytest

from policies.errors import PolicyFileError
from policies.files import MAX_FILE_BYTES, read_policies, read_policy
from policies.plain_yaml import MAX_DEPTH, UnsoundYaml, composed, constructed

GOOD = "name: calm\nversion: 1\n"


def laughs(width: int, depth: int) -> str:
    lines = ["a0: &a0 [ha, ha]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * width)}]" for i in range(1, depth)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD + laughs(9, 9), "line 3: is no YAML: anchors and aliases are not read"),
        (GOOD + laughs(2, 60), "line 3: is no YAML: anchors"),
        ("&a [*a]\n", "line 1: is no YAML: anchors"),
        (GOOD + "safety: &a\n- *a\n", "line 3: is no YAML: anchors"),
        (GOOD + "safety: " + "[" * 30_000 + "]" * 30_000, "line 3: is no YAML: it is nested more than"),
        (GOOD + "safety: " + "{a: " * 900 + "}" * 900, "line 3: is no YAML: it is nested more than"),
        (GOOD + "max_norm: 0x" + "f" * 5000, "line 3: is no YAML: a number has more than 128 bits"),
        (GOOD + "max_norm: " + "9" * 5000, "is no YAML: a value cannot be read"),
        (GOOD + "description: 2026-02-30", "is no YAML: a value cannot be read"),
        (GOOD + "? [a, b]\n: 1", "line 3: is no YAML: a key is a list"),
        (GOOD + "? {a: b}\n: 1", "line 3: is no YAML: a key is a list"),
        ("!!set {name, version}\n", "line 1: is no YAML: the tag"),
        (GOOD + "description: !!binary '@'\n", "line 3: is no YAML: the tag"),
        (GOOD + "description: !!python/object/apply:os.system ['true']\n", "line 3: is no YAML: the tag"),
        (GOOD + "<<: {version: 2}\nversion: 3\n", "stands here twice"),
        (GOOD + "description: '" + "x" * MAX_FILE_BYTES + "'", "is larger than"),
        (GOOD + "---\n" + GOOD, "is no YAML"),
        ("name: calm\0", "is no YAML"),
    ],
    ids=lambda value: None,
)
def test_a_trap_is_refused_with_its_line(tmp_path, text, told):
    file = tmp_path / "trap.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(PolicyFileError) as refused:
        read_policy(file)
    assert told in str(refused.value)
    assert len(str(refused.value)) < 2000


@pytest.mark.parametrize(
    "value",
    [
        "[" * 900 + "]" * 900,
        "[" * 60_000,
        "9" * 5000,
        '{"a": 1, "a": 2}',
        "NaN",
        "1e999",
        '"\\ud800"',
        '{"a":' * 500 + "1" + "}" * 500,
    ],
    ids=lambda value: None,
)
def test_a_trap_in_json_is_refused(tmp_path, value):
    file = tmp_path / "trap.json"
    file.write_text(f'{{"name": "calm", "version": 1, "max_norm": {value}}}', encoding="utf-8")
    with pytest.raises(PolicyFileError) as refused:
        read_policy(file)
    assert len(str(refused.value)) < 2000


def test_a_trap_in_a_folder_is_told_beside_the_others(tmp_path):
    (tmp_path / "good.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "trap.yaml").write_text(laughs(9, 9), encoding="utf-8")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\0")
    with pytest.raises(PolicyFileError, match=r"(?s)bytes\.yaml.*trap\.yaml"):
        read_policies(tmp_path)


def test_what_people_write_is_read():
    document = {"name": "calm", "list": [1, 2.5, True, None, "text"], "nested": {"a": {"b": [{"c": "d"}]}}}
    assert constructed(composed(json.dumps(document))) == document
    assert constructed(composed("")) is None
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert json.dumps(constructed(composed(deepest))) == deepest
    with pytest.raises(UnsoundYaml):
        composed(f"[{deepest}]")
