import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.errors import EndedKeyError, UnknownKeyError
from service.key_file import changed_keys, read_keys
from service.keys import KeyRing
from trimtab.commands import app


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the variable says the keys are."""
    file = tmp_path / "keys.json"
    monkeypatch.setenv("TRIMTAB_KEYS", str(file))
    return file


def ran(*arguments: str) -> tuple[str, str]:
    """What a command prints, and what it says beside."""
    ended = CliRunner().invoke(app, ["keys", *arguments], env={"COLUMNS": "200"})
    assert ended.exit_code == 0, ended.output
    return ended.stdout, ended.stderr


def refused(*arguments: str) -> str:
    ended = CliRunner().invoke(app, ["keys", *arguments], env={"COLUMNS": "200"})
    assert ended.exit_code in (1, 2), ended.output
    assert ended.stdout == ""
    return re.sub(r"[\s│]+", " ", ended.stderr)


def created(*arguments: str) -> str:
    return ran("create", "--tenant", "shop", *arguments)[0].strip()


def id_of(key: str) -> str:
    return key.split("_")[1]


def test_a_created_key_is_printed_alone_and_opens(file):
    printed, said = ran("create", "--tenant", "shop", "--note", "the till")
    key = printed.removesuffix("\n")
    assert re.fullmatch(r"trimtab_[0-9a-f]{16}_[0-9a-f]{64}", key)
    assert f"Key {id_of(key)} of shop, for generate and read." in said
    assert key not in said
    record = KeyRing(file).holder(key)
    assert (record.tenant, record.roles, record.note, record.expires) == (
        "shop", ("generate", "read"), "the till", None
    )  # fmt: skip


def test_roles_and_an_end_can_be_given(file):
    created("--role", "admin", "--role", "read", "--expires", "90d")
    (record,) = read_keys(file).values()
    assert record.roles == ("read", "admin")
    assert abs(record.expires - datetime.now(UTC) - timedelta(days=90)) < timedelta(minutes=1)


def test_the_list_shows_no_secrets(file):
    keys = [created("--note", "till"), created("--expires", "1h"), created()]
    ran("revoke", id_of(keys[2]))
    rotated = ran("rotate", id_of(keys[0]), "--grace", "24h")[0].strip()
    table, listed = ran("list")[0], ran("list", "--json")[0]
    for shown in (table, listed):
        for key in (*keys, rotated):
            assert id_of(key) in shown
            assert key.split("_")[2] not in shown
        for record in read_keys(file).values():
            for hidden in (record.hash, record.salt, *(old.hash for old in record.old)):
                assert hidden not in shown
    assert [one["state"] for one in json.loads(listed)] == ["live", "live", "revoked"]
    assert len(json.loads(listed)[0]["old_secrets_until"]) == 1
    assert "an old secret until" in table
    assert "live until" in table


def test_an_id_is_shown_whole_on_a_narrow_terminal(file):
    key = created("--expires", "90d", "--note", "a note of more than a few words")
    ended = CliRunner().invoke(app, ["keys", "list"], env={"COLUMNS": "60"})
    assert id_of(key) in ended.stdout


def test_a_rotated_key_has_another_secret_and_the_old_one_opens_no_more(file):
    old = created()
    printed, said = ran("rotate", id_of(old))
    new = printed.strip()
    assert id_of(new) == id_of(old)
    assert "opens no more" in said
    ring = KeyRing(file)
    assert ring.holder(new).tenant == "shop"
    with pytest.raises(UnknownKeyError):
        ring.holder(old)


def test_with_a_grace_the_old_secret_opens_until_it_is_over(file):
    old = created()
    new = ran("rotate", id_of(old), "--grace", "2h")[0].strip()
    assert KeyRing(file).holder(old) == KeyRing(file).holder(new)
    later = datetime.now(UTC) + timedelta(hours=3)
    assert KeyRing(file, lambda: later).holder(new)
    with pytest.raises(UnknownKeyError):
        KeyRing(file, lambda: later).holder(old)


def test_a_revoked_key_opens_no_more_stays_listed_and_is_not_rotated(file):
    key = created()
    assert "opens no more" in ran("revoke", id_of(key))[0]
    with pytest.raises(EndedKeyError):
        KeyRing(file).holder(key)
    assert id_of(key) in ran("list")[0]
    assert "is revoked" in refused("rotate", id_of(key))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("create", "--tenant", "Shop"), "lower-case"),
        (("create", "--tenant", "shop", "--role", "write"), "There is no role 'write'"),
        (
            ("create", "--tenant", "shop", "--expires", "soon"),
            "'soon' is no span of time. Write one such as 90d",
        ),
        (("create", "--tenant", "shop", "--expires", "0d"), "no span of time"),
        (("create", "--tenant", "shop", "--expires", "9999d"), "no span of time"),
        (("rotate", "0123456789abcdef"), "There is no key '0123456789abcdef'"),
        (("revoke", "0123456789abcdef"), "There is no key '0123456789abcdef'"),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(file, arguments, named):
    created()
    before = file.read_bytes()
    assert named in refused(*arguments)
    assert file.read_bytes() == before


def test_a_tenant_that_is_not_configured_gets_no_key(file, tmp_path):
    config = tmp_path / "trimtab.yaml"
    config.write_text("tenants: {shop: {}, studio: {}}\n")
    assert "Did you mean 'shop'" in refused("create", "--tenant", "shopp", "--config", str(config))
    assert not file.exists()
    ran("create", "--tenant", "studio", "--config", str(config))
    assert [record.tenant for record in read_keys(file).values()] == ["studio"]


def test_without_a_file_nothing_can_be_done(monkeypatch, tmp_path):
    monkeypatch.delenv("TRIMTAB_KEYS", raising=False)
    assert "TRIMTAB_KEYS" in refused("create", "--tenant", "shop")
    assert "There is no key file" in refused("list", "--keys", str(tmp_path / "none.json"))


def test_the_option_wins_over_the_variable(file, tmp_path):
    other = tmp_path / "other.json"
    created("--keys", str(other))
    assert not file.exists()
    with changed_keys(other) as keys:
        assert len(keys) == 1
