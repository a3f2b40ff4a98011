"""The one interface of what replicas share, and the choice of who keeps it.

Entry points: `SharedState`, `open_state`.
"""

from typing import Literal, Protocol

from pydantic import SecretStr

from policies.ledger import Ledger
from service.state.memory import MemoryState

StoreName = Literal["memory", "redis"]


class SharedState(Protocol):
    """What replicas share. Its calls block for as long as the store takes: not for the event loop.

    Where the store cannot be reached, every call raises StateUnavailableError within seconds; the next one that can
    reach it works again.
    """

    @property
    def store(self) -> StoreName:
        """Who keeps it."""
        ...

    @property
    def ledger(self) -> Ledger:
        """How many images every member of a concept set has been given."""
        ...

    def check(self) -> None:
        """Raise StateUnavailableError where the store does not answer."""
        ...

    def close(self) -> None:
        """Let go of its connections."""
        ...


def open_state(redis_url: SecretStr | None) -> SharedState:
    """Return the state kept in that Redis, or without one in this process; nothing is connected before it is used."""
    if redis_url is None:
        return MemoryState()
    from service.state.redis import RedisState

    return RedisState(redis_url.get_secret_value())
