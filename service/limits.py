"""What of a request depends on the settings' limits and on the loaded model.

Entry point: `check_request`. The engine checks again; here every refusal names its field.
"""

from diffusion import SCHEDULERS, DiffusionModel
from policies.errors import choose_from
from service.errors import (
    ImageTooLargeError,
    ImpossibleSizeError,
    OverlongPromptError,
    TooManyImagesError,
    TooManyStepsError,
    UnknownSchedulerError,
)
from service.schemas import GenerateRequest
from service.settings import Settings


def check_request(request: GenerateRequest, model: DiffusionModel, settings: Settings) -> None:
    """Raise a RequestError that names the field unless the model can serve the request within the limits.

    Counting tokens may wait for a prompt that is being encoded, so this is not for the event loop.
    """
    if request.num_images > settings.max_images:
        raise TooManyImagesError(
            f"{request.num_images} images are too many for one request.",
            field="num_images",
            value=request.num_images,
            cure=f"Ask for at most {settings.max_images}.",
        )
    if request.num_inference_steps > settings.max_steps:
        raise TooManyStepsError(
            f"{request.num_inference_steps} inference steps are too many.",
            field="num_inference_steps",
            value=request.num_inference_steps,
            cure=f"Ask for at most {settings.max_steps}.",
        )
    if request.scheduler not in SCHEDULERS:
        raise UnknownSchedulerError(
            f"There is no scheduler {request.scheduler!r}.",
            field="scheduler",
            value=request.scheduler,
            cure=choose_from(request.scheduler, SCHEDULERS),
        )
    _check_size(request, model, settings)
    _check_length("prompt", request.prompt, model)
    _check_length("negative_prompt", request.negative_prompt, model)


def _check_size(request: GenerateRequest, model: DiffusionModel, settings: Settings) -> None:
    multiple = model.pixel_multiple
    for field, pixels in (("height", request.height), ("width", request.width)):
        if pixels is not None and pixels % multiple:
            lower = max(pixels // multiple, 1) * multiple
            raise ImpossibleSizeError(
                f"The {field} {pixels} is not a multiple of {multiple} pixels.",
                field=field,
                value=pixels,
                cure=f"Use {lower} or {lower + multiple}.",
            )
    default_height, default_width = model.default_size
    height, width = request.height or default_height, request.width or default_width
    if height * width > settings.max_pixels:
        field, pixels = ("height", height) if height >= width else ("width", width)
        raise ImageTooLargeError(
            f"An image of {height} x {width} pixels is too large.",
            field=field,
            value=pixels,
            cure=f"Keep height times width within {settings.max_pixels} pixels.",
        )


def _check_length(field: str, prompt: str, model: DiffusionModel) -> None:
    tokens = model.count_tokens(prompt)
    if tokens > model.token_limit:
        raise OverlongPromptError(
            f"The {field} has {tokens} tokens; the model reads {model.token_limit}.",
            field=field,
            value=prompt,
            cure=f"Shorten it by at least {tokens - model.token_limit} tokens; a word is one to three.",
        )
