import os
import signal
from dataclasses import replace

import pytest

from vectors import ConceptSet, VectorLibrary, save_vector, shipped_library
from vectors.errors import (
    InvalidReferenceError,
    InvalidSetError,
    UnknownConceptError,
    UnknownVersionError,
    VectorFormatError,
)
from vectors.file_format import content_of


@pytest.fixture
def library(tmp_path) -> VectorLibrary:
    return VectorLibrary(tmp_path / "library")


@pytest.fixture
def filled(library, make_vector) -> VectorLibrary:
    library.publish(make_vector("woman", seed=1))
    library.publish(make_vector("woman", seed=2))
    library.publish(make_vector("with-glasses", seed=3))
    return library


class TestPublishing:
    def test_versions_count_from_one(self, library, make_vector):
        first, second = library.publish(make_vector(seed=1)), library.publish(make_vector(seed=2))
        assert (first.reference, second.reference) == ("woman@1", "woman@2")
        assert first.path == library.root / "woman" / "1.safetensors"
        assert library.resolve("woman@1").digest == first.digest == make_vector(seed=1).digest
        assert library.resolve("woman@2").digest == second.digest == make_vector(seed=2).digest

    def test_versions_are_numbers_not_text(self, library, make_vector):
        for _ in range(11):
            library.publish(make_vector())
        assert library.versions("woman") == list(range(1, 12))
        assert library.resolve("woman").version == 11

    def test_two_processes_at_once_lose_nothing(self, library, make_vector, start_python, tmp_path):
        seed = tmp_path / "seed.safetensors"
        save_vector(make_vector(), seed)
        code = (
            "import sys\n"
            "from pathlib import Path\n"
            "from vectors import VectorLibrary, load_vector\n"
            "vector, library = load_vector(Path(sys.argv[1])), VectorLibrary(sys.argv[2])\n"
            "scale = int(sys.argv[3])\n"
            "print('ready', flush=True)\n"
            "input()\n"
            "for number in range(25):\n"
            "    stored = library.publish(vector * (scale + number))\n"
            "    print(stored.version, stored.digest)\n"
        )
        processes = [start_python(code, str(seed), str(library.root), str(scale)) for scale in (1, 1000)]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("\n")
            process.stdin.flush()
        told = [
            line.split() for process in processes for line in process.communicate(timeout=120)[0].splitlines()
        ]
        assert sorted(int(version) for version, _ in told) == list(range(1, 51))
        assert library.versions("woman") == list(range(1, 51))
        for version, digest in told:
            assert library.resolve(f"woman@{version}").digest == digest

    def test_a_number_taken_in_the_last_moment_is_not_overwritten(self, library, make_vector, monkeypatch):
        link = os.link

        def overtaken(source, target):
            monkeypatch.setattr(os, "link", link)
            save_vector(make_vector(seed=7), target)
            link(source, target)

        monkeypatch.setattr(os, "link", overtaken)
        assert library.publish(make_vector(seed=8)).version == 2
        assert library.resolve("woman@1").digest == make_vector(seed=7).digest

    def test_a_file_is_adopted_byte_by_byte_under_the_number_it_was_given(self, library, make_vector):
        content = content_of(make_vector(seed=5))
        adopted = library.adopt(content, 7)
        assert adopted.path.read_bytes() == content
        assert library.resolve("woman@7").digest == make_vector(seed=5).digest
        assert library.publish(make_vector()).version == 8
        library.adopt(content_of(make_vector(seed=6)), 7)
        assert library.resolve("woman@7").digest == make_vector(seed=6).digest

    def test_what_is_no_vector_is_not_adopted(self, library, make_vector):
        with pytest.raises(VectorFormatError, match="version 1"):
            library.adopt(b"no vector", 1)
        with pytest.raises(InvalidReferenceError):
            library.adopt(content_of(make_vector()), 0)
        assert library.names() == []

    def test_a_crash_before_the_end_publishes_nothing(self, library, make_vector, start_python, tmp_path):
        seed = tmp_path / "seed.safetensors"
        save_vector(make_vector(), seed)
        crashing = start_python(
            "import os, signal, sys\n"
            "from pathlib import Path\n"
            "from vectors import VectorLibrary, load_vector\n"
            "os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)\n"
            "VectorLibrary(sys.argv[2]).publish(load_vector(Path(sys.argv[1])))\n",
            str(seed),
            str(library.root),
        )
        crashing.communicate(timeout=120)
        assert crashing.returncode == -signal.SIGKILL
        assert library.names() == []
        assert [finding.problem for finding in library.verify()] == [
            "an interrupted write; delete it unless something is being published now."
        ]
        assert library.publish(make_vector()).reference == "woman@1"


