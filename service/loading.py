"""Loading what a service process serves with: the model, its vectors and engine, and the policies checked.

Entry points: `load_service` (it blocks; for the engine's thread) and what it returns, `LoadedModel`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demo_model import pipeline_path
from diffusion import DiffusionError, DiffusionModel, Engine, load_model
from diffusion.bank import check_fit
from policies.check import check_policy
from policies.errors import PolicyError
from service.errors import LoadFailedError
from service.settings import DEMO_MODEL, Settings
from vectors import StoredVector, VectorError, VectorLibrary, shipped_library


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to generate, and what policies can name on it.

    The vectors are those that were the latest when it was loaded: what is published later is served
    after a restart, so that one process steers alike from its first request to its last.
    """

    name: str
    engine: Engine
    vectors: Mapping[str, StoredVector]
    sets: Mapping[str, tuple[str, ...]]

    @property
    def model(self) -> DiffusionModel:
        """The model under the engine."""
        return self.engine.model

    @property
    def recommended(self) -> dict[str, float]:
        """Every concept that has a vector, and the vector's recommended strength."""
        return {concept: stored.vector.recommended_strength for concept, stored in self.vectors.items()}


def load_service(settings: Settings) -> LoadedModel:
    """Load the model and its vectors, and check every configured policy against them.

    Raises LoadFailedError where a part is missing or does not fit the others: a service that could
    not follow one of its policies does not start.
    """
    library = shipped_library() if settings.vectors is None else VectorLibrary(settings.vectors)
    try:
        source = pipeline_path() if settings.model == DEMO_MODEL else settings.model
        model = load_model(source, device=settings.device, dtype=settings.dtype)
    except DiffusionError as error:
        raise LoadFailedError(str(error), cure="Set the model with --model or TRIMTAB_MODEL.") from error
    try:
        vectors = {stored.name: stored for stored in library.list()}
        for stored in vectors.values():
            check_fit(model.pipe.unet, stored.vector)
        sets = {name: concept_set.members for name, concept_set in library.sets().items()}
    except (VectorError, DiffusionError) as error:
        raise LoadFailedError(
            str(error), cure="Set a library of this model's vectors with --vectors or TRIMTAB_VECTORS."
        ) from error
    try:
        engine = Engine(
            model,
            library,
            settings.max_batch_rows,
            max_waiting=settings.max_waiting,
            execution=settings.execution,
        )
    except DiffusionError as error:
        raise LoadFailedError(str(error), cure="Set it with TRIMTAB_EXECUTION.") from error
    loaded = LoadedModel(_public_name(settings.model), engine, vectors, sets)
    for name, policy in settings.policies.items():
        try:
            check_policy(
                policy, sets=loaded.sets, recommended=loaded.recommended, max_strength=settings.max_strength
            )
        except PolicyError as error:
            raise LoadFailedError(
                f"The policy {name!r} cannot be followed with the vectors in {library.root} "
                f"({error.field}): {error}",
                cure="Publish what is missing there, or set other policies in the configuration.",
            ) from error
    return loaded


def _public_name(model: str) -> str:
    """The model's name in answers and images: the server's folders are nobody's business."""
    return Path(model).resolve().name if Path(model).is_dir() else model
