"""The Triton kernel behind `guided_step`; imported where there is Triton.

Entry point: `launch_guided_step`.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

BLOCK = 1024
"""Elements of a row that one program works on: with four warps, two times 16 bytes of fp32 for each thread."""


@triton.jit
def guided_step_kernel(
    outputs: tl.tensor,
    terms: tl.tensor,
    weights: tl.tensor,
    slots: tl.tensor,
    latents: tl.tensor,
    history: tl.tensor,
    coefficients: tl.tensor,
    noise: tl.tensor | None,
    elements: tl.tensor,
    pixels: tl.tensor,
    width: tl.tensor,
    output_row: tl.tensor,
    output_channel: tl.tensor,
    output_y: tl.tensor,
    output_x: tl.tensor,
    contiguous_outputs: tl.constexpr,
    block: tl.constexpr,
) -> None:
    """One row (grid axis 0) and one block of its elements (axis 1); strides are in elements."""
    row = tl.program_id(0).to(tl.int64)  # offsets of whole rows and slots may pass 2^31
    element = tl.program_id(1) * block + tl.arange(0, block)
    inside = element < elements
    if contiguous_outputs:
        output_at = element
    else:
        y = element % pixels // width
        x = element % pixels % width
        output_at = element // pixels * output_channel + y * output_y + x * output_x

    prediction = tl.full([block], 0, tl.float32)
    for k in tl.static_range(4):
        weight = tl.load(weights + row * 4 + k)
        if weight != 0:
            term = tl.load(terms + row * 4 + k).to(tl.int64)
            prediction += weight * tl.load(outputs + term * output_row + output_at, mask=inside).to(
                tl.float32
            )

    numbers = coefficients + row * 8
    slot = tl.load(slots + row).to(tl.int64)
    place = latents + slot * elements + element
    newest_place = history + slot * 3 * elements + element
    middle_place = newest_place + elements
    oldest_place = middle_place + elements

    latent = tl.load(place, mask=inside)
    before = tl.load(newest_place, mask=inside)
    earlier = tl.load(middle_place, mask=inside)
    newest = tl.load(numbers) * latent + tl.load(numbers + 1) * prediction

    # Each summand only where it counts: 0 times what a slot held before this row may be NaN.
    moved = tl.load(numbers + 2) * latent
    b0 = tl.load(numbers + 3)
    if b0 != 0:
        moved += b0 * newest
    b1 = tl.load(numbers + 4)
    if b1 != 0:
        moved += b1 * before
    b2 = tl.load(numbers + 5)
    if b2 != 0:
        moved += b2 * earlier
    b3 = tl.load(numbers + 6)
    if b3 != 0:
        moved += b3 * tl.load(oldest_place, mask=inside)
    if noise is not None:
        n = tl.load(numbers + 7)
        if n != 0:
            moved += n * tl.load(noise + row * elements + element, mask=inside)

    tl.store(place, moved, mask=inside)
    tl.store(newest_place, newest, mask=inside)
    tl.store(middle_place, before, mask=inside)
    tl.store(oldest_place, earlier, mask=inside)


def launch_guided_step(
    outputs: torch.Tensor,
    terms: torch.Tensor,
    weights: torch.Tensor,
    slots: torch.Tensor,
    latents: torch.Tensor,
    history: torch.Tensor,
    coefficients: torch.Tensor,
    noise: torch.Tensor | None,
) -> None:
    """Start the kernel on tensors that `guided_step` has checked."""
    _, channels, height, width = outputs.shape
    elements = channels * height * width
    with torch.cuda.device_of(latents):
        guided_step_kernel[len(terms), triton.cdiv(elements, BLOCK)](
            outputs,
            terms,
            weights,
            slots,
            latents,
            history,
            coefficients,
            noise,
            elements,
            height * width,
            width,
            *outputs.stride(),
            contiguous_outputs=outputs.is_contiguous(),
            block=BLOCK,
        )
