import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diffusion import DiffusionModel
from diffusion.site import prompt_reader
from service.errors import MisfitVectorError, UnsoundVectorError, VectorRangeError
from service.loading import LoadedModel, load_service
from service.settings import Settings
from service.uploads import content_digest, read_upload
from vectors import ConceptVector
from vectors.file_format import MAX_FILE_BYTES, MAX_HEADER_BYTES, content_of

MAX_NORM = 20.0

hostile = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def loaded(options: Mapping[str, object]) -> LoadedModel:
    return load_service(Settings(**options))


@pytest.fixture(scope="module")
def vector(
    model: DiffusionModel, make_vector: Callable[[DiffusionModel, str], ConceptVector]
) -> ConceptVector:
    return make_vector(model, "tall")


@pytest.fixture(scope="module")
def sound(vector: ConceptVector) -> bytes:
    return content_of(vector)


def header_of(content: bytes) -> dict[str, object]:
    return json.loads(content[8 : 8 + struct.unpack("<Q", content[:8])[0]])


def with_header(content: bytes, header: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header + content[8 + struct.unpack("<Q", content[:8])[0] :]


def rewritten(content: bytes, **metadata: str) -> bytes:
    """The file with other metadata."""
    told = header_of(content)["__metadata__"] | metadata
    return safetensors.torch.save(safetensors.torch.load(content), metadata=told)


def test_a_sound_file_is_taken_as_it_is(loaded, vector, sound):
    upload = read_upload(sound, loaded, MAX_NORM)
    assert upload.content == sound
    assert upload.digest == content_digest(sound)
    assert upload.vector.digest == vector.digest
    assert torch.equal(upload.vector.values, vector.values)


def test_what_describes_a_vector_enters_the_digest_of_its_file(loaded, vector, sound):
    stronger = content_of(replace(vector, recommended_strength=0.9))
    assert read_upload(stronger, loaded, MAX_NORM).vector.digest == vector.digest
    assert content_digest(stronger) != content_digest(sound)


@hostile
@given(content=st.binary(max_size=300))
def test_random_bytes(loaded, content):
    with pytest.raises(UnsoundVectorError, match="--data-binary"):
        read_upload(content, loaded, MAX_NORM)


@hostile
@given(data=st.data())
def test_truncated_anywhere(loaded, sound, data):
    with pytest.raises(UnsoundVectorError):
        read_upload(sound[: data.draw(st.integers(0, len(sound) - 1))], loaded, MAX_NORM)


@hostile
@given(data=st.data())
def test_a_byte_of_the_header_changed(loaded, sound, data):
    """It is refused with a typed error, or says the same of the vector in other words."""
    place = data.draw(st.integers(0, 8 + struct.unpack("<Q", sound[:8])[0] - 1))
    changed = bytearray(sound)
    changed[place] = data.draw(st.integers(0, 255))
    try:
        upload = read_upload(bytes(changed), loaded, MAX_NORM)
    except (UnsoundVectorError, MisfitVectorError, VectorRangeError):
        return
    assert upload.vector.concept == "tall"


@hostile
@given(
    header=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["vector", "__metadata__"]), inner)
        ),
    )
)
def test_any_json_as_a_header(loaded, sound, header):
    with pytest.raises(UnsoundVectorError):
        read_upload(with_header(sound, json.dumps(header).encode()), loaded, MAX_NORM)


@hostile
@given(
    key=st.sampled_from(
        ["concept", "base_model", "site", "halves", "shape", "timesteps", "prompts", "training", "effect"]
    ),
    value=st.text()
    | st.sampled_from(["[]", "{}", "null", "1e999", "[" * 1000, '{"a": NaN}', '"\\ud800"', "9" * 5000]),
)
def test_any_text_as_metadata(loaded, sound, key, value):
    """It is refused, or a description that JSON can carry; what steers is under the digest."""
    try:
        changed = rewritten(sound, **{key: value})
    except UnicodeEncodeError:
        return
    try:
        upload = read_upload(changed, loaded, MAX_NORM)
    except (UnsoundVectorError, MisfitVectorError, VectorRangeError):
        return
    assert key in ("prompts", "training", "effect")
    json.dumps([upload.vector.training, upload.vector.effect], allow_nan=False).encode()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "not a readable safetensors file"),
        (b"PK\x03\x04" + bytes(100), "not a readable safetensors file"),
        (bytes(MAX_FILE_BYTES + 1), "67,108,865 bytes"),
    ],
)
def test_what_is_no_vector_file(loaded, content, told):
    with pytest.raises(UnsoundVectorError, match=told):
        read_upload(content, loaded, MAX_NORM)


