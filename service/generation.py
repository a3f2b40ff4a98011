"""The one way from a validated request to its images: policy, plan, rows, engine, screen, provenance.

Entry points: `Generation.generate`, and `Generation.explain` for what it would do.
"""

import asyncio
import logging
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

from PIL import Image

from policies.asked_rules import hear
from policies.document import Policy
from policies.errors import choose_from
from policies.floor import under_floor
from policies.groups import people_group
from policies.ledger import Ledger
from policies.memory_ledger import MemoryLedger
from policies.plan import ImagePlan, joined_negative_prompt, plan, within_cap
from policies.responsible_phrases import load_phrases
from policies.retry import retry_plan
from policies.screen_rule import check_screen
from service.encoder_gate import chosen_gate
from service.errors import StateUnavailableError, UnknownPolicyError, UnsteeredImageError
from service.explaining import averted_concepts, planned_image, planned_screen
from service.limits import check_request, check_sampling, check_words_can_act
from service.loading import LoadedModel
from service.making import MadeRun, Making
from service.provenance import Provenance
from service.schemas import AppliedConcept, ExplainResponse, GenerateRequest, PlannedPhrase
from service.screen import Take
from service.settings import Settings

logger = logging.getLogger(__name__)

SEED_LIMIT = 2**63

# Drawn seeds stay short to read, and exact in parsers that keep numbers as doubles.
_DRAWN_SEED_LIMIT = 2**32


@dataclass(frozen=True)
class ProvenImage:
    """One image, the record of how it came to be, and its label in a grid."""

    image: Image.Image | None
    """None where it is blocked; the record says by what."""
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


