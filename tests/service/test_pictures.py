import uuid

import pytest
import redis

from service.state.memory import MemoryState
from service.state.memory_pictures import MemoryPictures
from service.state.pictures import PICTURE_KEPT_S, Picture
from service.state.redis import RedisState


@pytest.fixture(params=["memory", "redis"])
def state(request):
    is_memory = request.param == "memory"
    state = MemoryState() if is_memory else RedisState(request.getfixturevalue("redis_server").url)
    yield state
    state.close()


def test_a_picture_is_kept_byte_by_byte(state):
    name, picture = uuid.uuid4().hex, Picture("image/webp", b"RIFF\n\x00\xff\n")
    assert state.pictures.get(name) is None
    state.pictures.put(name, picture)
    assert state.pictures.get(name) == picture


def test_redis_forgets_a_picture_by_itself(redis_server):
    state, name = RedisState(redis_server.url), uuid.uuid4().hex
    state.pictures.put(name, Picture("image/png", b"file"))
    with redis.Redis.from_url(redis_server.url) as client:
        assert 0 < client.ttl(f"trimtab:picture:{name}") <= PICTURE_KEPT_S
    state.close()


def test_memory_forgets_a_picture_after_its_time():
    now_s = 0.0
    pictures = MemoryPictures(clock=lambda: now_s)
    pictures.put("one", Picture("image/png", b"file"))
    now_s = PICTURE_KEPT_S - 1
    pictures.put("other", Picture("image/png", b"file"))
    assert pictures.get("one") is not None
    now_s = PICTURE_KEPT_S
    assert pictures.get("one") is None
    assert pictures.get("other") is not None


def test_memory_keeps_no_more_than_fits():
    pictures = MemoryPictures(max_kept_bytes=10)
    for name in ("first", "second", "third"):
        pictures.put(name, Picture("image/png", b"four"))
    assert [pictures.get(name) is not None for name in ("first", "second", "third")] == [False, True, True]
