"""Blobs of all replicas on one Redis.

Entry point: `RedisBlobs`.
"""

from service.errors import UnknownBlobError
from service.state.blobs import check_digest
from service.state.redis_client import KEY_PREFIX, RedisClient, reached


class RedisBlobs:
    """A `blobs.Blobs` in Redis: they stay in its memory. What is large or many belongs into a vector store."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client

    def put(self, digest: str, data: bytes) -> None:
        """Keep the data under its digest."""
        key = _key(digest)
        with reached():
            self._client.commands.set(key, data)

    def get(self, digest: str) -> bytes:
        """Return what is kept under a digest; raises UnknownBlobError where nothing is."""
        data = self._client.bytes_of("GET", _key(digest))
        if data is None:
            raise UnknownBlobError(digest)
        return data


def _key(digest: str) -> str:
    check_digest(digest)
    return f"{KEY_PREFIX}blob:{digest}"
