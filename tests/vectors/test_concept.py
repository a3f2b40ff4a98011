import math
from dataclasses import FrozenInstanceError, replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vectors import ConceptPrompts, ConceptVector, combine
from vectors.errors import InvalidVectorError, VectorMismatchError

BASE_MODEL = "sha256:" + "a1" * 32
OTHER_MODEL = "sha256:" + "b2" * 32

factors = st.floats(-100, 100, allow_nan=False, width=32)
elements = st.lists(st.floats(-1e6, 1e6, width=32), min_size=12, max_size=12)


def vector_of(numbers: list[float], concept: str = "woman") -> ConceptVector:
    return ConceptVector(concept, torch.tensor(numbers).reshape(3, 2, 2), BASE_MODEL)


vectors = elements.map(vector_of)

ALONE = ConceptVector("woman", torch.zeros(4, 3, 2), BASE_MODEL)


def paired(vector: ConceptVector, seed: int = 7) -> ConceptVector:
    """The vector with a random map for unconditional rows."""
    values = torch.randn(vector.shape, generator=torch.Generator().manual_seed(seed))
    return replace(vector, halves="both", unconditional_values=values)


class TestAlgebra:
    @given(vectors)
    def test_minus_itself_is_zero(self, v):
        assert torch.equal((v - v).values, torch.zeros(3, 2, 2))

    @given(vectors)
    def test_times_one_is_bit_equal(self, v):
        assert torch.equal((v * 1).values, v.values)
        assert (v * 1).digest == v.digest

    @given(vectors)
    def test_negation_is_its_own_inverse(self, v):
        negated = -v
        assert torch.equal((-negated).values, v.values)
        assert torch.equal(negated.values, (v * -1).values)

    @given(vectors, vectors)
    def test_addition_commutes(self, a, b):
        assert torch.equal((a + b).values, (b + a).values)

    @given(vectors, vectors)
    def test_subtraction_adds_the_negative(self, a, b):
        assert torch.equal((a - b).values, (a + -b).values)

    @given(vectors, vectors)
    def test_subtraction_undoes_addition(self, a, b):
        scale = float(a.values.abs().max() + b.values.abs().max())
        assert torch.allclose(((a + b) - b).values, a.values, atol=scale * 1e-6)

    @given(vectors, factors)
    def test_scaling_works_from_both_sides(self, v, factor):
        assert torch.equal((factor * v).values, (v * factor).values)

    @given(vectors, st.sampled_from([0.25, 0.5, 2.0, 8.0]))
    def test_division_undoes_scaling(self, v, factor):
        # Powers of two are exact in fp32 as long as nothing underflows.
        assert torch.allclose((v * factor / factor).values, v.values, rtol=0, atol=1e-37)

    @given(vectors, vectors, factors)
    def test_scaling_distributes(self, a, b, factor):
        scale = (float(a.values.abs().max() + b.values.abs().max())) * (abs(factor) + 1)
        assert torch.allclose(((a + b) * factor).values, (a * factor + b * factor).values, atol=scale * 1e-6)

    @given(vectors, factors)
    def test_norm_scales(self, v, factor):
        assert math.isclose((v * factor).norm, abs(factor) * v.norm, rel_tol=1e-5, abs_tol=1e-30)

    @given(vectors, vectors, factors)
    def test_combine_is_the_weighted_sum(self, a, b, factor):
        combined = combine([(a, 1.0), (b, factor)], concept="mixed")
        assert combined.concept == "mixed"
        assert torch.equal(combined.values, (a * 1.0 + b * factor).values)

    def test_operands_stay_as_they_were(self, make_vector):
        v = make_vector()
        before = v.values.clone()
        _ = v + v, v - v, v * 3, v / 3, -v
        assert torch.equal(v.values, before)

    def test_a_result_is_applied_like_its_operands_but_not_described_like_them(self, make_vector):
        a = make_vector(
            "asian",
            halves="both",
            timesteps=(400, 1000),
            site="mid_block.attentions.0",
            recommended_strength=0.7,
            prompts=ConceptPrompts(("an asian person",), ("a person",)),
            training={"steps": 150},
            effect={"success": 0.9},
        )
        for result in (a * 2, a + a, -a):
            assert (result.concept, result.halves, result.timesteps, result.site, result.base_model) == (
                "asian",
                "both",
                (400, 1000),
                "mid_block.attentions.0",
                a.base_model,
            )
            assert result.recommended_strength == 1.0
            assert result.prompts == ConceptPrompts()
            assert result.training == {}
            assert result.effect == {}

    def test_combine_records_its_terms(self, make_vector):
        woman, glasses = make_vector("woman"), make_vector("with-glasses", seed=1)
        assert combine([(woman, 1), (glasses, -0.5)], concept="mixed").training == {
            "combination": [
                {"concept": "woman", "digest": woman.digest, "weight": 1.0},
                {"concept": "with-glasses", "digest": glasses.digest, "weight": -0.5},
            ]
        }

    def test_each_map_of_a_pair_is_computed_like_one_alone(self, make_vector):
        a, b = paired(make_vector("woman"), seed=1), paired(make_vector("man", seed=2), seed=3)
        for operation in (
            lambda one, other: one + other,
            lambda one, other: one - other,
            lambda one, other: one * 3 - other / 2,
            lambda one, other: 0.5 * -one,
            lambda one, other: combine([(one, 2), (other, -0.5)], concept="mixed"),
        ):
            result = operation(a, b)
            assert result.halves == "both"
            for found, one, other in zip(result.maps, a.maps, b.maps, strict=True):
                expected = operation(replace(ALONE, values=one), replace(ALONE, values=other)).values
                assert torch.equal(found, expected)

    def test_the_norm_is_that_of_both_maps(self):
        pair = replace(vector_of([3.0] + [0.0] * 11), halves="both", unconditional_values=torch.ones(3, 2, 2))
        assert pair.norm == pytest.approx(math.sqrt(9 + 12))

    def test_combining_nothing_is_refused(self):
        with pytest.raises(InvalidVectorError, match="'mixed' has no terms"):
            combine([], concept="mixed")

    @pytest.mark.parametrize(
        "operation",
        [
            lambda v: v + 1,
            lambda v: v - 1,
            lambda v: v * None,
            lambda v: v / None,
            lambda v: v * v,
            lambda v: 1 / v,
        ],
    )
    def test_operands_of_other_kinds_are_type_errors(self, make_vector, operation):
        with pytest.raises(TypeError, match="unsupported operand"):
            operation(make_vector())

    @pytest.mark.parametrize("factor", [math.nan, math.inf, 1e39])
    def test_a_factor_that_leaves_fp32_is_refused(self, make_vector, factor):
        with pytest.raises(InvalidVectorError, match=r"24 of the 24 values of 'woman' are not finite"):
            make_vector() * factor

    def test_division_by_zero_is_refused(self, make_vector):
        with pytest.raises(InvalidVectorError, match="not finite"):
            make_vector() / 0


