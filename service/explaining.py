"""What a request's images would get, as the answer to POST /policies/explain says it.

Entry points: `planned_image`, `planned_screen`, `averted_concepts`.
"""

from policies.image_plan import ImagePlan, joined_negative_prompt
from policies.screen_rule import ScreenRule
from service.schemas import (
    AvertedConcept,
    GenerateRequest,
    PlannedConcept,
    PlannedImage,
    PlannedScreen,
    SkippedConcept,
)
from service.screen import Screen


def planned_image(image_plan: ImagePlan, request: GenerateRequest) -> PlannedImage:
    """Return what one image would get."""
    return PlannedImage(
        seed=image_plan.seed,
        steering=tuple(
            PlannedConcept(concept=steer.concept, strength=steer.strength, reason=steer.reason)
            for steer in image_plan.steering
        ),
        averted=averted_concepts(image_plan),
        skipped=tuple(
            SkippedConcept(concept=one.concept_set, reason=one.reason) for one in image_plan.skipped
        ),
        negative_prompt=joined_negative_prompt(image_plan.words, request.negative_prompt),
    )


def planned_screen(rule: ScreenRule | None, screen: Screen | None) -> PlannedScreen | None:
    """Return who would look at the finished pictures, and what would follow; None where nobody would."""
    if rule is None or screen is None:
        return None
    return PlannedScreen(
        detector=screen.name, categories=rule.categories or screen.categories, on_finding=rule.consequence
    )


def averted_concepts(image_plan: ImagePlan) -> tuple[AvertedConcept, ...]:
    """Return what the policy puts into the negative prompt."""
    return tuple(
        AvertedConcept(concept=one.concept, words=one.words, reason=one.reason) for one in image_plan.averted
    )
