"""Where a vector is learned: the site of each kind of concept.

Entry point: `site_of`.
"""

from __future__ import annotations

from diffusion import DiffusionModel
from diffusion.site import BOTTLENECK, prompt_reader
from learn_vectors.concepts import Concept
from learn_vectors.options import LearnOptions, TrajectoryRecipe


def site_of(model: DiffusionModel, options: LearnOptions, concept: Concept) -> str:
    """Return the site that the options name, or the one of the concept's kind.

    A concept's is the bottleneck. An anti-concept has to undo what the prompt brings, and the up blocks read the prompt
    again after the bottleneck: it is added to what the last attention of the first such block reads.
    """
    if options.site is not None:
        return options.site
    is_trajectory = isinstance(options.recipe, TrajectoryRecipe)
    return prompt_reader(model.pipe.unet) if concept.is_anti and is_trajectory else BOTTLENECK
