"""What can be known of the Triton kernels' way to a GPU without one, and what only a GPU can tell."""

from pathlib import Path

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from diffusion.kernels import add_vectors, choice, guided_step, steering, stepping

triton = pytest.importorskip("triton")

from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402

from diffusion.kernels import steering_triton, stepping_triton  # noqa: E402

POINTERS = {
    "add_vectors_kernel": {"bank": "*fp32", "coefficients": "*fp32"},
    "guided_step_kernel": {
        "terms": "*i32",
        "weights": "*fp32",
        "slots": "*i64",
        "latents": "*fp32",
        "history": "*fp32",
        "coefficients": "*fp32",
        "noise": "*fp32",
    },
}
DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Compiles a kernel for an H100, `first` being the dtype of its first pointer; gives its assembly."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))

    def compile_kernel(kernel, first: str, constants: dict[str, object]) -> dict[str, str]:
        pointers = {kernel.arg_names[0]: f"*{first}"} | POINTERS[kernel.__name__]
        signature = dict.fromkeys(kernel.arg_names, "i32") | pointers | dict.fromkeys(constants, "constexpr")
        aligned = {"elements", "h_row", "bank_vector", "output_row", *pointers}.difference(constants)
        attributes = {
            (place,): [["tt.divisibility", 16]]
            for place, name in enumerate(kernel.arg_names)
            if name in aligned
        }
        source = ASTSource(kernel, signature, constants, attributes)
        return triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm

    return compile_kernel


@pytest.mark.parametrize("dtype", DTYPES)
def test_adding_vectors_compiles_for_an_h100_and_moves_16_bytes_at_a_time(compiled, dtype):
    kernel, block = steering_triton.add_vectors_kernel, steering_triton.BLOCK
    straight = compiled(kernel, dtype, {"same_order": True, "block": block})
    assert straight["cubin"]
    assert ".target sm_90" in straight["ptx"]
    assert "ld.global.v4.b32" in straight["ptx"]
    assert "st.global.v4.b32" in straight["ptx"]
    assert not any(f"{way}.global.b16" in straight["ptx"] for way in ("ld", "st"))
    if dtype != "fp32":  # to the nearest, not cut off
        assert f"cvt.rn.{dtype.replace('fp', 'f')}" in straight["ptx"]
    strided = compiled(kernel, dtype, {"same_order": False, "h_channel": 1, "bank_x": 1, "block": block})
    assert strided["cubin"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_guided_step_compiles_for_an_h100_and_moves_16_bytes_at_a_time(compiled, dtype):
    kernel, block = stepping_triton.guided_step_kernel, stepping_triton.BLOCK
    straight = compiled(kernel, dtype, {"contiguous_outputs": True, "block": block})
    assert straight["cubin"]
    assert ".target sm_90" in straight["ptx"]
    assert "st.global.v4.b32" in straight["ptx"]
    assert "ld.global.b16" not in straight["ptx"]
    strided = {"contiguous_outputs": False, "output_channel": 1, "noise": None, "block": block}
    assert compiled(kernel, dtype, strided)["cubin"]


def steering_arguments(dtype: torch.dtype = torch.float16) -> tuple[torch.Tensor, ...]:
    draw = torch.Generator().manual_seed(0)
    h = torch.randn(6, 40, 8, 8, generator=draw).to(dtype).to(memory_format=torch.channels_last)
    bank = torch.randn(3, 40, 8, 8, generator=draw)
    coefficients = torch.randn(6, 3, generator=draw) * torch.tensor([0.0, 1, 1, 0, 1, 1]).view(-1, 1)
    return h, bank, coefficients


def stepping_arguments(dtype: torch.dtype = torch.float16) -> tuple[torch.Tensor, ...]:
    draw = torch.Generator().manual_seed(0)
    outputs = torch.randn(8, 4, 24, 24, generator=draw).to(dtype)
    terms = torch.randint(0, 8, (6, 4), generator=draw, dtype=torch.int32)
    weights = torch.randn(6, 4, generator=draw)
    slots = torch.randperm(7, generator=draw)[:6]
    latents = torch.randn(7, 4, 24, 24, generator=draw)
    history = torch.randn(7, 3, 4, 24, 24, generator=draw)
    coefficients = torch.randn(6, 8, generator=draw)
    return outputs, terms, weights, slots, latents, history, coefficients, torch.randn_like(latents[:6])


class Launched:
    """Stands where a kernel is and notes what it is launched with."""

    def __init__(self) -> None:
        self.grids: list[tuple[int, ...]] = []

    def __getitem__(self, grid: tuple[int, ...]):
        self.grids.append(grid)
        return lambda *arguments, **constants: None


class NoTorch(TorchDispatchMode):
    """Lets no operation of torch pass: none that allocates, none that waits for the device."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        raise AssertionError(f"{operation} was called")


def test_a_launch_is_one_kernel_and_nothing_of_torch(monkeypatch):
    to_steer, to_step = steering_arguments(), stepping_arguments()
    launched = Launched()
    monkeypatch.setattr(steering_triton, "add_vectors_kernel", launched)
    monkeypatch.setattr(stepping_triton, "guided_step_kernel", launched)
    monkeypatch.setattr(steering, "runs_triton", lambda tensor: True)
    monkeypatch.setattr(stepping, "runs_triton", lambda tensor: True)
    with NoTorch():
        add_vectors(*to_steer)
        guided_step(*to_step)
    assert launched.grids == [(6, 3), (6, 3)]  # rows, and 2560 or 2304 elements in blocks of 1024


def test_kernels_are_for_cuda_tensors_where_triton_is_installed(monkeypatch):
    with FakeTensorMode():
        on_gpu, on_cpu = torch.empty(1, device="cuda"), torch.empty(1)
    assert choice.runs_triton(on_gpu)
    assert not choice.runs_triton(on_cpu)
    monkeypatch.setattr(choice, "_TRITON_IS_INSTALLED", False)
    assert not choice.runs_triton(on_gpu)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("dtype", DTYPES.values())
@pytest.mark.parametrize(
    ("function", "arguments", "changed"),
    [(add_vectors, steering_arguments, [0]), (guided_step, stepping_arguments, [4, 5])],
)
def test_a_cuda_graph_of_the_kernel_does_what_the_twin_does(function, arguments, changed, dtype):
    expected = arguments(dtype)
    on_gpu = [tensor.cuda() for tensor in expected]
    start = [tensor.clone() for tensor in on_gpu]
    function(*expected)

    function(*on_gpu)  # which compiles
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        function(*on_gpu)
    for tensor, then in zip(on_gpu, start, strict=True):
        tensor.copy_(then)
    graph.replay()
    for place in changed:
        ulp = {torch.float16: 2**-10, torch.bfloat16: 2**-7}.get(expected[place].dtype, 1e-5)
        torch.testing.assert_close(on_gpu[place].cpu(), expected[place], rtol=ulp, atol=1e-4)