class TestMismatch:
    @pytest.mark.parametrize(
        ("parts", "told"),
        [
            ({"base_model": OTHER_MODEL}, r"base model: sha256:a1a1a1a1a1a1… and sha256:b2b2b2b2b2b2…"),
            ({"site": "mid_block.resnets.0"}, r"site: mid_block and mid_block.resnets.0"),
            ({"values": torch.zeros(4, 1, 1)}, r"shape: \(4, 3, 2\) and \(4, 1, 1\)\): call resized"),
            ({"halves": "both"}, "halves: conditional and both"),
            (
                {"halves": "both", "unconditional_values": torch.zeros(4, 3, 2)},
                r"maps: 1 and 2; halves: conditional and both\): give both unconditional values of their own, or n",
            ),
            ({"timesteps": (400, 1000)}, r"timesteps: \(0, 1000\) and \(400, 1000\)"),
        ],
    )
    def test_vectors_that_differ_do_not_add_up(self, make_vector, parts, told):
        a, b = make_vector("woman"), make_vector("man", **parts)
        for operation in (lambda: a + b, lambda: a - b, lambda: combine([(a, 1), (b, 1)], concept="mixed")):
            with pytest.raises(VectorMismatchError, match=rf"'woman' and 'man' cannot be combined \({told}"):
                operation()

    def test_fingerprints_that_begin_alike_still_differ(self, make_vector, base_model):
        almost = base_model[:-1] + "0"
        with pytest.raises(VectorMismatchError, match="base model"):
            make_vector() + make_vector(base_model=almost)

    def test_every_difference_is_told_at_once(self, make_vector):
        with pytest.raises(VectorMismatchError, match=r"base model.*; site.*; halves"):
            make_vector() + make_vector(base_model=OTHER_MODEL, site="up", halves="both")


