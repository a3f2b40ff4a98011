import json
import os
import signal
import struct
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from vectors import ConceptPrompts, load_vector, save_vector
from vectors.errors import VectorFormatError
from vectors.file_format import MAX_FILE_BYTES, content_of


@pytest.fixture
def described(make_vector):
    return make_vector(
        "anti-violence",
        shape=(5, 2, 3),
        site="mid_block.attentions.0",
        halves="both",
        timesteps=(400, 1000),
        recommended_strength=0.7,
        prompts=ConceptPrompts(("a calm photo 🙂",), ("a photo", "a picture"), ("violence",)),
        training={"rate": 0.2, "steps": 150, "filtered": True, "losses": [0.5, 0.25], "nested": {"a": None}},
        effect={"success": 0.97, "drift": 0.125},
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "woman.safetensors"


@pytest.fixture(scope="module")
def sound(tmp_path_factory, make_vector) -> bytes:
    path = tmp_path_factory.mktemp("sound") / "woman.safetensors"
    save_vector(make_vector(), path)
    return path.read_bytes()


def rewritten(
    content: bytes, tensors: dict[str, torch.Tensor] | None = None, **metadata: str | None
) -> bytes:
    """The file's content with other tensors, and with metadata set or (None) left out."""
    length = struct.unpack("<Q", content[:8])[0]
    old = json.loads(content[8 : 8 + length])["__metadata__"]
    new = {key: value for key, value in {**old, **metadata}.items() if value is not None}
    return safetensors.torch.save(tensors or safetensors.torch.load(content), metadata=new)


class TestRoundTrip:
    def test_everything_comes_back(self, described, path):
        save_vector(described, path)
        loaded = load_vector(path)
        assert torch.equal(loaded.values, described.values)
        for name in (
            "concept",
            "base_model",
            "site",
            "halves",
            "timesteps",
            "recommended_strength",
            "prompts",
            "training",
            "effect",
            "shape",
            "digest",
        ):
            assert getattr(loaded, name) == getattr(described, name), name

    def test_any_safetensors_reader_understands_the_file(self, described, path):
        save_vector(described, path)
        tensors = safetensors.torch.load_file(path)
        assert list(tensors) == ["vector"]
        assert torch.equal(tensors["vector"], described.values)
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata()
        assert metadata["format_version"] == "1"
        assert metadata["digest"] == described.digest
        assert json.loads(metadata["training"]) == described.training

    def test_both_maps_come_back(self, described, path):
        pair = replace(described, unconditional_values=described.values.flip(0))
        save_vector(pair, path)
        tensors = safetensors.torch.load_file(path)
        assert set(tensors) == {"vector", "unconditional"}
        assert torch.equal(tensors["unconditional"], pair.unconditional_values)
        loaded = load_vector(path)
        assert torch.equal(loaded.values, pair.values)
        assert torch.equal(loaded.unconditional_values, pair.unconditional_values)
        assert loaded.digest == pair.digest != described.digest

    def test_the_loaded_vector_outlives_its_file(self, make_vector, path):
        save_vector(make_vector(), path)
        loaded = load_vector(path)
        save_vector(make_vector(seed=1), path)
        path.unlink()
        assert torch.equal(loaded.values, make_vector().values)

    def test_folders_are_made(self, make_vector, tmp_path):
        path = tmp_path / "run" / "vectors" / "woman.safetensors"
        save_vector(make_vector(), path)
        assert load_vector(path).concept == "woman"

    def test_the_file_is_as_readable_as_any_other(self, make_vector, path):
        other = path.with_name("other")
        other.touch()
        save_vector(make_vector(), path)
        assert path.stat().st_mode == other.stat().st_mode


class TestWriting:
    def test_a_failure_before_the_rename_leaves_the_old_file(self, make_vector, path, monkeypatch):
        save_vector(make_vector(seed=1), path)

        def full(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            save_vector(make_vector(seed=2), path)
        assert load_vector(path).digest == make_vector(seed=1).digest
        assert list(path.parent.iterdir()) == [path]

    def test_a_crash_in_the_middle_leaves_the_old_file(self, make_vector, path, start_python):
        save_vector(make_vector(seed=1), path)
        crashing = start_python(
            "import os, signal, sys\n"
            "from pathlib import Path\n"
            "from vectors import load_vector, save_vector\n"
            "os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)\n"
            "path = Path(sys.argv[1])\n"
            "save_vector(load_vector(path) * 2, path)\n",
            str(path),
        )
        crashing.communicate(timeout=120)
        assert crashing.returncode == -signal.SIGKILL
        assert load_vector(path).digest == make_vector(seed=1).digest
        # The half-written file is really there, under another name.
        assert len(list(path.parent.iterdir())) == 2


class TestHostileFiles:
    def test_a_missing_file(self, path):
        with pytest.raises(VectorFormatError, match=r"woman\.safetensors: there is no such file"):
            load_vector(path)

    def test_a_directory(self, tmp_path):
        with pytest.raises(VectorFormatError, match="there is no such file"):
            load_vector(tmp_path)

    def test_an_enormous_file_is_not_read(self, path):
        with path.open("wb") as file:
            file.truncate(MAX_FILE_BYTES + 1)
        with pytest.raises(VectorFormatError, match="has 67,108,865 bytes, a vector has at most 67,108,864"):
            load_vector(path)

    def test_a_pickle(self, path):
        torch.save({"vector": torch.zeros(4, 3, 2)}, path)
        with pytest.raises(VectorFormatError, match="not a readable safetensors file"):
            load_vector(path)

    def test_a_header_that_claims_more_than_there_is(self, path, sound):
        path.write_bytes(struct.pack("<Q", 2**63) + sound[8:])
        with pytest.raises(VectorFormatError, match="not a readable safetensors file"):
            load_vector(path)

    @given(content=st.binary(max_size=200))
    def test_random_bytes(self, tmp_path_factory, content):
        path = tmp_path_factory.getbasetemp() / "random.safetensors"
        path.write_bytes(content)
        with pytest.raises(VectorFormatError, match=r"random\.safetensors"):
            load_vector(path)

    @given(data=st.data())
    def test_truncated_anywhere(self, tmp_path_factory, sound, data):
        path = tmp_path_factory.getbasetemp() / "truncated.safetensors"
        path.write_bytes(sound[: data.draw(st.integers(0, len(sound) - 1))])
        with pytest.raises(VectorFormatError):
            load_vector(path)

    @given(data=st.data())
    def test_any_value_changed(self, tmp_path_factory, sound, data):
        path = tmp_path_factory.getbasetemp() / "changed.safetensors"
        start = 8 + struct.unpack("<Q", sound[:8])[0]
        position = data.draw(st.integers(start, len(sound) - 1))
        changed = bytearray(sound)
        changed[position] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(bytes(changed))
        with pytest.raises(VectorFormatError, match=r"altered after it was written|not finite"):
            load_vector(path)

    @given(data=st.data())
    def test_any_byte_changed_raises_nothing_else(self, tmp_path_factory, sound, data):
        path = tmp_path_factory.getbasetemp() / "fuzzed.safetensors"
        changed = bytearray(sound)
        changed[data.draw(st.integers(0, len(sound) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(bytes(changed))
        with suppress(VectorFormatError):
            load_vector(path)

    @pytest.mark.parametrize(
        ("tensors", "told"),
        [
            (
                {"weight": torch.zeros(4, 3, 2)},
                r"holds the tensors \['weight'\] instead of one named 'vector'",
            ),
            (
                {"vector": torch.zeros(4, 3, 2), "more": torch.zeros(1)},
                r"holds the tensors \['more', 'vector'\]",
            ),
            ({"vector": torch.zeros(4, 3, 2, dtype=torch.float16)}, "holds values of type F16"),
            ({"vector": torch.zeros(4, 6)}, r"holds values of shape \(4, 6\), its metadata say \(4, 3, 2\)"),
            ({"vector": torch.full((4, 3, 2), torch.nan)}, "24 of the 24 values of 'woman' are not finite"),
            ({"vector": torch.zeros(4, 3, 2)}, "was altered after it was written"),
        ],
    )
    def test_other_tensors(self, path, sound, tensors, told):
        path.write_bytes(rewritten(sound, tensors))
        with pytest.raises(VectorFormatError, match=told):
            load_vector(path)

    @pytest.mark.parametrize(
        ("changed", "told"),
        [
            ({"vector": None}, r"holds the tensors \['unconditional'\] instead of one named 'vector'"),
            ({"more": torch.zeros(1)}, r"holds the tensors \['more', 'unconditional', 'vector'\]"),
            ({"unconditional": torch.zeros(4, 3, 2).half()}, "holds unconditional values of type F16"),
            (
                {"unconditional": torch.zeros(4, 2, 3)},
                r"holds unconditional values of shape \(4, 2, 3\), its metadata say \(4, 3, 2\)",
            ),
            ({"unconditional": torch.zeros(0, 3, 2)}, r"holds unconditional values of shape \(0, 3, 2\)"),
            (
                {"unconditional": torch.full((4, 3, 2), torch.nan)},
                "24 of the 24 unconditional values of 'woman' are not finite",
            ),
            ({"unconditional": torch.zeros(4, 3, 2)}, "was altered after it was written"),
            ({"unconditional": None}, "was altered after it was written"),
        ],
    )
    def test_other_second_tensors(self, make_vector, path, changed, told):
        pair = make_vector(halves="both", unconditional_values=torch.ones(4, 3, 2))
        tensors = safetensors.torch.load(content_of(pair)) | changed
        there = {name: values for name, values in tensors.items() if values is not None}
        path.write_bytes(rewritten(content_of(pair), there))
        with pytest.raises(VectorFormatError, match=told):
            load_vector(path)

    @pytest.mark.parametrize("halves", ["conditional", "unconditional"])
    def test_a_second_tensor_on_one_half(self, make_vector, path, halves):
        pair = make_vector(halves="both", unconditional_values=torch.ones(4, 3, 2))
        path.write_bytes(rewritten(content_of(pair), halves=halves))
        with pytest.raises(VectorFormatError, match=f"has unconditional values and the halves '{halves}'"):
            load_vector(path)

    def test_the_two_tensors_exchanged(self, make_vector, path):
        pair = make_vector(halves="both", unconditional_values=torch.ones(4, 3, 2))
        exchanged = {"vector": pair.maps[1], "unconditional": pair.maps[0]}
        path.write_bytes(rewritten(content_of(pair), exchanged))
        with pytest.raises(VectorFormatError, match="was altered"):
            load_vector(path)

    @pytest.mark.parametrize(
        ("metadata", "told"),
        [
            ({"format_version": None}, "not a concept vector's"),
            ({"format_version": "2"}, "has format version '2', this Trimtab reads '1'; upgrade"),
            ({"concept": None}, "unsound metadata: concept: Field required"),
            ({"surprise": "!"}, "unsound metadata: surprise: Extra inputs"),
            ({"concept": "../../etc/passwd"}, "'../../etc/passwd' cannot name a concept"),
            ({"concept": "man"}, "was altered after it was written"),
            ({"site": "up_blocks.0"}, "was altered after it was written"),
            ({"halves": "neither"}, "unsound metadata: halves"),
            ({"base_model": "mine"}, "'mine' of 'woman' is not a fingerprint"),
            ({"digest": "sha256:" + "0" * 64}, "its digest is sha256:.*, its metadata say sha256:0000"),
            ({"timesteps": "[5, 1]"}, r"timesteps \(5, 1\)"),
            ({"timesteps": "[0.5, 7]"}, "unsound metadata: timesteps"),
            ({"shape": "[4, 3]"}, "unsound metadata: shape"),
            ({"recommended_strength": "NaN"}, "unsound metadata: recommended_strength"),
            ({"recommended_strength": "1e999"}, "unsound metadata: recommended_strength"),
            ({"recommended_strength": '"1"'}, "unsound metadata: recommended_strength"),
            ({"prompts": '{"positive": "a woman"}'}, "unsound metadata: prompts"),
            ({"prompts": '{"other": []}'}, "unsound metadata: prompts"),
            ({"training": "[" * 100_000}, "unsound metadata: training"),
            ({"training": "[]"}, "unsound metadata: training"),
            ({"training": '{"loss": NaN}'}, "training"),
            ({"effect": '{"success": Infinity}'}, "effect"),
            ({"effect": '{"success": "high"}'}, "unsound metadata: effect"),
        ],
    )
    def test_other_metadata(self, path, sound, metadata, told):
        path.write_bytes(rewritten(sound, **metadata))
        with pytest.raises(VectorFormatError, match=told):
            load_vector(path)

    def test_no_metadata_at_all(self, path):
        path.write_bytes(safetensors.torch.save({"vector": torch.zeros(4, 3, 2)}))
        with pytest.raises(VectorFormatError, match="not a concept vector's"):
            load_vector(path)
