"""Whether the service can serve: loading, ready or failed.

Entry point: `Readiness`, owned by the app's lifespan.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from service.errors import EngineDownError, LoadFailedError, NotReadyError, ServiceError
from service.generation import Generation
from service.loading import load_service
from service.settings import Settings
from service.state.shared import SharedState

logger = logging.getLogger(__name__)

RETRY_AFTER_S = 5


@dataclass(frozen=True)
class Loading:
    """The model is being loaded."""


@dataclass(frozen=True)
class Ready:
    """Requests can be served."""

    generation: Generation


@dataclass(frozen=True)
class Failed:
    """The service cannot serve and will not: the process needs another configuration, or a restart."""

    error: ServiceError


State: TypeAlias = Loading | Ready | Failed


class Readiness:
    """Loads the model and keeps the state; `on_change` hears each new one."""

    def __init__(self, settings: Settings, shared: SharedState, on_change: Callable[[State], None]) -> None:
        self._state: State = Loading()
        self._settings = settings
        self._shared = shared
        self._on_change = on_change

    @property
    def state(self) -> State:
        """Whether the service can serve now."""
        if isinstance(self._state, Ready) and (failure := self._state.generation.loaded.engine.failure):
            self._enter(Failed(EngineDownError(str(failure), cure="Restart the process.")))
        return self._state

    async def load(self) -> None:
        """Load, and end ready or failed."""
        try:
            loaded = await asyncio.to_thread(load_service, self._settings)
        except LoadFailedError as error:
            self._enter(Failed(error))
        except Exception as error:
            logger.exception("Loading failed in an unforeseen way.")
            self._enter(Failed(LoadFailedError(f"Loading failed: {error!r}.", cure="See the log.")))
        else:
            self._enter(Ready(Generation(loaded, self._settings, self._shared.ledger)))

    def generation(self) -> Generation:
        """Return what serves requests; raise NotReadyError, LoadFailedError or EngineDownError where nothing does."""
        match self.state:
            case Ready(generation):
                return generation
            case Failed(error):
                raise error
            case Loading():
                raise NotReadyError(RETRY_AFTER_S)

    def _enter(self, state: State) -> None:
        self._state = state
        self._on_change(state)
