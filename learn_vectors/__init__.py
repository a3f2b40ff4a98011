"""The offline learner: one timestep-independent vector per concept, found in a frozen model without labels.

`learn_vectors(model, options)` gives the vectors; `run_learning` does so in a run directory, measured, with plots and
library entries; `LearnOptions` says what is learned and how, of each `Concept`.
"""

from learn_vectors.concepts import Concept
from learn_vectors.errors import DivergedError, LearningError, OptionsError
from learn_vectors.learn import learn_vectors
from learn_vectors.options import LearnOptions, PaperRecipe, TrajectoryRecipe
from learn_vectors.run_directory import RunResult, run_learning

__all__ = [
    "Concept",
    "DivergedError",
    "LearnOptions",
    "LearningError",
    "OptionsError",
    "PaperRecipe",
    "RunResult",
    "TrajectoryRecipe",
    "learn_vectors",
    "run_learning",
]
