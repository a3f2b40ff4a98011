"""The chain in Redis: one for all replicas, and no line twice."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from service.audit.chain import read_line
from service.audit.reading import open_chains
from service.audit.redis_sink import RedisSink
from service.audit.verify import verify
from service.errors import AuditLogError, AuditUnavailableError
from service.settings import Settings
from service.state.redis_audit import AUDIT_STREAM


@pytest.fixture
def stream(own_server):
    with redis.Redis(port=own_server.port, decode_responses=True) as client:
        client.delete(AUDIT_STREAM)
        yield client


def opened(server, options=""):
    sink = RedisSink(f"{server.url}{options}")
    sink.open()
    return sink


def image(number):
    return {"kind": "image", "image": number}


def chain(server):
    (found,) = open_chains("redis", Settings(redis_url=server.url))
    return found


def images_in(server):
    return [read_line(placed.text).content["image"] for placed in chain(server).lines()]


def test_replicas_write_one_chain(own_server, stream):
    sinks = [opened(own_server) for _ in range(3)]

    def write(replica):
        for number in range(10):
            sinks[replica].append([image(100 * replica + 2 * number), image(100 * replica + 2 * number + 1)])

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, range(3)))
    verdict = verify(chain(own_server).lines())
    assert (verdict.lines, verdict.is_sound, verdict.head.sequence) == (60, True, 60)
    there = images_in(own_server)
    for replica in range(3):
        own = [number for number in there if number // 100 == replica]
        assert own == [100 * replica + number for number in range(20)]
    # A restart carries on.
    assert opened(own_server).append([image(0)]).sequence == 61
    for sink in sinks:
        sink.close()


def test_a_removed_entry_and_a_changed_one_are_found(own_server, stream):
    sink = opened(own_server)
    for number in range(5):
        sink.append([image(number)])
    stream.xdel(AUDIT_STREAM, "2-0")
    (finding,) = verify(chain(own_server).lines()).findings
    assert (finding.kind, finding.place) == ("removed", f"{AUDIT_STREAM}:3-0")
    head = verify(chain(own_server).lines()).head
    stream.xdel(AUDIT_STREAM, "5-0")
    assert [one.kind for one in verify(chain(own_server).lines(), head=head).findings] == ["removed", "head"]


def test_a_stream_whose_end_was_changed_is_not_carried_on(own_server, stream):
    stream.xadd(AUDIT_STREAM, {"line": "{}", "digest": "none"}, "1-0")
    with pytest.raises(AuditLogError, match="cannot be carried on"):
        opened(own_server)


def test_a_stream_that_has_lost_lines_says_so_once_before_it_goes_on(own_server, stream):
    """As after a failover to a replica that had not heard of the last lines, or a restart without data."""
    ours, theirs = opened(own_server), opened(own_server)
    ours.append([image(0)])
    theirs.append([image(1)])  # another replica's line is no loss
    head = ours.append([image(2)])
    assert images_in(own_server) == [0, 1, 2]
    texts = [(placed.place.rpartition(":")[2], placed.text) for placed in chain(own_server).lines()]
    stream.delete(AUDIT_STREAM)
    for id, text in texts[:2]:
        stream.xadd(AUDIT_STREAM, {"line": text, "digest": read_line(text).head.digest}, id)
    ours.append([image(3)])
    ours.append([image(4)])
    theirs.append([image(5)])
    said = [read_line(placed.text).content for placed in chain(own_server).lines()]
    assert [one.get("image", one["kind"]) for one in said] == [0, 1, "gap", 3, 4, 5]
    assert said[2]["reason"] == f"the stream had {head} and has it no more: it ended at line 2"
    assert verify(chain(own_server).lines()).is_sound
    assert [one.kind for one in verify(chain(own_server).lines(), head=head).findings] == ["head"]


def test_an_append_whose_answer_is_lost_is_there_once(own_server, stream):
    """Redis stands still for longer than the client waits, and then does what it was asked."""
    sink = opened(own_server, "?socket_timeout=3&socket_connect_timeout=3")
    sink.append([image(0)])
    own_server.hold()
    let_go = threading.Timer(4.0, own_server.let_go)
    let_go.start()
    try:
        head = sink.append([image(1), image(2)])
    finally:
        let_go.join()
    assert head.sequence == 3
    assert images_in(own_server) == [0, 1, 2]
    assert sink.append([image(3)]).sequence == 4


def test_a_redis_that_is_away_is_a_typed_error_and_then_written_again(own_server, stream):
    sink = opened(own_server, "?socket_timeout=0.6&socket_connect_timeout=0.6")
    sink.append([image(0)])
    own_server.hold()
    try:
        with pytest.raises(AuditUnavailableError) as refused:
            sink.append([image(1)])
        assert "Redis" in refused.value.why
    finally:
        own_server.let_go()
    deadline = time.monotonic() + 60
    while True:
        try:
            sink.append([image(2)])
            break
        except AuditUnavailableError:
            assert time.monotonic() < deadline
    there = images_in(own_server)
    # What was refused may have been carried out later: its image was not served, and its line stands.
    assert there in ([0, 2], [0, 1, 2])
    assert verify(chain(own_server).lines()).is_sound
