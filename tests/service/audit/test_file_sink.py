"""The chain in files: restarts, rotation, full disks, and one process at a time."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from service.audit.chain import read_line
from service.audit.file_sink import FileSink
from service.audit.files import chain_files
from service.audit.reading import open_chains
from service.audit.verify import verify
from service.errors import AuditLogError, AuditUnavailableError
from service.settings import Settings

LARGE = 10**9


def image(number):
    return {"kind": "image", "image": number}


def opened(path, chain="one", *, max_bytes=LARGE, is_synced=False):
    sink = FileSink(path, chain, max_bytes=max_bytes, is_synced=is_synced)
    sink.open()
    return sink


def verdict(path):
    (chain,) = open_chains(str(path), Settings())
    return verify(chain.lines())


def images_in(path):
    return [
        read_line(line).content["image"]
        for file in chain_files(path)
        for line in file.read_text().splitlines()
    ]


def test_the_chain_goes_on_after_a_restart(tmp_path):
    path = tmp_path / "audit.jsonl"
    heads = []
    for number in range(3):
        sink = opened(path, is_synced=True)
        heads.append(sink.append([image(2 * number), image(2 * number + 1)]))
        sink.close()
    assert [head.sequence for head in heads] == [2, 4, 6]
    assert verdict(path).head == heads[-1]
    assert verdict(path).is_sound
    assert images_in(path) == list(range(6))
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_chain_goes_on_in_another_file(tmp_path):
    path = tmp_path / "audit.jsonl"
    sink = opened(path, max_bytes=500)
    for number in range(10):
        if number == 5:
            sink.close()
            sink = opened(path, max_bytes=500)
        sink.append([image(number)])
    files = [file.name for file in chain_files(path)]
    assert files == [f"audit.{number:06d}.jsonl" for number in range(1, len(files))] + ["audit.jsonl"]
    assert len(files) >= 3
    assert verdict(path).is_sound
    assert images_in(path) == list(range(10))
    # From any of its files the whole chain is found, and a file that is gone is missed.
    assert verdict(tmp_path / files[0]).lines == 10
    sink.close()
    (tmp_path / files[1]).unlink()
    (finding,) = verdict(path).findings
    assert (finding.kind, finding.place) == ("removed", f"{files[2]}:1")


def test_a_next_file_that_cannot_be_begun_leaves_the_full_one_where_it_was(tmp_path, monkeypatch):
    path = tmp_path / "audit.jsonl"
    sink = opened(path, max_bytes=1)
    sink.append([image(0)])

    def refused(*_paths):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    with monkeypatch.context() as without_links:
        without_links.setattr(os, "link", refused)
        for _ in range(2):
            with pytest.raises(AuditUnavailableError) as refusal:
                sink.append([image(1)])
            assert "Operation not permitted" in refusal.value.why
            assert os.listdir(tmp_path) == ["audit.jsonl"]
    sink.append([image(2)])
    assert images_in(path) == [0, 2]
    assert len(chain_files(path)) == 2
    assert verdict(path).is_sound


def test_a_full_file_whose_successor_was_not_begun_is_carried_on(tmp_path):
    path = tmp_path / "audit.jsonl"
    sink = opened(path)
    sink.append([image(0)])
    sink.close()
    path.rename(tmp_path / "audit.000001.jsonl")
    opened(path).append([image(1)])
    assert verdict(path).is_sound
    assert images_in(path) == [0, 1]


def test_a_second_process_is_refused(tmp_path):
    path = tmp_path / "audit.jsonl"
    sink = opened(path)
    second = f"""
from pathlib import Path
from service.audit.file_sink import FileSink
from service.errors import AuditLogError
try:
    FileSink(Path({str(path)!r}), "one", max_bytes={LARGE}).open()
except AuditLogError as error:
    print(error)
