"""Logging as it was, for tests of what changes it for a whole process."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

_ROOMS = ("service", "trimtab", "diffusion", "policies", "vectors", "detectors")
_CHANGED = ("", *_ROOMS, "uvicorn", "uvicorn.error")


@contextmanager
def kept_logging() -> Iterator[None]:
    """Leave the loggers that a served process configures as they were."""
    loggers = [logging.getLogger(name) for name in _CHANGED]
    before = [(logger.handlers, logger.level, logger.propagate) for logger in loggers]
    try:
        yield
    finally:
        logging.captureWarnings(False)
        for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
