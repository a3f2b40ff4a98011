"""Making an image again from its line, and comparing it with what the line says of its pixels.

Entry points: `lines_to_replay`, `replay`, and what it returns, `Replayed`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image

from diffusion import Row, Sampling
from policies.image_plan import joined_negative_prompt
from policies.responsible_phrases import Phrases, read_phrases
from service.audit.chain import text_digest
from service.audit.entries import made_by
from service.audit.reading import Chain
from service.audit.record import ImageEntry, SaidText, image_digest
from service.audit.search import Wanted, search
from service.errors import NotInLogError, ReplayError
from service.loading import LoadedModel
from vectors import VectorError
from vectors.names import Reference


@dataclass(frozen=True)
class Replayed:
    """An image that was made again."""

    entry: ImageEntry
    image: Image.Image
    image_digest: str
    is_equal: bool
    """Whether every pixel is the one that was served."""
    differences: tuple[str, ...]
    """What is known to be different now, where it is not equal; of versions and devices also where it is."""


def lines_to_replay(chains: Sequence[Chain], id: str) -> tuple[ImageEntry, list[ImageEntry]]:
    """Return the image that REQUEST:NUMBER or REQUEST names, and all images of its request; raises NotInLogError."""
    request, _, number = id.partition(":")
    found = search(chains, Wanted(request=request)).images if request else ()
    if not found:
        raise NotInLogError(
            f"The audit log has no image of the request {request!r:.100}.",
            value=id,
            cure="'trimtab audit query' lists what it has; an answer names its request in X-Trimtab-Id.",
        )
    requests = sorted({entry.request for entry in found})
    if len(requests) > 1:
        raise NotInLogError(
            f"{len(requests)} requests begin with {request!r}.",
            value=id,
            cure=f"Give more of the id: {', '.join(requests[:5])}.",
        )
    numbers = {entry.image: entry for entry in found}
    wanted = number or ("0" if len(numbers) == 1 else "")
    if not wanted.isascii() or not wanted.isdecimal() or int(wanted) not in numbers:
        there = ", ".join(f"{requests[0]}:{known}" for known in sorted(numbers))
        raise NotInLogError(f"{id!r:.100} names no one image.", value=id, cure=f"There are: {there}.")
    return numbers[int(wanted)], [numbers[number] for number in sorted(numbers)]


def replay(
    entry: ImageEntry,
    request: Sequence[ImageEntry],
    loaded: LoadedModel,
    phrases: Phrases,
    *,
    prompt: str | None = None,
    negative_prompt: str | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Replayed:
    """Make the image of a line again, together with the other images of its request as it was then.

    Where the log keeps no prompts they are given here, and checked against their digests. Raises ReplayError where
    model, vectors or prompts are not those of the line.
    """
    if loaded.model.fingerprint != entry.base_model:
        raise ReplayError(
            f"The image was made by the base model {entry.base_model} ({entry.model}), and {loaded.name} is "
            f"{loaded.model.fingerprint}.",
            value=entry.base_model,
            cure="Name the model of then with --model or in the --config file.",
        )
    given = _prompt(entry, prompt, phrases)
    asked = _text(entry.prompts.negative_prompt, negative_prompt, "negative prompt", "--negative-prompt", "")
    together = _together(entry, request)
    rows = [_row(one, seed, given, asked, loaded) for one, seed in together]
    mine = next(number for number, (one, _) in enumerate(together) if one.image == entry.image)
    sampling = Sampling(
        num_inference_steps=entry.sampling.num_inference_steps,
        guidance_scale=entry.sampling.guidance_scale,
        height=entry.sampling.height,
        width=entry.sampling.width,
        scheduler=entry.sampling.scheduler,
    )
    image = loaded.engine.generate(rows, sampling, on_step)[mine].image
    if image_digest(image) != entry.image_digest and len(rows) > 1:
        # It may have joined others' batches: alone it rounds otherwise.
        alone = loaded.engine.generate([rows[mine]], sampling, on_step)[0].image
        image = alone if image_digest(alone) == entry.image_digest else image
    digest = image_digest(image)
    is_equal = digest == entry.image_digest
    differences = _differences(entry, loaded)
    if not is_equal and not differences:
        differences = ["It shared its steps with other requests' images, which rounds otherwise."]
    return Replayed(entry, image, digest, is_equal, tuple(differences))


def _together(entry: ImageEntry, request: Sequence[ImageEntry]) -> list[tuple[ImageEntry, int]]:
    """Return the images that were made in one go with this one, and their seeds then.

    How many rows share a step decides how sums are rounded. Those that a screen passed were not among the next try's.
    """
    tries = 1 if entry.screen is None else len(entry.screen.attempts)
    return [
        (one, one.sampling.seed if one.screen is None else one.screen.attempts[tries - 1].seed)
        for one in request
        if tries == 1 or (one.screen is not None and len(one.screen.attempts) >= tries)
    ]


def _row(entry: ImageEntry, seed: int, prompt: str, asked: str, loaded: LoadedModel) -> Row:
    steering = {_found(one.reference, one.digest, loaded): one.strength for one in entry.applied}
    return Row(prompt, seed, joined_negative_prompt([one.words for one in entry.averted], asked), steering)


def _found(reference: str, digest: str, loaded: LoadedModel) -> str:
    """Return the reference of the vector with this digest, whatever version it is by now; raises ReplayError."""
    library, name = loaded.engine.vectors, Reference.parse(reference).concept
    candidates = [reference, *(f"{name}@{version}" for version in library.versions(name))]
    for candidate in dict.fromkeys(candidates):
        try:
            if library.resolve(candidate).digest == digest:
                return candidate
        except VectorError:
            continue
    raise ReplayError(
        f"The vector {reference} with the digest {digest} is not in the library.",
        value=reference,
        cure="Name the library of then with --vectors, or the configuration with its redis_url and vector_store.",
    )


def _prompt(entry: ImageEntry, given: str | None, phrases: Phrases) -> str:
    """Return what the model read."""
    said = entry.prompts.model_prompt
    if said.text is not None:
        return said.text
    text = _text(entry.prompts.prompt, given, "prompt", "--prompt")
    if said.digest in (None, text_digest(text)):
        return text
    without = read_phrases(text, phrases).prompt
    if text_digest(without) == said.digest:
        return without
    raise ReplayError(
        "The model read another text than the prompt, without phrases that are not known here.",
        value=said.digest,
        cure="Name the configuration of then with --config: its phrases are missing.",
    )


def _text(said: SaidText, given: str | None, what: str, option: str, default: str | None = None) -> str:
    """Return a text of the caller's: as it is kept, or as it is given where it has the digest that is kept."""
    if said.text is not None:
        return said.text
    text = given if given is not None else default
    if text is None or (given is None and said.digest not in (None, text_digest(text))):
        raise ReplayError(
            f"The audit log does not keep the {what} of this image.", cure=f"Give it with {option}."
        )
    if said.digest not in (None, text_digest(text)):
        raise ReplayError(
            f"The {what} that is given is not the one of then: its digest is {text_digest(text)}, and the line has "
            f"{said.digest}.",
            cure=f"Give the very text with {option}.",
        )
    return text


def _differences(entry: ImageEntry, loaded: LoadedModel) -> list[str]:
    now, then = made_by(loaded.model).model_dump(), entry.made_by.model_dump()
    return [f"{name}: {then[name]} then, {now[name]} now" for name in then if then[name] != now[name]]
