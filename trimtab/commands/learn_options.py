"""The options of `learn-vector`, in the order of its help.

Entry points: one annotation for each option.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class RecipeName(StrEnum):
    """How vectors are learned."""

    TRAJECTORY = "trajectory"
    PAPER = "paper"


class HalvesName(StrEnum):
    """Which rows of a guidance pair a vector is added to."""

    CONDITIONAL = "conditional"
    UNCONDITIONAL = "unconditional"
    BOTH = "both"
    EACH = "each"


class DetectorName(StrEnum):
    """What reads the pictures when a vector is measured."""

    AUTO = "auto"
    ORACLE = "oracle"
    CLIP = "clip"
    NONE = "none"


WHAT = "What to learn"
HOW = "How (the defaults are good)"
WHERE = "Where and with what"


PosOption = Annotated[
    list[str] | None,
    typer.Option(
        "--pos",
        rich_help_panel=WHAT,
        help="A prompt that states the concept. May be given several times, with as many --neg.",
    ),
]
NegOption = Annotated[
    list[str] | None,
    typer.Option(
        "--neg",
        rich_help_panel=WHAT,
        help="The same prompt with the concept left open. Not needed with --negative-prompt.",
    ),
]
NegativePromptOption = Annotated[
    str | None,
    typer.Option(
        rich_help_panel=WHAT,
        help="Learn an anti-concept: what --pos prompts wrongly bring, in a word, such as 'violent'.",
    ),
]
NameOption = Annotated[
    str,
    typer.Option(rich_help_panel=WHAT, help="Its name. [default: the words that differ]", show_default=False),
]
ConceptsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.yaml",
        exists=True,
        dir_okay=False,
        rich_help_panel=WHAT,
        help="A file of concepts (and sets of them) to learn together, so that they add up.",
    ),
]
ImagesOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        exists=True,
        file_okay=False,
        rich_help_panel=WHAT,
        help="Learn from a folder of pictures that show the concept; --neg says what else is in them.",
    ),
]
ContextOption = Annotated[
    list[str] | None,
    typer.Option(
        rich_help_panel=WHAT,
        help='A noun to put for "person" in the prompts; repeatable. [default: person and occupations]',
        show_default=False,
    ),
]
RecipeOption = Annotated[
    RecipeName | None,
    typer.Option(
        rich_help_panel=HOW,
        help="Matching guided sampling trajectories, or as the authors published it. "
        "[default: trajectory; with --images paper]",
        show_default=False,
    ),
]
StepsOption = Annotated[
    int | None,
    typer.Option(
        rich_help_panel=HOW,
        help="Adam steps for each concept; an anti-concept changes other pictures less after 300, best with --site "
        "mid_block. [default: 40; 2500 of the paper's recipe]",
    ),
]
LrOption = Annotated[
    float | None,
    typer.Option(rich_help_panel=HOW, help="Adam's rate; for 'trajectory' relative to the site's output."),
]
BatchOption = Annotated[int | None, typer.Option(rich_help_panel=HOW, help="Rows in a step.")]
NumImagesOption = Annotated[
    int | None, typer.Option(rich_help_panel=HOW, help="'paper': images the model makes to learn from.")
]
TimestepsOption = Annotated[
    tuple[int, int] | None, typer.Option(rich_help_panel=HOW, help="Timesteps learned on, start and end.")
]
ApplyTimestepsOption = Annotated[
    tuple[int, int] | None,
    typer.Option(
        rich_help_panel=HOW,
        show_default=False,
        help="Timesteps at which the vector is applied; let go early, a concept may come back. "
        "[default: all, of anti-concepts those below 800]",
    ),
]
PushOption = Annotated[
    float | None,
    typer.Option(
        rich_help_panel=HOW,
        help="Anti-concepts: how much of what the word brings is taken away; 1 is all of it.",
    ),
]
SteeredShareOption = Annotated[
    float | None,
    typer.Option(
        rich_help_panel=HOW,
        help="Share of the sampled trajectories that the vectors steer while they are learned. [default: 0.7, of "
        "anti-concepts 1]",
        show_default=False,
    ),
]
GuidanceOption = Annotated[
    float | None, typer.Option(rich_help_panel=HOW, help="Guidance of the sampling it is for.")
]
HalvesOption = Annotated[
    HalvesName | None,
    typer.Option(
        rich_help_panel=HOW,
        show_default=False,
        help="Rows of a guidance pair that the vector is added to; each: both, with a map for each. "
        "[default: conditional, of anti-concepts each]",
    ),
]
BothHalvesOption = Annotated[
    bool,
    typer.Option(
        "--both-halves",
        rich_help_panel=HOW,
        help="The same as --halves both.",
    ),
]
ChannelOnlyOption = Annotated[
    bool,
    typer.Option(
        "--channel-only",
        rich_help_panel=HOW,
        help="One value per channel for the whole picture.",
    ),
]
SiteOption = Annotated[
    str | None,
    typer.Option(
        rich_help_panel=HOW,
        help="The U-Net's module whose output is steered. [default: mid_block; with --negative-prompt what the "
        "last attention to the prompt reads in the first up block that has any]",
    ),
]
SeedOption = Annotated[
    int, typer.Option(min=0, rich_help_panel=HOW, help="The same seed and options give the same vector.")
]
LibraryOption = Annotated[
    Path,
    typer.Option(
        rich_help_panel=WHERE,
        help="Where vectors are published. A new library starts with the shipped vectors that fit.",
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        rich_help_panel=WHERE, help="The run directory. [default: runs/NAME-TIME]", show_default=False
    ),
]
ResumeOption = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN",
        exists=True,
        file_okay=False,
        rich_help_panel=WHERE,
        help="Go on with an interrupted run; nothing else need be given.",
    ),
]
DetectorOption = Annotated[
    DetectorName,
    typer.Option(
        rich_help_panel=WHERE,
        help="What measures the vector: the demo model's oracle, or CLIP by the prompts. 'auto' is the oracle "
        "for the demo model and nothing for others.",
    ),
]
ClipOption = Annotated[
    str,
    typer.Option(rich_help_panel=WHERE, help="The CLIP model of '--detector clip': a directory or hub name."),
]
GradientCheckpointingOption = Annotated[
    bool,
    typer.Option(
        "--gradient-checkpointing",
        rich_help_panel=WHERE,
        help="Half the memory for more time: SD 1.5 takes 5 to 7 GiB instead of 10 to 16.",
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Check everything, show what would be done, stop.")
]
