"""What vectors are compared with: methods that make the same pictures in their own way, one file each.

`Method` is the interface; `make_methods` makes those a user chooses, `PlainModel` is the one all are measured from.
"""

from evaluation.methods.catalogue import ALL, DEFAULT, METHODS, make_methods
from evaluation.methods.concept_vectors import ConceptVectors
from evaluation.methods.method import Method, OnStep, Settings
from evaluation.methods.plain_model import PlainModel

__all__ = [
    "ALL",
    "DEFAULT",
    "METHODS",
    "ConceptVectors",
    "Method",
    "OnStep",
    "PlainModel",
    "Settings",
    "make_methods",
]
