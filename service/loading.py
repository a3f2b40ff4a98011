"""Loading what a service process serves with: the model, the configured vectors, engine and screen.

Entry points: `load_service` and, for who serves nobody else, `load_alone` (they block); `check_configured`; and what
they return, `LoadedModel`.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from demo_model import pipeline_path
from detectors import DetectorError
from diffusion import DiffusionError, DiffusionModel, Engine, load_model
from diffusion.bank import check_fit
from diffusion.errors import SiteError
from diffusion.loading import LOADING
from diffusion.site import BOTTLENECK, prompt_reader, resolve_site
from policies.concepts import Concepts
from service.concepts import concepts_of, site_scales
from service.configured import ConfiguredPolicies
from service.errors import LoadFailedError
from service.following import Unfollowed, unfollowed
from service.screen import Screen, open_screen
from service.settings import DEMO_MODEL, Settings
from service.stopwatch import Stopwatch
from vectors import ConceptVector, StoredVector, VectorError, VectorLibrary, shipped_library


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to generate, and all that a request is planned with at one moment.

    It never changes: what is published, retired or reloaded makes another one, in `service.catalogue`.
    """

    name: str
    engine: Engine
    vectors: Mapping[str, StoredVector]
    """Concept -> the version that new requests get."""
    concepts: Concepts
    """What policies know of the vectors."""
    policies: ConfiguredPolicies
    scales: Mapping[str, float]
    """Site -> the root mean square of its output; of others no vector can be served."""
    screen: Screen | None = None
    """What looks at finished images; None where no policy can ask for it."""
    load_s: Mapping[str, float] = field(default_factory=dict)
    """What loading it was spent on, in seconds."""

    @property
    def model(self) -> DiffusionModel:
        """The model under the engine."""
        return self.engine.model

    @property
    def screened_categories(self) -> tuple[str, ...]:
        """The unsafe content that finished images can be looked at for."""
        return () if self.screen is None else self.screen.categories

    def with_vectors(self, vectors: Mapping[str, StoredVector]) -> "LoadedModel":
        """Return the same with these vectors for new requests."""
        concepts = _concepts(vectors, self.concepts.sets, self.concepts.max_strength, self.scales)
        return replace(self, vectors=vectors, concepts=concepts)

    def unfollowed(self) -> list[Unfollowed]:
        """Return what keeps the configured policies from being followed."""
        return unfollowed(self.policies, self.concepts, self.model, self.screened_categories)


def load_service(settings: Settings) -> LoadedModel:
    """Load the model and the latest versions of the configured library.

    Raises LoadFailedError where a part is missing or does not fit the others. Whether the policies can be followed is
    asked afterwards, by `check_configured`: it depends on what else is published.
    """
    watch = Stopwatch()
    library = shipped_library() if settings.vectors is None else VectorLibrary(settings.vectors)
    try:
        source = pipeline_path() if settings.model == DEMO_MODEL else settings.model
        with watch.spent_on("weights"):
            model = load_model(source, device=settings.device, dtype=settings.dtype)
    except DiffusionError as error:
        raise LoadFailedError(str(error), cure="Set the model with --model or TRIMTAB_MODEL.") from error
    try:
        with watch.spent_on("vectors"):
            vectors = {stored.name: stored for stored in library.list()}
            # Measured before there is an engine: from then on the model is the engine's alone.
            scales = site_scales(model, _sites(model, [stored.vector for stored in vectors.values()]))
            for stored in vectors.values():
                check_fit(model.pipe.unet, stored.vector)
        sets = {name: concept_set.members for name, concept_set in library.sets().items()}
    except (VectorError, DiffusionError) as error:
        raise LoadFailedError(
            str(error), cure="Set a library of this model's vectors with --vectors or TRIMTAB_VECTORS."
        ) from error
    try:
        with watch.spent_on("engine"):
            engine = Engine(
                model,
                library,
                settings.max_batch_rows,
                max_waiting=settings.max_waiting,
                max_waiting_per_tenant=settings.max_waiting_per_tenant,
                execution=settings.execution,
                sites=scales,
                weights=settings.configured_policies.shares,
            )
    except DiffusionError as error:
        raise LoadFailedError(str(error), cure="Set it with TRIMTAB_EXECUTION.") from error
    try:
        with watch.spent_on("screen"), LOADING:
            screen = open_screen(settings)
    except DetectorError as error:
        raise LoadFailedError(
            f"The screen detector {settings.screen} cannot be loaded: {error}",
            cure="Set screen_detector, screen_clip or screen_nudenet to what is there.",
        ) from error
    concepts = _concepts(vectors, sets, settings.max_strength, scales)
    return LoadedModel(
        _public_name(settings.model),
        engine,
        vectors,
        concepts,
        settings.configured_policies,
        scales,
        screen,
        watch.spent_s,
    )


def load_alone(settings: Settings) -> LoadedModel:
    """Load the same for a process without shared state; raises LoadFailedError where a policy cannot be followed."""
    loaded = load_service(settings)
    check_configured(loaded, loaded.engine.vectors.root)
    return loaded


def check_configured(loaded: LoadedModel, where: object) -> None:
    """Raise LoadFailedError unless every configured policy can be followed, with the floor, by the vectors `where`.

    A service that could not follow one of its policies does not start.
    """
    problems = loaded.unfollowed()
    if problems:
        raise LoadFailedError(
            f"With the vectors in {where}: {problems[0]}",
            cure="Publish what is missing, or set other policies in the configuration.",
        )


def _concepts(
    vectors: Mapping[str, StoredVector],
    sets: Mapping[str, Sequence[str]],
    max_strength: float,
    scales: Mapping[str, float],
) -> Concepts:
    return concepts_of({name: stored.vector for name, stored in vectors.items()}, sets, max_strength, scales)


def _sites(model: DiffusionModel, vectors: Sequence[ConceptVector]) -> list[str]:
    """Return the sites of the vectors and those where others are usually learned, as far as the model has them."""
    usual = [BOTTLENECK, prompt_reader(model.pipe.unet)]
    sites = []
    for site in dict.fromkeys([*usual, *(vector.site for vector in vectors)]):
        with suppress(SiteError):
            resolve_site(model.pipe.unet, site)
            sites.append(site)
    return sites


def _public_name(model: str) -> str:
    """The model's name in answers and images: the server's folders are nobody's business."""
    return Path(model).resolve().name if Path(model).is_dir() else model
