"""What of a request depends on the settings' limits and on the loaded model.

Entry points: `check_request`, `check_sampling`, `check_rules_can_act`, `check_words_fit`; `why_unread` and
`with_readable_words`; `time_given_s`. The engine checks again; here every refusal names its field.
"""

from diffusion import SCHEDULERS, DiffusionModel
from policies.concepts import Concepts
from policies.document import Policy
from policies.errors import WordError, choose_from
from policies.image_plan import ImagePlan, joined_negative_prompt, without_asked_words
from policies.safety_words import needs_guidance, words_of
from service.callers import Allowance
from service.errors import (
    ImageTooLargeError,
    ImpossibleSizeError,
    OverlongPromptError,
    SchedulerNotAllowedError,
    TooFewStepsError,
    TooLittleGuidanceError,
    TooManyImagesError,
    TooManyStepsError,
    TooMuchTimeError,
    TooMuchWorkError,
    UnknownSchedulerError,
)
from service.schemas import GenerateRequest
from service.settings import Settings


def check_request(
    request: GenerateRequest, model: DiffusionModel, settings: Settings, allowance: Allowance
) -> None:
    """Raise a RequestError that names the field unless the model can serve the request within the limits.

    More images at once than a tenant's allowance ever has are refused here: waiting would not help.
    Counting tokens may wait for a prompt that is being encoded, so this is not for the event loop.
    """
    limits = (settings.max_images, allowance.images_per_minute, allowance.concurrent_images)
    most = min(limit for limit in limits if limit is not None)
    if request.num_images > most:
        raise TooManyImagesError(
            f"{request.num_images} images are too many for one request.",
            field="num_images",
            value=request.num_images,
            cure=f"Ask for at most {most}.",
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


def check_sampling(request: GenerateRequest, policy: Policy, concepts: Concepts) -> None:
    """Raise a RequestError unless a policy can act at the request's sampling, and allows it.

    Negative prompts, and vectors in their place, act through guidance alone; and guidance amplifies all vectors.
    """
    rule = policy.sampling
    idle = [safety.concept for safety in policy.safety if needs_guidance(safety, concepts)]
    if idle and request.guidance_scale <= 1:
        raise TooLittleGuidanceError(
            f"At guidance {request.guidance_scale:g} the policy's {' and '.join(idle)} would not act.",
            field="guidance_scale",
            value=request.guidance_scale,
            cure="Ask for more than 1; 5 to 8 is usual.",
        )
    if rule.min_guidance_scale is not None and request.guidance_scale < rule.min_guidance_scale:
        raise TooLittleGuidanceError(
            f"The guidance {request.guidance_scale:g} is less than the policy asks for.",
            field="guidance_scale",
            value=request.guidance_scale,
            cure=f"Ask for at least {rule.min_guidance_scale:g}.",
        )
    if rule.min_steps is not None and request.num_inference_steps < rule.min_steps:
        raise TooFewStepsError(
            f"{request.num_inference_steps} inference steps are fewer than the policy asks for.",
            field="num_inference_steps",
            value=request.num_inference_steps,
            cure=f"Ask for at least {rule.min_steps}.",
        )
    if rule.schedulers is not None and request.scheduler not in rule.schedulers:
        raise SchedulerNotAllowedError(
            f"The policy does not allow the scheduler {request.scheduler!r}.",
            field="scheduler",
            value=request.scheduler,
            cure=choose_from(request.scheduler, rule.schedulers),
        )


def check_words_fit(
    request: GenerateRequest, policy: Policy, concepts: Concepts, model: DiffusionModel
) -> None:
    """Raise OverlongPromptError where the model would not read the end of a policy's and a request's words together."""
    if why_unread(request, model) is None:
        words = [one for rule in policy.safety if (one := words_of(rule, concepts))]
        _check_length("negative_prompt", joined_negative_prompt(words, request.negative_prompt), model)


def why_unread(request: GenerateRequest, model: DiffusionModel) -> str | None:
    """Return why the model would read no negative prompt for a request; None where it reads one."""
    if model.embeds_guidance:
        return "the model's guidance is built in, and it reads no negative prompt"
    if request.guidance_scale <= 1:
        return f"at guidance {request.guidance_scale:g} no negative prompt is read"
    return None


def with_readable_words(image_plan: ImagePlan, request: GenerateRequest, model: DiffusionModel) -> ImagePlan:
    """Return a plan without the words of the prompt's phrases where they would make the negative prompt too long.

    So no phrase makes a request fail. A policy's own words stay: what they leave no room is refused by
    `check_words_fit`.
    """
    if not any(one.by_phrase for one in image_plan.averted):
        return image_plan
    joined = joined_negative_prompt(image_plan.words, request.negative_prompt)
    fits = model.count_tokens(joined) <= model.token_limit
    return image_plan if fits else without_asked_words(image_plan)


def time_given_s(request: GenerateRequest, settings: Settings) -> float:
    """Return how long the client of a request waits for it, in seconds; raises TooMuchTimeError."""
    if request.timeout_s is None:
        return settings.timeout_s
    if request.timeout_s > settings.max_timeout_s:
        raise TooMuchTimeError(
            f"{request.timeout_s:g} seconds are more than a request may be given.",
            field="timeout_s",
            value=request.timeout_s,
            cure=f"Give at most {settings.max_timeout_s:g}, or hand it in as a job: POST /jobs.",
        )
    return request.timeout_s


def check_rules_can_act(policy: Policy, concepts: Concepts, model: DiffusionModel) -> None:
    """Raise WordError for a policy that acts where negative prompts are read, on a model that reads none."""
    for index, safety in enumerate(policy.safety):
        if not model.embeds_guidance:
            continue
        if safety.insists_on_words:
            raise WordError(
                "The model's guidance is built in: it reads no negative prompt.",
                field=f"safety.{index}.by",
                value=safety.by,
                cure="Leave it out, or write 'by: vector'.",
            )
        if needs_guidance(safety, concepts):
            raise WordError(
                f"The model's guidance is built in, and {safety.concept} is added where a negative prompt is read.",
                field=f"safety.{index}.concept",
                value=safety.concept,
                cure="Learn it with --halves conditional.",
            )


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
    pixel_steps = height * width * request.num_inference_steps * request.num_images
    if pixel_steps > settings.max_pixel_steps:
        most = settings.max_pixel_steps // (height * width * request.num_inference_steps)
        raise TooMuchWorkError(
            f"{request.num_images} images of {height} x {width} pixels in {request.num_inference_steps} steps are too "
            "much for one request.",
            field="num_images",
            value=request.num_images,
            cure=f"Keep images x height x width x steps within {settings.max_pixel_steps}: "
            + (
                f"ask for at most {most} such images."
                if most
                else "ask for a smaller picture or fewer steps."
            ),
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