class TestCosine:
    @given(vectors.filter(lambda v: v.norm > 0), st.floats(2**-10, 100, width=32))
    def test_with_itself_scaled_and_negated(self, v, factor):
        assert v.cosine(v) == pytest.approx(1)
        assert v.cosine(-v) == pytest.approx(-1)

    def test_of_orthogonal_vectors_is_zero(self):
        assert vector_of([1.0] + [0.0] * 11).cosine(vector_of([0.0, 1.0] + [0.0] * 10)) == 0

    def test_of_a_known_angle(self):
        assert vector_of([3.0, 4.0] + [0.0] * 10).cosine(vector_of([1.0] + [0.0] * 11)) == pytest.approx(0.6)

    def test_does_not_mind_how_the_vectors_are_applied(self, make_vector):
        assert make_vector().cosine(make_vector(halves="both", timesteps=(1, 2))) == pytest.approx(1)

    def test_of_another_space_is_refused(self, make_vector):
        with pytest.raises(VectorMismatchError, match="cannot be compared"):
            make_vector().cosine(make_vector(shape=(4, 1, 1)))

    def test_of_a_pair_is_that_of_all_values(self):
        def pair(one, other):
            ends = [torch.tensor(numbers + [0.0] * 10).reshape(3, 2, 2) for numbers in (one, other)]
            return ConceptVector("woman", ends[0], BASE_MODEL, halves="both", unconditional_values=ends[1])

        assert pair([1.0, 0.0], [0.0, 1.0]).cosine(pair([1.0, 0.0], [1.0, 0.0])) == pytest.approx(0.5)
        assert pair([0.0, 0.0], [0.0, 2.0]).cosine(pair([9.0, 0.0], [0.0, -1.0])) < 0

    def test_of_one_map_and_of_two_is_refused(self, make_vector):
        with pytest.raises(VectorMismatchError, match=r"cannot be compared \(maps: 2 and 1\): give both"):
            paired(make_vector()).cosine(make_vector())

    def test_of_a_zero_vector_is_refused(self, make_vector):
        with pytest.raises(InvalidVectorError, match="'nothing' is all zeros"):
            make_vector().cosine(replace(make_vector() * 0, concept="nothing"))


class TestResized:
    def test_to_its_own_size_is_itself(self, make_vector):
        v = make_vector()
        assert v.resized(3, 2) is v

    @given(st.floats(-1e3, 1e3, width=32), st.integers(1, 9), st.integers(1, 9))
    def test_keeps_the_magnitude_of_each_element(self, value, height, width):
        v = ConceptVector("woman", torch.full((2, 4, 4), value), BASE_MODEL)
        resized = v.resized(height, width)
        assert resized.shape == (2, height, width)
        assert torch.allclose(resized.values, torch.full((2, height, width), value), rtol=1e-5)

    def test_interpolates_along_each_axis_of_each_channel(self):
        v = ConceptVector("woman", torch.tensor([[[0.0, 4.0]], [[8.0, 8.0]]]), BASE_MODEL)
        assert torch.allclose(v.resized(1, 4).values, torch.tensor([[[0.0, 1.0, 3.0, 4.0]], [[8.0] * 4]]))

    def test_shrinking_averages_instead_of_skipping(self, make_vector):
        v = make_vector(shape=(2, 8, 8))
        assert torch.allclose(v.resized(1, 1).values.flatten(), v.values.mean(dim=(1, 2)), atol=0.2)
        spike = torch.zeros(1, 8, 8)
        spike[0, 3, 4] = 64.0
        assert ConceptVector("woman", spike, BASE_MODEL).resized(2, 2).values.sum() > 0

    def test_keeps_the_description_but_not_the_measurement(self, make_vector):
        v = make_vector(training={"steps": 3}, effect={"success": 0.5}, recommended_strength=2.0)
        resized = v.resized(6, 4)
        assert (resized.training, resized.recommended_strength, resized.effect) == ({"steps": 3}, 2.0, {})

    def test_resizes_each_map_of_a_pair(self, make_vector):
        pair = paired(make_vector(effect={"success": 0.5}))
        resized = pair.resized(6, 4)
        for found, one in zip(resized.maps, pair.maps, strict=True):
            assert torch.equal(found, replace(ALONE, values=one).resized(6, 4).values)
        assert (resized.halves, resized.effect) == ("both", {})

    def test_to_nothing_is_refused(self, make_vector):
        with pytest.raises(InvalidVectorError, match="resized to 0 x 4"):
            make_vector().resized(0, 4)


