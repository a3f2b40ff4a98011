"""Pictures for all replicas on one Redis.

Entry point: `RedisPictures`.
"""

from service.state.pictures import PICTURE_KEPT_S, Picture
from service.state.redis_client import KEY_PREFIX, RedisClient, reached


class RedisPictures:
    """A `pictures.Pictures` in Redis: a key a picture, its media type and a line's end before the file."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client

    def put(self, name: str, picture: Picture) -> None:
        """Keep a picture."""
        data = picture.media_type.encode("ascii") + b"\n" + picture.data
        with reached():
            self._client.commands.set(_key(name), data, ex=PICTURE_KEPT_S)

    def get(self, name: str) -> Picture | None:
        """Return a picture; None where it is not kept, or not any more."""
        data = self._client.bytes_of("GET", _key(name))
        if data is None:
            return None
        media_type, _, file = data.partition(b"\n")
        return Picture(media_type.decode("ascii"), file)


def _key(name: str) -> str:
    return f"{KEY_PREFIX}picture:{name}"
