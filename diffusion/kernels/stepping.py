"""Guidance and the scheduler's step of rows that each have their own, in one pass and in place.

Entry points: `guided_step`, and its torch twin `guided_step_in_torch`.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from diffusion.kernels.choice import check_map, check_tensor, runs_triton

TERMS = 4
"""Rows of the U-Net's output that one prediction may be made of."""

PAST = 3
"""Earlier predictions that a slot keeps."""

COEFFICIENTS = 8
"""A step's numbers: p, q, a, b0, b1, b2, b3 and n."""

_FP32 = (torch.float32,)
_INTEGERS = (torch.int32, torch.int64)


def guided_step(
    outputs: torch.Tensor,
    terms: torch.Tensor,
    weights: torch.Tensor,
    slots: torch.Tensor,
    latents: torch.Tensor,
    history: torch.Tensor,
    coefficients: torch.Tensor,
    noise: torch.Tensor | None,
) -> None:
    """Move every row's latents one step on, and its history with them, in place.

    For row r in slot s, with x = latents[s] and H = history[s], the newest first:

        g = sum over k of weights[r, k] * outputs[terms[r, k]]       (classifier-free guidance, if any)
        D = p * x + q * g
        latents[s] = a * x + b0 * D + b1 * H[0] + b2 * H[1] + b3 * H[2] + n * noise[r]
        history[s] = D, H[0], H[1]

    where p, q, a, b0, b1, b2, b3, n are coefficients[r]. All in fp32.

    `outputs` is the U-Net's [m, c, h, w] of fp16, bf16 or fp32, in any memory format; `terms` [rows, 4]
    holds indices into it, also where the weight is 0 (any will do); `weights` is [rows, 4]; `slots` [rows] are
    indices into `latents` [slots, c, h, w] and `history` [slots, 3, c, h, w]; `coefficients` is [rows, 8];
    `noise` is [rows, c, h, w], or None where every n is 0. Indices are int32 or int64, all but outputs is
    fp32 and contiguous, and everything lies on one device.

    A term of weight 0, and D, an entry of the history or noise with coefficient 0 count as 0 whatever they
    hold: a slot's history may be anything until it is filled. Slots are distinct, except that rows which
    only pad the batch may share one that no other row has: with a = 1 and the other coefficients 0 its
    latents stay as they are, and its history becomes anything.

    Classifier-free guidance: Ho, Salimans, "Classifier-Free Diffusion Guidance", 2022, equation 6.

    The Triton kernel neither allocates nor waits for the device, so a CUDA graph can hold it once a first
    call has compiled it. The torch twin does both.

    Raises ValueError for shapes, dtypes or strides that do not go together.
    """
    rows, shape = len(terms), outputs.shape[1:]
    check_map("outputs", outputs)
    check_tensor("terms", terms, (rows, TERMS), _INTEGERS)
    check_tensor("weights", weights, (rows, TERMS), _FP32)
    check_tensor("slots", slots, (rows,), _INTEGERS)
    check_tensor("latents", latents, (len(latents), *shape), _FP32)
    check_tensor("history", history, (len(latents), PAST, *shape), _FP32)
    check_tensor("coefficients", coefficients, (rows, COEFFICIENTS), _FP32)
    if noise is not None:
        check_tensor("noise", noise, (rows, *shape), _FP32)
    if runs_triton(latents):
        from diffusion.kernels.stepping_triton import launch_guided_step

        launch_guided_step(outputs, terms, weights, slots, latents, history, coefficients, noise)
    else:
        guided_step_in_torch(outputs, terms, weights, slots, latents, history, coefficients, noise)


def guided_step_in_torch(
    outputs: torch.Tensor,
    terms: torch.Tensor,
    weights: torch.Tensor,
    slots: torch.Tensor,
    latents: torch.Tensor,
    history: torch.Tensor,
    coefficients: torch.Tensor,
    noise: torch.Tensor | None,
) -> None:
    """What `guided_step` does, by torch."""
    slots = slots.long()  # which index_copy_ insists on
    latents, history = latents.flatten(1), history.flatten(2)
    prediction = _weighted_sums(outputs.float().flatten(1), terms, weights)
    x, past = latents[slots], history[slots]
    p, q = coefficients[:, :2].unsqueeze(2).unbind(1)
    newest = p * x + q * prediction

    summands = [x.unsqueeze(1), newest.unsqueeze(1), past]
    if noise is not None:
        summands.append(noise.flatten(1).unsqueeze(1))
    joined = torch.cat(summands, dim=1)
    rows, each, _ = joined.shape
    places = torch.arange(rows * each, device=joined.device).view(rows, each)
    moved = _weighted_sums(joined.flatten(0, 1), places, coefficients[:, 2 : 2 + each])
    latents.index_copy_(0, slots, moved)
    history.index_copy_(0, slots, joined[:, 1 : 1 + PAST])


def _weighted_sums(table: torch.Tensor, places: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """For every row, the sum over k of weights[row, k] * table[places[row, k]], [rows, elements].

    `table` is [entries, elements], the others [rows, k]. An entry of weight 0 is not read.
    """
    used = weights.flatten().nonzero().flatten()
    counts = weights.count_nonzero(dim=1)
    return F.embedding_bag(
        places.flatten()[used].long(),
        table,
        counts.cumsum(0) - counts,
        mode="sum",
        per_sample_weights=weights.flatten()[used],
    )
