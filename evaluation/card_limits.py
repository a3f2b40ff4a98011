"""What a vector cannot do, as it follows from what is recorded of it.

Entry points: `limits_of`, `terms_of`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vectors import ConceptSet, ConceptVector


def limits_of(vector: ConceptVector, sets: Sequence[ConceptSet], *, of_demo_model: bool) -> Iterator[str]:
    """Say what follows from the facts, in plain words."""
    if not vector.effect:
        yield (
            "Its effect was not measured: nothing says how often it works or what else it changes. Measure it "
            "before you rely on it."
        )
    elif of_demo_model:
        yield "Its figures were measured on the demo model only."
    else:
        yield "Its figures hold for the prompts and settings they were measured with; elsewhere they may differ."
    if of_demo_model:
        yield (
            "The demo model draws emoji-like pictures of an invented world. Nothing about a model of real "
            "pictures, or about real people, follows from them."
        )
    if vector.prompts.negative_prompt:
        yield (
            "It makes unwanted content rarer. It is not proof against an adversary, and it checks no finished "
            "picture: what gets past it is not noticed."
        )
    for one in sets:
        if vector.concept in one.members:
            yield (
                f"By {one.name}, people are put into a few groups ({', '.join(one.members)}), because that is what "
                "the method steers. They do not divide so in life."
            )
    if terms_of(vector):
        yield "It is a sum of vectors; nobody learned it as a whole."
    elif not (vector.prompts.positive or vector.training):
        yield "How it was learned is not recorded in its file, so that nobody can repeat it from here."
    yield (
        "It acts on every picture it is added to, also where the prompt is about something else or already says "
        "otherwise. Whether to add it is for a policy to decide."
    )
    yield "Added vectors cost fidelity: each one more, and more strength, takes the picture further from its prompt."


def terms_of(vector: ConceptVector) -> list[str]:
    """Return the terms of a composed vector, such as "0.5 × with-glasses"; none for a learned one."""
    parts = vector.training.get("combination")
    if not isinstance(parts, list):
        return []
    return [f"{part.get('weight')} × {part.get('concept')}" for part in parts if isinstance(part, dict)]
