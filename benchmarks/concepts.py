"""What policies can name of a library, for benchmarks that plan without a service.

Entry point: `loaded_concepts`.
"""

from policies.concepts import Concepts
from vectors import VectorLibrary


def loaded_concepts(library: VectorLibrary) -> Concepts:
    """Return the concepts of a library; without the sizes of their vectors, which caps and floors go by."""
    stored = {one.name: one.vector for one in library.list()}
    return Concepts(
        sets={name: concept_set.members for name, concept_set in library.sets().items()},
        recommended={name: vector.recommended_strength for name, vector in stored.items()},
        words={
            name: ", ".join(vector.prompts.negative_prompt)
            for name, vector in stored.items()
            if vector.prompts.negative_prompt
        },
    )
