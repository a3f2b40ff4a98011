"""What every store of blobs does."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer
from pydantic import SecretStr
from s3fs import S3FileSystem

from service.errors import StateUnavailableError, UnknownBlobError
from service.settings import SettingsError, load_settings
from service.state.blobs import Blobs
from service.state.options import StateOptions
from service.state.redis_blobs import RedisBlobs
from service.state.shared import open_state
from service.state.vector_store import open_vector_store

DATA = b"\x00\xff" * 1000
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"


@pytest.fixture(scope="module")
def s3_bucket() -> Iterator[str]:
    """The URL of a bucket of a server that speaks S3, which the environment names as a deployment's would."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "replica",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            environment.setenv(name, value)
        S3FileSystem().mkdir("vectors")
        yield "s3://vectors"
    server.stop()


@pytest.fixture(params=["memory", "redis", "folder", "fsspec on disk", "fsspec in memory", "s3"])
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
        case "s3":
            yield open_vector_store(f"{request.getfixturevalue('s3_bucket')}{tmp_path}")
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


def test_replicas_share_an_s3_store_and_tell_where_it_takes_nothing(s3_bucket):
    options = StateOptions(vector_store=f"{s3_bucket}/of/trimtab")
    one, other = open_state(None, options).blobs, open_state(None, options).blobs
    one.put(DIGEST, DATA)
    S3FileSystem.clear_instance_cache()  # as another process, which has connections of its own
    assert other.get(DIGEST) == DATA
    absent = open_vector_store("s3://no-such-bucket/vectors")
    with pytest.raises(StateUnavailableError):
        absent.put(DIGEST, DATA)


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
