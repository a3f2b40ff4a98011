"""Whether the service can serve: loading, ready or failed.

Entry point: `Readiness`, owned by the app's lifespan.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeAlias

from service.errors import LoadFailedError, NotReadyError
from service.generation import Generation
from service.loading import load_service
from service.settings import Settings

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
    """The model will not be loaded; the process needs another configuration."""

    error: LoadFailedError


State: TypeAlias = Loading | Ready | Failed


class Readiness:
    """Loads the model on the engine's thread and keeps the state; `on_change` hears each new one."""

    def __init__(
        self, settings: Settings, engine_thread: Executor, on_change: Callable[[State], None]
    ) -> None:
        self.state: State = Loading()
        self._settings = settings
        self._engine_thread = engine_thread
        self._on_change = on_change

    async def load(self) -> None:
        """Load, and end ready or failed."""
        loop = asyncio.get_running_loop()
        try:
            loaded = await loop.run_in_executor(self._engine_thread, load_service, self._settings)
        except LoadFailedError as error:
            self._enter(Failed(error))
        except Exception as error:
            logger.exception("Loading failed in an unforeseen way.")
            self._enter(Failed(LoadFailedError(f"Loading failed: {error!r}.", cure="See the log.")))
        else:
            self._enter(Ready(Generation(loaded, self._settings, self._engine_thread)))

    def generation(self) -> Generation:
        """Return what serves requests; raise NotReadyError or LoadFailedError where nothing does."""
        match self.state:
            case Ready(generation):
                return generation
            case Failed(error):
                raise error
            case Loading():
                raise NotReadyError(RETRY_AFTER_S)

    def _enter(self, state: State) -> None:
        self.state = state
        self._on_change(state)
