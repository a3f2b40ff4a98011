"""The one way from a validated request to its images: policy, plan, rows, engine, screen, provenance.

Entry points: `Generation.generate`; its two halves, `plan` and `make`, for who does them at different times or places,
and the halves of `make`, `attempt` and `settle`, for who may try more than once; `explain` for what they would do.
"""

import asyncio
import logging
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

from PIL import Image

from policies.asked_rules import hear
from policies.concepts import Concepts
from policies.document import Policy
from policies.groups import people_group
from policies.image_plan import ImagePlan, joined_negative_prompt
from policies.ledger import Ledger
from policies.memory_ledger import MemoryLedger
from policies.plan import plan, within_cap
from policies.responsible_phrases import load_phrases
from policies.retry import retry_plan
from policies.screen_rule import check_screen
from service.audit.entries import entries_of
from service.audit.log import AuditLog
from service.audit.record import ImageEntry
from service.callers import Caller, anyone
from service.deadline import Deadline
from service.encoder_gate import chosen_gate
from service.errors import StateUnavailableError, UnsteeredImageError
from service.explaining import averted_concepts, planned_image, planned_screen
from service.happenings import Told, nobody
from service.inscribing import Inscriber
from service.limits import (
    check_request,
    check_rules_can_act,
    check_sampling,
    check_words_fit,
    time_given_s,
    why_unread,
    with_readable_words,
)
from service.loading import LoadedModel
from service.making import MadeRun, Making
from service.observability.observer import NOBODY, Observer, floor_refusal
from service.observability.trail import current, stage
from service.planned import Planned
from service.provenance import Provenance
from service.schemas import AppliedConcept, ExplainResponse, GenerateRequest, PlannedPhrase
from service.screen import Take
from service.settings import Settings
from service.terms import Terms, terms_of

logger = logging.getLogger(__name__)

SEED_LIMIT = 2**63

# Drawn seeds stay short to read, and exact in parsers that keep numbers as doubles.
_DRAWN_SEED_LIMIT = 2**32


@dataclass(frozen=True)
class ProvenImage:
    """One image, the record of how it came to be, its label in a grid, and the members drawn for it."""

    image: Image.Image | None
    """None where it is blocked; the record says by what."""
    record: Provenance
    label: str
    members: Mapping[str, str]
    """Concept set -> member."""
    inscriber: Inscriber = field(default_factory=Inscriber)
    """Who writes its file."""


@dataclass(frozen=True)
class Generated:
    """The images of one request, and how long it waited for the engine and ran in it, in seconds."""

    id: str
    model: str
    images: tuple[ProvenImage, ...]
    queue_s: float
    generate_s: float
    entries: tuple[ImageEntry, ...] = ()
    """What the audit log is to say of each, where there is one."""


