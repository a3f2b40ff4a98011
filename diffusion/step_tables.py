"""Every scheduler's step as numbers: a linear combination of what a row has, one line of a table for each step.

Entry points: `COLUMNS` and a function for each scheduler, from a diffusers scheduler with its timesteps set to
the table [steps, 8] in float64. `diffusion.schedules` says which scheduler is which.
"""

from __future__ import annotations

import torch
from diffusers import SchedulerMixin

COLUMNS = ("p", "q", "a", "b0", "b1", "b2", "b3", "n")
"""What the numbers of a step are, for latents x_i, guided prediction g_i and fresh normal noise z_i:

    D_i     = p x_i + q g_i
    x_{i+1} = a x_i + b0 D_i + b1 D_{i-1} + b2 D_{i-2} + b3 D_{i-3} + n z_i

Where a trajectory is younger than its history, what is missing has the weight 0.
"""


def ddim_table(scheduler: SchedulerMixin, *, eta: float = 0.0) -> torch.Tensor:
    """DDIM; `eta` from 0, without noise, to 1, with that of the DDPM. D is the predicted clean latents.

    Song, Meng, Ermon, "Denoising Diffusion Implicit Models", 2021, equations 12 and 16.
    """
    timesteps = scheduler.timesteps
    alpha = _alphas(scheduler, timesteps)
    previous = _alphas(scheduler, timesteps - _stride(scheduler))
    noise = eta * ((1 - previous) / (1 - alpha) * (1 - alpha / previous)).sqrt()
    # The noise in the latents is (x - sqrt(alpha) D) / sqrt(1 - alpha); so much of it stays. At alpha = 0 and
    # eta = 1 none does, and rounding must not make that a negative number.
    stays = ((1 - previous - noise**2).clamp(min=0) / (1 - alpha)).sqrt()
    p, q = _clean_latents(scheduler, alpha)
    return _table(p=p, q=q, a=stays, b0=previous.sqrt() - stays * alpha.sqrt(), n=noise)


def lcm_table(scheduler: SchedulerMixin) -> torch.Tensor:
    """Multistep sampling of a latent consistency model. D is the predicted clean latents.

    Luo et al., "Latent Consistency Models", 2023, algorithm 3.
    """
    timesteps = scheduler.timesteps
    p, q = _clean_latents(scheduler, _alphas(scheduler, timesteps))
    skip, out = scheduler.get_scalings_for_boundary_condition_discrete(timesteps.double())
    following = _alphas(scheduler, timesteps[1:])
    finished = torch.ones(1, dtype=torch.float64)  # the last step's estimate is not noised again
    kept = torch.cat([following.sqrt(), finished])
    noise = torch.cat([(1 - following).sqrt(), 0 * finished])
    return _table(p=p, q=q, a=kept * skip, b0=kept * out, n=noise)


def euler_table(scheduler: SchedulerMixin) -> torch.Tensor:
    """Euler's method on the noise level sigma, of latents image + sigma noise. D is the predicted clean latents.

    Karras et al., "Elucidating the Design Space of Diffusion-Based Generative Models", 2022, algorithm 1 without
    its second-order correction.
    """
    sigma, following = _sigmas(scheduler)
    p, q = _clean_image(scheduler, sigma)
    return _table(p=p, q=q, a=following / sigma, b0=1 - following / sigma)


def euler_ancestral_table(scheduler: SchedulerMixin) -> torch.Tensor:
    """Euler's method below the next noise level, and fresh noise up to it. D is the predicted clean latents.

    Katherine Crowson's k-diffusion, `sample_euler_ancestral` with eta 1: the share of noise that is renewed is
    that of Song et al., "Score-Based Generative Modeling through Stochastic Differential Equations", 2021, F.
    """
    sigma, following = _sigmas(scheduler)
    stays = following**2 / sigma
    renewed = following * (1 - (following / sigma) ** 2).sqrt()
    p, q = _clean_image(scheduler, sigma)
    return _table(p=p, q=q, a=stays / sigma, b0=1 - stays / sigma, n=renewed)


