"""Two floors as one: the service's, and on top of it a tenant's.

Entry point: `joint_floor`.
"""

from policies.concepts import Concepts
from policies.document import Policy
from policies.errors import FloorUnmetError, PolicyError
from policies.floor import FLOOR_GUIDANCE, check_floor, held_concepts, under_floor
from policies.safety_words import words_of


def joint_floor(service: Policy | None, tenant: Policy | None, concepts: Concepts) -> Policy | None:
    """Return the floor that holds all that both hold, the service's rules first; None where neither is.

    Raises FloorUnmetError where one cannot be followed, or the tenant's goes against the service's.
    """
    if service is None or tenant is None or service == tenant:
        return tenant if service is None else service
    check_floor(tenant, concepts)
    check_floor(service, concepts)
    _refuse_smaller_cap(service, tenant, concepts)
    try:
        both = under_floor(_written_out(tenant, concepts), service, concepts)
    except PolicyError as error:
        raise FloorUnmetError(
            f"The tenant's floor goes against the service's: {error.problem}",
            field=error.field,
            value=error.value,
            cure=error.cure,
        ) from error
    return both.model_copy(
        update={
            "name": _joint_name(service, tenant),
            "version": None,
            "description": "",
            # Each floor that draws does it by the ledger, and one of them may draw nothing.
            "assignment": "ledger" if both.fairness else both.assignment,
        }
    )


def _written_out(floor: Policy, concepts: Concepts) -> Policy:
    """Return a floor with all that it holds by default: its words, to be told from others', and its guidance."""
    safety = tuple(
        rule
        if (words := words_of(rule, concepts)) is None
        else rule.model_copy(update={"negative_prompt": words})
        for rule in floor.safety
    )
    sampling = floor.sampling
    if sampling.min_guidance_scale is None:
        sampling = sampling.model_copy(update={"min_guidance_scale": FLOOR_GUIDANCE})
    return floor.model_copy(update={"safety": safety, "sampling": sampling})


def _refuse_smaller_cap(service: Policy, tenant: Policy, concepts: Concepts) -> None:
    """Raise FloorUnmetError where the tenant's cap would scale down what the service's floor adds."""
    if tenant.max_norm is None or not held_concepts(service, concepts):
        return
    if service.max_norm is None or tenant.max_norm < service.max_norm:
        raise FloorUnmetError(
            f"The tenant's floor has the cap {tenant.max_norm:g}, which would scale down what the service's floor "
            "adds.",
            field="max_norm",
            value=tenant.max_norm,
            cure="Leave it out, or set max_norm in the service's floor.",
        )


def _joint_name(service: Policy, tenant: Policy) -> str | None:
    if service.name is None or tenant.name is None:
        return None
    name = f"{service.name}-and-{tenant.name}"
    return name if len(name) <= 64 else None
