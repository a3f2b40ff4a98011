import json
from pathlib import Path

import pytest
import yaml

from policies.document import Policy
from policies.errors import PolicyFileError
from policies.files import read_policies, read_policy, shipped_policies

DOCUMENT = {"name": "calm", "version": 2, "safety": [{"concept": "anti-violence", "strength": 1.5}]}
PAGES = Path(__file__).parents[2] / "docs" / "policies"


def written(folder: Path, text: str, name: str = "calm.yaml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_yaml_and_json_say_the_same(tmp_path):
    as_yaml = read_policy(written(tmp_path, yaml.safe_dump(DOCUMENT)))
    as_json = read_policy(written(tmp_path, json.dumps(DOCUMENT, indent="\t"), "calm.json"))
    assert as_yaml == as_json == Policy.model_validate(DOCUMENT)
    assert as_yaml.digest == as_json.digest


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("version: 1\n", "line 1: name: is missing."),
        ("name: calm\n", "line 1: version: is missing."),
        ("name: calm\nversion: 1\n\nsafty: []\n", "line 4: safty: is not a field. Did you mean 'safety'"),
        (
            "name: calm\nversion: 1\nsafety:\n- concept: x\n- concept: x\n",
            "line 3: safety: The concept 'x' is named",
        ),
        (
            "name: calm\nversion: 1\nsafety:\n- concept: x\n  strength: 0.0\n",
            "line 5: safety.0.strength: The str",
        ),
        ("name: calm\nversion: 1\nsafety:\n- concept: x\nsafety: []\n", "line 5: safety: stands here twice."),
        (
            "name: calm\nversion: 1\nmax_norm: much\n",
            "line 3: max_norm: 'much': Input should be a valid number.",
        ),
        ("name: calm\nversion: one\n", "line 2: version: 'one'"),
        ("name: [\n", "line 2: is no YAML"),
        ("- name\n", "line 1: holds no policy."),
        ("", "line 1: holds no policy."),
        ("name: !!python/object:os.system {}\n", "line 1: is no YAML"),
    ],
)
def test_a_bad_file_is_refused_with_line_and_cure(tmp_path, text, told):
    file = written(tmp_path, text)
    with pytest.raises(PolicyFileError) as refused:
        read_policy(file)
    assert f"{file}, {told}" in str(refused.value)


def test_json_has_lines_too_and_is_no_yaml(tmp_path):
    file = written(tmp_path, '{\n\t"name": "calm",\n\t"version": 0}', "calm.json")
    with pytest.raises(PolicyFileError, match=r"calm\.json, line 3: version: 0: Input should be greater"):
        read_policy(file)
    with pytest.raises(PolicyFileError, match=r"calm\.json, line 1: is no JSON"):
        read_policy(written(tmp_path, "name: calm", "calm.json"))


def test_every_problem_is_told_at_once(tmp_path):
    written(tmp_path, "version: 1\nsafety: [{}]\n", "a.yaml")
    written(tmp_path, "name: b\nversion: 1\nfloor: x\n", "b.yml")
    with pytest.raises(PolicyFileError, match=r"(?s)a\.yaml.*name.*safety\.0\.concept.*b\.yml.*floor"):
        read_policies(tmp_path)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(PolicyFileError, match="cannot be read"):
        read_policy(tmp_path / "nowhere.yaml")


def test_names_are_given_once_in_a_folder(tmp_path):
    for name in ("a.yaml", "b.yaml"):
        written(tmp_path, yaml.safe_dump(DOCUMENT), name)
    with pytest.raises(PolicyFileError, match=r"b\.yaml: name: 'calm' is the name of .*a\.yaml too"):
        read_policies(tmp_path)


def test_a_folder_without_policies_is_told(tmp_path):
    with pytest.raises(PolicyFileError, match="holds no policies"):
        read_policies(tmp_path)


def test_every_shipped_policy_has_a_page():
    shipped = shipped_policies()
    assert shipped.keys() == {"default", "strict", "research-off"}
    for name, policy in shipped.items():
        assert policy.description
        text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
        assert "## What it promises" in text
        assert "## What it does not promise" in text


def test_the_schema_in_the_docs_is_that_of_the_document():
    """Where this fails: write `Policy.model_json_schema()` to the file."""
    assert (
        json.loads((PAGES / "policy.schema.json").read_text(encoding="utf-8")) == Policy.model_json_schema()
    )


def test_the_docs_explain_every_field():
    text = (PAGES / "index.md").read_text(encoding="utf-8")
    schema = Policy.model_json_schema()
    parts = [schema, *schema["$defs"].values()]
    assert [field for part in parts for field in part["properties"] if f"`{field}`" not in text] == []
