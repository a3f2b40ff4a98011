"""From a made image to the record of how it came to be.

Entry point: `proven`.
"""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version

from diffusion import AppliedVector, GeneratedImage
from policies.document import Policy
from policies.image_plan import ImagePlan, joined_negative_prompt
from service.errors import UnsteeredImageError
from service.explaining import averted_concepts
from service.generated import ProvenImage
from service.inscribing import Inscriber
from service.loading import LoadedModel
from service.planned import Planned
from service.provenance import Provenance
from service.schemas import AppliedConcept
from service.screen import Take


def proven(take: Take, planned: Planned, loaded: LoadedModel, inscriber: Inscriber) -> ProvenImage:
    """Return an image with its record; raises UnsteeredImageError where the engine did not do what was planned."""
    made, image_plan, request, policy = take.made, take.plan, planned.request, planned.policy
    applied = _applied_as_planned(made, image_plan)
    # What stands in a request may call itself anything.
    is_configured = not isinstance(request.policy, Policy) or policy in loaded.policies.named.values()
    record = Provenance(
        generator=_generator(),
        model=loaded.name,
        base_model=loaded.model.fingerprint,
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
    return ProvenImage(None if take.blocked else made.image, record, label, image_plan.members, inscriber)


def _applied_as_planned(made: GeneratedImage, image_plan: ImagePlan) -> Mapping[str, AppliedVector]:
    applied = {vector.concept: vector for vector in made.applied}
    if {concept: vector.strength for concept, vector in applied.items()} != image_plan.strengths:
        raise UnsteeredImageError(
            f"The image with seed {made.seed} was to be steered by {image_plan.strengths}, "
            f"but the engine applied {made.applied}.",
            cure="This is a fault of the service: report it.",
        )
    return applied


@cache
def _generator() -> str:
    return f"trimtab {version('trimtab')}"