class TestParts:
    @pytest.mark.parametrize(
        ("parts", "told"),
        [
            ({"concept": "Woman"}, "'Woman' cannot name a concept: use 1 to 64 of"),
            ({"concept": ""}, "cannot name a concept"),
            ({"concept": "-woman"}, "cannot name a concept"),
            ({"concept": "../woman"}, "cannot name a concept"),
            ({"concept": "woman\n"}, "cannot name a concept"),
            ({"concept": "w" * 65}, "cannot name a concept"),
            ({"base_model": "stable-diffusion"}, "'stable-diffusion' of 'woman' is not a fingerprint"),
            ({"site": ""}, "site '' of 'woman'"),
            ({"site": "mid_block."}, "site 'mid_block.'"),
            ({"halves": "neither"}, "'neither' of 'woman' must be 'conditional', 'unconditional' or 'both'"),
            ({"timesteps": (5, 5)}, r"timesteps \(5, 5\)"),
            ({"timesteps": (-1, 5)}, r"timesteps \(-1, 5\)"),
            ({"timesteps": (1, 2, 3)}, r"timesteps \(1, 2, 3\)"),
            ({"recommended_strength": math.nan}, "strength nan of 'woman' must be finite"),
            ({"training": {"path": object()}}, "training of 'woman' cannot be written as JSON"),
            ({"training": {"loss": math.nan}}, "training of 'woman' cannot be written as JSON"),
            ({"effect": {"success": math.inf}}, "effect of 'woman' cannot be written as JSON"),
            ({"values": torch.zeros(4, 2)}, r"shape \(4, 2\): it must be \[C, h, w\]"),
            ({"values": torch.zeros(4, 0, 2)}, r"shape \(4, 0, 2\)"),
            ({"values": torch.zeros(4, 2, 2, dtype=torch.int64)}, r"are torch.int64: they must be floating"),
            ({"values": torch.full((4, 2, 2), math.inf)}, "16 of the 16 values of 'woman' are not finite"),
            ({"values": torch.full((1, 1, 1), 1e300, dtype=torch.float64)}, "1 of the 1 values"),
            (
                {"unconditional_values": torch.zeros(4, 3, 2)},
                "halves 'conditional': set the halves to 'both', or",
            ),
            (
                {"unconditional_values": torch.zeros(4, 3, 2), "halves": "unconditional"},
                "'woman' has unconditional values and the halves 'unconditional'",
            ),
            (
                {"unconditional_values": torch.zeros(4, 2, 3), "halves": "both"},
                r"unconditional values of 'woman' have the shape \(4, 2, 3\) and its values \(4, 3, 2\): give both",
            ),
            (
                {"unconditional_values": torch.zeros(4, 3), "halves": "both"},
                r"unconditional values of 'woman' have the shape \(4, 3\): it must be \[C, h, w\]",
            ),
            (
                {"unconditional_values": torch.full((4, 3, 2), math.nan), "halves": "both"},
                "24 of the 24 unconditional values of 'woman' are not finite",
            ),
        ],
    )
    def test_unsound_ones_are_refused_by_name(self, make_vector, parts, told):
        with pytest.raises(InvalidVectorError, match=told):
            make_vector(**parts)

    def test_values_are_an_independent_fp32_copy(self, make_vector):
        source = torch.nn.Parameter(torch.ones(2, 4, 6, dtype=torch.float64))
        v = make_vector(values=source.transpose(1, 2))
        with torch.no_grad():
            source.fill_(7)
        assert torch.equal(v.values, torch.ones(2, 6, 4))
        assert (v.values.dtype, v.values.requires_grad, v.values.is_contiguous()) == (
            torch.float32,
            False,
            True,
        )

    def test_unconditional_values_are_an_independent_fp32_copy(self, make_vector):
        source = torch.nn.Parameter(torch.ones(4, 3, 2, dtype=torch.float64))
        own = make_vector(halves="both", unconditional_values=source).unconditional_values
        with torch.no_grad():
            source.fill_(7)
        assert torch.equal(own, torch.ones(4, 3, 2))
        assert not own.requires_grad

    @pytest.mark.parametrize(
        ("halves", "on"),
        [("conditional", (True, False)), ("unconditional", (False, True)), ("both", (True, True))],
    )
    def test_one_map_goes_on_the_rows_of_its_halves(self, make_vector, halves, on):
        v = make_vector(halves=halves)
        for conditional, is_there in zip((True, False), on, strict=True):
            assert v.on(conditional=conditional) is (v.values if is_there else None)

    def test_each_map_of_a_pair_goes_on_its_own_rows(self, make_vector):
        pair = paired(make_vector())
        assert pair.on(conditional=True) is pair.values
        assert pair.on(conditional=False) is pair.unconditional_values
        assert not torch.equal(*pair.maps)

    def test_settings_are_independent_copies(self, make_vector):
        settings = {"rates": [0.1]}
        v = make_vector(training=settings)
        settings["rates"].append(0.2)
        assert v.training == {"rates": [0.1]}

    def test_are_frozen(self, make_vector):
        with pytest.raises(FrozenInstanceError):
            make_vector().concept = "man"


