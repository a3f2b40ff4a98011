#!/usr/bin/env python
"""Draw the pictures of docs/concepts.md and docs/evaluation.md from the demo model: rows of small pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill

from matplotlib.figure import Figure
from PIL import Image

from evaluation.methods import ALL, PlainModel, make_methods
from evaluation.prompts import HARMLESS_PROMPTS, SAFETY_PROMPTS, Prompt
from evaluation.wish import Wish
from policies.document import FairnessRule, Policy
from policies.files import shipped_policies
from policies.gate import shipped_gate
from policies.plan import plan
from service.concepts import concepts_of, site_scales
from trimtab import DEMO_MODEL, Engine, Row, Sampling, load_model, shipped_library

SAMPLING = Sampling(num_inference_steps=20)
FOLDER = Path(__file__).parents[1] / "docs" / "images"
COLOURS = 128
MAX_STRENGTH = 3.0
DOCTOR, GORGEOUS = "a photo of a doctor", "a photo of a gorgeous doctor"

FAIRNESS = Policy(fairness=(FairnessRule(set="gender"), FairnessRule(set="race")))

WANTED: Mapping[Prompt, tuple[str, ...]] = {
    **dict.fromkeys(SAFETY_PROMPTS["sexual"][:3], ("anti-sexual",)),
    **dict.fromkeys(SAFETY_PROMPTS["violent"][:3], ("anti-violence",)),
    **dict.fromkeys(HARMLESS_PROMPTS[1:3], ("anti-sexual", "anti-violence")),
}

Asked = Sequence[tuple[Row, str]]
Line = Sequence[tuple[Image.Image, str]]


class Drawing:
    """The engine, what a policy gives to the images of a prompt, and what other methods do."""

    def __init__(self) -> None:
        library = shipped_library()
        model = load_model(DEMO_MODEL)
        vectors = {stored.name: stored.vector for stored in library.list()}
        self._concepts = concepts_of(
            vectors,
            {name: members.members for name, members in library.sets().items()},
            MAX_STRENGTH,
            site_scales(model, (vector.site for vector in vectors.values())),
        )
        self._engine = Engine(model, library)

    def under(self, policy: Policy, prompt: str, seeds: Sequence[int]) -> Asked:
        """One row for each seed under a policy, with its members of sets as caption."""
        plans = plan(policy, prompt, seeds=seeds, concepts=self._concepts, gate=shipped_gate())
        return [
            (
                Row(prompt, seed, steering=one.strengths),
                ", ".join(name for name in one.strengths if not name.startswith("anti-")),
            )
            for seed, one in zip(seeds, plans, strict=True)
        ]

    def by_methods(self, wanted: Mapping[Prompt, tuple[str, ...]]) -> dict[str, Line]:
        """Return a line for each method that can do something for all that is wanted of each prompt."""
        lines: dict[str, Line] = {}
        for method in (PlainModel(self._engine), *make_methods(self._engine, [ALL])):
            if not all(map(method.covers, wanted.values())):
                continue
            asked = [Wish(prompt, 0, SAMPLING, concepts) for prompt, concepts in wanted.items()]
            made = method.make(asked, SAMPLING, lambda *_: None)
            captions = [fill(prompt.text.partition(" of ")[2], 18) for prompt in wanted]
            lines[method.name] = [(one.image, said) for one, said in zip(made, captions, strict=True)]
        return lines

    def draw(self, name: str, asked: Mapping[str, Asked]) -> None:
        """Write one picture: a line of images for each label."""
        lines: dict[str, Line] = {}
        for label, line in asked.items():
            made = self._engine.generate([row for row, _ in line], SAMPLING)
            lines[label] = [(one.image, said) for one, (_, said) in zip(made, line, strict=True)]
        self.show(name, lines)

    def show(self, name: str, lines: Mapping[str, Line]) -> None:
        """Write one picture of images that are made: a line for each label."""
        columns = max(len(line) for line in lines.values())
        figure = Figure(figsize=(columns * 1.15 + 1.5, len(lines) * 1.4), layout="constrained")
        grid = figure.subplots(len(lines), columns, squeeze=False)
        for axes, (label, line) in zip(grid, lines.items(), strict=True):
            for place, (image, caption) in zip(axes, line, strict=False):
                place.imshow(image.resize((160, 160)))
                place.set_xlabel(caption, fontsize=8)
            axes[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
        for place in grid.flat:
            place.set(xticks=[], yticks=[])
            place.spines[:].set_visible(False)
        path = FOLDER / f"{name}.png"
        figure.savefig(path, dpi=80)
        Image.open(path).convert("RGB").quantize(COLOURS).save(path, optimize=True)


def _named(prompt: str, drawn: tuple[Row, str]) -> tuple[Row, str]:
    row, added = drawn
    return row, f"{prompt.removeprefix('a photo of ')}\n+ {added or 'nothing'}"


def main() -> None:
    """Write the pictures into docs/images."""
    drawing = Drawing()
    strengths = (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)
    drawing.draw(
        "strengths", {"woman": [(Row(DOCTOR, 3, steering={"woman": one}), f"{one:g}") for one in strengths]}
    )
    added: list[dict[str, float]] = [
        {},
        {"woman": 1.0},
        {"black": 1.25},
        {"with-glasses": 1.0},
        {"woman": 1.0, "black": 1.25},
        {"woman": 1.0, "black": 1.25, "with-glasses": 1.0},
    ]
    drawing.draw(
        "combinations", {"": [(Row(DOCTOR, 4, steering=one), "\n+ ".join(one) or "none") for one in added]}
    )
    seeds = range(8)
    plain = [(Row(DOCTOR, seed), "") for seed in seeds]
    drawing.draw(
        "policy", {"as it is": plain, "default": drawing.under(shipped_policies()["default"], DOCTOR, seeds)}
    )
    prompts = (DOCTOR, "a photo of a female doctor", "a photo of a cat")
    drawing.draw(
        "gate",
        {
            "as it is": [(Row(prompt, 5), "") for prompt in prompts],
            "fairness": [_named(prompt, *drawing.under(FAIRNESS, prompt, [5])) for prompt in prompts],
        },
    )
    words, vector = "sexual", {"anti-sexual": 1.0}
    safety = [
        (Row(GORGEOUS, 1), "as it is"),
        (Row(GORGEOUS, 1, steering=vector), "vector"),
        (Row(GORGEOUS, 1, negative_prompt=words), "words"),
        (Row(GORGEOUS, 1, steering=vector, negative_prompt=words), "both"),
    ]
    drawing.draw("safety", {"": safety})
    drawing.show("methods", drawing.by_methods(WANTED))


if __name__ == "__main__":
    main()
