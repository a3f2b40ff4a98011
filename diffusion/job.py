"""One image that the step loop has taken on, from being handed in to its end.

Entry points: `Job`, `ticket_of`, `wants_preview`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from diffusion.events import Event
from diffusion.in_flight import InFlight, Order
from diffusion.tickets import Ticket, area_weight


@dataclass(eq=False)
class Job:
    """One image that the loop has taken on."""

    image: int
    order: Order
    on_event: Callable[[Event], None]
    """Called on the loop's thread, or on one that cancels; it must return at once."""
    tenant: str = ""
    deadline_s: float | None = None
    """On the loop's clock; after it the image is of no use."""
    preview_every: int | None = None
    """A preview with every so-manieth step."""
    key: int = field(default=-1, init=False)
    submitted_s: float = field(default=0.0, init=False)
    """On the loop's clock."""
    row: InFlight | None = field(default=None, init=False)
    has_ended: bool = field(default=False, init=False)


def ticket_of(job: Job, native: tuple[int, int]) -> Ticket:
    """Return what admission knows of a job; `native` is the height and width of latents of the model's own size."""
    shape = job.order.latent_shape[1:]
    return Ticket(
        key=job.key,
        tenant=job.tenant,
        shape=shape,
        unet_rows=len(job.order.passes),
        steps=job.order.schedule.num_steps,
        area=area_weight(shape, native),
        deadline_s=job.deadline_s,
    )


def wants_preview(job: Job) -> bool:
    """Whether a preview is to come with the step that a job takes next."""
    if job.preview_every is None or job.row is None:
        return False
    step = job.row.step + 1
    return step % job.preview_every == 0 and step < job.order.schedule.num_steps
