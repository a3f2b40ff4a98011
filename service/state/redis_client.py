"""One Redis as the stores of this room use it: connections, atomic steps, and the one error for whatever goes wrong.

Entry points: `RedisClient`, `AtomicStep`, `reached`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.connection import SSLConnection
from redis.retry import Retry
from redis.sentinel import (
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)

from service.errors import StateUnavailableError
from service.state.address import Address, parse_address

logger = logging.getLogger(__name__)

KEY_PREFIX: Final = "trimtab:"

# At most this many connections a replica; what needs one more waits for one.
_MAX_CONNECTIONS = 16
# As many threads may wait for happenings at once, each on a connection of its own.
_MAX_WAITING_CONNECTIONS = 64
_CONNECT_TIMEOUT_S = 1.0
_ANSWER_TIMEOUT_S = 2.0
_BLOCK_S = 1.0
_REPLICATION_TIMEOUT_MS = 200
_RETRY_AFTER_S = 5


class RedisClient:
    """The connections to one Redis; nothing is connected before it is used.

    A call that failed is not tried again by itself: an answer that was lost may be that of a call that was carried out.
    """

    def __init__(self, url: str) -> None:
        """Take an address as `address.parse_address` reads it."""
        address = parse_address(url)
        max_connections = address.options.get("max_connections", _MAX_CONNECTIONS)
        self.commands = redis.Redis.from_pool(_pool(address, max_connections))
        self.block_s = _BLOCK_S
        """How long a command may block."""
        self.waiting = redis.Redis.from_pool(_pool(address, _MAX_WAITING_CONNECTIONS, block_s=_BLOCK_S))
        """For commands that block, apart so that no other waits for them."""
        self.fails_over = address.service is not None

    def step(self, *names: str, durable: bool = False) -> AtomicStep:
        """Return the step that the .lua files of these names spell, one after another.

        A durable one is answered when a replica has it too, if it has within a fraction of a second, so that what was
        answered outlives a failover.
        """
        return AtomicStep(self.commands, names, is_replicated=durable and self.fails_over)

    def bytes_of(self, *command: str) -> bytes | None:
        """Return what a command answers, as it is kept."""
        with reached():
            data: bytes | None = self.commands.execute_command(*command, NEVER_DECODE=True)
        return data

    def check(self) -> None:
        """Raise StateUnavailableError where Redis takes nothing in."""
        with reached():
            self.commands.set(f"{KEY_PREFIX}checked", 1, ex=60)

    def close(self) -> None:
        """Close the connections."""
        self.commands.close()
        self.waiting.close()


class AtomicStep:
    """A Lua script that Redis carries out as one step."""

    def __init__(self, client: redis.Redis, names: Sequence[str], *, is_replicated: bool) -> None:
        texts = [Path(__file__).with_name(f"{name}.lua").read_text(encoding="utf-8") for name in names]
        self._client = client
        self._script = client.register_script("\n".join(texts))
        self._is_replicated = is_replicated

    def __call__(self, keys: Sequence[str], args: Sequence[str | bytes | float]) -> Any:
        """Return what the script returns, its bytes decoded; raises StateUnavailableError."""
        with reached():
            if not self._is_replicated:
                return self._script(keys, args)
            with self._client.pipeline(transaction=False) as pipeline:
                self._script(keys, args, client=pipeline)
                pipeline.wait(1, _REPLICATION_TIMEOUT_MS)
                answer, _replicas = pipeline.execute()
            return answer


@contextmanager
def reached() -> Iterator[None]:
    """Turn whatever keeps Redis from doing its work into the one error that callers know."""
    try:
        yield
    except redis.RedisError as error:
        # The address and Redis's own words are for the log: clients read the error.
        logger.warning("Redis did not do its work: %s: %s", type(error).__name__, error)
        raise StateUnavailableError(_RETRY_AFTER_S) from error


class _BlockingSentinelPool(SentinelConnectionPool, redis.BlockingConnectionPool):
    """Connections to whichever Redis the sentinels call the master; what needs one more waits for one."""

    def __init__(self, service: str, sentinels: Sentinel, **options: Any) -> None:
        super().__init__(service, sentinels, **options)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Close the connections to the sentinels too."""
        super().close()
        self.sentinel_manager.close()


def _pool(address: Address, max_connections: int, *, block_s: float = 0) -> redis.ConnectionPool:
    """The one place that knows what kind of address it is. What its options say wins."""
    patience_s: float = address.options.get("socket_timeout", _ANSWER_TIMEOUT_S)
    options = {
        "timeout": _ANSWER_TIMEOUT_S,
        "socket_connect_timeout": _CONNECT_TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
        "decode_responses": True,
        "db": address.database,
        "username": address.username,
        "password": address.password,
        **address.options,
        "max_connections": max_connections,
        "socket_timeout": patience_s + block_s,
    }
    if address.service is None:
        (host, port), *_ = address.hosts
        secured = {"connection_class": SSLConnection} if address.is_tls else {}
        return redis.BlockingConnectionPool(host=host, port=port, **options, **secured)
    sentinel_options = {
        key: value for key, value in options.items() if key.startswith(("socket_", "ssl_")) or key == "retry"
    }
    sentinels = Sentinel(
        address.hosts,
        sentinel_kwargs={
            **sentinel_options,
            "ssl": address.is_tls,
            "username": address.sentinel_username,
            "password": address.sentinel_password,
        },
    )
    managed = SentinelManagedSSLConnection if address.is_tls else SentinelManagedConnection
    return _BlockingSentinelPool(address.service, sentinels, connection_class=managed, **options)
