"""How an image is planned anew that a screen has made again.

Entry points: `retaken`, which returns an `Again` for `service.making`; `planned_concepts`.
"""

from policies.concepts import Concepts
from policies.image_plan import ImagePlan
from policies.plan import within_cap
from policies.retry import retry_plan
from service.loading import LoadedModel
from service.making import Again
from service.planned import Planned


def retaken(planned: Planned, loaded: LoadedModel) -> Again:
    """Return what plans an image of `planned` anew, under the cap that holds for the first one too.

    Raises a VectorError where a version that was planned is gone; it may read files: on a thread.
    """
    rule = planned.in_force.screen
    assert rule is not None, "nobody looks"
    concepts = planned_concepts(planned, loaded)

    def again(first: ImagePlan, retry: int) -> ImagePlan:
        stronger = retry_plan(first, retry, rule, concepts.max_strength)
        return within_cap(stronger, planned.in_force, planned.floor, concepts)

    return again


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
