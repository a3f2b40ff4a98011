"""What is on the device: latents of the images in flight, their vectors, and the step they take together.

Entry point: `Runner`. It only computes; what runs when is decided in `diffusion.admission`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from PIL import Image

from diffusion.encoding import PromptEncoding
from diffusion.forward import Forward, ForwardInputs, PlainForward
from diffusion.in_flight import HeldVector, InFlight, Order
from diffusion.kernels import guided_step
from diffusion.model import DiffusionModel
from diffusion.passes import MAX_PASSES
from diffusion.previews import LatentPreview
from diffusion.prompt_cache import PromptCache
from diffusion.resident import ResidentVectors
from diffusion.site import BOTTLENECK, site_shape

_HISTORY = 3
"""How many earlier predictions a step may use, see `diffusion.schedules.Schedule`."""


class Runner:
    """Owns the tensors of the engine; used by one thread at a time.

    Images of one latent shape take steps together, whatever else they differ in: each brings its own latents,
    step, schedule, guidance, prompts and vectors.
    """

    def __init__(self, model: DiffusionModel, forward: Forward | None = None) -> None:
        """`forward` runs the U-Net, by default a `PlainForward`."""
        self._model = model
        self._forward = forward or PlainForward(model)
        self._prompts = PromptCache(model)
        self._slots: dict[tuple[int, int, int], _Slots] = {}
        self._vectors: dict[tuple[int, int, int], dict[str, ResidentVectors]] = {}
        self._batches: dict[tuple[int, int, int], _Batch] = {}
        self._preview = LatentPreview(model)

    def warm_up(self, sites: Collection[str] = (BOTTLENECK,)) -> None:
        """Run the passes of the model's own size that take long the first time, so that no image waits for them.

        They are those of images with vectors of these sites.
        """
        shape = self._model.latent_shape(*self._model.default_size)
        banks = {site: self._resident(site, shape).values for site in sites}
        for size in self._forward.sizes:
            with torch.no_grad():
                self._forward(
                    ForwardInputs(
                        torch.zeros(size, *shape, device=self._model.device),
                        torch.zeros(size, device=self._model.device),
                        self._model.encode_negative([""] * size),
                        self._model.embed_guidance([1.0] * size),
                        banks,
                        {},
                    )
                )

    def begin(self, orders: Sequence[Order]) -> list[InFlight]:
        """Put new images on the device: their noise in a slot, their vectors in the bank."""
        self._prompts.encode([order.text(one) for order in orders for one in order.passes])
        return [self._begin(order) for order in orders]

    def _begin(self, order: Order) -> InFlight:
        if order.latent_shape not in self._slots:
            self._slots[order.latent_shape] = _Slots(order.latent_shape, self._model.device)
        slots = self._slots[order.latent_shape]
        generator = torch.Generator().manual_seed(order.row.seed)
        held = tuple(self._hold(order, name) for name in order.vectors)
        row = InFlight(order, slots.take(), generator, held)
        slots.latents[row.slot] = row.draw().to(self._model.device) * order.schedule.initial_scale
        return row

    def _hold(self, order: Order, name: str) -> HeldVector:
        stored = order.vectors[name]
        vector = stored.vector
        self._resident(vector.site, order.latent_shape).hold(stored.digest, vector)
        start, end = vector.timesteps
        first, last = (share * order.schedule.num_steps for share in order.row.steered_steps)
        active = [
            start <= timestep < end and first <= step < last
            for step, timestep in enumerate(order.schedule.timesteps.tolist())
        ]
        return HeldVector(
            vector.site,
            stored.digest,
            float(order.row.steering[name]),
            active,
            on_conditional=vector.on(conditional=True) is not None,
            on_unconditional=vector.on(conditional=False) is not None,
        )

    def _resident(self, site: str, latent_shape: tuple[int, int, int]) -> ResidentVectors:
        of_shape = self._vectors.setdefault(latent_shape, {})
        if site not in of_shape:
            shape = site_shape(self._model.pipe.unet, site, latent_shape[1:])
            of_shape[site] = ResidentVectors(shape, self._model.device)
        return of_shape[site]

    @torch.no_grad()
    def step(self, rows: Sequence[InFlight], previewed: Sequence[InFlight] = ()) -> list[Image.Image]:
        """Take one step of images of one shape: one forward pass of the U-Net, one update of all latents.

        Returns what some of them are becoming, as small pictures. Where the forward pass fails, for want of memory
        say, nothing has changed and it can be tried again.
        """
        shape = rows[0].order.latent_shape
        batch = self._batch(rows)
        slots = batch.slots
        now = _Now(rows, self._model.device)
        inputs = slots.latents[batch.pass_slots] * now.input_scales[batch.pass_rows]
        outputs = self._forward(
            ForwardInputs(
                inputs,
                now.timesteps[batch.pass_rows],
                batch.encoding,
                batch.guidance,
                {site: held.values for site, held in self._vectors.get(shape, {}).items()},
                self._coefficients(rows),
            )
        )
        pictures = [self._becoming(row, batch, inputs, outputs) for row in previewed]
        noise = self._noise(rows)
        guided_step(
            outputs,
            batch.terms,
            batch.weights,
            batch.row_slots,
            slots.latents,
            slots.history,
            now.coefficients,
            noise,
        )
        for row in rows:
            row.step += 1
        return pictures

    def _batch(self, rows: Sequence[InFlight]) -> _Batch:
        """Return what stays the same from step to step for as long as the same images run."""
        shape = rows[0].order.latent_shape
        batch = self._batches.get(shape)
        if batch is None or batch.rows != tuple(rows):
            texts = [row.order.text(one) for row in rows for one in row.order.passes]
            scales = [row.order.sampling.guidance_scale for row in rows for _ in row.order.passes]
            batch = _Batch(
                tuple(rows),
                self._prompts.encode(texts),
                self._model.embed_guidance(scales),
                self._slots[shape],
                self._model.device,
            )
            self._batches[shape] = batch
        return batch

    def _coefficients(self, rows: Sequence[InFlight]) -> dict[str, torch.Tensor]:
        """Return each steered site's strengths [U-Net rows, places], on the CPU; none where nothing is added."""
        found: dict[str, torch.Tensor] = {}
        number = 0
        for row in rows:
            for one in row.order.passes:
                for held in row.held if one.is_steered else ():
                    goes = held.on_conditional if one.is_conditional else held.on_unconditional
                    if held.active[row.step] and goes:
                        resident = self._resident(held.site, row.order.latent_shape)
                        if held.site not in found:
                            total = sum(len(other.order.passes) for other in rows)
                            found[held.site] = torch.zeros(total, len(resident.values))
                        place = resident.place(held.digest, conditional=one.is_conditional)
                        found[held.site][number, place] += held.strength
                number += 1
        return found

    def _noise(self, rows: Sequence[InFlight]) -> torch.Tensor | None:
        """Draw the fresh noise [rows, c, h, w] of the images whose scheduler adds some; None where none does."""
        drawing = [row.order.schedule.draws_noise(row.step) for row in rows]
        if not any(drawing):
            return None
        noise = [
            row.draw() if draws else torch.zeros(row.order.latent_shape)
            for row, draws in zip(rows, drawing, strict=True)
        ]
        return torch.stack(noise).to(self._model.device)

    def _becoming(
        self, row: InFlight, batch: _Batch, inputs: torch.Tensor, outputs: torch.Tensor
    ) -> Image.Image:
        """Return a small picture of the clean latents that an image's guided prediction points to."""
        numbers = [
            number for number, owner in enumerate(batch.pass_rows.tolist()) if batch.rows[owner] is row
        ]
        weights = torch.tensor([one.weight for one in row.order.passes], device=outputs.device)
        guided = torch.tensordot(weights, outputs[numbers].float(), dims=1)
        timestep = round(float(row.order.schedule.timesteps[row.step]))
        return self._preview.picture(self._model.clean(inputs[numbers[0]], guided, timestep))

    @torch.no_grad()
    def decode(self, latents: Sequence[torch.Tensor]) -> list[Image.Image]:
        """Return the pictures of finished latents [c, h, w] of one shape."""
        if not latents:
            return []
        stacked = torch.stack(list(latents))
        pixels = self._model.decode(stacked)
        self._preview.learn(stacked, pixels)
        return self._model.to_pil(pixels)

    def finish(self, row: InFlight) -> torch.Tensor:
        """Take a finished image's latents [c, h, w] off; its slot and vectors are free again."""
        latents = self._slots[row.order.latent_shape].latents[row.slot].clone()
        self.drop(row)
        return latents

    def drop(self, row: InFlight) -> None:
        """Free an image's slot and vectors."""
        self._slots[row.order.latent_shape].give_back(row.slot)
        for name in row.order.vectors:
            stored = row.order.vectors[name]
            self._resident(stored.vector.site, row.order.latent_shape).release(stored.digest)
        self._batches.pop(row.order.latent_shape, None)


