"""The words by which a safety rule acts in the negative prompt, and why it has none where it acts by its vector alone.

Entry points: `words_of`, `why_no_words`, `needs_guidance`.
"""

from policies.concepts import Concepts
from policies.document import SafetyRule


def words_of(rule: SafetyRule, concepts: Concepts) -> str | None:
    """Return the words that a rule joins to a negative prompt that is read; None where it has none.

    A rule that leaves its way open has none where nobody wrote any, and not those that its vector was learned with
    where it turns the vector round: they are for the opposite.
    """
    if rule.by == "vector":
        return None
    if rule.negative_prompt is not None:
        return rule.negative_prompt
    if rule.by is None and concepts.strength(rule.concept, rule.strength) < 0:
        return None
    return concepts.words.get(rule.concept)


def why_no_words(rule: SafetyRule, concepts: Concepts, unread: str | None) -> str | None:
    """Return why a rule that leaves its way open acts by its vector alone; None where it does not.

    `unread` says why no negative prompt is read, where none is.
    """
    if rule.by is not None:
        return None
    if words_of(rule, concepts) is not None:
        return unread
    if rule.concept in concepts.words:
        return "its strength is negative, and the words that it was learned with are for the opposite"
    return "it was learned without words for what it prevents"


def needs_guidance(rule: SafetyRule, concepts: Concepts) -> bool:
    """Whether a rule is not followed without guidance, as its words or its vector act on the unconditional row."""
    return rule.insists_on_words or (rule.adds_vector and rule.concept in concepts.guided_only)
