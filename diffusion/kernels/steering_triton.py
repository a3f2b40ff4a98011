"""The Triton kernel behind `add_vectors`; imported where there is Triton.

Entry point: `launch_add_vectors`.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

BLOCK = 1024
"""Elements of a row that one program works on: with four warps, 16 bytes of fp16 for each thread."""


@triton.jit(do_not_specialize=["vectors"])  # a bank that grows is no reason to compile again
def add_vectors_kernel(
    h: tl.tensor,
    bank: tl.tensor,
    coefficients: tl.tensor,
    vectors: tl.tensor,
    elements: tl.tensor,
    pixels: tl.tensor,
    width: tl.tensor,
    h_row: tl.tensor,
    h_channel: tl.tensor,
    h_y: tl.tensor,
    h_x: tl.tensor,
    bank_vector: tl.tensor,
    bank_channel: tl.tensor,
    bank_y: tl.tensor,
    bank_x: tl.tensor,
    same_order: tl.constexpr,
    block: tl.constexpr,
) -> None:
    """One row (grid axis 0) and one block of its elements (axis 1); strides are in elements.

    With same_order a row of h and a vector of the bank are both dense and in the same order, so that one
    offset serves both.
    """
    row = tl.program_id(0).to(tl.int64)  # offsets of whole rows and vectors may pass 2^31
    element = tl.program_id(1) * block + tl.arange(0, block)
    inside = element < elements
    if same_order:
        h_at = element
        bank_at = element
    else:
        channel = element // pixels
        y = element % pixels // width
        x = element % pixels % width
        h_at = channel * h_channel + y * h_y + x * h_x
        bank_at = channel * bank_channel + y * bank_y + x * bank_x

    added = tl.full([block], 0, tl.float32)
    steered = 0
    for vector in range(vectors):
        coefficient = tl.load(coefficients + row * vectors + vector)
        if coefficient != 0:
            steered = 1
            values = tl.load(bank + tl.cast(vector, tl.int64) * bank_vector + bank_at, mask=inside)
            added += coefficient * values.to(tl.float32)
    if steered != 0:
        place = h + row * h_row + h_at
        values = tl.load(place, mask=inside).to(tl.float32)
        tl.store(place, (values + added).to(h.dtype.element_ty), mask=inside)


def launch_add_vectors(h: torch.Tensor, bank: torch.Tensor, coefficients: torch.Tensor) -> None:
    """Start the kernel on tensors that `add_vectors` has checked."""
    rows, channels, height, width = h.shape
    elements = channels * height * width
    with torch.cuda.device_of(h):
        add_vectors_kernel[rows, triton.cdiv(elements, BLOCK)](
            h,
            bank,
            coefficients,
            len(bank),
            elements,
            height * width,
            width,
            *h.stride(),
            *bank.stride(),
            same_order=_same_order(h, bank, elements),
            block=BLOCK,
        )


def _same_order(h: torch.Tensor, bank: torch.Tensor, elements: int) -> bool:
    """Whether the rows of h and the vectors of the bank are dense, with their elements in the same order."""
    steps = [
        (size - 1, h_stride, bank_stride)
        for size, h_stride, bank_stride in zip(h.shape[1:], h.stride()[1:], bank.stride()[1:], strict=True)
        if size > 1
    ]
    if any(h_stride != bank_stride for _, h_stride, bank_stride in steps):
        return False
    last = sum(span * stride for span, stride, _ in steps)
    return last == elements - 1
