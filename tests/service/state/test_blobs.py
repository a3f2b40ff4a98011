"""What every store of blobs does."""

import hashlib
from pathlib import Path

import pytest
from pydantic import SecretStr

from service.errors import StateUnavailableError, UnknownBlobError
from service.settings import SettingsError, load_settings
from service.state.blobs import Blobs
from service.state.options import StateOptions
from service.state.redis_blobs import RedisBlobs
from service.state.shared import open_state
from service.state.vector_store import open_vector_store

DATA = b"\x00\xff" * 1000
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"


@pytest.fixture(params=["memory", "redis", "folder", "fsspec on disk", "fsspec in memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path):
    match request.param:
        case "memory":
            yield open_state(None).blobs
        case "redis":
            yield RedisBlobs(request.getfixturevalue("redis_client"))
        case "folder":
            yield open_vector_store(str(tmp_path / "vectors"))
        case "fsspec on disk":
            (tmp_path / "vectors").mkdir()
            yield open_vector_store(f"file://{tmp_path}/vectors")
        case _:
            yield open_vector_store(f"memory://{tmp_path}/")


def test_what_was_put_is_got(blobs: Blobs):
    with pytest.raises(UnknownBlobError, match="Upload the vector again"):
        blobs.get(DIGEST)
    for _ in range(2):
        blobs.put(DIGEST, DATA)
    assert blobs.get(DIGEST) == DATA


@pytest.mark.parametrize(
    "digest", ["../../etc/passwd", "sha256:../x", "sha256:", "sha256:ABC", "", "x" * 999]
)
def test_what_is_no_digest_is_refused(blobs: Blobs, digest):
    with pytest.raises(ValueError, match="is not a digest"):
        blobs.put(digest, DATA)
    with pytest.raises(ValueError, match="is not a digest"):
        blobs.get(digest)


@pytest.mark.parametrize("redis_or_not", [True, False])
def test_the_vector_store_is_where_the_setting_says(redis_or_not, tmp_path, redis_server, monkeypatch):
    monkeypatch.setenv("TRIMTAB_VECTOR_STORE", str(tmp_path))
    options = load_settings().state_options
    state = open_state(SecretStr(redis_server.url) if redis_or_not else None, options)
    state.blobs.put(DIGEST, DATA)
    (file,) = tmp_path.iterdir()
    assert file.read_bytes() == DATA
    state.close()


def test_replicas_read_what_the_others_put(tmp_path):
    options = StateOptions(vector_store=f"file://{tmp_path}")
    open_state(None, options).blobs.put(DIGEST, DATA)
    assert open_state(None, options).blobs.get(DIGEST) == DATA


@pytest.mark.parametrize("where", ["s3-but-not://bucket"])
def test_a_store_that_cannot_be_opened_is_refused_at_start(monkeypatch, where):
    monkeypatch.setenv("TRIMTAB_VECTOR_STORE", where)
    with pytest.raises(SettingsError, match=r"vector_store: .*Give a folder"):
        load_settings()


@pytest.mark.parametrize("kind", ["{}", "file://{}"])
def test_a_store_that_takes_nothing_is_told_like_a_state_that_is_away(tmp_path, kind):
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    blobs = open_vector_store(kind.format(blocked / "vectors"))
    with pytest.raises(StateUnavailableError):
        blobs.put(DIGEST, DATA)


def test_a_folder_holds_nothing_half_written(tmp_path, monkeypatch):
    blobs = open_vector_store(str(tmp_path))
    blobs.put(DIGEST, b"old")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("the disk is full")))
    with pytest.raises(StateUnavailableError):
        blobs.put(DIGEST, DATA)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"]
