"""Concepts that tests learn."""

from learn_vectors import Concept

PERSON = ("a photo of a person",)
WOMAN = Concept(("a photo of a woman",), PERSON)
ANTI_UGLY = Concept(("an odd person",), negative_prompt="ugly")
