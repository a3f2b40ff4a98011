"""The thread that has a catalogue follow the shelf.

Entry point: `Watcher`.
"""

import logging
import time
from threading import Event, Thread
from typing import Final

from service.catalogue import Catalogue
from service.errors import StateUnavailableError

logger = logging.getLogger(__name__)

POLL_S: Final = 0.5
"""How often the shelf is asked whether something changed."""

TRY_AGAIN_S: Final = 10.0
"""How often what could not be served is tried again."""


class Watcher:
    """Asks twice a second whether the shelf changed; while it cannot be reached, new requests get what they got before.

    It is a thread of its own so that neither a busy event loop nor busy threads of requests hold it up.
    """

    def __init__(self, catalogue: Catalogue, poll_s: float = POLL_S) -> None:
        """Begin to watch."""
        self._catalogue = catalogue
        self._poll_s = poll_s
        self._closed = Event()
        self._thread = Thread(target=self._watch, name="catalogue", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Watch no longer; waits for a look that is being taken."""
        self._closed.set()
        self._thread.join()

    def _watch(self) -> None:
        reached = True
        tried_s = time.monotonic()
        while not self._closed.wait(self._poll_s):
            try:
                self._catalogue.poll()
                if not self._catalogue.is_whole and time.monotonic() - tried_s >= TRY_AGAIN_S:
                    tried_s = time.monotonic()
                    self._catalogue.try_again()
            except StateUnavailableError:
                if reached:
                    logger.warning("The shelf cannot be reached: new requests get what they got before.")
                reached = False
            except Exception:
                # Whatever it is, it may pass; the service goes on with what it has.
                logger.exception("The shelf cannot be followed; the next try is in %g s.", TRY_AGAIN_S)
                self._closed.wait(TRY_AGAIN_S)
            else:
                if not reached:
                    logger.warning("The shelf is back.")
                reached = True
