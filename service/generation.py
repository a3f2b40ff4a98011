"""The one way from a validated request to its images: policy, plan, rows, engine, provenance.

Entry point: `Generation.generate`.
"""

import asyncio
import secrets
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from importlib.metadata import version

from PIL import Image

from diffusion import Failed, Finished, GeneratedImage, Order, Row, Sampling, SamplingError, Started
from policies.document import Policy
from policies.errors import choose_from
from policies.plan import ImagePlan, plan
from service.errors import ImpossibleStepsError, UnknownPolicyError, UnsteeredImageError
from service.limits import check_request
from service.loading import LoadedModel
from service.provenance import Provenance
from service.schemas import AppliedConcept, GenerateRequest
from service.settings import Settings

SEED_LIMIT = 2**63

# Drawn seeds stay short to read, and exact in parsers that keep numbers as doubles.
_DRAWN_SEED_LIMIT = 2**32


@dataclass(frozen=True)
class ProvenImage:
    """One image, the record of how it came to be, and its label in a grid."""

    image: Image.Image
    record: Provenance
    label: str


@dataclass(frozen=True)
class Generated:
    """The images of one request, and how long it waited for the engine and ran in it, in seconds."""

    id: str
    model: str
    images: tuple[ProvenImage, ...]
    queue_s: float
    generate_s: float


@dataclass(frozen=True)
class _EngineRun:
    images: Sequence[GeneratedImage]
    queue_s: float
    generate_s: float


class Generation:
    """Turns requests into images with one loaded model, under one configuration."""

    def __init__(self, loaded: LoadedModel, settings: Settings) -> None:
        self.loaded = loaded
        self._settings = settings

    async def generate(self, request: GenerateRequest) -> Generated:
        """Return the images of a request; where the task is cancelled its rows are free at the next step.

        Everything is checked before the request queues for the engine, and raises RequestErrors and PolicyErrors. A
        vector that cannot be applied is an error, a VectorError or UnsteeredImageError, never an unsteered image.
        """
        policy_name, policy = self._policy(request.policy)
        await asyncio.to_thread(check_request, request, self.loaded.model, self._settings)
        plans = plan(
            policy,
            seeds=image_seeds(request.seed, request.num_images),
            sets=self.loaded.sets,
            recommended=self.loaded.recommended,
            max_strength=self._settings.max_strength,
        )
        rows = [
            Row(request.prompt, image_plan.seed, request.negative_prompt, self._pinned(image_plan.strengths))
            for image_plan in plans
        ]
        sampling = Sampling(
            num_inference_steps=request.num_inference_steps,
            guidance_scale=request.guidance_scale,
            height=request.height,
            width=request.width,
            scheduler=request.scheduler,
        )
        run = await self._run(await asyncio.to_thread(self._prepare, rows, sampling))
        return Generated(
            id=uuid.uuid4().hex,
            model=self.loaded.name,
            images=tuple(
                self._proven(made, image_plan, request, policy_name)
                for made, image_plan in zip(run.images, plans, strict=True)
            ),
            queue_s=run.queue_s,
            generate_s=run.generate_s,
        )

    def _policy(self, asked: Policy | str | None) -> tuple[str | None, Policy]:
        """Return the policy, and its name where it is a configured one."""
        if isinstance(asked, Policy):
            return None, asked
        name = self._settings.default_policy if asked is None else asked
        if name not in self._settings.policies:
            raise UnknownPolicyError(
                f"There is no policy {name!r}.",
                field="policy",
                value=name,
                cure=choose_from(name, self._settings.policies),
            )
        return name, self._settings.policies[name]

    def _pinned(self, strengths: Mapping[str, float]) -> dict[str, float]:
        """Name the loaded versions, whatever has been published since."""
        return {self.loaded.vectors[concept].reference: strength for concept, strength in strengths.items()}

    def _prepare(self, rows: Sequence[Row], sampling: Sampling) -> list[Order]:
        """Let the engine check what the schedulers and the vectors' files alone know."""
        try:
            return self.loaded.engine.prepare(rows, sampling)
        except SamplingError as error:
            # All else that this error stands for has been checked before.
            raise ImpossibleStepsError(
                str(error),
                field="num_inference_steps",
                value=sampling.num_inference_steps,
                cure="Ask for another number of steps, or another scheduler.",
            ) from error

    async def _run(self, orders: Sequence[Order]) -> _EngineRun:
        """Let the engine make the images; it waits for them as long as its first one does."""
        submitted = time.perf_counter()
        started = None
        images: dict[int, GeneratedImage] = {}
        async with aclosing(self.loaded.engine.stream(orders)) as events:
            async for event in events:
                match event:
                    case Started():
                        started = started or time.perf_counter()
                    case Finished(image, result):
                        images[image] = result
                    case Failed(_, error):
                        raise error
        started = started or submitted
        return _EngineRun(
            [images[image] for image in range(len(orders))],
            queue_s=started - submitted,
            generate_s=time.perf_counter() - started,
        )

    def _proven(
        self,
        made: GeneratedImage,
        image_plan: ImagePlan,
        request: GenerateRequest,
        policy: str | None,
    ) -> ProvenImage:
        applied = {vector.concept: vector for vector in made.applied}
        if {concept: vector.strength for concept, vector in applied.items()} != image_plan.strengths:
            raise UnsteeredImageError(
                f"The image with seed {made.seed} was to be steered by {image_plan.strengths}, "
                f"but the engine applied {made.applied}.",
                cure="This is a fault of the service: report it.",
            )
        record = Provenance(
            generator=f"trimtab {version('trimtab')}",
            model=self.loaded.name,
            base_model=self.loaded.model.fingerprint,
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            seed=made.seed,
            num_inference_steps=request.num_inference_steps,
            guidance_scale=request.guidance_scale,
            scheduler=request.scheduler,
            height=made.image.height,
            width=made.image.width,
            policy=policy,
            applied=tuple(
                AppliedConcept(
                    concept=steer.concept,
                    version=applied[steer.concept].version,
                    digest=applied[steer.concept].digest,
                    strength=steer.strength,
                    reason=steer.reason,
                )
                for steer in image_plan.steering
            ),
        )
        return ProvenImage(made.image, record, " · ".join(image_plan.drawn) or f"seed {made.seed}")


def image_seeds(seed: int | None, count: int) -> list[int]:
    """Return the seeds of a request's images: consecutive, modulo 2**63, from `seed` or a drawn one."""
    first = secrets.randbelow(_DRAWN_SEED_LIMIT) if seed is None else seed
    return [(first + index) % SEED_LIMIT for index in range(count)]
