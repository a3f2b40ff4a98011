import json
import os
import pickle
from pathlib import Path

import pytest
import torch

from vectors import import_interpret_diffusion
from vectors.errors import InvalidVectorError, VectorFormatError

CONCEPTS = {
    "female": 0,
    "male": 1,
    "young": 2,
    "old": 3,
    "whiterace": 4,
    "blackrace": 5,
    "asianrace": 6,
    "antisexual": 7,
}


@pytest.fixture
def weight() -> torch.Tensor:
    """The authors' layout at 128 pixels: 1280 x 2 x 2 values in each of 100 columns."""
    return torch.randn(1280 * 2 * 2, 100, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def file(tmp_path, weight) -> Path:
    path = tmp_path / "concepts.pt"
    torch.save({"controlnet.fc1.weight": weight}, path)
    return path


@pytest.fixture
def concepts(tmp_path) -> Path:
    path = tmp_path / "concept_dict.json"
    path.write_text(json.dumps(CONCEPTS))
    return path


def test_the_authors_file_becomes_our_vectors(file, concepts, weight, base_model):
    vectors = import_interpret_diffusion(file, concepts, base_model=base_model, resolution=128)
    assert [vector.concept for vector in vectors] == [
        "woman",
        "man",
        "young",
        "old",
        "white",
        "black",
        "asian",
        "anti-sexual",
    ]
    for column, vector in enumerate(vectors):
        # Their code adds weight[:, k].reshape(1280, h, w) to the conditional half at every timestep.
        assert torch.equal(vector.values, weight[:, column].reshape(1280, 2, 2))
        assert (vector.site, vector.halves, vector.timesteps) == ("mid_block", "conditional", (0, 1000))
        assert (vector.base_model, vector.recommended_strength) == (base_model, 1.0)
    assert vectors[4].training["name"] == "whiterace"
    assert vectors[4].training["column"] == 4
    assert vectors[4].training["file"] == "concepts.pt"


def test_the_published_size_is_the_default(tmp_path, base_model):
    path = tmp_path / "concepts.pt"
    torch.save({"controlnet.fc1.weight": torch.ones(81_920, 2)}, path)
    vectors = import_interpret_diffusion(path, {"female": 0, "male": 1}, base_model=base_model)
    assert [vector.shape for vector in vectors] == [(1280, 8, 8), (1280, 8, 8)]


def test_half_precision_and_columns_out_of_order(tmp_path, weight, base_model):
    path = tmp_path / "concepts.pt"
    torch.save({"controlnet.fc1.weight": weight.half(), "other": torch.zeros(1)}, path)
    vectors = import_interpret_diffusion(
        path, {"running": 9, "female": 3}, base_model=base_model, resolution=128
    )
    assert [vector.concept for vector in vectors] == ["woman", "running"]
    assert torch.equal(vectors[1].values.flatten(), weight.half().float()[:, 9])


def test_a_pickle_that_runs_code_is_refused_unrun(tmp_path, concepts, base_model):
    trace = tmp_path / "it-ran"

    class Malicious:
        def __reduce__(self):
            return os.mkdir, (str(trace),)

    path = tmp_path / "malicious.pt"
    for write in (
        lambda: torch.save(Malicious(), path),
        lambda: path.write_bytes(pickle.dumps(Malicious(), protocol=2)),
    ):
        write()
        with pytest.raises(VectorFormatError, match=r"malicious\.pt: is not a torch file of plain tensors"):
            import_interpret_diffusion(path, concepts, base_model=base_model)
    assert not trace.exists()


@pytest.mark.parametrize(
    "content", [b"", b"not a torch file", b"PK\x03\x04 half an archive", b"\x80\x02}q\x00"]
)
def test_damaged_files_are_refused(tmp_path, concepts, base_model, content):
    path = tmp_path / "damaged.pt"
    path.write_bytes(content)
    with pytest.raises(VectorFormatError, match=r"damaged\.pt: is not a"):
        import_interpret_diffusion(path, concepts, base_model=base_model)


def test_a_truncated_file_is_refused(file, concepts, base_model):
    content = file.read_bytes()
    for length in (10, 1000, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:length])
        with pytest.raises(VectorFormatError, match=r"concepts\.pt: is not a"):
            import_interpret_diffusion(file, concepts, base_model=base_model, resolution=128)


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({"weight": torch.zeros(1280, 1)}, r"has no tensor 'controlnet.fc1.weight' \(found: 'weight'\)"),
        ({}, r"\(found: nothing\)"),
        ([1, 2], r"\(found: list\)"),
        ({"controlnet.fc1.weight": [1.0]}, "has no tensor"),
        ({"controlnet.fc1.weight": torch.zeros(1280)}, r"is torch.float32 \(1280,\) instead of"),
        ({"controlnet.fc1.weight": torch.zeros(1280, 8, dtype=torch.int8)}, r"is torch.int8 \(1280, 8\)"),
        ({"controlnet.fc1.weight": torch.zeros(1280, 8).to_sparse()}, "instead of floating"),
        (
            {"controlnet.fc1.weight": torch.zeros(5120, 8)},
            "resolution of 128 pixels: import them with that one",
        ),
        (
            {"controlnet.fc1.weight": torch.zeros(192, 8)},
            r"192 values.*they would have 1280 \(1280 \* h \* w\)",
        ),
        (
            {"controlnet.fc1.weight": torch.zeros(1280, 7)},
            "columns 0 to 6, but 'antisexual' is given as column 7",
        ),
        (
            {"controlnet.fc1.weight": torch.full((1280, 8), torch.nan)},
            r"column 0 \('female'\) makes no sound vector",
        ),
    ],
)
def test_other_layouts_are_refused(tmp_path, concepts, base_model, state, told):
    path = tmp_path / "concepts.pt"
    torch.save(state, path)
    with pytest.raises(VectorFormatError, match=rf"concepts\.pt.*{told}"):
        import_interpret_diffusion(path, concepts, base_model=base_model, resolution=64)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ({"female": -1}, "'female' is given as column -1"),
        ({"female": 0, "woman": 1}, "'female' and 'woman' are both 'woman' here"),
        ({"Running Dog": 0}, r"column 0 \('Running Dog'\) makes no sound vector"),
    ],
)
def test_names_that_do_not_fit_are_refused(file, base_model, names, told):
    with pytest.raises(VectorFormatError, match=told):
        import_interpret_diffusion(file, names, base_model=base_model, resolution=128)