def dpm_multistep_table(scheduler: SchedulerMixin) -> torch.Tensor:
    """DPM-Solver++ of the second order, multistep (2M). D is the predicted clean latents.

    Lu et al., "DPM-Solver++", 2022, algorithm 2; its first-order step first, and last where the configuration
    says so. h, the growth of log(alpha / sigma) over a step, is that of -log of the schedulers' sigma.
    """
    config = scheduler.config
    sigma, following = _sigmas(scheduler)
    steps = len(sigma)
    alpha, alpha_following = (1 / (level**2 + 1).sqrt() for level in (sigma, following))
    shrink = following / sigma  # exp(-h), 0 where the last step removes all noise
    h = -shrink.log()
    if config.solver_type == "heun":
        bend = alpha_following * (shrink - 1 + h)
    else:
        bend = alpha_following * (1 - shrink) * h / 2

    first_order_last = (
        config.euler_at_final
        or config.final_sigmas_type == "zero"
        or (config.lower_order_final and steps < 15)
    )
    step = torch.arange(steps)
    second_order = (step > 0) & ~((step == steps - 1) & torch.tensor(bool(first_order_last)))
    change = torch.where(second_order, bend / h.roll(1), 0)  # the weight of D_i - D_{i-1}

    if config.prediction_type == "v_prediction":
        p, q = alpha, -sigma * alpha
    else:
        p, q = 1 / alpha, -sigma
    b0 = alpha_following * (1 - shrink) + change
    return _table(p=p, q=q, a=shrink * alpha_following / alpha, b0=b0, b1=-change)


def pndm_table(scheduler: SchedulerMixin) -> torch.Tensor:
    """PNDM without its Runge-Kutta start, also known as PLMS. D is the prediction, but for the second step's.

    Liu et al., "Pseudo Numerical Methods for Diffusion Models on Manifolds", 2022, equations 9 and 12; as
    diffusers begins it: the second step repeats the first with the mean of both steps' predictions, and is the
    only one whose prediction g_1 is not used again.
    """
    timesteps, stride = scheduler.timesteps, _stride(scheduler)
    begins, ends = timesteps.clone(), timesteps - stride
    begins[1:2], ends[1:2] = timesteps[1:2] + stride, timesteps[1:2]
    keep, gain = _pndm_transfer(scheduler, _alphas(scheduler, begins), _alphas(scheduler, ends))

    # x_{i+1} = keep_i x_i + gain_i times Adams and Bashforth's mean of g_i and what came before, newest first;
    # the order grows with the history, in which g_1 counts for nothing.
    means = torch.tensor([[55, -59, 37, -9]], dtype=torch.float64).repeat(len(timesteps), 1) / 24
    beginning = [[1, 0, 0, 0], [1 / 2, 1 / 2, 0, 0], [3 / 2, 0, -1 / 2, 0], [23 / 12, -16 / 12, 0, 5 / 12]]
    means[:4] = torch.tensor(beginning, dtype=torch.float64)[: len(timesteps)]
    weights = gain[:, None] * means
    zero, one = torch.zeros_like(keep), torch.ones_like(keep)
    table = torch.column_stack([zero, one, keep, weights, zero])
    if len(timesteps) > 1:
        table[1] = _repeated_step(keep, gain)
    if len(timesteps) > 4:
        table[4] = _fifth_step(keep, weights, table[1])
    return table


