from pathlib import Path

import pytest

from vectors import DEFAULT_SETS, ConceptSet, VectorLibrary
from vectors.errors import InvalidSetError
from vectors.sets import read_sets


def test_the_default_sets():
    assert {name: one.members for name, one in DEFAULT_SETS.items()} == {
        "gender": ("woman", "man"),
        "race": ("black", "white", "asian"),
    }


@pytest.mark.parametrize(
    ("name", "members", "told"),
    [
        ("age", (), "'age' has 0 members"),
        ("age", ("young",), "'age' has 1 members: it needs at least 2"),
        ("age", ("young", "young", "old"), r"'age' names a member twice \(young, young, old\)"),
        ("age", ("young", "Old"), "'Old' in the set 'age' is not a name"),
        ("../age", ("young", "old"), "'../age' in the set"),
    ],
)
def test_unsound_sets_are_refused(name, members, told):
    with pytest.raises(InvalidSetError, match=told):
        ConceptSet(name, members)


def test_a_file_of_sets(tmp_path):
    path = tmp_path / "sets.yaml"
    path.write_text("# by age\nage: [young, old]\nrace:\n  - black\n  - white\n")
    assert read_sets(path) == {
        "age": ConceptSet("age", ("young", "old")),
        "race": ConceptSet("race", ("black", "white")),
    }


def test_an_empty_file_defines_none(tmp_path):
    path = tmp_path / "sets.yaml"
    path.write_text("# nothing yet\n")
    assert read_sets(path) == {}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"- age\n", "holds a list; write lines like"),
        (b"age: young\n", "members of 'age' are 'young'"),
        (b"age: [young, 3]\n", r"members of 'age' are \['young', 3\]"),
        (b"3: [young, old]\n", "3 is not text"),
        (b"age: [young\n", "cannot be read as YAML"),
        (b"age: !!python/object/apply:os.getcwd []\n", "cannot be read as YAML"),
        (b"\xff\xfe\x00", "cannot be read as YAML"),
        (b"[" * 10_000, "cannot be read as YAML"),
        (b"age: [young]\n", "'age' has 1 members"),
    ],
)
def test_a_malformed_file_is_refused_by_name(tmp_path, content, told):
    path = tmp_path / "sets.yaml"
    path.write_bytes(content)
    with pytest.raises(InvalidSetError, match=rf"sets\.yaml.*{told}"):
        read_sets(path)


def test_a_library_keeps_the_sets_it_is_given(tmp_path: Path) -> None:
    library = VectorLibrary(tmp_path / "library")
    library.define_set(ConceptSet("age", ("young", "old")))
    library.define_set(ConceptSet("gender", ("woman", "man", "androgynous")))
    library.define_set(ConceptSet("age", ("young", "middle-aged", "old")))
    assert library.sets()["age"].members == ("young", "middle-aged", "old")
    assert library.sets()["gender"].members == ("woman", "man", "androgynous")
    assert {path.name for path in library.root.iterdir()} == {"sets.yaml"}
