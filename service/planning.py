"""From a validated request to what each of its images gets: what holds for it, and the plan, counted in the ledger.

Entry points: `Planning`, whose halves `check` and `plan` take time: they are for threads; `Checked`.
"""

import uuid
from dataclasses import dataclass

from policies.asked_rules import hear
from policies.document import Policy
from policies.groups import people_group
from policies.image_plan import ImagePlan
from policies.ledger import Ledger
from policies.memory_ledger import MemoryLedger
from policies.plan import plan
from policies.responsible_phrases import load_phrases
from policies.screen_rule import check_screen
from service.callers import Caller
from service.encoder_gate import chosen_gate
from service.explaining import planned_image, planned_screen
from service.limits import (
    check_request,
    check_rules_can_act,
    check_sampling,
    check_words_fit,
    why_unread,
    with_readable_words,
)
from service.loading import LoadedModel
from service.observability.trail import current
from service.planned import Planned
from service.schemas import ExplainResponse, GenerateRequest, PlannedPhrase
from service.seeds import image_seeds
from service.settings import Settings
from service.terms import Terms, terms_of


@dataclass(frozen=True)
class Checked:
    """A request that can be followed, what holds for it, and the loaded model that it is planned with."""

    request: GenerateRequest
    terms: Terms
    loaded: LoadedModel


class Planning:
    """Plans requests by what one configuration says of prompts, limits and logs."""

    def __init__(self, settings: Settings, ledger: Ledger, loaded: LoadedModel) -> None:
        """`loaded` is the model whose text encoder the gate may ask."""
        self._settings, self._ledger = settings, ledger
        self._gate = chosen_gate(settings, loaded.model)
        added = [] if settings.phrases is None else [settings.phrases]
        self._phrases = load_phrases(*added, lexicon=self._gate.lexicon)

    def check(self, request: GenerateRequest, caller: Caller, loaded: LoadedModel) -> Checked:
        """Return what holds for a request; refuse what cannot be followed, before anything is counted.

        Raises RequestErrors and PolicyErrors.
        """
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
        return Checked(request, terms, loaded)

    def plan(self, checked: Checked) -> Planned:
        """Decide what each image of a request gets, counted in the ledger."""
        request, terms, loaded = checked.request, checked.terms, checked.loaded
        plans = self._images(checked, self._ledger)
        concepts = {concept for image_plan in plans for concept in image_plan.strengths}
        return Planned(
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

    def explain(self, checked: Checked) -> ExplainResponse:
        """Return what the images of a request would get, and why; the ledger is read and nothing is counted in it."""
        request, terms, loaded = checked.request, checked.terms, checked.loaded
        plans = self._images(checked, MemoryLedger(self._ledger))
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

    def _images(self, checked: Checked, ledger: Ledger) -> list[ImagePlan]:
        """Decide what each image gets, counted in a ledger; without a seed their seeds are drawn."""
        request, terms, loaded = checked.request, checked.terms, checked.loaded
        plans = plan(
            terms.policy,
            request.prompt,
            seeds=image_seeds(request.seed, request.num_images),
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