def _repeated_step(keep: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
    """PNDM's second step, from x_0 = (x_1 - gain_0 g_0) / keep_0, which is not kept.

    Its D_1 is all of x_2 that does not come from g_0, which is what the fifth step needs of it.
    """
    zero, one = torch.zeros_like(keep[0]), torch.ones_like(keep[0])
    p, q = keep[1] / keep[0], gain[1] / 2
    b1 = gain[1] / 2 - p * gain[0]
    return torch.stack([p, q, zero, one, b1, zero, zero, zero])


def _fifth_step(keep: torch.Tensor, weights: torch.Tensor, repeated: torch.Tensor) -> torch.Tensor:
    """PNDM's fifth step. It wants g_0 once more, which the repeated step has pushed out of the history.

    It follows from what is left: x_2 = D_1 + b1 g_0 with the repeated step's b1, x_3 is keep_2 x_2 and weighted
    g_2 and g_0, x_4 is keep_3 x_3 and weighted g_3, g_2 and g_0.
    """
    zero, one = torch.zeros_like(keep[0]), torch.ones_like(keep[0])
    g_0 = keep[3] * (keep[2] * repeated[COLUMNS.index("b1")] + weights[2, 2]) + weights[3, 3]
    g_2 = keep[3] * weights[2, 0] + weights[3, 1]
    g_3 = weights[3, 0]
    share = weights[4, 3] / g_0  # of x_4 - keep_3 keep_2 D_1 - the weighted g_2 and g_3
    a, b0 = keep[4] + share, weights[4, 0]
    b1, b2, b3 = weights[4, 1] - share * g_3, weights[4, 2] - share * g_2, -share * keep[3] * keep[2]
    return torch.stack([zero, one, a, b0, b1, b2, b3, zero])


def _pndm_transfer(
    scheduler: SchedulerMixin, alpha: torch.Tensor, previous: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The weights of the latents and of the mean prediction in a PNDM step from `alpha` to `previous`."""
    keep = (previous / alpha).sqrt()
    gain = (alpha - previous) / (alpha * (1 - previous).sqrt() + (alpha * (1 - alpha) * previous).sqrt())
    if scheduler.config.prediction_type == "v_prediction":  # epsilon = sqrt(alpha) v + sqrt(1 - alpha) x
        keep, gain = keep + gain * (1 - alpha).sqrt(), gain * alpha.sqrt()
    return keep, gain


def _clean_latents(scheduler: SchedulerMixin, alpha: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The weights p and q of latents and prediction in the clean latents, at a share `alpha` of the image."""
    if scheduler.config.prediction_type == "v_prediction":
        return alpha.sqrt(), -(1 - alpha).sqrt()
    return 1 / alpha.sqrt(), -((1 - alpha) / alpha).sqrt()


def _clean_image(scheduler: SchedulerMixin, sigma: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The same for latents that are image + sigma noise."""
    if scheduler.config.prediction_type == "v_prediction":
        return 1 / (sigma**2 + 1), -sigma / (sigma**2 + 1).sqrt()
    return torch.ones_like(sigma), -sigma


def _alphas(scheduler: SchedulerMixin, timesteps: torch.Tensor) -> torch.Tensor:
    """The share of the image's variance at integer timesteps; negative ones stand for the finished latents."""
    shares, final = scheduler.alphas_cumprod.double(), scheduler.final_alpha_cumprod.double()
    return torch.where(timesteps >= 0, shares[timesteps.clamp(min=0)], final)


def _stride(scheduler: SchedulerMixin) -> int:
    """How many timesteps apart DDIM and PNDM take a step's ends to be, however the steps are spaced."""
    stride: int = scheduler.config.num_train_timesteps // scheduler.num_inference_steps
    return stride


def _sigmas(scheduler: SchedulerMixin) -> tuple[torch.Tensor, torch.Tensor]:
    """The noise level of each step and the one it leads to, both [steps]."""
    steps = len(scheduler.timesteps)
    sigmas = scheduler.sigmas.double()
    return sigmas[:steps], sigmas[1 : steps + 1]


def _table(
    *,
    p: torch.Tensor,
    q: torch.Tensor,
    a: torch.Tensor,
    b0: torch.Tensor,
    b1: torch.Tensor | None = None,
    n: torch.Tensor | None = None,
) -> torch.Tensor:
    """The table of these columns, each [steps]; zero in the others."""
    zero = torch.zeros_like(a)
    b1, n = (zero if column is None else column for column in (b1, n))
    return torch.stack([p, q, a, b0, b1, zero, zero, n], dim=1)
