from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interpreted_kernels import interpreted

from diffusion.kernels.stepping import guided_step, guided_step_in_torch

NAN = float("nan")
SCRATCH = [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
"""p, q, a, b0, b1, b2, b3 and n of a row that only pads the batch."""

quickly = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@dataclass
class Step:
    """What `guided_step` takes, in its order."""

    outputs: torch.Tensor
    terms: torch.Tensor
    weights: torch.Tensor
    slots: torch.Tensor
    latents: torch.Tensor
    history: torch.Tensor
    coefficients: torch.Tensor
    noise: torch.Tensor | None

    def copy(self) -> "Step":
        return replace(self, latents=self.latents.clone(), history=self.history.clone())

    def taken(self, move: "Move") -> "Step":
        """A copy of it, moved on."""
        step = self.copy()
        move(*vars(step).values())
        return step


Move = Callable[..., None]


@pytest.fixture(params=["torch", "triton"])
def move(request: pytest.FixtureRequest) -> Iterator[Move]:
    """Each implementation in turn, the Triton kernel under the interpreter."""
    if request.param == "torch":
        yield guided_step_in_torch
        return
    pytest.importorskip("triton")
    from diffusion.kernels import stepping_triton

    with interpreted(stepping_triton, "guided_step_kernel"):
        yield stepping_triton.launch_guided_step


def a_step(rows: int = 3, shape: tuple[int, int, int] = (4, 3, 5), seed: int = 0) -> Step:
    """Guided rows in a few of the slots, all their coefficients drawn at random."""
    draw = torch.Generator().manual_seed(seed)
    conditional = torch.arange(rows, 2 * rows)
    return Step(
        outputs=torch.randn(2 * rows, *shape, generator=draw),
        terms=torch.stack([conditional - rows, conditional, 0 * conditional, 0 * conditional], dim=1).int(),
        weights=torch.tensor([-6.5, 7.5, 0.0, 0.0]).repeat(rows, 1),
        slots=torch.randperm(rows + 2, generator=draw)[:rows],
        latents=torch.randn(rows + 2, *shape, generator=draw),
        history=torch.randn(rows + 2, 3, *shape, generator=draw),
        coefficients=torch.randn(rows, 8, generator=draw),
        noise=torch.randn(rows, *shape, generator=draw),
    )


@st.composite
def steps(draw):
    rows = draw(st.integers(1, 4))
    shape = tuple(draw(st.integers(1, 5)) for _ in range(3))
    step = a_step(rows, shape, seed=draw(st.integers(0, 2**32)))
    number = st.sampled_from([0.0, 0.0, 1.0, -1.5, 0.37, 2.5])
    each_row = range(rows)
    step.terms = torch.tensor([[draw(st.integers(0, 2 * rows - 1)) for _ in range(4)] for _ in each_row])
    step.terms = step.terms.to(draw(st.sampled_from([torch.int32, torch.int64])))
    step.weights = torch.tensor([[draw(number) for _ in range(4)] for _ in each_row])
    step.coefficients = torch.tensor([[draw(number) for _ in range(8)] for _ in each_row])
    step.slots = step.slots.to(draw(st.sampled_from([torch.int32, torch.int64])))
    step.outputs = step.outputs.to(draw(st.sampled_from([torch.float32, torch.float16, torch.bfloat16])))
    match draw(st.sampled_from(["contiguous", "channels_last", "part of more"])):
        case "channels_last":
            step.outputs = step.outputs.to(memory_format=torch.channels_last)
        case "part of more":
            step.outputs = step.outputs.repeat(1, 2, 1, 1)[:, : shape[0]]
    if draw(st.booleans()):
        step.noise = None
    return step


def expected(step: Step) -> tuple[torch.Tensor, torch.Tensor]:
    """The latents and history after the step, row by row as the formula says, in fp64."""
    latents, history = step.latents.double(), step.history.double()
    for row, slot in enumerate(step.slots.tolist()):
        terms = zip(step.weights[row].tolist(), step.terms[row].tolist(), strict=True)
        prediction = sum(weight * step.outputs[term].double() for weight, term in terms)
        p, q, a, b0, b1, b2, b3, n = step.coefficients[row].tolist()
        x, past = latents[slot].clone(), history[slot].clone()
        newest = p * x + q * prediction
        latents[slot] = a * x + b0 * newest + b1 * past[0] + b2 * past[1] + b3 * past[2]
        if step.noise is not None:
            latents[slot] += n * step.noise[row].double()
        history[slot] = torch.stack([newest, past[0], past[1]])
    return latents, history


@quickly
@given(step=steps())
def test_every_row_is_guided_and_moved_by_its_own_numbers(move, step):
    latents, history = expected(step)
    moved = step.taken(move)
    torch.testing.assert_close(moved.latents.double(), latents, rtol=1e-5, atol=1e-3)
    torch.testing.assert_close(moved.history.double(), history, rtol=1e-5, atol=1e-4)


def test_slots_without_a_row_keep_their_bits(move):
    step = a_step()
    free = [slot for slot in range(5) if slot not in step.slots.tolist()]
    step.latents[free[0]] = NAN
    step.history[free[1]] = -0.0
    moved = step.taken(move)
    for now, then in ((moved.latents, step.latents), (moved.history, step.history)):
        assert torch.equal(now[free].view(torch.int32), then[free].view(torch.int32))
        assert not torch.equal(now[step.slots], then[step.slots])


def test_what_has_coefficient_0_may_hold_anything(move):
    clean = a_step(rows=6)
    clean.terms[:, 2:] = torch.tensor([1, 4])
    clean.weights[:, 1:] = 0.0
    clean.coefficients[:, 3:] *= torch.eye(6)[:, 1:]  # b0..n: none in the first row, then one in each
    moved = clean.taken(move)

    dirty = clean.copy()
    dirty.terms = clean.terms + torch.tensor([6, 0, 0, 0], dtype=torch.int32)
    dirty.outputs = torch.cat([torch.full_like(clean.outputs[:6], NAN), clean.outputs[:6]])
    for column, entry in ((4, 0), (5, 1), (6, 2)):
        unread = clean.slots[clean.coefficients[:, column] == 0]
        dirty.history[unread, entry] = NAN
    dirty.noise = clean.noise.where(clean.coefficients[:, 7].view(-1, 1, 1, 1) != 0, NAN)
    again = dirty.taken(move)
    assert torch.equal(again.latents, moved.latents)
    assert torch.equal(again.history[dirty.slots, 0], moved.history[clean.slots, 0])


def test_a_slots_history_is_filled_by_its_first_steps(move):
    step = a_step(rows=2)
    step.history.fill_(NAN)
    newest_first: list[torch.Tensor] = []
    for _ in range(4):
        step.outputs = torch.randn_like(step.outputs)
        step.coefficients[:, 4 + len(newest_first) : 7] = 0.0  # what is not there yet
        latents = expected(replace(step, history=step.history.nan_to_num()))[0]
        p, q = step.coefficients[:, :2].view(2, 2, 1, 1, 1).unbind(1)
        guided = -6.5 * step.outputs[:2] + 7.5 * step.outputs[2:]
        newest_first.insert(0, p * step.latents[step.slots] + q * guided)
        step = step.taken(move)
        torch.testing.assert_close(step.latents, latents.float(), rtol=1e-4, atol=1e-3)
        for entry, newest in enumerate(newest_first[:3]):
            torch.testing.assert_close(step.history[step.slots, entry], newest, rtol=1e-4, atol=1e-4)
        step.coefficients = torch.rand(2, 8)
    assert step.history[step.slots].isfinite().all()


def test_rows_that_pad_the_batch_share_a_slot_and_do_no_harm(move):
    step = a_step(rows=5)
    alone = replace(
        step,
        terms=step.terms[:2],
        weights=step.weights[:2],
        slots=step.slots[:2],
        coefficients=step.coefficients[:2],
        noise=step.noise[:2],
    ).taken(move)
    step.slots[2:] = step.slots[2]
    step.coefficients[2:] = torch.tensor(SCRATCH)
    step.outputs[7:] = NAN  # what a U-Net may make of rows that hold nothing
    step.noise[2:] = NAN
    moved = step.taken(move)
    real = [slot for slot in range(7) if slot != step.slots[2]]
    assert torch.equal(moved.latents, alone.latents)
    assert torch.equal(moved.latents[step.slots[2]], step.latents[step.slots[2]])
    assert torch.equal(moved.history[real], alone.history[real])


def test_a_row_is_the_same_in_any_batch(move):
    step = a_step(rows=4)
    together = step.taken(move)
    for row in range(4):
        one = slice(row, row + 1)
        alone = replace(
            step,
            terms=step.terms[one],
            weights=step.weights[one],
            slots=step.slots[one],
            coefficients=step.coefficients[one],
            noise=step.noise[one],
        ).taken(move)
        slot = step.slots[row]
        assert torch.equal(alone.latents[slot], together.latents[slot])
        assert torch.equal(alone.history[slot], together.history[slot])


def test_no_rows_move_nothing(move):
    step = a_step()
    none = replace(
        step,
        terms=step.terms[:0],
        weights=step.weights[:0],
        slots=step.slots[:0],
        coefficients=step.coefficients[:0],
        noise=None,
    )
    moved = none.taken(move)
    assert torch.equal(moved.latents, step.latents)
    assert torch.equal(moved.history, step.history)


def test_guided_step_works_in_place_on_the_cpu():
    step = a_step()
    latents, history = expected(step)
    moved = step.taken(guided_step)
    torch.testing.assert_close(moved.latents.double(), latents, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(moved.history.double(), history, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"outputs": torch.zeros(6, 4, 15)}, r"outputs must be \[rows, channels"),
        ({"outputs": torch.zeros(6, 4, 3, 5).double()}, "outputs must be of float16 or .*, not float64"),
        ({"terms": torch.zeros(3, 2).int()}, r"terms must be of the shape \[3, 4\], not \[3, 2\]"),
        ({"terms": torch.zeros(3, 4)}, "terms must be of int32 or int64, not float32"),
        ({"weights": torch.zeros(3, 4).half()}, "weights must be of float32, not float16"),
        ({"slots": torch.zeros(2).int()}, r"slots must be of the shape \[3\]"),
        ({"latents": torch.zeros(5, 4, 5, 3).transpose(2, 3)}, r"pass latents\.contiguous\(\)"),
        ({"history": torch.zeros(5, 2, 4, 3, 5)}, r"history must be of the shape \[5, 3, 4, 3, 5\]"),
        ({"coefficients": torch.zeros(3, 7)}, r"coefficients must be of the shape \[3, 8\]"),
        ({"noise": torch.zeros(2, 4, 3, 5)}, r"noise must be of the shape \[3, 4, 3, 5\]"),
    ],
)
def test_what_does_not_go_together_is_refused(wrong, complaint):
    with pytest.raises(ValueError, match=complaint):
        replace(a_step(), **wrong).taken(guided_step)