@pytest.mark.parametrize(
    "content", [b"", b"[0]", b'{"female": "0"}', b'{"female": true}', b"\xff", b"[" * 100_000]
)
def test_unsound_json_is_refused_by_name(file, concepts, base_model, content):
    concepts.write_bytes(content)
    with pytest.raises(
        VectorFormatError, match=r"concept_dict\.json: (cannot be read as JSON|must map names)"
    ):
        import_interpret_diffusion(file, concepts, base_model=base_model)


def test_missing_files_are_told(tmp_path, file, concepts, base_model):
    with pytest.raises(VectorFormatError, match=r"missing\.pt: there is no such file"):
        import_interpret_diffusion(tmp_path / "missing.pt", concepts, base_model=base_model)
    with pytest.raises(VectorFormatError, match=r"missing\.json: cannot be read"):
        import_interpret_diffusion(file, tmp_path / "missing.json", base_model=base_model)


@pytest.mark.parametrize("resolution", [0, -64, 500])
def test_resolutions_are_multiples_of_64(file, concepts, base_model, resolution):
    with pytest.raises(InvalidVectorError, match=f"resolution {resolution} must be a multiple of 64"):
        import_interpret_diffusion(file, concepts, base_model=base_model, resolution=resolution)


def test_the_base_model_is_a_fingerprint(file, concepts):
    with pytest.raises(VectorFormatError, match=r"'sd-1\.4' of 'woman' is not a fingerprint"):
        import_interpret_diffusion(file, concepts, base_model="sd-1.4", resolution=128)
