"""Where in the U-Net a word becomes what is seen: activation patching, site by site.

While pictures of "a photo of a gorgeous builder" are sampled, one site's output on the conditional row is replaced by
what the same latents give there under "a photo of a builder". If the picture still shows what the word brings, that
comes past the site, by skip connections or by later layers' own attention to the prompt; if it does not, it passes
there. A vector adds to a site's output: it can take away what passes, the rest only by what later layers make of it.

After the causal tracing of Meng et al., "Locating and Editing Factual Associations in GPT" (NeurIPS 2022), which Basu
et al. (ICLR 2024) brought to diffusion models.

    python -m benchmarks.learning.where_drawn --json benchmarks/results/where_drawn.json
    python -m benchmarks.learning.where_drawn --quick
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Annotated

import torch
import typer
from PIL.Image import Image
from rich.console import Console
from rich.table import Table

from benchmarks.machine import described, on_all_cores
from detectors import DemoOracle
from diffusion import DiffusionModel, PromptEncoding, Sampling, leave_cores_to_engines, load_model
from diffusion.schedules import ddim_step, ddim_timesteps
from diffusion.site import BOTTLENECK
from diffusion.steering import added_at_site
from evaluation.measures import Share
from trimtab import DEMO_MODEL
from trimtab.commands.console import Bars, hide_loading_bars

PROFESSIONS = ("builder", "judge", "police officer")


@dataclass(frozen=True)
class Word:
    """A word, and what the oracle says of a picture that shows what it brings."""

    said: str
    """A prompt with {noun} in it."""
    attribute: str
    value: str

    def prompts(self, noun: str) -> tuple[str, str]:
        """Return the prompt, and the same without the word."""
        return self.said.format(noun=noun), f"a photo of a {noun}"


WORDS = (
    Word("a photo of a female {noun}", "gender", "woman"),
    Word("a photo of a {noun} with glasses", "glasses", "yes"),
    Word("a photo of a gorgeous {noun}", "heart", "yes"),
    Word("a photo of an angry {noun}", "splash", "yes"),
)


@dataclass(frozen=True)
class Patched:
    """How many pictures still show a word of all that did."""

    word: Word
    site: str
    still: Share


def main(
    images: Annotated[int, typer.Option(min=1, help="Pictures of each prompt.")] = 12,
    only: Annotated[
        list[str] | None,
        typer.Option("--site", help="A site to patch; repeatable. [default: the middle and up blocks]"),
    ] = None,
    quick: Annotated[
        bool, typer.Option(help="One picture of each prompt, in few steps: does it work?")
    ] = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="Where the figures are written.")] = None,
) -> None:
    """Patch sites of the demo model one at a time, and count which words the pictures still show."""
    hide_loading_bars()
    leave_cores_to_engines()
    model = load_model(DEMO_MODEL, device="cpu")
    sampling = Sampling(num_inference_steps=4 if quick else 20, guidance_scale=5.0)
    if quick:
        images = 1
    sites = only or [BOTTLENECK, *(f"up_blocks.{i}" for i in range(len(model.pipe.unet.up_blocks)))]
    tracer = Tracer(model, sampling, images)
    with Bars() as bars:
        found = [one for word in WORDS for one in tracer.traced(word, sites, bars)]
    _show(found)
    if json_path:
        settings = {
            "images": images,
            "professions": PROFESSIONS,
            "sampling": asdict(sampling),
            "model": model.fingerprint,
        }
        results = [asdict(one) for one in found]
        written = described("cpu") | {"settings": settings, "results": results}
        json_path.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")


class Tracer:
    """Samples pictures with one site patched, and counts what they still show."""

    def __init__(self, model: DiffusionModel, sampling: Sampling, images: int) -> None:
        """`images` is the number of pictures of each prompt."""
        self._model, self._sampling, self._images = model, sampling, images
        self._oracle = DemoOracle()

    def traced(self, word: Word, sites: Sequence[str], told: Bars) -> list[Patched]:
        """Count for each site in how many of the pictures that show a word it is still seen with the site patched."""
        still: dict[str, list[bool]] = {site: [] for site in sites}
        for done, noun in enumerate(PROFESSIONS):
            told(word.said.format(noun="..."), done, len(PROFESSIONS))
            shown = self._shown(word, noun, None)
            for site in sites:
                still[site] += compress(self._shown(word, noun, site), shown)
        told(word.said.format(noun="..."), len(PROFESSIONS), len(PROFESSIONS))
        return [Patched(word, site, Share.of(still[site])) for site in sites]

    def _shown(self, word: Word, noun: str, site: str | None) -> list[bool]:
        """Return which pictures show what the word brings, with the site patched."""
        pictures = on_all_cores(partial(self.sampled, *word.prompts(noun), site))
        return [reading[word.attribute] == word.value for reading in self._oracle.read(pictures)]

    @torch.no_grad()
    def sampled(self, prompt: str, other: str, site: str | None) -> list[Image]:
        """Return pictures of a prompt; the site's output is what it is under the other one."""
        model, images = self._model, self._images
        encoding = PromptEncoding.concat([model.encode_negative([""]), model.encode([prompt, other])])
        rows = encoding[[place for place in range(3) for _ in range(images)]]
        shape = model.latent_shape(*model.default_size)
        latents = torch.stack(
            [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in range(images)]
        )
        steps = ddim_timesteps(model, self._sampling.num_inference_steps)
        with _patched(model, site):
            for timestep, previous in zip(*steps, strict=True):
                at, to = timestep.repeat(images), previous.repeat(images)
                predicted = model.predict(latents.repeat(3, 1, 1, 1), at.repeat(3), rows)
                unconditional, conditional, _ = predicted.chunk(3)
                guided = torch.lerp(unconditional, conditional, self._sampling.guidance_scale)
                latents = ddim_step(latents, guided, at, to, model)
        return model.to_pil(model.decode(latents))


@contextmanager
def _patched(model: DiffusionModel, site: str | None) -> Iterator[None]:
    """Replace the second third of a site's rows by the last one."""

    def patch(h: torch.Tensor) -> torch.Tensor:
        unconditional, _, other = h.chunk(3)
        return torch.cat([unconditional, other, other])

    if site is None:
        yield
        return
    with added_at_site(model.pipe.unet, site, patch):
        yield


def _show(found: Sequence[Patched]) -> None:
    """Print a table: a row for each word, a column for each site."""
    sites = list(dict.fromkeys(one.site for one in found))
    table = Table("still shown with the output replaced of", *sites)
    for word in dict.fromkeys(one.word for one in found):
        table.add_row(
            word.said.format(noun="..."),
            *(f"{one.still.hits} of {one.still.total}" for one in found if one.word == word),
        )
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
