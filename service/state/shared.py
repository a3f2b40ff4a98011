"""The one interface of what replicas share, and the choice of who keeps it.

Entry points: `SharedState`, `open_state`.
"""

from typing import Literal, Protocol

from pydantic import SecretStr

from policies.ledger import Ledger
from service.state.allowances import Allowances
from service.state.answers import Answers
from service.state.blobs import Blobs
from service.state.jobs import Jobs
from service.state.memory import MemoryState
from service.state.options import StateOptions
from service.state.pictures import Pictures
from service.state.shelf import Shelf
from service.state.vector_store import open_vector_store

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

    @property
    def allowances(self) -> Allowances:
        """How much of its allowance each tenant has used."""
        ...

    @property
    def answers(self) -> Answers:
        """What requests with an idempotency key were answered."""
        ...

    @property
    def jobs(self) -> Jobs:
        """What was accepted, and is done by whoever is free."""
        ...

    @property
    def shelf(self) -> Shelf:
        """Which uploaded vectors are published."""
        ...

    @property
    def blobs(self) -> Blobs:
        """The files of uploaded vectors."""
        ...

    @property
    def pictures(self) -> Pictures:
        """Pictures that are answered by their addresses."""
        ...

    def check(self) -> None:
        """Raise StateUnavailableError where the store does not answer."""
        ...

    def close(self) -> None:
        """Let go of its connections."""
        ...


def open_state(redis_url: SecretStr | None, options: StateOptions | None = None) -> SharedState:
    """Return the state kept in that Redis, or without one in this process; nothing is connected before it is used.

    Raises ValueError, with the cure, for an address or a vector store that cannot be opened.
    """
    options = options or StateOptions()
    blobs = None if options.vector_store is None else open_vector_store(options.vector_store)
    if redis_url is None:
        return MemoryState(options, blobs)
    from service.state.redis import RedisState

    return RedisState(redis_url.get_secret_value(), options, blobs)
