"""Loading what a service process serves with: the model, its vectors, engine and screen, and the policies checked.

Entry points: `load_service` (it blocks; for the engine's thread) and what it returns, `LoadedModel`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demo_model import pipeline_path
from detectors import DetectorError
from diffusion import DiffusionError, DiffusionModel, Engine, load_model
from diffusion.bank import check_fit
from policies.check import check_policy
from policies.concepts import Concepts
from policies.errors import PolicyError
from policies.floor import check_floor, under_floor
from policies.screen_rule import check_screen
from service.concepts import concepts_of
from service.errors import LoadFailedError
from service.limits import check_words_can_act
from service.screen import Screen, open_screen
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
    concepts: Concepts
    """What policies know of the vectors."""
    screen: Screen | None = None
    """What looks at finished images; None where no policy can ask for it."""

    @property
    def model(self) -> DiffusionModel:
        """The model under the engine."""
        return self.engine.model

    @property
    def screened_categories(self) -> tuple[str, ...]:
        """The unsafe content that finished images can be looked at for."""
        return () if self.screen is None else self.screen.categories


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
    try:
        screen = open_screen(settings)
    except DetectorError as error:
        raise LoadFailedError(
            f"The screen detector {settings.screen} cannot be loaded: {error}",
            cure="Set screen_detector, screen_clip or screen_nudenet to what is there.",
        ) from error
    concepts = concepts_of(
        model, {name: stored.vector for name, stored in vectors.items()}, sets, settings.max_strength
    )
    loaded = LoadedModel(_public_name(settings.model), engine, vectors, concepts, screen)
    _check_policies(settings, loaded, library)
    return loaded


def _check_policies(settings: Settings, loaded: LoadedModel, library: VectorLibrary) -> None:
    """Raise LoadFailedError unless every configured policy can be followed, and the floor under each."""
    floor = settings.held_floor
    if floor is not None:
        try:
            check_floor(floor, loaded.concepts)
            check_words_can_act(floor, loaded.model)
            check_screen(floor.screen, loaded.screened_categories)
        except PolicyError as error:
            raise LoadFailedError(
                f"The floor cannot be held with the vectors in {library.root} ({error.field}): {error}",
                cure="Publish what is missing there, or set another floor in the configuration.",
            ) from error
    for name, policy in settings.policies.items():
        try:
            check_policy(policy, loaded.concepts)
            check_words_can_act(under_floor(policy, floor, loaded.concepts), loaded.model)
            check_screen(policy.screen, loaded.screened_categories)
        except PolicyError as error:
            raise LoadFailedError(
                f"The policy {name!r} cannot be followed with the vectors in {library.root} "
                f"({error.field}): {error}",
                cure="Publish what is missing there, or set other policies in the configuration.",
            ) from error


def _public_name(model: str) -> str:
    """The model's name in answers and images: the server's folders are nobody's business."""
    return Path(model).resolve().name if Path(model).is_dir() else model
