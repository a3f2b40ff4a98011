"""`trimtab audit replay`: an image made again from its line, and compared with what the line says of its pixels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from trimtab.commands.audit import ConfigOption, LogOption, app
from trimtab.commands.console import Bars, hide_loading_bars, told_errors
from trimtab.commands.library import LibraryOption
from trimtab.commands.model_choice import DeviceOption, ModelOption

if TYPE_CHECKING:
    from service.audit.replay import Replayed
    from service.loading import LoadedModel
    from service.settings import Settings


@app.command()
def replay(
    id: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="REQUEST:NUMBER as 'trimtab audit query' shows it; of a single image REQUEST."
        ),
    ],
    log: LogOption = None,
    prompt: Annotated[
        str | None, typer.Option(help="The prompt, where the log does not keep it; its digest is compared.")
    ] = None,
    negative_prompt: Annotated[str | None, typer.Option(help="The same for the negative prompt.")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE.png", help="Write the picture there. [default: nowhere]"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    model: ModelOption = None,
    device: DeviceOption = None,
    vectors: LibraryOption = None,
    config: ConfigOption = None,
) -> None:
    """Make an image of the audit log again and say whether every pixel is as it was; exit 1 where one is not.

    With the model, the vectors (by their digests) and the sampling of its line; the other images of its request are
    made with it, as they were then, since what shares a step decides how sums are rounded.
    """
    from diffusion import DiffusionError
    from service.audit.reading import open_chains
    from service.audit.replay import lines_to_replay
    from service.errors import ServiceError
    from service.settings import SettingsError, load_settings
    from vectors import VectorError

    hide_loading_bars()
    with told_errors(SettingsError, ServiceError, DiffusionError, VectorError):
        settings = load_settings({"model": model, "device": device, "vectors": vectors, "config": config})
        with Console(stderr=True).status("reading the audit log"):
            entry, request = lines_to_replay(open_chains(log, settings), id)
        _check_out(out)
        with _loaded(settings) as loaded, Bars() as bars:
            from policies.responsible_phrases import load_phrases
            from service.audit.replay import replay as replayed
            from service.encoder_gate import chosen_gate

            lexicon = chosen_gate(settings, loaded.model).lexicon
            phrases = load_phrases(*([settings.phrases] if settings.phrases else []), lexicon=lexicon)
            result = replayed(
                entry,
                request,
                loaded,
                phrases,
                prompt=prompt,
                negative_prompt=negative_prompt,
                on_step=lambda done, total: bars("steps", done, total),
            )
    if out is not None:
        result.image.save(out, "png")
    if as_json:
        typer.echo(json.dumps(_as_json(result), indent=2))
    else:
        _show(Console(highlight=False), result, out)
    if not result.is_equal:
        raise typer.Exit(1)


@contextmanager
def _loaded(settings: Settings) -> Iterator[LoadedModel]:
    """Load the model with all vectors there are: the configured library's, and over it those on the shelf."""
    from service.loading import load_service
    from service.shelved import ShelvedLibrary
    from service.state.shared import open_state
    from service.uploads import check_vector

    with Console(stderr=True).status(f"loading {settings.model}"):
        # Nobody looks at the picture again.
        loaded = load_service(settings.model_copy(update={"screen_detector": "none"}))
    shared = open_state(settings.redis_url, settings.state_options)
    try:
        with TemporaryDirectory(prefix="trimtab-vectors-") as folder:
            if settings.redis_url is not None:
                loaded.engine.vectors = ShelvedLibrary(
                    Path(folder),
                    loaded.engine.vectors,
                    shared.shelf,
                    shared.blobs,
                    lambda vector: check_vector(vector, loaded),
                )
            yield loaded
    finally:
        shared.close()


def _check_out(out: Path | None) -> None:
    if out is None:
        return
    if out.suffix.lower() != ".png" or not out.absolute().parent.is_dir():
        raise typer.BadParameter(f"--out {out}: name a .png file in a folder that exists.")


def _show(console: Console, result: Replayed, out: Path | None) -> None:
    entry = result.entry
    console.print(
        Text(
            f"{entry.id}, {entry.outcome} on {entry.time:%Y-%m-%d %H:%M:%S} UTC: seed {entry.sampling.seed}, "
            f"{entry.sampling.num_inference_steps} steps of {entry.sampling.scheduler}"
        ),
        soft_wrap=True,
    )
    for one in entry.applied:
        console.print(
            Text(f"  {one.reference} x {one.strength:.3g}  {one.digest[:19]}  {one.reason}"), soft_wrap=True
        )
    verdict = (
        "equal: every pixel is as it was" if result.is_equal else "DIFFERENT: not every pixel is as it was"
    )
    console.print(verdict)
    console.print(Text(f"  then {entry.image_digest}\n  now  {result.image_digest}"), soft_wrap=True)
    for difference in result.differences:
        console.print(Text(f"  {difference}"), soft_wrap=True)
    if out is not None:
        console.print(Text(str(out)), soft_wrap=True)


def _as_json(result: Replayed) -> dict[str, object]:
    return {
        "id": result.entry.id,
        "equal": result.is_equal,
        "image_digest": result.image_digest,
        "differences": list(result.differences),
        "line": result.entry.model_dump(mode="json"),
    }
