"""Uploaded vector files: read as hostile input, and taken only where this service can steer with them.

Entry points: `read_upload`, `check_vector`, `content_digest`. Nothing is written and nothing of a file is executed.
"""

import hashlib
import math
from dataclasses import dataclass

import torch

from diffusion import DiffusionError
from diffusion.bank import check_fit
from service.errors import MisfitVectorError, UnsoundVectorError, VectorRangeError
from service.loading import LoadedModel
from vectors import ConceptVector, VectorError
from vectors.errors import VectorFormatError
from vectors.file_format import read_vector

MIN_NORM = 1e-3
"""The norm of a vector's map at its recommended strength, against its site's output, below which it does nothing."""


@dataclass(frozen=True)
class Upload:
    """A sound vector file that fits."""

    content: bytes
    digest: str
    """Of the file, not of the vector: the recommended strength and the prompts enter too."""
    vector: ConceptVector


def read_upload(content: bytes, loaded: LoadedModel, max_norm: float) -> Upload:
    """Return what a file holds.

    Raises UnsoundVectorError where it is no sound vector file, MisfitVectorError where its vector is not one for the
    loaded model, and VectorRangeError where it is too strong, or would do nothing.
    """
    try:
        vector = read_vector(content, "the file")
    except VectorFormatError as error:
        raise UnsoundVectorError(
            f"The file {error.problem}".rstrip(".") + ".",
            field="body",
            value=f"{len(content)} bytes",
            cure="Send the bytes of a vector's .safetensors file as the body, as curl --data-binary @FILE does.",
        ) from error
    check_vector(vector, loaded)
    _check_strength(vector, loaded, max_norm)
    return Upload(content, content_digest(content), vector)


def check_vector(vector: ConceptVector, loaded: LoadedModel) -> None:
    """Raise MisfitVectorError unless the vector is one for the loaded model."""
    # Others could only be measured while no images are made, and comparing vectors takes the measure.
    if vector.site not in loaded.scales:
        raise MisfitVectorError(
            f"The vector is for the site {vector.site!r:.80}, and this service steers {', '.join(loaded.scales)}.",
            field="site",
            value=vector.site,
            cure="Learn it at one of these, or put a vector of that site into the configured library and restart.",
        )
    try:
        check_fit(loaded.model.pipe.unet, vector)
    except (VectorError, DiffusionError) as error:
        raise MisfitVectorError(
            str(error), field="base_model", value=vector.base_model, cure="Send one learned on this model."
        ) from error
    start, end = vector.timesteps
    if end > loaded.model.num_train_timesteps:
        raise MisfitVectorError(
            f"The vector is for the timesteps {start:.6g} to {end:.6g}, and the model has "
            f"{loaded.model.num_train_timesteps}.",
            field="timesteps",
            value=None,
            cure="Send one learned on this model.",
        )


def content_digest(content: bytes) -> str:
    """Return the digest of a file, by which it is kept and verified."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _check_strength(vector: ConceptVector, loaded: LoadedModel, max_norm: float) -> None:
    strength, limit = abs(vector.recommended_strength), loaded.concepts.max_strength
    if not 0 < strength <= limit:
        raise VectorRangeError(
            f"The recommended strength {vector.recommended_strength:g} is out of range.",
            field="recommended_strength",
            value=vector.recommended_strength,
            cure=f"It must not be 0, and be between -{limit:g} and {limit:g}: scale the vector instead.",
        )
    size = math.sqrt(vector.values.numel()) * loaded.scales[vector.site]
    whose = (
        ("vector's norm",)
        if len(vector.maps) == 1
        else ("conditional map's norm", "unconditional map's norm")
    )
    for name, values in zip(whose, vector.maps, strict=True):
        norm = float(torch.linalg.vector_norm(values, dtype=torch.float64)) * strength / size
        if not MIN_NORM <= norm <= max_norm:
            raise VectorRangeError(
                f"At its recommended strength the {name} is {norm:.3g} times that of what it is added to.",
                field="vector",
                value=norm,
                cure=f"It must be between {MIN_NORM:g} and {max_norm:g}; max_vector_norm sets how much is allowed.",
            )
