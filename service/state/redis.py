"""The shared state of several replicas, kept in one Redis.

Entry point: `RedisState`. Only the `redis_` modules beside it import the Redis client.
"""

from typing import Literal

from service.state.blobs import Blobs
from service.state.options import StateOptions
from service.state.redis_allowances import RedisAllowances
from service.state.redis_answers import RedisAnswers
from service.state.redis_blobs import RedisBlobs
from service.state.redis_client import RedisClient
from service.state.redis_jobs import RedisJobs
from service.state.redis_ledger import RedisLedger
from service.state.redis_pictures import RedisPictures
from service.state.redis_shelf import RedisShelf


class RedisState:
    """A `shared.SharedState` in Redis."""

    store: Literal["redis"] = "redis"

    def __init__(self, url: str, options: StateOptions | None = None, blobs: Blobs | None = None) -> None:
        """Take an address as `address.parse_address` reads it; blobs are where `blobs` keeps them, or in Redis too."""
        options = options or StateOptions()
        self._client = RedisClient(url)
        self.ledger = RedisLedger(self._client)
        self.allowances = RedisAllowances(self._client)
        self.answers = RedisAnswers(self._client, running_kept_s=options.claim_kept_s)
        self.jobs = RedisJobs(self._client, options)
        self.shelf = RedisShelf(self._client)
        self.pictures = RedisPictures(self._client)
        self.blobs: Blobs = blobs or RedisBlobs(self._client)

    def check(self) -> None:
        """Raise StateUnavailableError where Redis takes nothing in."""
        self._client.check()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
