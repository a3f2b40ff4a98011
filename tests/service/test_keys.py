"""Keys: what is kept of them, their file, and the ring that a running service finds their holders by."""

import hmac
import json
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from service.errors import EndedKeyError, KeyFileError, UnknownKeyError
from service.key_file import changed_keys, read_keys
from service.key_records import Issued, SaltedHash, issued, parted, revoked, rotated
from service.keys import KeyRing

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def secret_of(new: Issued) -> str:
    return parted(new.key.get_secret_value())[1]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def add(file: Path, new: Issued) -> str:
    """Put a key's record into the file, and return the key."""
    with changed_keys(file) as keys:
        keys[new.record.id] = new.record
    return new.key.get_secret_value()


def test_a_key_is_a_prefix_an_id_and_256_bits():
    new = issued("shop", ["read", "generate"], NOW)
    prefix, key_id, secret = new.key.get_secret_value().split("_")
    assert (prefix, key_id, len(bytes.fromhex(secret))) == ("trimtab", new.record.id, 32)
    assert new.record.roles == ("generate", "read")
    assert issued("shop", ["read"], NOW).key != new.key


def test_nothing_of_a_secret_is_kept_or_shown(file):
    new = issued("shop", ["generate"], NOW, note="the till")
    key = add(file, new)
    kept = json.loads(file.read_text())
    assert secret_of(new) not in file.read_text()
    (record,) = kept["keys"]
    assert record.keys() == {
        "id", "tenant", "roles", "created", "expires", "revoked", "note", "salt", "hash", "old"
    }  # fmt: skip
    for shown in (repr(new), str(new), repr(new.record), str(new.record)):
        for hidden in (secret_of(new), key, record["salt"], record["hash"]):
            assert hidden not in shown


def test_two_hashes_of_one_secret_differ_and_match():
    one, other = SaltedHash.of("secret"), SaltedHash.of("secret")
    assert one.salt != other.salt
    assert one.hash != other.hash
    assert one.matches("secret")
    assert other.matches("secret")
    assert not one.matches("Secret")


def test_a_new_secret_replaces_the_old_one():
    first = issued("shop", ["generate"], NOW)
    second = rotated(first.record, NOW)
    assert second.record.id == first.record.id
    assert second.record.opens_with(secret_of(second), NOW)
    assert not second.record.opens_with(secret_of(first), NOW)


def test_an_old_secret_opens_for_its_grace_and_no_longer():
    first = issued("shop", ["generate"], NOW)
    second = rotated(first.record, NOW, NOW + 2 * HOUR)
    third = rotated(second.record, NOW + HOUR, NOW + 4 * HOUR)
    opens = [
        [third.record.opens_with(secret_of(one), NOW + hours * HOUR) for one in (first, second, third)]
        for hours in (1, 2, 4)
    ]
    assert opens == [[True, True, True], [False, True, True], [False, False, True]]
    # Once a key has leaked, no secret of before is to open.
    assert not rotated(third.record, NOW + HOUR).record.opens_with(secret_of(second), NOW + HOUR)
    assert len(rotated(third.record, NOW + 3 * HOUR, NOW + 5 * HOUR).record.old) == 2


def test_a_revoked_key_keeps_the_time_of_its_revocation():
    record = revoked(issued("shop", ["read"], NOW).record, NOW)
    assert record.state(NOW) == "revoked"
    assert revoked(record, NOW + HOUR) == record


def test_the_file_is_its_owners_alone_and_replaced_as_a_whole(file):
    add(file, issued("shop", ["read"], NOW))
    before = file.stat().st_ino
    file.chmod(0o644)
    add(file, issued("shop", ["read"], NOW))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.stat().st_ino != before
    assert {path.name for path in file.parent.iterdir()} == {"keys.json", "keys.json.lock"}


def test_a_link_to_the_file_stays_one(file, tmp_path):
    link = tmp_path / "link.json"
    link.symlink_to(file)
    add(link, issued("shop", ["read"], NOW))
    assert link.is_symlink()
    assert len(read_keys(file)) == 1


def test_a_change_that_fails_changes_nothing(file):
    add(file, issued("shop", ["read"], NOW))
    before = file.read_bytes()
    with pytest.raises(RuntimeError), changed_keys(file) as keys:  # noqa: PT012
        keys.clear()
        raise RuntimeError
    assert file.read_bytes() == before
    assert len(list(file.parent.iterdir())) == 2


def test_who_changes_the_file_at_the_same_time_waits_and_readers_read_on(file):
    add(file, issued("shop", ["read"], NOW))
    with ThreadPoolExecutor(max_workers=6) as pool:
        adding = [pool.submit(add, file, issued("shop", ["read"], NOW)) for _ in range(20)]
        while not all(one.done() for one in adding):
            assert read_keys(file)
        for one in adding:
            one.result()
    assert len(read_keys(file)) == 21


