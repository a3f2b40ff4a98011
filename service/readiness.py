"""Whether the service can serve: loading, ready or failed.

Entry point: `Readiness`, owned by the app's lifespan.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from policies.ledger import Ledger
from service.audit.log import AuditLog
from service.catalogue import Catalogue
from service.configured import ConfiguredPolicies
from service.errors import (
    AuditLogError,
    CredentialsError,
    EngineDownError,
    LoadFailedError,
    NotReadyError,
    ServiceError,
    StateUnavailableError,
)
from service.generation import Generation
from service.inscribing import open_inscriber
from service.loading import load_service
from service.observability.observer import NOBODY, Observer
from service.settings import Settings
from service.state.shared import SharedState
from service.stopwatch import Stopwatch
from service.watcher import Watcher

logger = logging.getLogger(__name__)

RETRY_AFTER_S = 5


@dataclass(frozen=True)
class Loading:
    """The model is being loaded."""


@dataclass(frozen=True)
class Ready:
    """Requests can be served."""

    generation: Generation
    catalogue: Catalogue
    spent_s: Mapping[str, float] = field(default_factory=dict)
    """What getting here was spent on, in seconds."""


@dataclass(frozen=True)
class Failed:
    """The service cannot serve and will not: the process needs another configuration, or a restart."""

    error: ServiceError


State: TypeAlias = Loading | Ready | Failed


class Readiness:
    """Loads the model and keeps the state; `on_change` hears each new one."""

    def __init__(
        self,
        settings: Settings,
        shared: SharedState,
        ledger: Ledger,
        on_change: Callable[[State], None],
        observer: Observer = NOBODY,
        audit: AuditLog | None = None,
    ) -> None:
        """`audit` is opened here, and closed by whoever made it."""
        self._state: State = Loading()
        self._audit = audit
        self._settings = settings
        self._shared = shared
        self._ledger = ledger
        self._on_change = on_change
        self._observer = observer
        self._catalogue: Catalogue | None = None
        self._watcher: Watcher | None = None

    @property
    def state(self) -> State:
        """Whether the service can serve now."""
        if isinstance(self._state, Ready) and (failure := self._state.generation.loaded.engine.failure):
            self._enter(Failed(EngineDownError(str(failure), cure="Restart the process.")))
        return self._state

    async def load(self) -> None:
        """Load, and end ready or failed."""
        try:
            # Before anything slow: what cannot be kept or signed is known at once.
            inscriber = await asyncio.to_thread(open_inscriber, self._settings)
            if self._audit is not None:
                await self._audit.open()
            loaded = await asyncio.to_thread(load_service, self._settings)
            watch = Stopwatch(loaded.load_s)
            with watch.spent_on("prompts"):
                generation = await asyncio.to_thread(
                    Generation,
                    loaded,
                    self._settings,
                    self._ledger,
                    observer=self._observer,
                    audit=self._audit,
                    inscriber=inscriber,
                )
            with watch.spent_on("shared state"):
                self._catalogue = Catalogue(generation, self._settings, self._shared)
                await self._opened(self._catalogue)
        except (LoadFailedError, AuditLogError, CredentialsError) as error:
            self._enter(Failed(error))
        except Exception as error:
            logger.exception("Loading failed in an unforeseen way.")
            self._enter(Failed(LoadFailedError(f"Loading failed: {error!r}.", cure="See the log.")))
        else:
            self._watcher = Watcher(self._catalogue)
            self._enter(Ready(generation, self._catalogue, watch.spent_s))

    def ready(self) -> Ready:
        """Return what serves requests; raise NotReadyError, LoadFailedError or EngineDownError where nothing does."""
        match self.state:
            case Ready() as ready:
                return ready
            case Failed(error):
                raise error
            case Loading():
                raise NotReadyError(RETRY_AFTER_S)

    def check_started(self) -> None:
        """Raise NotReadyError while loading goes on and what it failed of where it did, whatever came later."""
        match self._state:
            case Loading():
                raise NotReadyError(RETRY_AFTER_S)
            case Failed(error) if not isinstance(error, EngineDownError):
                raise error

    def check_alive(self) -> None:
        """Raise EngineDownError where only another process can go on."""
        match self.state:
            case Failed(EngineDownError() as error):
                raise error

    def generation(self) -> Generation:
        """Return what makes images; raises as `ready` does."""
        return self.ready().generation

    @property
    def policies(self) -> ConfiguredPolicies:
        """The policies that requests can name, or will be able to."""
        if isinstance(self._state, Ready):
            return self._state.generation.loaded.policies
        return self._settings.configured_policies

    def close(self) -> None:
        """Follow the shelf no longer, and let go of what was taken from it; it may take seconds."""
        if self._watcher is not None:
            self._watcher.close()
        if self._catalogue is not None:
            self._catalogue.close()

    async def _opened(self, catalogue: Catalogue) -> None:
        """Open a catalogue, as soon as it can be."""
        while True:
            try:
                return await asyncio.to_thread(catalogue.open)
            except StateUnavailableError:
                logger.warning(
                    "A configured policy may need what is on the shelf, which cannot be reached: not ready until it is."
                )
                await asyncio.sleep(RETRY_AFTER_S)

    def _enter(self, state: State) -> None:
        self._state = state
        self._on_change(state)