class TestDigest:
    def test_is_stable_across_releases(self):
        values = torch.arange(12, dtype=torch.float32).reshape(3, 2, 2)
        assert (
            ConceptVector("woman", values, BASE_MODEL).digest
            == "sha256:9a2d2536588db9d01fed3f75ff43c9157ea18bc4633536cc5ac672ca60adaa65"
        )

    def test_ignores_what_only_describes(self, make_vector):
        described = make_vector(
            recommended_strength=2.0, prompts=ConceptPrompts(("x",)), training={"a": 1}, effect={"b": 1.0}
        )
        assert described.digest == make_vector().digest

    @pytest.mark.parametrize(
        "parts",
        [
            {"concept": "man"},
            {"seed": 1},
            {"base_model": OTHER_MODEL},
            {"site": "mid_block.resnets.1"},
            {"halves": "both"},
            {"timesteps": (0, 999)},
        ],
    )
    def test_changes_with_what_defines(self, make_vector, parts):
        assert make_vector(**parts).digest != make_vector().digest

    def test_the_second_map_enters(self, make_vector):
        v = make_vector(halves="both")
        pair = replace(v, unconditional_values=v.values)
        swapped = replace(paired(v), values=paired(v).unconditional_values, unconditional_values=v.values)
        assert len({one.digest for one in (v, pair, paired(v), paired(v, seed=8), swapped)}) == 5
        assert replace(pair, unconditional_values=None).digest == v.digest

    def test_of_two_maps_is_stable_across_releases(self):
        values = torch.arange(12, dtype=torch.float32).reshape(3, 2, 2)
        pair = ConceptVector("woman", values, BASE_MODEL, halves="both", unconditional_values=-values)
        assert pair.digest == "sha256:112563e766fbc87f53817fff44bc4086c80683ebd0a8336610b5d0d29cb1aef5"

    def test_tells_shapes_of_the_same_values_apart(self, make_vector):
        values = torch.zeros(24)
        assert (
            make_vector(values=values.reshape(4, 3, 2)).digest
            != make_vector(values=values.reshape(4, 2, 3)).digest
        )