class Generation:
    """Turns requests into images with one loaded model, under one configuration."""

    def __init__(
        self,
        loaded: LoadedModel,
        settings: Settings,
        ledger: Ledger,
        *,
        observer: Observer = NOBODY,
        audit: AuditLog | None = None,
        inscriber: Inscriber | None = None,
    ) -> None:
        """Images get their lines in `audit`, an opened one, where there is one; `inscriber` writes their files."""
        self._audit, self._inscriber = audit, inscriber or Inscriber()
        self.loaded = loaded
        """What new requests are planned with. Another one may take its place at any time: a request reads it once."""
        self._settings = settings
        self._ledger = ledger
        self._observer = observer
        self._gate = chosen_gate(settings, loaded.model)
        added = [] if settings.phrases is None else [settings.phrases]
        self._phrases = load_phrases(*added, lexicon=self._gate.lexicon)
        self._making = Making(loaded)

    def deadline(self, request: GenerateRequest) -> Deadline:
        """Return when a request is of no use any more whose client waits from now; raises TooMuchTimeError."""
        return Deadline.after(time_given_s(request, self._settings))

    def check_room(self, request: GenerateRequest, caller: Caller) -> None:
        """Raise QueueFullError where the images of a request could not even wait for the engine; takes no time."""
        self.loaded.engine.check_room(request.num_images, tenant=caller.tenant.name)

    async def generate(
        self,
        request: GenerateRequest,
        caller: Caller | None = None,
        told: Told = nobody,
        preview_every: int | None = None,
        deadline: Deadline | None = None,
    ) -> Generated:
        """Return the images of a request; where the task is cancelled its rows are free at the next step.

        Everything is checked before the request queues for the engine, and raises RequestErrors and PolicyErrors. A
        vector that cannot be applied is an error, a VectorError or UnsteeredImageError, never an unsteered image.
        """
        planning = asyncio.create_task(self.plan(request, caller))
        # The ledger counts what is served; a call that is cancelled while it plans has counted all the same.
        try:
            planned = await asyncio.shield(planning)
        except asyncio.CancelledError:
            await asyncio.shield(self._given_back_of(planning))
            raise
        return await self.make(planned, told, preview_every, deadline)

    async def check(self, request: GenerateRequest, caller: Caller | None = None) -> None:
        """Refuse what `plan` would refuse beforehand; counts nothing."""
        loaded = self.loaded
        try:
            await asyncio.to_thread(self._checked, request, caller or anyone(), loaded)
        except Exception as error:
            if (how := floor_refusal(error, request, loaded.policies, loaded.concepts)) is not None:
                self._observer.refused_by_floor(how)
            raise

    async def plan(self, request: GenerateRequest, caller: Caller | None = None) -> Planned:
        """Decide what each image of a request gets, counted in the ledger; raises RequestErrors and PolicyErrors."""
        caller = caller or anyone()
        loaded = self.loaded
        with stage("plan", {"trimtab.rows": request.num_images}):
            terms = await asyncio.to_thread(self._checked, request, caller, loaded)
            seeds = image_seeds(request.seed, request.num_images)
            plans = await asyncio.to_thread(self._plan, request, terms, seeds, loaded, self._ledger)
        self._observer.decided(plans[0].gate)
        concepts = {concept for image_plan in plans for concept in image_plan.strengths}
        planned = Planned(
            id=uuid.uuid4().hex,
            request=request,
            tenant=terms.tenant,
            policy=terms.policy,
            floor=terms.floor,
            in_force=terms.in_force,
            base_model=loaded.model.fingerprint,
            references={concept: loaded.vectors[concept].reference for concept in sorted(concepts)},
            images=tuple(plans),
        )
        self.note(planned)
        return planned

    def note(self, planned: Planned) -> None:
        """Write on the trail of what is being done what is planned."""
        trail = current()
        self._note_words(planned.request, *{image.prompt for image in planned.images})
        # What stands in a request may call itself anything.
        trail.policy = "own" if isinstance(planned.request.policy, Policy) else planned.policy.name
        trail.images = len(planned.images)

    def _note_words(self, request: GenerateRequest, *read: str) -> None:
        """Write on the trail what was prompted: for the log, or to be kept out of it."""
        if self._settings.log_prompts:
            current().prompt = request.prompt
        else:
            current().hidden = (request.prompt, request.negative_prompt, *read)

    async def make(
        self,
        planned: Planned,
        told: Told = nobody,
        preview_every: int | None = None,
        deadline: Deadline | None = None,
    ) -> Generated:
        """Make the images of a plan; what it counted in the ledger is given back where they are not served.

        Raises AuditUnavailableError where the audit log cannot take them.
        """
        try:
            generated = await self.attempt(planned, told, preview_every, deadline)
            await self.record(generated)
        except BaseException:
            await asyncio.shield(self.settle(planned, None))
            raise
        await asyncio.shield(self.settle(planned, generated))
        return generated

    async def attempt(
        self,
        planned: Planned,
        told: Told = nobody,
        preview_every: int | None = None,
        deadline: Deadline | None = None,
    ) -> Generated:
        """Make the images of a plan and leave ledger and log alone: for plans that others may make where this fails.

        Previews are made of images that are served whatever a screen finds, and of no others. Raises
        AuditUnavailableError, before any work, while the audit log is known not to take any, and OutOfTimeError once
        the deadline has come.
        """
        await self.check_log()
        run = await self._made(planned, told, preview_every, deadline)
        images = tuple(self._proven(take, planned) for take in run.takes)
        entries: tuple[ImageEntry, ...] = ()
        if self._audit is not None:
            records = [made.record for made in images]
            kept, model = self._settings.audit_prompts, self.loaded.model
            entries = await asyncio.to_thread(entries_of, planned, run.takes, records, model, kept)
        return Generated(
            id=planned.id,
            model=self.loaded.name,
            images=images,
            queue_s=run.queue_s,
            generate_s=run.generate_s,
            entries=entries,
        )

    async def check_log(self) -> None:
        """Raise AuditUnavailableError while the audit log cannot be written."""
        if self._audit is not None:
            await self._audit.check()

    async def record(self, generated: Generated, attempt: int = 1) -> None:
        """Write the lines of images that are about to leave; raises AuditUnavailableError, and none may leave."""
        if self._audit is not None:
            await self._audit.record(_of_attempt(generated.entries, attempt))

    async def withdraw(self, generated: Generated, attempt: int) -> None:
        """Say in the audit log that images whose lines are written did not leave after all."""
        if self._audit is not None:
            await self._audit.withdraw(_of_attempt(generated.entries, attempt))

    async def settle(self, planned: Planned, generated: Generated | None) -> None:
        """Take those images of a plan out of the ledger's counts that are not served; all where nothing was made."""
        if generated is None:
            await self.give_back(planned.images)
        else:
            made = zip(planned.images, generated.images, strict=True)
            await self.give_back([image_plan for image_plan, one in made if one.image is None])

    def explain(self, request: GenerateRequest, caller: Caller | None = None) -> ExplainResponse:
        """Return what the images of a request would get, and why; refuses what `generate` would refuse beforehand.

        Without a seed the images have seeds of their own each time. The ledger is read and nothing is counted in it.
        """
        loaded = self.loaded
        terms = self._checked(request, caller or anyone(), loaded)
        seeds = image_seeds(request.seed, request.num_images)
        plans = self._plan(request, terms, seeds, loaded, MemoryLedger(self._ledger))
        heard = hear(terms.policy, request.prompt, self._phrases, terms.floor, loaded.concepts, terms.allowed)
        return ExplainResponse(
            policy=terms.in_force,
            policy_digest=terms.policy.digest,
            floor_digest=None if terms.floor is None else terms.floor.digest,
            group=people_group(heard.bare, self._gate),
            phrases=tuple(PlannedPhrase(text=one.text, reason=one.reason) for one in heard.phrases),
            model_prompt=heard.prompt,
            screen=planned_screen(terms.in_force.screen, loaded.screen),
            images=tuple(planned_image(image_plan, request) for image_plan in plans),
        )

    def _checked(self, request: GenerateRequest, caller: Caller, loaded: LoadedModel) -> Terms:
        """Return what holds for a request; refuse what cannot be followed, before anything is counted."""
        self._note_words(request)
        policy = loaded.policies.find(request.policy)
        check_request(request, loaded.model, self._settings, caller.tenant.allowance)
        terms = terms_of(
            policy,
            is_own=isinstance(request.policy, Policy),
            tenant=caller.tenant,
            service_floor=loaded.policies.floor,
            concepts=loaded.concepts,
        )
        check_rules_can_act(terms.in_force, loaded.concepts, loaded.model)
        check_sampling(request, terms.in_force, loaded.concepts)
        check_words_fit(request, terms.in_force, loaded.concepts, loaded.model)
        check_screen(policy.screen, loaded.screened_categories)
        return terms

    def _plan(
        self,
        request: GenerateRequest,
        terms: Terms,
        seeds: Sequence[int],
        loaded: LoadedModel,
        ledger: Ledger,
    ) -> list[ImagePlan]:
        """Decide what each image gets, counted in the ledger."""
        plans = plan(
            terms.policy,
            request.prompt,
            seeds=seeds,
            concepts=loaded.concepts,
            gate=self._gate,
            phrases=self._phrases,
            floor=terms.floor,
            ledger=ledger,
            tenant=terms.tenant,
            allowed=terms.allowed,
            unread=why_unread(request, loaded.model),
        )
        return [with_readable_words(image_plan, request, loaded.model) for image_plan in plans]

    async def _made(
        self, planned: Planned, told: Told, preview_every: int | None, deadline: Deadline | None
    ) -> MadeRun:
        """Make the images that were planned; where the screen has one made again, the cap holds for it too."""
        rule, concepts = planned.in_force.screen, self.loaded.concepts
        if rule is not None:
            concepts = await asyncio.to_thread(planned_concepts, planned, self.loaded)

        def again(first: ImagePlan, retry: int) -> ImagePlan:
            assert rule is not None, "nobody looked"
            stronger = retry_plan(first, retry, rule, concepts.max_strength)
            return within_cap(stronger, planned.in_force, planned.floor, concepts)

        is_served_anyway = rule is None or rule.on_finding == "flag"
        previewed = preview_every if is_served_anyway else None
        return await self._making.make(planned, again, told, previewed, deadline)

    async def _given_back_of(self, planning: asyncio.Task[Planned]) -> None:
        """Take the images that were planned out of the ledger's counts; where planning failed there are none."""
        await asyncio.wait([planning])
        if planning.exception() is None:
            await self.give_back(planning.result().images)

    async def give_back(self, plans: Sequence[ImagePlan]) -> None:
        """Take images that are not served out of the ledger's counts."""
        try:
            for image_plan in plans:
                for counted in image_plan.counted:
                    await asyncio.to_thread(self._ledger.give_back, counted.key, [counted.member])
        except StateUnavailableError:
            # What else happened is what the caller is to hear; the shares shift by this request, no more.
            logger.warning("Images that are not served stay counted: the shared state cannot be reached.")

    def _proven(self, take: Take, planned: Planned) -> ProvenImage:
        made, image_plan, request, policy = take.made, take.plan, planned.request, planned.policy
        applied = {vector.concept: vector for vector in made.applied}
        if {concept: vector.strength for concept, vector in applied.items()} != image_plan.strengths:
            raise UnsteeredImageError(
                f"The image with seed {made.seed} was to be steered by {image_plan.strengths}, "
                f"but the engine applied {made.applied}.",
                cure="This is a fault of the service: report it.",
            )
        # What stands in a request may call itself anything.
        is_configured = (
            not isinstance(request.policy, Policy) or policy in self.loaded.policies.named.values()
        )
        record = Provenance(
            generator=f"trimtab {version('trimtab')}",
            model=self.loaded.name,
            base_model=self.loaded.model.fingerprint,
            prompt=request.prompt,
            removed_phrases=image_plan.removed,
            negative_prompt=joined_negative_prompt(image_plan.words, request.negative_prompt),
            seed=made.seed,
            num_inference_steps=request.num_inference_steps,
            guidance_scale=request.guidance_scale,
            scheduler=request.scheduler,
            height=made.image.height,
            width=made.image.width,
            policy=policy.name if is_configured else None,
            policy_version=policy.version,
            policy_digest=policy.digest,
            floor=None if planned.floor is None else planned.floor.name,
            floor_digest=None if planned.floor is None else planned.floor.digest,
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
        return ProvenImage(
            None if take.blocked else made.image, record, label, image_plan.members, self._inscriber
        )


def _of_attempt(entries: Sequence[ImageEntry], attempt: int) -> list[ImageEntry]:
    return [entry.model_copy(update={"attempt": attempt}) for entry in entries]


def planned_concepts(planned: Planned, loaded: LoadedModel) -> Concepts:
    """Return what policies know of the very versions that were planned, whatever new requests get by now.

    Raises a VectorError where one is gone.
    """
    served = {name: stored.reference for name, stored in loaded.vectors.items()}
    others = {name: ref for name, ref in planned.references.items() if served.get(name) != ref}
    if not others:
        return loaded.concepts
    found = {name: loaded.engine.vectors.resolve(ref) for name, ref in others.items()}
    return loaded.with_vectors({**loaded.vectors, **found}).concepts


def image_seeds(seed: int | None, count: int) -> list[int]:
    """Return the seeds of a request's images: consecutive, modulo 2**63, from `seed` or a drawn one."""
    first = secrets.randbelow(_DRAWN_SEED_LIMIT) if seed is None else seed
    return [(first + index) % SEED_LIMIT for index in range(count)]