@pytest.mark.parametrize("length", [0, MAX_HEADER_BYTES + 1, 2**31, 2**63, 2**64 - 1])
def test_a_header_of_an_impossible_length(loaded, sound, length):
    with pytest.raises(UnsoundVectorError, match="header"):
        read_upload(struct.pack("<Q", length) + sound[8:], loaded, MAX_NORM)


def test_a_header_beyond_the_bound_is_not_read_though_it_is_there(loaded, sound):
    header = json.dumps(header_of(sound)).encode().ljust(MAX_HEADER_BYTES + 8)
    with pytest.raises(UnsoundVectorError, match=f"at most {MAX_HEADER_BYTES:,}"):
        read_upload(with_header(sound, header), loaded, MAX_NORM)


def test_a_key_that_stands_twice(loaded, sound):
    header = json.dumps(header_of(sound))
    twice = header.replace('"concept":', '"concept": "woman", "concept":', 1)
    with pytest.raises(UnsoundVectorError, match="twice"):
        read_upload(with_header(sound, twice.encode()), loaded, MAX_NORM)


@pytest.mark.parametrize("text", ["../../etc", "Tall", "tall@1", "", "a" * 65, "tall\n"])
def test_names_that_no_concept_has(loaded, sound, text):
    with pytest.raises(UnsoundVectorError, match="cannot name a concept"):
        read_upload(rewritten(sound, concept=text), loaded, MAX_NORM)


def test_values_that_are_not_finite(loaded, vector):
    content = bytearray(content_of(vector))
    content[-4:] = struct.pack("<f", float("nan"))
    with pytest.raises(UnsoundVectorError, match="not finite"):
        read_upload(bytes(content), loaded, MAX_NORM)


def test_a_vector_of_another_model(loaded, vector):
    other = replace(vector, base_model="sha256:" + "0" * 64)
    with pytest.raises(MisfitVectorError, match="does not fit the loaded model") as refused:
        read_upload(content_of(other), loaded, MAX_NORM)
    assert refused.value.field == "base_model"


def test_a_vector_of_another_width(loaded, vector):
    with pytest.raises(MisfitVectorError, match="channels"):
        read_upload(content_of(replace(vector, values=vector.values[1:])), loaded, MAX_NORM)


def test_a_vector_of_a_site_that_was_not_measured(loaded, vector):
    with pytest.raises(MisfitVectorError, match=r"'up_blocks\.0', and this service steers mid_block"):
        read_upload(content_of(replace(vector, site="up_blocks.0")), loaded, MAX_NORM)


def test_the_first_vector_where_anti_concepts_are_learned(loaded, vector):
    model = loaded.model
    site = prompt_reader(model.pipe.unet)
    values = torch.ones(model.site_shape(*model.default_size, site))
    read = read_upload(content_of(replace(vector, site=site, values=values)), loaded, MAX_NORM)
    assert read.vector.site == site


@pytest.mark.parametrize("end", [1001, 2**80])
def test_timesteps_that_the_model_has_not(loaded, vector, end):
    with pytest.raises(MisfitVectorError, match="has 1000"):
        read_upload(content_of(replace(vector, timesteps=(0, end))), loaded, MAX_NORM)


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_a_norm_that_is_no_vector_s(loaded, vector, factor):
    with pytest.raises(VectorRangeError, match="the vector's norm is"):
        read_upload(content_of(vector * factor), loaded, MAX_NORM)


def test_a_file_of_two_maps_is_taken(loaded, vector):
    pair = replace(vector, halves="both", unconditional_values=vector.values.flip(0))
    assert read_upload(content_of(pair), loaded, MAX_NORM).vector.digest == pair.digest


@pytest.mark.parametrize(
    ("factors", "told"),
    [
        ((1e6, 1.0), "the conditional map's norm is"),
        ((1e-6, 1.0), "the conditional map's norm is"),
        ((1.0, 1e6), "the unconditional map's norm is"),
        ((1.0, 0.0), "the unconditional map's norm is 0 times"),
    ],
)
def test_each_of_two_maps_has_a_vector_s_norm(loaded, vector, factors, told):
    values, unconditional = (factor * vector.values for factor in factors)
    pair = replace(vector, halves="both", values=values, unconditional_values=unconditional)
    with pytest.raises(VectorRangeError, match=told):
        read_upload(content_of(pair), loaded, MAX_NORM)


def test_zeros_would_take_a_concept_s_effect_away(loaded, vector):
    with pytest.raises(VectorRangeError, match="norm is 0 times"):
        read_upload(content_of(vector * 0), loaded, MAX_NORM)


@pytest.mark.parametrize("strength", [0.0, 3.1, -4.0])
def test_a_recommended_strength_that_no_policy_could_use(loaded, vector, strength):
    with pytest.raises(VectorRangeError, match="recommended strength") as refused:
        read_upload(content_of(replace(vector, recommended_strength=strength)), loaded, MAX_NORM)
    assert refused.value.value == strength