class _Slots:
    """The latents of all images of one shape, and the last predictions that their schedulers keep."""

    def __init__(self, shape: tuple[int, int, int], device: torch.device, count: int = 16) -> None:
        self.latents = torch.zeros(count, *shape, device=device)
        """[slots, c, h, w], fp32."""
        self.history = torch.zeros(count, _HISTORY, *shape, device=device)
        """[slots, 3, c, h, w], fp32, newest first."""
        self._free = list(range(count))

    def take(self) -> int:
        """Return a free slot; where all are taken there are soon twice as many."""
        if not self._free:
            self._free = list(range(len(self.latents), 2 * len(self.latents)))
            self.latents = torch.cat([self.latents, torch.zeros_like(self.latents)])
            self.history = torch.cat([self.history, torch.zeros_like(self.history)])
        return self._free.pop()

    def give_back(self, slot: int) -> None:
        """Free a slot."""
        self._free.append(slot)


class _Batch:
    """Images that take steps together: what stays the same as long as it is these."""

    def __init__(
        self,
        rows: tuple[InFlight, ...],
        encoding: PromptEncoding,
        guidance: torch.Tensor | None,
        slots: _Slots,
        device: torch.device,
    ) -> None:
        self.rows, self.encoding, self.guidance, self.slots = rows, encoding, guidance, slots
        owners = [number for number, row in enumerate(rows) for _ in row.order.passes]
        terms = torch.zeros(len(rows), MAX_PASSES, dtype=torch.int32)
        weights = torch.zeros(len(rows), MAX_PASSES)
        first = 0
        for number, row in enumerate(rows):
            count = len(row.order.passes)
            terms[number, :count] = torch.arange(first, first + count)
            weights[number, :count] = torch.tensor([one.weight for one in row.order.passes])
            first += count
        self.pass_rows = torch.tensor(owners, device=device)
        """[U-Net rows]: the number of the image that each belongs to."""
        self.row_slots = torch.tensor([row.slot for row in rows], device=device)
        """[images]."""
        self.pass_slots = self.row_slots[self.pass_rows]
        """[U-Net rows]."""
        self.terms, self.weights = terms.to(device), weights.to(device)
        """[images, 4]: the U-Net rows of each image, and their weights in its guided prediction."""


class _Now:
    """What the schedules of images say at the step that each is at."""

    def __init__(self, rows: Sequence[InFlight], device: torch.device) -> None:
        schedules = [(row.order.schedule, row.step) for row in rows]
        self.timesteps = torch.stack([one.timesteps[step] for one, step in schedules]).to(device)
        """[images]."""
        scales = torch.stack([one.input_scales[step] for one, step in schedules]).to(device)
        self.input_scales = scales.view(-1, 1, 1, 1)
        self.coefficients = torch.stack([one.coefficients[step] for one, step in schedules]).to(device)
        """[images, 8], see `diffusion.schedules.Schedule`."""