UNSOUND: list[tuple[str, Callable[[dict[str, object]], object]]] = [
    ("Invalid JSON", lambda kept: "{"),
    ("format_version", lambda kept: kept | {"format_version": 2}),
    ("keys", lambda kept: []),
    ("keys.0.colour", lambda kept: {"keys": [kept["keys"][0] | {"colour": "red"}]}),
    ("keys.0.roles", lambda kept: {"keys": [kept["keys"][0] | {"roles": []}]}),
    ("keys.0.hash", lambda kept: {"keys": [kept["keys"][0] | {"hash": "secret stuff"}]}),
    ("keys.0.created", lambda kept: {"keys": [kept["keys"][0] | {"created": "2026-11-21T12:00:00"}]}),
    ("two keys have one id", lambda kept: {"keys": kept["keys"] * 2}),
]


@pytest.mark.parametrize(("named", "change"), UNSOUND, ids=[named for named, _ in UNSOUND])
def test_a_file_that_holds_something_else_is_refused_without_its_content(file, named, change):
    new = issued("shop", ["read"], NOW)
    add(file, new)
    changed = change(json.loads(file.read_text()))
    file.write_text(changed if isinstance(changed, str) else json.dumps(changed))
    with pytest.raises(KeyFileError) as refused:
        read_keys(file)
    assert str(file) in str(refused.value)
    assert named in str(refused.value)
    assert new.record.hash not in str(refused.value)
    assert "secret stuff" not in str(refused.value)


def test_a_file_that_is_not_there_is_refused_with_the_command_that_makes_it(file):
    with pytest.raises(KeyFileError, match="trimtab keys create"):
        KeyRing(file)
    with pytest.raises(KeyFileError, match="cannot be written"), changed_keys(file / "deeper" / "keys.json"):
        pass


@pytest.mark.parametrize("tenant", ["", "Shop", "shop floor", "-"])
def test_a_tenants_name_is_checked(tenant):
    with pytest.raises(ValidationError):
        issued(tenant, ["read"], NOW)


def refused(ring: KeyRing, key: str) -> UnknownKeyError:
    with pytest.raises(UnknownKeyError) as error:
        ring.holder(key)
    return error.value


def test_a_ring_finds_the_holder_and_tells_no_wrong_key_from_an_unknown_one(file):
    key = add(file, issued("shop", ["generate"], NOW))
    ring = KeyRing(file)
    assert ring.holder(key).tenant == "shop"
    assert ring.holder(f" {key} ").id == parted(key)[0]
    key_id, secret = parted(key)
    wrong = [
        f"trimtab_{key_id}_{'0' * 64}",
        f"trimtab_{'0' * 16}_{secret}",
        f"trimtab_{key_id}_{secret}0",
        f"trimtab_{key_id.upper()}_{secret.upper()}",
        secret,
        "sk-something-else",
        "",
        "\xe9",
    ]
    errors = [refused(ring, one) for one in wrong]
    assert len({(str(error), repr(error), error.value) for error in errors}) == 1
    assert secret not in str(errors[0].__dict__)


def test_an_unknown_id_is_compared_as_long_as_a_wrong_secret(file, monkeypatch):
    key = add(file, issued("shop", ["generate"], NOW))
    ring = KeyRing(file)
    compared: list[int] = []

    def counting(one: str, other: str) -> bool:
        compared.append(len(one))
        return original(one, other)

    original = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", counting)
    for wrong in (f"trimtab_{parted(key)[0]}_{'0' * 64}", f"trimtab_{'0' * 16}_{'0' * 64}", "sk-something"):
        refused(ring, wrong)
    assert compared == [64, 64, 64]


def test_a_key_that_has_ended_says_so_to_who_holds_it_alone(file):
    key = add(file, issued("shop", ["generate"], NOW, expires=NOW + HOUR))
    KeyRing(file, lambda: NOW).holder(key)
    late = KeyRing(file, lambda: NOW + HOUR)
    with pytest.raises(EndedKeyError, match=f"The key {parted(key)[0]} is expired"):
        late.holder(key)
    refused(late, key[:-1] + ("0" if key[-1] != "0" else "1"))
    with changed_keys(file) as keys:
        keys[parted(key)[0]] = revoked(keys[parted(key)[0]], NOW)
    with pytest.raises(EndedKeyError, match="revoked"):
        KeyRing(file, lambda: NOW).holder(key)


def test_a_ring_sees_changes_at_the_next_key(file):
    first = add(file, issued("shop", ["generate"], NOW))
    ring = KeyRing(file)
    second = add(file, issued("studio", ["generate"], NOW))
    assert ring.holder(second).tenant == "studio"
    with changed_keys(file) as keys:
        del keys[parted(first)[0]]
    refused(ring, first)
    # Where something else than `trimtab keys` writes it, it may be written in place.
    file.write_text('{"keys": []}')
    refused(ring, second)


def test_while_the_file_cannot_be_read_the_last_keys_stay_in_force_and_the_log_says_so(file, caplog):
    key = add(file, issued("shop", ["generate"], NOW))
    ring = KeyRing(file)
    content = file.read_text()
    for broken in (lambda: file.write_text("{"), file.unlink):
        broken()
        assert ring.holder(key).tenant == "shop"
        assert ring.holder(key).tenant == "shop"
        assert caplog.text.count("stay in force") == 1
        caplog.clear()
    file.write_text(content.replace('"shop"', '"studio"'))
    assert ring.holder(key).tenant == "studio"
    assert key not in caplog.text
