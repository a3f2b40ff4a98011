"""Adding to each row of the site's output its own combination of concept vectors, in place.

Entry points: `add_vectors`, and its torch twin `add_vectors_in_torch`.
"""

from __future__ import annotations

import torch

from diffusion.kernels.choice import check_map, check_tensor, runs_triton


def add_vectors(h: torch.Tensor, bank: torch.Tensor, coefficients: torch.Tensor) -> None:
    """Add to every row of h, in place, the sum over n of coefficients[row, n] * bank[n].

    `h` is [rows, C, h, w] of fp16, bf16 or fp32, in any memory format; `bank` [n, C, h, w] of fp32 or of the
    dtype of h; `coefficients` [rows, n] of fp32, contiguous. All lie on one device. Summed in fp32 in the
    order of the bank, then added to h and rounded once.

    A row whose coefficients are all 0 is not touched: it keeps its bits, whatever they are. A vector is read
    for the rows whose coefficient of it is not 0, so what is not finite stays with the rows that ask for it.

    Any strides give the same sums. It is fastest where the bank is laid out in the memory format of h
    (`bank.to(memory_format=torch.channels_last)` for a U-Net in channels_last), done once when it is loaded:
    then both are read straight through, 16 bytes at a time.

    The Triton kernel neither allocates nor waits for the device, so a CUDA graph can hold it once a first
    call has compiled it. The torch twin does both.

    Raises ValueError for shapes, dtypes or coefficients' strides that do not go together.
    """
    check_map("h", h)
    check_tensor("bank", bank, (len(bank), *h.shape[1:]), (torch.float32, h.dtype), contiguous=False)
    check_tensor("coefficients", coefficients, (len(h), len(bank)), (torch.float32,))
    if runs_triton(h):
        from diffusion.kernels.steering_triton import launch_add_vectors

        launch_add_vectors(h, bank, coefficients)
    else:
        add_vectors_in_torch(h, bank, coefficients)


def add_vectors_in_torch(h: torch.Tensor, bank: torch.Tensor, coefficients: torch.Tensor) -> None:
    """What `add_vectors` does, by torch: over the pairs of a row and a vector that have a coefficient."""
    rows, vectors = coefficients.nonzero(as_tuple=True)
    if not len(rows):
        return
    if h.is_contiguous(memory_format=torch.channels_last):  # torch indexes rows that are one block faster
        h, bank = h.movedim(1, -1), bank.movedim(1, -1)
    added = bank[vectors].float() * coefficients[rows, vectors].view(-1, 1, 1, 1)
    touched, places = rows.unique_consecutive(return_inverse=True)
    if len(touched) < len(rows):
        added = added.new_zeros(len(touched), *added.shape[1:]).index_add_(0, places, added)
    if h.dtype == torch.float32:  # without the copies that another dtype needs
        h.index_add_(0, touched, added)
    else:
        h.index_copy_(0, touched, (h[touched] + added).to(h.dtype))
