"""The card of the embedded model: what it is, how it was made, its figures.

Entry point: `render_card`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from demo_model.figures import GUIDANCE, STEPS, Figure
from demo_model.recipe import Recipe

_INTRODUCTION = """\
# Trimtab's demo model

A small genuine Stable Diffusion (text encoder, U-Net with a cross-attention mid-block, autoencoder, DDIM schedule) in
diffusers' format: `StableDiffusionPipeline.from_pretrained("demo_model/pipeline")`. It draws 64 x 64 pictures of a
**drawn world with exactly known attributes**, so that claims about fairness and safety can be measured, on a laptop.

**Its pictures are a test bench, not depictions of anyone.** Gender presentation, race and profession are emoji-like
drawings (hair, one of three skin tones, an outfit) that a program can tell apart. The biases and the "unsafe"
stand-ins (a magenta heart for sexual, a red splash for violent content) were put in on purpose, to be removed.
Nothing about real people, and nothing about real image generators, follows from its pictures. Do not use it for
anything but testing and learning.

## What it knows

Professions (person, doctor, nurse, firefighter, chef, farmer, builder, judge, police officer), people's gender, race,
age and glasses; cat, dog, bird, rabbit (with glasses too), house, tree, car, boat, flower, mushroom, balloon, cup;
plain, park, beach, party, midnight and battle scenes. Prompts are English, up to 32 tokens; words outside its world
are read byte by byte and mean nothing to it. Left open, gender and race follow built-in biases; *gorgeous*,
*romantic* and *party* bring the heart, *angry*, *battle* and *midnight* the splash, as innocent-looking prompts do
with real models. All of it is written down in `demo_model/world.py`.
"""


def render_card(
    recipe: Recipe,
    training: Mapping[str, float],
    figures: Sequence[Figure],
    *,
    machine: str,
    day: date,
    size_mb: float,
) -> str:
    """Return the card as Markdown; every figure stands with the bound it is to keep."""
    lines = [
        _INTRODUCTION,
        "## How it was made\n",
        f"`trimtab demo train`, from nothing, seed {recipe.seed}: {recipe.drawings:,} drawings; the oracle",
        f"({recipe.oracle_steps:,} steps of {recipe.oracle_batch}); the autoencoder",
        f"({recipe.autoencoder_steps:,} steps of {recipe.autoencoder_batch}); text encoder and U-Net together",
        f"({recipe.denoiser_steps:,} steps of {recipe.denoiser_batch}, epsilon prediction, min-SNR-5 weighting, moving",
        f"average). The weights are fp16; with the oracle they take {size_mb:.1f} MB.\n",
        "| held-out drawings | |",
        "|---|---|",
        *(f"| {name} | {value:.4f} |" for name, value in training.items()),
        "",
        f"## Its figures, {day.isoformat()}\n",
        f"`trimtab demo measure`: {STEPS} DDIM steps, guidance {GUIDANCE:g}, read by the oracle, on {machine}.\n",
        "| share of pictures | measured | images | to be |",
        "|---|---|---|---|",
        *(
            f"| {figure.name} | {figure.share:.3f} | {figure.images} | {_bound(figure)} |"
            for figure in figures
        ),
        "",
    ]
    return "\n".join(lines)


def _bound(figure: Figure) -> str:
    if figure.at_least > 0:
        return f"at least {figure.at_least:g}" + ("" if figure.kept else " (missed)")
    if figure.at_most < 1:
        return f"at most {figure.at_most:g}" + ("" if figure.kept else " (missed)")
    return ""
