"""The API of Stable Diffusion WebUI (AUTOMATIC1111's and its forks): request, answer, samplers, models, errors.

Entry points: `Txt2ImgRequest`, `txt2img_answer`, `samplers`, `checkpoint`, `error_body`.
"""

import base64
import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final

from pydantic import Field, JsonValue, PrivateAttr, model_validator

from policies.errors import choose_from
from service.answers import encoded_picture, json_item
from service.errors import NotFiniteError, UnknownSchedulerError
from service.generated import Generated, ProvenImage
from service.schemas import (
    ErrorDetail,
    GenerateRequest,
    Guidance,
    PolicyOrName,
    Positive,
    Prompt,
    WrittenPrompt,
)
from service.wire.asked import ClientBody, asked
from service.wire.webui_answers import Checkpoint, Sampler, WebUIError
from service.wire.webui_fields import NEUTRAL, ignored_in

NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "num_images": "batch_size",
        "num_inference_steps": "steps",
        "guidance_scale": "cfg_scale",
        "scheduler": "sampler_name",
    }
)
"""What WebUI calls the service's fields."""

SAMPLERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "DDIM": "ddim",
        "Euler": "euler",
        "Euler a": "euler-ancestral",
        "DPM++ 2M": "dpm++-2m",
        "LCM": "lcm",
        "PLMS": "pndm",
    }
)
"""WebUI's samplers and the service's schedulers."""


class Txt2ImgRequest(ClientBody):
    """The body of POST /sdapi/v1/txt2img. What WebUI alone knows is accepted, and named in `info`."""

    prompt: WrittenPrompt
    negative_prompt: Prompt | None = None
    seed: Annotated[int, Field(strict=True, ge=-1, lt=2**63)] | None = Field(
        default=None, description="Of the first image; -1 draws one."
    )
    steps: Positive | None = None
    cfg_scale: Guidance | None = None
    width: Positive | None = None
    height: Positive | None = None
    sampler_name: str | None = Field(default=None, examples=["DDIM", "Euler a"])
    sampler_index: str | None = Field(default=None, description="An older name of sampler_name.")
    batch_size: Positive | None = None
    n_iter: Positive | None = Field(default=None, description="Batches, of batch_size images each.")
    policy: PolicyOrName | None = Field(default=None, description="The service's own.")
    _given: Mapping[str, JsonValue] = PrivateAttr(default_factory=dict)
    _ignored: tuple[str, ...] = PrivateAttr(default=())

    @model_validator(mode="wrap")
    @classmethod
    def _without_ignored(cls, given: object, check: Callable[[object], "Txt2ImgRequest"]) -> "Txt2ImgRequest":
        if not isinstance(given, Mapping):
            return check(given)
        for name in NEUTRAL.keys() & given.keys():
            _check_finite(name, given[name])
        body = check({name: value for name, value in given.items() if name not in NEUTRAL})
        body._given, body._ignored = dict(given), ignored_in(given)
        return body

    @property
    def given(self) -> Mapping[str, JsonValue]:
        """What the client sent."""
        return self._given

    @property
    def ignored(self) -> tuple[str, ...]:
        """The fields of it that ask for something that is not done."""
        return self._ignored

    def request(self) -> GenerateRequest:
        """Return what to draw; raises UnknownSchedulerError."""
        return asked(
            {
                "prompt": self.prompt,
                "negative_prompt": self.negative_prompt,
                "num_images": (self.batch_size or 1) * (self.n_iter or 1),
                "seed": None if self.seed == -1 else self.seed,
                "num_inference_steps": self.steps,
                "guidance_scale": self.cfg_scale,
                "width": self.width,
                "height": self.height,
                "scheduler": _scheduler(self.sampler_name or self.sampler_index),
                "policy": self.policy,
            }
        )


def txt2img_answer(generated: Generated, body: Txt2ImgRequest) -> dict[str, JsonValue]:
    """Return the pictures with what WebUI says of them; in a blocked one's place is one of words on grey."""
    images = [base64.b64encode(encoded_picture(made, "png")).decode("ascii") for made in generated.images]
    return {
        "images": [*images],
        "parameters": dict(body.given),
        "info": json.dumps(_info(generated, body), ensure_ascii=True),
    }


