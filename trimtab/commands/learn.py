"""`learn-vector`, also `trimtab learn`: learn concept vectors from pairs of prompts, a file of them, or pictures."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from trimtab.commands.console import (
    DEMO,
    Bars,
    DeviceOption,
    DtypeOption,
    ModelOption,
    is_demo,
    open_model,
    told_errors,
)
from trimtab.commands.learn_options import (
    ApplyTimestepsOption,
    BatchOption,
    BothHalvesOption,
    ChannelOnlyOption,
    ClipOption,
    ConceptsOption,
    ContextOption,
    DetectorName,
    DetectorOption,
    DryRunOption,
    GradientCheckpointingOption,
    GuidanceOption,
    HalvesName,
    HalvesOption,
    ImagesOption,
    LibraryOption,
    LrOption,
    NameOption,
    NegativePromptOption,
    NegOption,
    NumImagesOption,
    OutOption,
    PosOption,
    PushOption,
    RecipeName,
    RecipeOption,
    ResumeOption,
    SeedOption,
    SiteOption,
    SteeredShareOption,
    StepsOption,
    TimestepsOption,
)
from trimtab.process import prepare_process

if TYPE_CHECKING:
    from collections.abc import Callable

    from detectors import Detector
    from diffusion import DiffusionModel
    from diffusion.processes import Processes
    from learn_vectors import Concept, LearnOptions, RunResult
    from vectors import VectorLibrary


def learn(
    pos: PosOption = None,
    neg: NegOption = None,
    negative_prompt: NegativePromptOption = None,
    name: NameOption = "",
    concepts: ConceptsOption = None,
    images: ImagesOption = None,
    context: ContextOption = None,
    recipe: RecipeOption = None,
    steps: StepsOption = None,
    lr: LrOption = None,
    batch: BatchOption = None,
    num_images: NumImagesOption = None,
    timesteps: TimestepsOption = None,
    apply_timesteps: ApplyTimestepsOption = None,
    push: PushOption = None,
    steered_share: SteeredShareOption = None,
    guidance: GuidanceOption = None,
    halves: HalvesOption = None,
    both_halves: BothHalvesOption = False,
    channel_only: ChannelOnlyOption = False,
    site: SiteOption = None,
    seed: SeedOption = 0,
    model: ModelOption = DEMO,
    library: LibraryOption = Path("library"),
    out: OutOption = None,
    resume: ResumeOption = None,
    detector: DetectorOption = DetectorName.AUTO,
    clip: ClipOption = "openai/clip-vit-base-patch32",
    gradient_checkpointing: GradientCheckpointingOption = False,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    dry_run: DryRunOption = False,
) -> None:
    """Learn concept vectors: no labels, no data set, the model stays as it is.

    A concept:        learn-vector --pos "a photo of a woman" --neg "a photo of a person"

    An attribute:     learn-vector --pos "a photo of an old person" --neg "a photo of a person" --name old

    An anti-concept:  learn-vector --pos "an angry person" --negative-prompt violent --name anti-violence

    Several at once:  learn-vector --concepts concepts.yaml

    From pictures:    learn-vector --images photos/ --neg "a photo of a person" --name uniform

    Interrupted:      learn-vector --resume runs/woman-20260102-030405

    Leaves a run directory (options, statistics, loss plot, pictures, the measured effect, the vector) and publishes
    the vector in a library, from which `trimtab serve --vectors LIBRARY` and `steer` take it. On several GPUs:
    `accelerate launch -m trimtab.commands.learn --pos ...`; in several processes on a CPU:
    `torchrun --nproc-per-node 4 -m trimtab.commands.learn --pos ...`.
    """
    from detectors import DetectorError
    from diffusion import DiffusionError
    from diffusion.processes import launched_processes
    from learn_vectors import LearningError
    from vectors import VectorError

    kinds = (DetectorError, DiffusionError, LearningError, VectorError, OSError)
    with told_errors(*kinds), launched_processes() as processes:
        if resume is None:
            options = _options(
                _concepts(pos, neg, negative_prompt, name, images),
                concepts,
                HalvesName.BOTH if both_halves else halves,
                recipe,
                {
                    "steps": steps,
                    "learning_rate": lr,
                    "batch": batch,
                    "images": num_images,
                    "folder": None if images is None else str(images),
                    "timesteps": timesteps,
                    "push": push,
                    "steered_share": steered_share,
                    "guidance_scale": guidance,
                },
                contexts=tuple(context) if context else None,
                apply_timesteps=apply_timesteps,
                site=site,
                channel_only=channel_only,
                seed=seed,
            )
        else:
            options, model = _resumed(resume)
        placed = device if device != "auto" or processes.device is None else str(processes.device)
        loaded = open_model(model, placed, dtype)
        if gradient_checkpointing:
            loaded.pipe.unet.enable_gradient_checkpointing()
        _check(loaded, options)
        directory = resume or out or Path("runs") / f"{_title(options)}-{datetime.now():%Y%m%d-%H%M%S}"
        if dry_run:
            _show_plan(loaded, options, directory, library)
            return
        _run(loaded, options, directory, library, _detector_for(detector, clip, model), processes)


def _concepts(
    pos: list[str] | None,
    neg: list[str] | None,
    negative_prompt: str | None,
    name: str,
    images: Path | None,
) -> tuple[Concept, ...]:
    """Make the concept that the flags ask for; none where they ask for none."""
    from learn_vectors import Concept, OptionsError

    if images is not None and not pos:
        if not name or not neg:
            raise OptionsError(
                "pictures say nothing in words: give --name, and --neg with what is in them besides the concept, "
                "such as 'a photo of a person'"
            )
        pos = [f"{one}, {name}" for one in neg]
    if pos or neg or negative_prompt or name:
        return (Concept(tuple(pos or ()), tuple(neg or ()), negative_prompt, name),)
    return ()


def _options(
    given: tuple[Concept, ...],
    file: Path | None,
    halves: HalvesName | None,
    recipe: RecipeName | None,
    overrides: dict[str, Any],
    *,
    contexts: tuple[str, ...] | None,
    **settings: Any,
) -> LearnOptions:
    """Put the flags together; a flag that the recipe does not have is refused, not dropped."""
    from learn_vectors import LearnOptions, OptionsError
    from learn_vectors.concepts_file import read_concepts
    from learn_vectors.options import RECIPES

    if bool(given) == (file is not None):
        raise OptionsError(
            "say what to learn: either --pos and --neg (or --negative-prompt), or --concepts FILE"
        )
    asked = {key: value for key, value in overrides.items() if value is not None}
    if recipe is None:
        recipe = RecipeName.PAPER if "folder" in asked else RecipeName.TRAJECTORY
    if "folder" in asked and recipe is not RecipeName.PAPER:
        raise OptionsError(
            f"the {recipe} recipe learns from no pictures: leave out --images or --recipe {recipe}"
        )
    foreign = sorted(asked.keys() - RECIPES[recipe].__dataclass_fields__.keys())
    if foreign:
        raise OptionsError(
            f"the {recipe} recipe has no {', '.join(foreign)}: leave it out or choose the other recipe"
        )
    if file is not None:
        read = read_concepts(file)
        given, contexts = read.concepts, contexts or read.contexts
        settings |= {"sets": read.sets} | ({} if read.settings is None else {"settings": read.settings})
    if halves is not None:
        given = tuple(replace(concept, halves=halves.value) for concept in given)
    if contexts is not None:
        settings |= {"contexts": contexts}
    return LearnOptions(concepts=given, recipe=RECIPES[recipe](**asked), **settings)


def _resumed(directory: Path) -> tuple[LearnOptions, str]:
    """Return what an interrupted run was asked for, and its model."""
    from learn_vectors.concepts_file import read_options
    from learn_vectors.run_directory import OPTIONS

    return read_options(directory / OPTIONS)


def _title(options: LearnOptions) -> str:
    first = options.concepts[0].name
    return first if len(options.concepts) == 1 else f"{first}-and-{len(options.concepts) - 1}-more"


def _detector_for(choice: DetectorName, clip: str, model: str) -> Callable[[Concept], Detector | None]:
    """Return what gives each concept the detector that its vector is measured with."""
    if choice is DetectorName.ORACLE or (choice is DetectorName.AUTO and is_demo(model)):
        from detectors import DemoOracle

        oracle = DemoOracle()
        return lambda concept: oracle
    if choice is DetectorName.CLIP:
        from detectors import ClipEncoder, ClipZeroShot

        encoder = ClipEncoder(clip)
        return lambda concept: ClipZeroShot(encoder, {concept.name: concept.told_apart()})
    return lambda concept: None


def _check(model: DiffusionModel, options: LearnOptions) -> None:
    """Meet every prompt and the sites before any work."""
    from learn_vectors.learn import prompts_of
    from learn_vectors.sites import site_of

    for prompt in prompts_of(model, options):
        model.check_prompt(prompt)
    for concept in options.concepts:
        model.site_shape(*model.default_size, site_of(model, options, concept))


def _show_plan(model: DiffusionModel, options: LearnOptions, directory: Path, library: Path) -> None:
    """Show what a run would do."""
    from learn_vectors.learn import prompts_of
    from learn_vectors.sites import site_of

    console = Console()
    console.print(f"model      {model.name} on {model.device}, {model.dtype}")
    for concept in options.concepts:
        site = site_of(model, options, concept)
        shape = " x ".join(map(str, model.site_shape(*model.default_size, site)))
        console.print(f"vector     {concept.name}, {shape} at {site}", highlight=False)
    console.print(f"steps      {options.total_steps} in all")
    console.print(f"would write {directory}/ and publish to {library}/")
    console.print_json(json.dumps(options.resolved()))
    prompts = prompts_of(model, options)
    console.print(f"{len(prompts)} prompts:")
    for prompt in prompts[:40]:
        console.print(f"  {prompt}", highlight=False)
    if len(prompts) > 40:
        console.print(f"  ... and {len(prompts) - 40} more")


def _run(
    model: DiffusionModel,
    options: LearnOptions,
    directory: Path,
    library: Path,
    detector_for: Callable[[Concept], Detector | None],
    processes: Processes,
) -> None:
    """Learn, and say where everything is."""
    from learn_vectors import run_learning

    with Bars() as bars:
        result = run_learning(
            model,
            options,
            directory=directory,
            library=_opened(library, model, fill=processes.is_main),
            detector_for=detector_for,
            progress=bars,
            processes=processes,
        )
    if processes.is_main:
        _tell(result, library)


def _tell(result: RunResult, library: Path) -> None:
    """Say what was learned and where everything is."""
    console = Console()
    for stored in result.stored:
        vector = stored.vector
        measured = (
            f"  {vector.effect['success']:.0%} at strength {vector.recommended_strength:g} "
            f"({vector.effect['success_unsteered']:.0%} without), {vector.effect['kept']:.0%} of the rest kept"
            if vector.effect
            else ""
        )
        console.print(f"[bold]{stored.reference}[/bold]  norm {vector.norm:.1f}{measured}", highlight=False)
    console.print(f"pictures and plots  {result.directory}/", highlight=False)
    console.print(f"serve               trimtab serve --vectors {library}", highlight=False)


def _opened(path: Path, model: DiffusionModel, *, fill: bool) -> VectorLibrary:
    """Open a library; a new one starts, if filled, with the shipped vectors of this model: policies name them."""
    from vectors import VectorLibrary, shipped_library

    library = VectorLibrary(path)
    if not library.names() and fill:
        for stored in shipped_library().list():
            if stored.vector.base_model == model.fingerprint:
                library.publish(stored.vector)
    return library


def main() -> None:
    """Run `learn-vector`."""
    prepare_process()
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown")
    app.command()(learn)
    app()


if __name__ == "__main__":
    main()
