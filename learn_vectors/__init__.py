"""The offline learner: one timestep-independent vector per concept, found in a frozen model without labels.

`learn_vector(model, options)` gives the vector; `run_learning` does so in a run directory, with plots and a library
entry; `LearnOptions` says what is learned and how.
"""

from learn_vectors.errors import DivergedError, LearningError, OptionsError
from learn_vectors.learn import learn_vector
from learn_vectors.options import LearnOptions, PaperRecipe, TrajectoryRecipe
from learn_vectors.run_directory import RunResult, run_learning

__all__ = [
    "DivergedError",
    "LearnOptions",
    "LearningError",
    "OptionsError",
    "PaperRecipe",
    "RunResult",
    "TrajectoryRecipe",
    "learn_vector",
    "run_learning",
]