def samplers() -> list[Sampler]:
    """Return what GET /sdapi/v1/samplers answers."""
    return [Sampler(name=name, aliases=(ours,)) for name, ours in SAMPLERS.items()]


def checkpoint(name: str, fingerprint: str) -> Checkpoint:
    """Return what GET /sdapi/v1/sd-models says of a model."""
    digest = fingerprint.removeprefix("sha256:")
    return Checkpoint(title=name, model_name=name, hash=digest[:10], sha256=digest, filename=name)


def error_body(_status: int, detail: ErrorDetail) -> dict[str, JsonValue]:
    """Return an error as WebUI's own API has it."""
    said = f"{detail.message} {detail.cure}"
    return WebUIError(error=detail.code, detail=said, body=detail.field or "", errors=said).model_dump(
        mode="json"
    )


def _check_finite(name: str, value: object) -> None:
    """Refuse what Python's parser reads and JSON has not: the answer repeats the request."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError as error:
        raise NotFiniteError(
            f"{name} holds a number that is not finite.", field=name, value=value, cure="Leave it out."
        ) from error


def _scheduler(sampler: str | None) -> str | None:
    """Return the scheduler of a sampler, by WebUI's name for it or the service's; None for the default one."""
    if not sampler:
        return None
    known = {name.lower(): ours for name, ours in SAMPLERS.items()} | {
        ours: ours for ours in SAMPLERS.values()
    }
    if sampler.lower() not in known:
        raise UnknownSchedulerError(
            f"There is no sampler {sampler!r:.50}.",
            field="scheduler",
            value=sampler,
            cure=choose_from(sampler, SAMPLERS),
        )
    return known[sampler.lower()]


def _info(generated: Generated, body: Txt2ImgRequest) -> dict[str, Any]:
    """WebUI's account of a request, and under `trimtab` the service's own."""
    records = [made.record for made in generated.images]
    first = records[0]
    return {
        "prompt": first.prompt,
        "all_prompts": [record.prompt for record in records],
        "negative_prompt": first.negative_prompt,
        "all_negative_prompts": [record.negative_prompt for record in records],
        "seed": first.seed,
        "all_seeds": [record.seed for record in records],
        "subseed": first.seed,
        "all_subseeds": [record.seed for record in records],
        "subseed_strength": 0,
        "width": first.width,
        "height": first.height,
        "sampler_name": _sampler(first.scheduler),
        "cfg_scale": first.guidance_scale,
        "steps": first.num_inference_steps,
        "batch_size": body.batch_size or 1,
        "restore_faces": False,
        "sd_model_name": generated.model,
        "sd_model_hash": first.base_model.removeprefix("sha256:")[:10],
        "extra_generation_params": {},
        "index_of_first_image": 0,
        "infotexts": [_infotext(made) for made in generated.images],
        "styles": [],
        "clip_skip": 1,
        "trimtab": {
            "id": generated.id,
            "ignored": list(body.ignored),
            "images": [
                json_item(made).model_dump(mode="json", exclude={"b64_json"}) for made in generated.images
            ],
        },
    }


def _infotext(made: ProvenImage) -> str:
    """The lines that WebUI writes of a picture, and that its clients parse."""
    record = made.record
    settings = {
        "Steps": record.num_inference_steps,
        "Sampler": _sampler(record.scheduler),
        "CFG scale": f"{record.guidance_scale:g}",
        "Seed": record.seed,
        "Size": f"{record.width}x{record.height}",
        "Model hash": record.base_model.removeprefix("sha256:")[:10],
        "Model": record.model,
        "Version": record.generator,
    }
    last = ", ".join(f"{name}: {value}" for name, value in settings.items())
    negative = f"\nNegative prompt: {record.negative_prompt}" if record.negative_prompt else ""
    return f"{record.prompt}{negative}\n{last}"


def _sampler(scheduler: str) -> str:
    return next(name for name, ours in SAMPLERS.items() if ours == scheduler)
