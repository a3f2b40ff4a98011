"""The two sums that every step of the engine is made of, each one pass over the device's memory.

Entry points: `add_vectors`, what the rows get at the steered site; `guided_step`, guidance and the scheduler's
step. CUDA tensors are worked on by Triton kernels, others (and all, without Triton) by their torch twins.
"""

from diffusion.kernels.steering import add_vectors
from diffusion.kernels.stepping import guided_step

__all__ = ["add_vectors", "guided_step"]