class Generation:
    """Turns requests into images with one loaded model, under one configuration."""

    def __init__(self, loaded: LoadedModel, settings: Settings, ledger: Ledger) -> None:
        self.loaded = loaded
        self._settings = settings
        self._floor = settings.held_floor
        self._ledger = ledger
        self._gate = chosen_gate(settings, loaded.model)
        added = [] if settings.phrases is None else [settings.phrases]
        self._phrases = load_phrases(*added, lexicon=self._gate.lexicon)
        self._making = Making(loaded)

    async def generate(self, request: GenerateRequest) -> Generated:
        """Return the images of a request; where the task is cancelled its rows are free at the next step.

        Everything is checked before the request queues for the engine, and raises RequestErrors and PolicyErrors. A
        vector that cannot be applied is an error, a VectorError or UnsteeredImageError, never an unsteered image.
        """
        policy = self._policy(request.policy)
        in_force = await asyncio.to_thread(self._checked, request, policy)
        seeds = image_seeds(request.seed, request.num_images)
        planning = asyncio.create_task(asyncio.to_thread(self._plan, policy, request, seeds, self._ledger))
        # The ledger counts what is served; a call that is cancelled while it plans has counted all the same.
        try:
            run = await self._made(request, in_force, await asyncio.shield(planning))
            images = tuple(self._proven(take, request, policy) for take in run.takes)
        except BaseException:
            await asyncio.shield(self._given_back_of(planning))
            raise
        await asyncio.shield(self._given_back([take.plan for take in run.takes if take.blocked]))
        return Generated(
            id=uuid.uuid4().hex,
            model=self.loaded.name,
            images=images,
            queue_s=run.queue_s,
            generate_s=run.generate_s,
        )

    def explain(self, request: GenerateRequest) -> ExplainResponse:
        """Return what the images of a request would get, and why; refuses what `generate` would refuse beforehand.

        Without a seed the images have seeds of their own each time. The ledger is read and nothing is counted in it.
        """
        policy = self._policy(request.policy)
        in_force = self._checked(request, policy)
        seeds = image_seeds(request.seed, request.num_images)
        plans = self._plan(policy, request, seeds, MemoryLedger(self._ledger))
        heard = hear(policy, request.prompt, self._phrases, self._floor, self.loaded.concepts)
        return ExplainResponse(
            policy=in_force,
            policy_digest=policy.digest,
            floor_digest=None if self._floor is None else self._floor.digest,
            group=people_group(heard.bare, self._gate),
            phrases=tuple(PlannedPhrase(text=one.text, reason=one.reason) for one in heard.phrases),
            model_prompt=heard.prompt,
            screen=planned_screen(in_force.screen, self.loaded.screen),
            images=tuple(planned_image(image_plan, request) for image_plan in plans),
        )

    def _checked(self, request: GenerateRequest, policy: Policy) -> Policy:
        """Return the policy with what the floor holds; refuse what cannot be followed, before anything is counted."""
        check_request(request, self.loaded.model, self._settings)
        in_force = under_floor(policy, self._floor, self.loaded.concepts)
        check_words_can_act(in_force, self.loaded.model)
        check_sampling(request, in_force)
        check_screen(policy.screen, self.loaded.screened_categories)
        return in_force

    def _plan(
        self, policy: Policy, request: GenerateRequest, seeds: Sequence[int], ledger: Ledger
    ) -> list[ImagePlan]:
        """Decide what each image gets, counted in the ledger."""
        return plan(
            policy,
            request.prompt,
            seeds=seeds,
            concepts=self.loaded.concepts,
            gate=self._gate,
            phrases=self._phrases,
            floor=self._floor,
            ledger=ledger,
        )

    async def _made(self, request: GenerateRequest, in_force: Policy, plans: Sequence[ImagePlan]) -> MadeRun:
        """Make the images that were planned; where the screen has one made again, the cap holds for it too."""
        rule, concepts = in_force.screen, self.loaded.concepts

        def again(first: ImagePlan, retry: int) -> ImagePlan:
            assert rule is not None, "nobody looked"
            stronger = retry_plan(first, retry, rule, concepts.max_strength)
            return within_cap(stronger, in_force, self._floor, concepts)

        return await self._making.make(request, plans, rule, again)

    async def _given_back_of(self, planning: asyncio.Task[list[ImagePlan]]) -> None:
        """Take the images that were planned out of the ledger's counts; where planning failed there are none."""
        await asyncio.wait([planning])
        if planning.exception() is None:
            await self._given_back(planning.result())

    async def _given_back(self, plans: Sequence[ImagePlan]) -> None:
        """Take images that are not served out of the ledger's counts."""
        try:
            for image_plan in plans:
                for counted in image_plan.counted:
                    await asyncio.to_thread(self._ledger.give_back, counted.key, [counted.member])
        except StateUnavailableError:
            # What else happened is what the caller is to hear; the shares shift by this request, no more.
            logger.warning("Images that are not served stay counted: the shared state cannot be reached.")

    def _policy(self, asked: Policy | str | None) -> Policy:
        if isinstance(asked, Policy):
            return asked
        name = self._settings.default_policy if asked is None else asked
        if name not in self._settings.policies:
            raise UnknownPolicyError(
                f"There is no policy {name!r}.",
                field="policy",
                value=name,
                cure=choose_from(name, self._settings.policies),
            )
        return self._settings.policies[name]

    def _proven(self, take: Take, request: GenerateRequest, policy: Policy) -> ProvenImage:
        made, image_plan = take.made, take.plan
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
            removed_phrases=image_plan.removed,
            negative_prompt=joined_negative_prompt(image_plan.averted, request.negative_prompt),
            seed=made.seed,
            num_inference_steps=request.num_inference_steps,
            guidance_scale=request.guidance_scale,
            scheduler=request.scheduler,
            height=made.image.height,
            width=made.image.width,
            # What stands in a request may call itself anything.
            policy=policy.name if self._settings.policies.get(policy.name or "") == policy else None,
            policy_version=policy.version,
            policy_digest=policy.digest,
            floor=None if self._floor is None else self._floor.name,
            floor_digest=None if self._floor is None else self._floor.digest,
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
            averted=averted_concepts(image_plan),
            screen=take.screen,
        )
        label = " · ".join(image_plan.drawn) or f"seed {made.seed}"
        return ProvenImage(None if take.blocked else made.image, record, label)


def image_seeds(seed: int | None, count: int) -> list[int]:
    """Return the seeds of a request's images: consecutive, modulo 2**63, from `seed` or a drawn one."""
    first = secrets.randbelow(_DRAWN_SEED_LIMIT) if seed is None else seed
    return [(first + index) % SEED_LIMIT for index in range(count)]
