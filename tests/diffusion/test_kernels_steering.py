from collections.abc import Callable, Iterator

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interpreted_kernels import interpreted

from diffusion.kernels.steering import add_vectors, add_vectors_in_torch

Add = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], None]

DTYPES = [torch.float32, torch.float16, torch.bfloat16]
NAN, INF = float("nan"), float("inf")

quickly = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(params=["torch", "triton"])
def add(request: pytest.FixtureRequest) -> Iterator[Add]:
    """Each implementation in turn, the Triton kernel under the interpreter."""
    if request.param == "torch":
        yield add_vectors_in_torch
        return
    pytest.importorskip("triton")
    from diffusion.kernels import steering_triton

    with interpreted(steering_triton, "add_vectors_kernel"):
        yield steering_triton.launch_add_vectors


def laid_out(values: torch.Tensor, layout: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The values [rows, C, h, w] in a memory layout, and all the memory that this layout lies in."""
    rows, channels, height, width = values.shape
    match layout:
        case "channels_last":
            block = torch.zeros(rows, height, width, channels, dtype=values.dtype)
            view = block.permute(0, 3, 1, 2)
        case "columns first":
            block = torch.zeros(rows, channels, width, height, dtype=values.dtype)
            view = block.transpose(2, 3)
        case "part of more":
            block = torch.zeros(2 * rows, channels + 1, height, 2 * width, dtype=values.dtype)
            view = block[1::2, :-1, :, ::2]
        case _:
            block = view = torch.zeros_like(values)
    view.copy_(values)
    return view, block


layouts = st.sampled_from(["contiguous", "channels_last", "columns first", "part of more"])


@st.composite
def cases(draw):
    """h and the memory around it, a bank and coefficients of which many are 0."""
    draw_torch = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    dtype = draw(st.sampled_from(DTYPES))
    rows, vectors = draw(st.integers(1, 4)), draw(st.integers(0, 4))
    shape = tuple(draw(st.integers(1, 5)) for _ in range(3))
    h, memory = laid_out(torch.randn(rows, *shape, generator=draw_torch).to(dtype), draw(layouts))
    bank, _ = laid_out(torch.randn(vectors, *shape, generator=draw_torch), draw(layouts))
    coefficient = st.sampled_from([0.0, 0.0, 1.0, -0.3, 0.8, 1e3])
    coefficients = [[draw(coefficient) for _ in range(vectors)] for _ in range(rows)]
    if draw(st.booleans()):
        bank = bank.to(dtype)
    return h, memory, bank, torch.tensor(coefficients).view(rows, vectors)


@quickly
@given(case=cases())
def test_every_row_gets_its_sum_of_vectors(add, case):
    h, _, bank, coefficients = case
    expected = h.double()
    for row in range(len(h)):
        for coefficient, vector in zip(coefficients[row], bank, strict=True):
            expected[row] += coefficient.double() * vector.double()
    add(h, bank, coefficients)
    ulps = {torch.float32: 0, torch.float16: 2**-10, torch.bfloat16: 2**-7}[h.dtype]
    torch.testing.assert_close(h.double(), expected, rtol=ulps, atol=2e-3)  # fp32 of sums of a few thousand


@quickly
@given(case=cases())
def test_the_kernel_is_its_twin_and_writes_nowhere_else(case):
    steering_triton = pytest.importorskip("diffusion.kernels.steering_triton", exc_type=ImportError)
    h, memory, bank, coefficients = case
    before, place = memory.clone(), (h.shape, h.stride(), h.storage_offset())
    with interpreted(steering_triton, "add_vectors_kernel"):
        steering_triton.launch_add_vectors(h, bank, coefficients)
    by_kernel = memory.clone()
    memory.copy_(before)
    add_vectors_in_torch(memory.as_strided(*place), bank, coefficients)
    cut_off = 2**-7 if h.dtype == torch.bfloat16 else 0
    torch.testing.assert_close(by_kernel, memory, rtol=cut_off, atol=0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_row_without_vectors_keeps_its_bits(add, dtype):
    h = torch.tensor([-0.0, NAN, -NAN, INF, 1.5]).to(dtype).repeat(3, 1, 4, 1)
    before = h.clone()
    bank = torch.tensor([NAN, 1.0]).view(2, 1, 1, 1).repeat(1, 1, 4, 5)
    add(h, bank, torch.tensor([[0.0, 0.0], [0.0, 1.0], [-0.0, 0.0]]))
    bits = torch.int32 if dtype == torch.float32 else torch.int16
    assert torch.equal(h[::2].view(bits), before[::2].view(bits))
    assert torch.equal(h[1, 0, :, 4], torch.full((4,), 2.5, dtype=dtype))


def test_what_is_not_finite_stays_with_the_rows_that_ask_for_it(add):
    h = torch.ones(4, 2, 3, 3)
    bank = torch.stack([torch.full((2, 3, 3), value) for value in (NAN, INF, 2.0)])
    add(h, bank, torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [0.0, NAN, 0.0]]))
    assert torch.equal(h[0], torch.full((2, 3, 3), 3.0))
    assert h[1].isnan().all()
    assert torch.equal(h[2], torch.full((2, 3, 3), INF))
    assert h[3].isnan().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_sum_is_rounded_once(add, dtype):
    step = 2.0**-12  # lost when it is added to 1 in either dtype
    h = torch.ones(1, 1, 2, 2, dtype=dtype)
    add(h, torch.full((256, 1, 2, 2), step), torch.ones(1, 256))
    assert torch.equal(h, torch.full((1, 1, 2, 2), 1 + 256 * step, dtype=dtype))


@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")  # the interpreter's numpy
def test_a_strength_that_h_cannot_hold_gives_inf_there_alone(add):
    h = torch.ones(2, 1, 2, 2, dtype=torch.float16)
    add(h, torch.ones(1, 1, 2, 2), torch.tensor([[1e6], [1e2]]))
    assert torch.equal(h[0], torch.full((1, 2, 2), INF, dtype=torch.float16))
    assert torch.equal(h[1], torch.full((1, 2, 2), 101.0, dtype=torch.float16))


def test_add_vectors_works_in_place_on_the_cpu():
    h = torch.zeros(2, 3, 4, 4)
    add_vectors(h, torch.ones(1, 3, 4, 4), torch.tensor([[0.5], [0.0]]))
    assert h[0].eq(0.5).all()
    assert h[1].eq(0).all()


@pytest.mark.parametrize(
    ("h", "bank", "coefficients", "complaint"),
    [
        (torch.zeros(2, 3, 4), torch.zeros(1, 3, 4), torch.zeros(2, 1), r"h must be \[rows, channels"),
        (
            torch.zeros(2, 3, 4, 4).int(),
            torch.zeros(1, 3, 4, 4),
            torch.zeros(2, 1),
            "h must be of float16 or",
        ),
        (torch.zeros(2, 3, 4, 4), torch.zeros(1, 3, 4, 5), torch.zeros(2, 1), r"bank .* \[1, 3, 4, 4\], not"),
        (torch.zeros(2, 3, 4, 4), torch.zeros(1, 3, 4, 4).half(), torch.zeros(2, 1), "bank .*, not float16"),
        (
            torch.zeros(2, 3, 4, 4),
            torch.zeros(5, 3, 4, 4),
            torch.zeros(1, 5),
            r"coefficients .* \[2, 5\], not",
        ),
        (
            torch.zeros(2, 3, 4, 4),
            torch.zeros(1, 3, 4, 4),
            torch.zeros(2, 1).double(),
            "coefficients .* float32",
        ),
        (
            torch.zeros(2, 3, 4, 4),
            torch.zeros(5, 3, 4, 4),
            torch.zeros(5, 2).T,
            "coefficients must be contig",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(h, bank, coefficients, complaint):
    with pytest.raises(ValueError, match=complaint):
        add_vectors(h, bank, coefficients)
