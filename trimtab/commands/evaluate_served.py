"""The way of `trimtab evaluate fairness --served`: services in this process are asked, and what they serve is counted.

Entry point: `run_served`.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimtab.commands.console import Bars, hide_loading_bars
from trimtab.commands.detector_choice import open_detector
from trimtab.commands.evaluation_options import EvaluationOptions
from trimtab.commands.evaluation_run import tell, told_evaluation_errors
from trimtab.commands.library import opened_library

if TYPE_CHECKING:
    from evaluation.prompts import Prompt

REPLICAS = 2
"""Services that share a Redis, where one is given."""


def run_served(
    options: EvaluationOptions,
    images_per_prompt: int,
    images_per_request: int,
    sets: Sequence[str],
    prompts: Sequence[Prompt],
    redis_url: str | None,
) -> None:
    """Ask one service, or two that share a Redis, for pictures, and tell how even they are and what is left alone."""
    from evaluation import EvaluationError, ServedFairness
    from evaluation.prompts import UNTOUCHED_PROMPTS
    from evaluation.reports import served_sections
    from service.settings import SettingsError, load_settings
    from trimtab.commands.replicas import Replicas

    with told_evaluation_errors(SettingsError):
        _refuse_idle(options)
        hide_loading_bars()
        settings = load_settings(
            {
                "model": options.model,
                "vectors": options.vectors,
                "device": options.device,
                "dtype": options.dtype,
                "max_batch_rows": 2 * options.batch,
                "max_images": images_per_request,
                "max_steps": options.steps,
                "redis_url": redis_url,
            }
        )
        library = opened_library(options.vectors)
        known = library.sets()
        for name in sets:
            if name not in known:
                raise EvaluationError(f"there is no concept set {name!r}; the library has {', '.join(known)}")
        detector = open_detector(
            options.detector or ["oracle"],
            model=options.model,
            device=options.device,
            clip=options.clip,
            probe=options.probe,
            nudenet=options.nudenet,
        )
        evaluation = ServedFairness(
            {name: known[name].members for name in sets},
            detector,
            prompts=prompts,
            outside=UNTOUCHED_PROMPTS,
            images_per_prompt=images_per_prompt,
            images_per_request=images_per_request,
            seed=options.seed,
            mark=f"measured as {secrets.token_hex(8)}",
        )
        with (
            Bars() as progress,
            Replicas(
                settings, 1 if redis_url is None else REPLICAS, steps=options.steps, guidance=options.guidance
            ) as replicas,
        ):
            result = evaluation.result(replicas.serve, progress=progress)
            model, count = replicas.model, replicas.count
        facts: dict[str, Any] = {
            "evaluation": evaluation.name,
            "model": {"name": Path(options.model).name, "fingerprint": model.fingerprint},
            "sampling": {
                "scheduler": "ddim",
                "num_inference_steps": options.steps,
                "guidance_scale": options.guidance,
                "seed": options.seed,
            },
            "sets": list(sets),
            "replicas": count,
            "images_per_prompt": images_per_prompt,
            "methods": {name: policy.get("assignment", "") for name, policy in evaluation.policies.items()},
            "detector": detector.name,
            "vectors": {stored.reference: stored.digest for stored in library.list()},
        }
        tell(options, str(model.device), facts, result, served_sections(result))


def _refuse_idle(options: EvaluationOptions) -> None:
    """Refuse the options that say what is compared and where it is kept: a service has its own way."""
    from evaluation import EvaluationError

    for name in ("method", "compare", "out"):
        if getattr(options, name):
            raise EvaluationError(f"--{name} says nothing to a service: leave it or --served out")