class TestReading:
    def test_an_absent_library_is_empty(self, library):
        assert (library.names(), library.list(), library.verify()) == ([], [], [])
        with pytest.raises(UnknownConceptError, match="It is empty: learn, import or publish"):
            library.resolve("woman")

    def test_names_and_versions(self, filled):
        assert filled.names() == ["with-glasses", "woman"]
        assert filled.versions("woman") == [1, 2]
        assert filled.versions("man") == []

    def test_the_list_has_the_latest_or_all(self, filled):
        assert [one.reference for one in filled.list()] == ["with-glasses@1", "woman@2"]
        assert [one.reference for one in filled.list(all_versions=True)] == [
            "with-glasses@1",
            "woman@1",
            "woman@2",
        ]

    def test_a_bare_name_is_the_latest(self, filled, make_vector):
        assert filled.resolve("woman").digest == make_vector("woman", seed=2).digest

    def test_other_files_are_not_versions(self, filled):
        for name in ("0.safetensors", "01.safetensors", "latest.safetensors", "3.txt", "²"):
            (filled.root / "woman" / name).touch()
        (filled.root / "README.md").touch()
        (filled.root / "empty").mkdir()
        assert filled.names() == ["with-glasses", "woman"]
        assert filled.versions("woman") == [1, 2]

    def test_an_unknown_concept_names_close_ones_and_all(self, filled):
        with pytest.raises(UnknownConceptError) as error:
            filled.resolve("Women")
        assert str(error.value) == (
            f"No concept 'Women' in the library {filled.root}. "
            "Did you mean woman? It holds: with-glasses, woman."
        )
        assert (error.value.concept, error.value.known) == ("Women", ("with-glasses", "woman"))

    def test_an_unknown_version_names_those_there_are(self, filled):
        with pytest.raises(UnknownVersionError, match=r"No version 3 of 'woman' .* It holds: 1, 2\."):
            filled.resolve("woman@3")

    @pytest.mark.parametrize(
        "reference", ["../library/woman", "woman/", "/etc/passwd", "..", ".", "woman\x00", "a" * 9999]
    )
    def test_a_reference_never_leaves_the_library(self, filled, reference):
        with pytest.raises(UnknownConceptError):
            filled.resolve(reference)

    def test_a_vector_under_another_name_is_refused(self, filled, make_vector):
        save_vector(make_vector("man"), filled.root / "woman" / "3.safetensors")
        with pytest.raises(
            VectorFormatError, match="holds the concept 'man', but lies among the versions of 'woman'"
        ):
            filled.resolve("woman")


class TestDeleting:
    def test_the_version_is_gone_and_its_number_never_comes_back(self, filled, make_vector):
        filled.delete("woman@2")
        assert filled.versions("woman") == [1]
        with pytest.raises(UnknownVersionError):
            filled.resolve("woman@2")
        assert filled.publish(make_vector(seed=4)).reference == "woman@3"

    def test_a_concept_without_versions_is_unknown(self, filled, make_vector):
        filled.delete("with-glasses@1")
        assert filled.names() == ["woman"]
        assert filled.publish(make_vector("with-glasses")).version == 2

    def test_the_version_must_be_named(self, filled):
        with pytest.raises(InvalidReferenceError, match="deleting needs the version"):
            filled.delete("woman")
        assert filled.versions("woman") == [1, 2]

    def test_what_is_not_there_cannot_be_deleted(self, filled):
        with pytest.raises(UnknownVersionError):
            filled.delete("woman@9")
        with pytest.raises(UnknownConceptError):
            filled.delete("man@1")

    def test_a_damaged_file_can_be_deleted(self, filled):
        (filled.root / "woman" / "2.safetensors").write_bytes(b"damaged")
        filled.delete("woman@2")
        assert filled.resolve("woman").version == 1


class TestSets:
    def test_the_default_ones_are_always_there(self, library):
        assert list(library.sets()) == ["gender", "race"]

    def test_a_library_adds_and_replaces(self, filled):
        (filled.root / "sets.yaml").write_text("age: [young, old]\nrace: [black, white]\n")
        sets = filled.sets()
        assert sets["age"] == ConceptSet("age", ("young", "old"))
        assert sets["race"].members == ("black", "white")
        assert sets["gender"].members == ("woman", "man")

    def test_a_malformed_file_is_told(self, filled):
        (filled.root / "sets.yaml").write_text("age: young\n")
        with pytest.raises(InvalidSetError, match=r"sets\.yaml"):
            filled.sets()


class TestVerifying:
    def test_a_sound_library(self, filled):
        (filled.root / "sets.yaml").write_text("age: [young, old]\n")
        (filled.root / "README.md").write_text("Ours.\n")
        filled.delete("woman@1")
        findings = filled.verify()
        assert all(finding.ok for finding in findings)
        assert [str(finding.path.relative_to(filled.root)) for finding in findings] == [
            "sets.yaml",
            "with-glasses/1.safetensors",
            "woman/2.safetensors",
        ]

    def test_every_problem_is_found(self, filled, make_vector):
        root = filled.root
        content = bytearray((root / "woman" / "1.safetensors").read_bytes())
        content[-1] ^= 1
        (root / "woman" / "1.safetensors").write_bytes(content)
        save_vector(make_vector("man"), root / "woman" / "3.safetensors")
        save_vector(make_vector("man"), root / "Man" / "1.safetensors")
        save_vector(make_vector("man"), root / "man" / "1 (copy).safetensors")
        (root / "sets.yaml").write_text("- age\n")
        (root / "woman" / "4.safetensors").symlink_to(root / "nowhere")
        problems = {
            str(finding.path.relative_to(root)): finding.problem
            for finding in filled.verify()
            if not finding.ok
        }
        told = {
            "Man/1.safetensors": "is not at <concept>/<version>.safetensors",
            "man/1 (copy).safetensors": "is not at <concept>/<version>.safetensors",
            "sets.yaml": "holds a list",
            "woman/1.safetensors": "was altered after it was written",
            "woman/3.safetensors": "holds the concept 'man'",
            "woman/4.safetensors": "there is no such file",
        }
        assert list(problems) == list(told)
        for path, problem in problems.items():
            assert told[path] in problem
            assert str(root) not in problem


def test_a_stored_vector_tells_its_vectors_digest(library, make_vector):
    stored = library.publish(make_vector())
    assert replace(stored, vector=make_vector(seed=5)).digest == make_vector(seed=5).digest


def test_the_shipped_library_is_sound():
    assert all(finding.ok for finding in shipped_library().verify())
    assert {"gender", "race"} <= set(shipped_library().sets())
