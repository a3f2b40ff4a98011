import pytest

from vectors import check_compatible
from vectors.errors import VectorMismatchError

OTHER_MODEL = "sha256:" + "b2" * 32


def test_a_vector_fits_its_own_model_at_any_size(make_vector, base_model):
    for shape in ((4, 3, 2), (4, 9, 9)):
        check_compatible(make_vector(shape=shape), base_model=base_model, site="mid_block", channels=4)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (
            {"base_model": OTHER_MODEL},
            "base model: the vector's sha256:a1a1a1a1a1a1…, the model's sha256:b2b2b2b2b2b2…",
        ),
        ({"site": "up_blocks.0"}, "site: the vector's mid_block, the model's up_blocks.0"),
        ({"channels": 1280}, "channels: the vector's 4, the model's 1280"),
    ],
)
def test_what_does_not_fit_is_told_with_both_sides_and_the_cure(make_vector, base_model, model, told):
    loaded = {"base_model": base_model, "site": "mid_block", "channels": 4, **model}
    with pytest.raises(VectorMismatchError) as error:
        check_compatible(make_vector(), **loaded)
    assert str(error.value) == (
        f"The vector 'woman' does not fit the loaded model ({told}). "
        "Load the model it was learned on, or learn the concept on this model."
    )
