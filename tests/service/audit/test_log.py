"""The service's side of the log: what happens when lines cannot be written, and when they can again."""

import asyncio
import logging
from datetime import UTC, datetime

import pytest

from service.audit.chain import Head, genesis
from service.audit.file_sink import FileSink
from service.audit.log import TRIED_AGAIN_EVERY_S, AuditLog
from service.audit.reading import open_chains
from service.audit.record import (
    GapEntry,
    ImageEntry,
    MadeBy,
    Prompts,
    SaidText,
    SampledWith,
    WithdrawnEntry,
    read_entry,
)
from service.audit.search import Wanted, search
from service.errors import AuditLogError, AuditUnavailableError
from service.settings import Settings


def entry(**changes):
    said = SaidText(text="a photo of a doctor")
    values = {
        "time": datetime.now(UTC),
        "tenant": "",
        "request": "r",
        "image": 0,
        "images": 1,
        "attempt": 1,
        "outcome": "served",
        "prompts": Prompts(prompt=said, model_prompt=said, negative_prompt=SaidText()),
        "policy": "default",
        "policy_version": 1,
        "policy_digest": "sha256:0",
        "floor": None,
        "floor_digest": None,
        "model": "demo",
        "base_model": "sha256:0",
        "sampling": SampledWith(
            seed=7, num_inference_steps=2, guidance_scale=5, scheduler="ddim", height=64, width=64
        ),
        "applied": (),
        "averted": (),
        "screen": None,
        "made_by": MadeBy(trimtab="0", torch="0", diffusers="0", device="cpu", dtype="float32"),
        "image_digest": "sha256:0",
    }
    return ImageEntry(**{**values, **changes})


class Fragile:
    """A sink that takes lines only while it is told to."""

    def __init__(self):
        self.takes = True
        self.tried = 0
        self.entries = []

    def open(self):
        return genesis("one")

    def append(self, contents):
        self.tried += 1
        if not self.takes:
            raise AuditUnavailableError("the disk is full.")
        self.entries += [read_entry(content) for content in contents]
        return Head(len(self.entries), "sha256:0")

    def close(self):
        pass


class Clock:
    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def sink():
    return Fragile()


@pytest.fixture
def clock():
    return Clock()


def ran(work):
    return asyncio.run(work)


def test_images_are_refused_until_the_log_is_written_again_and_the_gap_is_told(sink, clock):
    log = AuditLog(sink, clock=clock)

    async def work():
        await log.open()
        await log.check()
        await log.record([entry()])
        sink.takes = False
        with pytest.raises(AuditUnavailableError, match="service's log says why"):
            await log.record([entry()])
        for _ in range(3):
            with pytest.raises(AuditUnavailableError):
                await log.check()
        # Not asked again at once.
        assert sink.tried == 2
        sink.takes = True
        with pytest.raises(AuditUnavailableError):
            await log.record([entry()])
        clock.now_s += TRIED_AGAIN_EVERY_S
        await log.check()
        await log.record([entry(image=1)])

    ran(work())
    log.close()
    first, gap, last = sink.entries
    assert (first.image, last.image) == (0, 1)
    assert isinstance(gap, GapEntry)
    assert (gap.reason, gap.unrecorded_images) == ("the disk is full.", 0)
    assert gap.since <= gap.time


def test_a_log_that_is_not_required_counts_what_it_misses(sink, clock):
    log = AuditLog(sink, is_required=False, clock=clock)

    async def work():
        sink.takes = False
        await log.record([entry(), entry(image=1)])
        await log.check()
        await log.record([entry()])
        sink.takes = True
        clock.now_s += TRIED_AGAIN_EVERY_S
        await log.record([entry(image=2)])

    ran(work())
    log.close()
    gap, image = sink.entries
    assert (gap.unrecorded_images, image.image) == (3, 2)


def test_images_that_nobody_got_are_withdrawn(sink):
    log = AuditLog(sink)
    taken = [entry(request="job", attempt=2), entry(request="job", attempt=2, image=1)]

    async def work():
        await log.record(taken)
        await log.withdraw(taken)
        sink.takes = False
        await log.withdraw(taken)  # nobody can do anything about it

    ran(work())
    log.close()
    assert isinstance(sink.entries[-1], WithdrawnEntry)
    assert (sink.entries[-1].request, sink.entries[-1].attempt, len(sink.entries)) == ("job", 2, 3)


def test_a_log_that_cannot_be_opened_is_refused_or_told(tmp_path, caplog):
    missing = tmp_path / "missing" / "audit.jsonl"
    with pytest.raises(AuditLogError):
        ran(AuditLog(FileSink(missing, "one", max_bytes=10**9)).open())
    with caplog.at_level(logging.ERROR):
        log = AuditLog(FileSink(missing, "one", max_bytes=10**9), is_required=False)

        async def work():
            await log.open()
            await log.record([entry()])

        ran(work())
        log.close()
    assert "not in the audit log" in caplog.text


def test_what_a_process_left_of_a_line_is_told(tmp_path):
    path = tmp_path / "audit.jsonl"
    path.write_text('{"kind"')
    log = AuditLog(FileSink(path, "one", max_bytes=10**9))

    async def work():
        await log.open()
        await log.record([entry()])

    ran(work())
    log.close()
    found = search(open_chains(str(path), Settings()), Wanted())
    assert [gap.reason for gap in found.gaps] == ["a process ended within a line: 7 bytes are dropped"]
    assert (len(found.images), found.unread) == (1, 0)


def test_of_a_job_the_last_attempt_that_was_not_withdrawn_is_what_its_client_got(tmp_path):
    """Of two replicas' chains: the first was killed after it wrote, the third came too late."""
    tries = {
        "a": [entry(request="job", attempt=1), entry(request="other")],
        "b": [entry(request="job", attempt=2)],
        "c": [entry(request="job", attempt=3)],
    }
    for name, entries in tries.items():
        log = AuditLog(FileSink(tmp_path / f"{name}.jsonl", name, max_bytes=10**9))

        async def work(log=log, name=name, entries=entries):
            await log.open()
            await log.record(entries)
            if name == "c":
                await log.withdraw(entries)

        ran(work())
        log.close()
    found = search(open_chains(str(tmp_path), Settings()), Wanted())
    assert sorted((one.request, one.attempt) for one in found.images) == [("job", 2), ("other", 1)]
    assert sorted(one.attempt for one in found.superseded) == [1, 3]
