"""The one way from a validated request to its images: policy, plan, rows, engine, screen, provenance.

Entry points: `Generation.generate`; its two halves, `plan` and `make`, for who does them at different times or places,
and the halves of `make`, `attempt` and `settle`, for who may try more than once; `explain` for what they would do.
"""

import asyncio
import logging
from collections.abc import Sequence

from policies.image_plan import ImagePlan
from policies.ledger import Ledger
from service.audit.entries import entries_of
from service.audit.log import AuditLog
from service.audit.record import ImageEntry
from service.callers import Caller, anyone
from service.deadline import Deadline
from service.errors import StateUnavailableError
from service.generated import Generated
from service.happenings import Told, nobody
from service.inscribing import Inscriber
from service.limits import time_given_s
from service.loading import LoadedModel
from service.making import MadeRun, Making
from service.observability.observer import NOBODY, Observer, floor_refusal
from service.observability.trail import stage
from service.planned import Planned
from service.planning import Checked, Planning
from service.proving import proven
from service.retaking import retaken
from service.schemas import ExplainResponse, GenerateRequest
from service.settings import Settings

logger = logging.getLogger(__name__)


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
        self._planning = Planning(settings, ledger, loaded)
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
        checked: Checked | None = None,
    ) -> Generated:
        """Return the images of a request; where the task is cancelled its rows are free at the next step.

        Everything is checked before the request queues for the engine, where `check` has not done so already, and
        raises RequestErrors and PolicyErrors. A vector that cannot be applied is an error, a VectorError or
        UnsteeredImageError, never an unsteered image.
        """
        planning = asyncio.create_task(self.plan(request, caller, checked))
        # The ledger counts what is served; a call that is cancelled while it plans has counted all the same.
        try:
            planned = await asyncio.shield(planning)
        except asyncio.CancelledError:
            await asyncio.shield(self._given_back_of(planning))
            raise
        return await self.make(planned, told, preview_every, deadline)

    async def check(self, request: GenerateRequest, caller: Caller | None = None) -> Checked:
        """Return what holds for a request, or refuse what cannot be followed; counts nothing."""
        loaded = self.loaded
        try:
            return await asyncio.to_thread(self._planning.check, request, caller or anyone(), loaded)
        except Exception as error:
            if (how := floor_refusal(error, request, loaded.policies, loaded.concepts)) is not None:
                self._observer.refused_by_floor(how)
            raise

    async def plan(
        self, request: GenerateRequest, caller: Caller | None = None, checked: Checked | None = None
    ) -> Planned:
        """Decide what each image of a request gets, counted in the ledger; raises RequestErrors and PolicyErrors.

        `checked` is what `check` said of it, so that nothing is looked at twice.
        """
        with stage("plan", {"trimtab.rows": request.num_images}):
            if checked is None:
                checked = await asyncio.to_thread(
                    self._planning.check, request, caller or anyone(), self.loaded
                )
            planned = await asyncio.to_thread(self._planning.plan, checked)
        self._observer.decided(planned.images[0].gate)
        self.note(planned)
        return planned

    def note(self, planned: Planned) -> None:
        """Write on the trail of what is being done what is planned."""
        self._planning.note(planned)

    def explain(self, request: GenerateRequest, caller: Caller | None = None) -> ExplainResponse:
        """Return what the images of a request would get, and why; refuses what `generate` would refuse beforehand.

        Without a seed the images have seeds of their own each time. The ledger is read and nothing is counted in it.
        """
        return self._planning.explain(self._planning.check(request, caller or anyone(), self.loaded))

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
        images = tuple(proven(take, planned, self.loaded, self._inscriber) for take in run.takes)
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

    async def _made(
        self, planned: Planned, told: Told, preview_every: int | None, deadline: Deadline | None
    ) -> MadeRun:
        """Make the images that were planned; where the screen has one made again, the cap holds for it too."""
        rule = planned.in_force.screen
        again = None if rule is None else await asyncio.to_thread(retaken, planned, self.loaded)
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


def _of_attempt(entries: Sequence[ImageEntry], attempt: int) -> list[ImageEntry]:
    return [entry.model_copy(update={"attempt": attempt}) for entry in entries]
