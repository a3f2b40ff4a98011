"""From made images to what the audit log says of them.

Entry points: `entries_of`, `made_by`, `PromptsKept`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import Literal, TypeAlias

from diffusion import DiffusionModel
from service.audit.chain import text_digest
from service.audit.record import (
    AppliedVector,
    AvertedWords,
    ImageEntry,
    MadeBy,
    Prompts,
    SaidText,
    SampledWith,
    image_digest,
)
from service.planned import Planned
from service.provenance import Provenance, kind_of
from service.screen import Take

PromptsKept: TypeAlias = Literal["full", "digest", "none"]


def entries_of(
    planned: Planned,
    takes: Sequence[Take],
    records: Sequence[Provenance],
    model: DiffusionModel,
    kept: PromptsKept,
) -> tuple[ImageEntry, ...]:
    """Return one entry for each image of a request, in order; it reads all pixels: not for the event loop."""
    now = datetime.now(UTC)
    maker = made_by(model)

    def entry(number: int, take: Take, record: Provenance) -> ImageEntry:
        request = planned.request
        return ImageEntry(
            time=now,
            tenant=planned.tenant,
            request=planned.id,
            image=number,
            images=len(takes),
            attempt=1,
            outcome="withheld" if take.blocked else "served",
            prompts=Prompts(
                prompt=_said(request.prompt, kept),
                model_prompt=_said(take.plan.prompt, kept),
                negative_prompt=_said(request.negative_prompt, kept),
            ),
            policy=record.policy,
            policy_version=record.policy_version,
            policy_digest=record.policy_digest,
            floor=record.floor,
            floor_digest=record.floor_digest,
            model=record.model,
            base_model=record.base_model,
            sampling=SampledWith(
                seed=record.seed,
                num_inference_steps=record.num_inference_steps,
                guidance_scale=record.guidance_scale,
                scheduler=record.scheduler,
                height=record.height,
                width=record.width,
            ),
            applied=tuple(
                AppliedVector(
                    concept=one.concept,
                    reference=f"{one.concept}@{one.version}",
                    digest=one.digest,
                    strength=one.strength,
                    reason=one.reason if kept == "full" else kind_of(one.reason),
                )
                for one in record.applied
            ),
            averted=tuple(
                AvertedWords(
                    concept=one.concept,
                    words=one.words,
                    reason=one.reason if kept == "full" else kind_of(one.reason),
                )
                for one in record.averted
            ),
            screen=record.screen,
            made_by=maker,
            image_digest=image_digest(take.made.image),
        )

    return tuple(
        entry(number, take, record) for number, (take, record) in enumerate(zip(takes, records, strict=True))
    )


def made_by(model: DiffusionModel) -> MadeBy:
    """Return what makes pictures with this model here."""
    return MadeBy(
        trimtab=_installed("trimtab"),
        torch=_installed("torch"),
        diffusers=_installed("diffusers"),
        device=str(model.device),
        dtype=str(model.dtype).removeprefix("torch."),
    )


def _said(text: str, kept: PromptsKept) -> SaidText:
    match kept:
        case "full":
            return SaidText(text=text, digest=text_digest(text))
        case "digest":
            return SaidText(digest=text_digest(text))
        case "none":
            return SaidText()


@cache
def _installed(package: str) -> str:
    return version(package)
