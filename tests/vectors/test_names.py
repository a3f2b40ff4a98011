import pytest

import vectors
from vectors.errors import InvalidCombinationError, InvalidReferenceError
from vectors.expression import parse_sum
from vectors.names import Reference, is_concept_name, is_fingerprint, shortened


@pytest.mark.parametrize("name", ["woman", "with-glasses", "3d", "w" * 64])
def test_concept_names(name):
    assert is_concept_name(name)


@pytest.mark.parametrize(
    "name", ["", "-a", "Woman", "wo man", "a/b", "..", "a.b", "w" * 65, "é", "a\n", "a\x00"]
)
def test_what_cannot_name_a_concept(name):
    assert not is_concept_name(name)


def test_fingerprints():
    assert is_fingerprint("sha256:" + "0f" * 32)
    for text in ("0f" * 32, "sha256:" + "0F" * 32, "sha256:" + "0f" * 31, "sha256:" + "0f" * 32 + "\n"):
        assert not is_fingerprint(text)


def test_shortened_keeps_what_people_compare():
    assert shortened("sha256:0123456789abcdef") == "sha256:0123456789ab…"
    assert shortened("sha256:0123") == "sha256:0123"


@pytest.mark.parametrize(
    ("text", "concept", "version"), [("woman", "woman", None), ("woman@12", "woman", 12)]
)
def test_references_read_and_write(text, concept, version):
    reference = Reference.parse(text)
    assert reference == Reference(concept, version)
    assert str(reference) == text


@pytest.mark.parametrize(
    "text", ["woman@", "woman@0", "woman@-1", "woman@01", "woman@1@2", "woman@²", "woman@" + "9" * 10]
)
def test_references_need_a_version_number(text):
    with pytest.raises(InvalidReferenceError, match=r"is not a version number \(1, 2, \.\.\.\).*'woman@2'"):
        Reference.parse(text)


@pytest.mark.parametrize("text", ["", "@2"])
def test_references_need_a_concept(text):
    with pytest.raises(InvalidReferenceError, match="the concept is missing"):
        Reference.parse(text)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("woman", [("woman", 1.0)]),
        ("woman + 0.5*with-glasses", [("woman", 1.0), ("with-glasses", 0.5)]),
        ("  -2 * man@2+.25*woman - 1e-1*3d ", [("man@2", -2.0), ("woman", 0.25), ("3d", -0.1)]),
    ],
)
def test_sums(text, terms):
    assert [(str(reference), weight) for reference, weight in parse_sum(text)] == terms


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "A concept is missing at character 1 of ''"),
        ("woman +", "A concept is missing at character 8"),
        ("woman + + man", "A concept is missing at character 9"),
        ("0.5*", "A concept is missing at character 5"),
        ("woman man", r"A '\+' or '-' is missing at character 7 of 'woman man'"),
        ("woman*2", r"A '\+' or '-' is missing at character 6"),
        ("woman; rm", r"A '\+' or '-' is missing at character 6"),
    ],
)
def test_sums_tell_where_they_end(text, told):
    with pytest.raises(InvalidCombinationError, match=told):
        parse_sum(text)


def test_names_sets_and_errors_are_free_of_torch(start_python):
    process = start_python(
        "import sys, vectors.names, vectors.sets, vectors.errors, vectors.expression\n"
        "print('torch' in sys.modules)"
    )
    assert process.communicate(timeout=120)[0] == "False\n"


def test_the_room_offers_the_names_it_lists_and_no_others():
    assert {name for name in vectors.__all__ if getattr(vectors, name) is None} == set()
    with pytest.raises(AttributeError, match="module 'vectors' has no attribute 'Vektor'"):
        _ = vectors.Vektor
