"""What every shelf does."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.state.options import StateOptions
from service.state.shelf import Shelf, ShelfEntry

ONE, OTHER = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


@pytest.fixture
def shelf(opened) -> Shelf:
    return opened(StateOptions()).shelf


def test_versions_of_a_name_are_counted(shelf):
    assert [shelf.publish("woman", ONE), shelf.publish("woman", OTHER), shelf.publish("man", ONE)] == [
        1,
        2,
        1,
    ]
    listed = [(entry.name, entry.version, entry.digest, entry.retired) for entry in shelf.entries()]
    assert listed == [("man", 1, ONE, False), ("woman", 1, ONE, False), ("woman", 2, OTHER, False)]
    assert all(abs(entry.published_s - time.time()) < 60 for entry in shelf.entries())


def test_versions_lie_beyond_those_of_a_library(shelf):
    assert shelf.publish("woman", ONE, above=3) == 4
    assert shelf.publish("woman", OTHER, above=2) == 5
    assert shelf.publish("woman", OTHER, above=7) == 8


def test_what_is_the_latest_already_keeps_its_version(shelf):
    assert shelf.publish("woman", ONE) == 1
    revision = shelf.revision()
    assert shelf.publish("woman", ONE) == 1
    assert shelf.revision() == revision
    assert shelf.publish("woman", OTHER) == 2
    assert shelf.publish("woman", ONE) == 3


def test_a_retired_version_is_never_given_again(shelf):
    shelf.publish("woman", ONE)
    shelf.retire("woman", 1)
    assert shelf.publish("woman", ONE) == 2
    assert [entry.retired for entry in shelf.entries()] == [True, False]


def test_all_versions_of_one_name_are_retired_together(shelf):
    for digest in (ONE, OTHER):
        shelf.publish("woman", digest)
        shelf.publish("wo", digest)
    shelf.retire("woman")
    retired = [(entry.name, entry.version) for entry in shelf.entries() if entry.retired]
    assert retired == [("woman", 1), ("woman", 2)]


def test_versions_that_have_their_numbers_are_recorded_with_them(shelf):
    of_library = ShelfEntry("woman", 3, ONE, retired=True, published_s=1234567.891)
    shelf.record([of_library, ShelfEntry("man", 1, OTHER, retired=False, published_s=5.0)])
    assert list(shelf.entries()) == [ShelfEntry("man", 1, OTHER, False, 5.0), of_library]
    assert shelf.publish("woman", ONE) == 4
    assert shelf.publish("man", OTHER) == 1


def test_what_is_there_keeps_its_digest_and_stays_retired(shelf):
    shelf.publish("woman", ONE)
    shelf.publish("woman", ONE, above=1)
    shelf.retire("woman", 2)
    before = shelf.entries()
    shelf.record([ShelfEntry("woman", 2, OTHER, retired=False, published_s=0.0)])
    assert shelf.entries() == before
    shelf.record([ShelfEntry("woman", 1, OTHER, retired=True, published_s=0.0)])
    assert [(entry.digest, entry.retired) for entry in shelf.entries()] == [(ONE, True), (ONE, True)]


def test_changes_of_the_policies_are_told_from_others(shelf):
    assert shelf.policies_revision() == 0
    shelf.publish("woman", ONE)
    assert shelf.policies_revision() == 0
    bumped = shelf.bump()
    shelf.retire("woman")
    assert shelf.policies_revision() == bumped < shelf.revision()


def test_the_revision_grows_with_every_change_and_with_nothing_else(shelf):
    assert shelf.revision() == 0
    seen = [0]
    for change in (
        lambda: shelf.publish("woman", ONE),
        lambda: shelf.publish("woman", OTHER),
        lambda: shelf.retire("woman", 1),
        lambda: shelf.bump(),
        lambda: shelf.bump(),
        lambda: shelf.record([ShelfEntry("woman", 5, ONE, retired=False, published_s=0.0)]),
        lambda: shelf.retire("woman"),
    ):
        change()
        seen.append(shelf.revision())
    assert seen == sorted(set(seen))
    assert shelf.bump() == shelf.revision()
    for no_change in (
        lambda: shelf.retire("woman", 1),
        lambda: shelf.retire("woman", 9),
        lambda: shelf.retire("man"),
        lambda: shelf.record([ShelfEntry("woman", 5, OTHER, retired=False, published_s=0.0)]),
        lambda: shelf.record([]),
        lambda: shelf.entries(),
    ):
        before = shelf.revision()
        no_change()
        assert shelf.revision() == before


def test_replicas_that_publish_at_once_get_versions_of_their_own(shelf):
    with ThreadPoolExecutor(max_workers=8) as pool:
        versions = list(pool.map(lambda index: shelf.publish("woman", f"sha256:{index:064x}"), range(40)))
    assert sorted(versions) == list(range(1, 41))
    digests = {entry.version: entry.digest for entry in shelf.entries()}
    assert [digests[version] for version in versions] == [f"sha256:{index:064x}" for index in range(40)]


@pytest.mark.parametrize("store", ["redis"])
def test_a_redis_that_lost_everything_is_noticed_and_never_back_at_an_old_revision(shelf, raw):
    shelf.publish("woman", ONE)
    shelf.publish("woman", OTHER)
    before = shelf.revision()
    raw.flushdb()
    assert (shelf.revision(), shelf.entries()) == (0, [])
    time.sleep(0.005)
    assert shelf.bump() > before