"""
    ran = [sys.executable, "-c", second]
    said = subprocess.run(ran, capture_output=True, text=True, check=True).stdout
    assert f"Another process writes the audit log {path}" in said
    assert "{replica}" in said
    sink.append([image(0)])
    sink.close()
    assert subprocess.run(ran, capture_output=True, text=True, check=True).stdout == ""
    assert images_in(path) == [0]


def test_the_lock_goes_on_with_the_next_file(tmp_path):
    path = tmp_path / "audit.jsonl"
    sink = opened(path, max_bytes=1)
    sink.append([image(0)])
    sink.append([image(1)])
    with pytest.raises(AuditLogError, match="Another process"):
        opened(path)
    sink.close()


def test_what_a_process_left_of_a_line_is_dropped(tmp_path):
    path = tmp_path / "audit.jsonl"
    sink = opened(path)
    sink.append([image(0)])
    sink.close()
    with path.open("a") as file:
        file.write('{"kind":"image"')
    (finding,) = verdict(path).findings
    assert (finding.kind, finding.place) == ("cut-off", "audit.jsonl:2")
    sink = opened(path)
    assert sink.cut_off_bytes == len('{"kind":"image"')
    sink.append([image(1)])
    assert verdict(path).is_sound
    assert images_in(path) == [0, 1]


def test_a_full_disk_is_a_typed_error():
    sink = opened(Path("/dev/full"))
    with pytest.raises(AuditUnavailableError) as refused:
        sink.append([image(0)])
    assert "No space left on device" in refused.value.why
    assert "/dev/full" not in str(refused.value)


def test_a_line_that_fits_in_part_is_taken_back_and_written_when_there_is_room(tmp_path):
    """In a process of its own: the limit on the size of files is the process's."""
    path = tmp_path / "audit.jsonl"
    script = f"""
import resource
from pathlib import Path
from service.audit.file_sink import FileSink
from service.errors import AuditUnavailableError
sink = FileSink(Path({str(path)!r}), "one", max_bytes={LARGE})
sink.append([{{"kind": "image", "image": 0}}])
before = Path({str(path)!r}).stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (before + 20, resource.RLIM_INFINITY))
try:
    sink.append([{{"kind": "image", "image": 1}}])
except AuditUnavailableError as error:
    print(error.why, Path({str(path)!r}).stat().st_size == before)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
sink.append([{{"kind": "image", "image": 1}}])
"""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "File too large" in said
    assert said.strip().endswith("True")
    assert verdict(path).is_sound
    assert images_in(path) == [0, 1]


@pytest.mark.parametrize("how", ["removed", "replaced", "changed"])
def test_a_file_that_something_else_touches_is_written_no_more(tmp_path, how):
    path = tmp_path / "audit.jsonl"
    sink = opened(path)
    sink.append([image(0)])
    if how == "changed":
        with path.open("a") as file:
            file.write("{}\n")
    else:
        path.rename(tmp_path / "elsewhere")
        if how == "replaced":
            path.touch()
    with pytest.raises(AuditUnavailableError) as refused:
        sink.append([image(1)])
    assert "by something else" in refused.value.why


def test_a_log_that_cannot_be_carried_on_is_refused(tmp_path):
    path = tmp_path / "audit.jsonl"
    path.write_text("{}\n")
    with pytest.raises(AuditLogError, match="verify"):
        opened(path)
    path.unlink()
    sink = opened(path)
    sink.append([image(0)])
    sink.close()
    with pytest.raises(AuditLogError, match="audit_replica"):
        opened(path, "two")
    with pytest.raises(AuditLogError, match="a folder that exists"):
        opened(tmp_path / "missing" / "audit.jsonl")
    with pytest.raises(AuditLogError, match="cannot be opened"):
        opened(tmp_path)


def test_a_last_line_longer_than_a_block_is_found(tmp_path):
    path = tmp_path / "audit.jsonl"
    sink = opened(path)
    sink.append([{"kind": "image", "image": 0, "prompt": "x" * 200_000}])
    sink.close()
    opened(path).append([image(1)])
    assert verdict(path).is_sound
    assert os.path.getsize(path) > 200_000
