"""Pages of other origins, and what they may do: nothing, unless the configuration names the origins.

Entry point: `allow_origins`.
"""

from collections.abc import Sequence
from typing import Final

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

_SENT: Final = ("Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "X-API-Key")
_READ: Final = (
    *("Idempotent-Replayed", "Location", "Retry-After"),
    *("X-Trimtab-Degraded", "X-Trimtab-Id", "X-Trimtab-Screen", "X-Trimtab-Seed"),
)


def allow_origins(app: FastAPI, origins: Sequence[str]) -> None:
    """Let pages of these origins send requests and read the answers; none where there are none.

    Credentials that browsers add by themselves, such as cookies, are never asked for: a page has to have a key.
    """
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=("GET", "POST", "DELETE"),
            allow_headers=_SENT,
            expose_headers=_READ,
        )
