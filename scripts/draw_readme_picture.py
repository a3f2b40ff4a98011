#!/usr/bin/env python
"""Draw the README's picture: two prompts, the same seeds, without vectors and under the README's kind of policy."""

from pathlib import Path

from matplotlib.figure import Figure

from policies.concepts import Concepts
from policies.document import FairnessRule, Policy, SafetyRule
from policies.plan import plan
from trimtab import DEMO_MODEL, Engine, Row, Sampling, load_model, shipped_library

PROMPTS = ("a photo of a doctor", "a photo of a gorgeous doctor")
IMAGES = 10
POLICY = Policy(
    fairness=(FairnessRule(set="gender"), FairnessRule(set="race")),
    safety=(SafetyRule(concept="anti-sexual", strength=1.0),),
)
SAMPLING = Sampling(num_inference_steps=50)


def main() -> None:
    """Write docs/images/before_after.png."""
    library = shipped_library()
    engine = Engine(load_model(DEMO_MODEL), library)
    plans = plan(
        POLICY,
        PROMPTS[0],
        seeds=range(IMAGES),
        concepts=Concepts(
            {name: members.members for name, members in library.sets().items()},
            {stored.name: stored.vector.recommended_strength for stored in library.list()},
        ),
    )
    figure = Figure(figsize=(IMAGES * 1.15 + 1.4, 5.2), layout="constrained")
    grid = figure.subplots(2 * len(PROMPTS), IMAGES)
    for number, prompt in enumerate(PROMPTS):
        for line, steerings, label in (
            (grid[2 * number], [{}] * IMAGES, "as it is"),
            (grid[2 * number + 1], [one.strengths for one in plans], "with Trimtab"),
        ):
            rows = [Row(prompt, seed, steering=steering) for seed, steering in enumerate(steerings)]
            for axes, made in zip(line, engine.generate(rows, SAMPLING), strict=True):
                axes.imshow(made.image.resize((256, 256)))
                axes.set(xticks=[], yticks=[])
                axes.spines[:].set_visible(False)
            line[0].set_ylabel(label, rotation=0, ha="right", va="center")
        grid[2 * number][0].set_title(f"“{prompt}”", loc="left", fontsize=11)
    path = Path(__file__).parents[1] / "docs/images/before_after.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)


if __name__ == "__main__":
    main()
