"""The chain: whatever is done to its lines is found, and named by its line."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.audit.chain import Head, UnsoundLineError, canonical, chained, genesis, read_line
from service.audit.reading import Placed
from service.audit.verify import verify
from service.errors import AuditLogError

TEXTS = st.text(max_size=20)
CONTENTS = st.lists(
    st.fixed_dictionaries(
        {
            "kind": st.just("image"),
            "prompt": TEXTS,
            "seed": st.integers(0, 2**63),
            "strength": st.floats(-9, 9),
        }
    ),
    min_size=2,
    max_size=8,
)


def written(contents, chain="one"):
    head, lines = genesis(chain), []
    for content in contents:
        text, head = chained(chain, head, content)
        lines.append(text)
    return lines, head


def placed(lines, is_whole=True):
    return [Placed(f"log:{number}", line, is_whole) for number, line in enumerate(lines, 1)]


def found(lines, **options):
    return [(finding.kind, finding.place) for finding in verify(placed(lines), **options).findings]


def numbered(count, chain="one"):
    return written([{"kind": "image", "image": number} for number in range(count)], chain)


@given(CONTENTS)
def test_what_was_written_is_sound_and_says_what_it_said(contents):
    lines, head = written(contents)
    verdict = verify(placed(lines), head=head)
    assert (verdict.is_sound, verdict.lines, verdict.head, verdict.chain) == (True, len(lines), head, "one")
    assert [read_line(line).content for line in lines] == contents
    assert all(line.isascii() and "\n" not in line for line in lines)


@given(CONTENTS, st.data())
@settings(max_examples=150)
def test_any_changed_character_is_found_in_its_line(contents, data):
    lines, head = written(contents)
    which = data.draw(st.integers(0, len(lines) - 1))
    line = lines[which]
    where = data.draw(st.integers(0, len(line) - 1))
    other = data.draw(st.characters().filter(lambda character: character != line[where]))
    lines[which] = line[:where] + other + line[where + 1 :]
    findings = found(lines, head=head)
    # A last line that is no more is missing from the kept head too.
    assert findings[0] == ("changed", f"log:{which + 1}")
    assert [kind for kind, _ in findings[1:]] == (["head"] if which == len(lines) - 1 else [])


@given(CONTENTS, st.data())
def test_any_removed_line_is_found(contents, data):
    lines, head = written(contents)
    which = data.draw(st.integers(0, len(lines) - 1))
    del lines[which]
    if which == len(lines):
        assert found(lines) == []
        verdict = verify(placed(lines), head=head)
        assert [finding.problem for finding in verdict.findings] == [
            f"The log ended at line {which + 1} once: line {which + 1} is missing."
        ]
    else:
        (finding,) = verify(placed(lines), head=head).findings
        assert (finding.kind, finding.place) == ("removed", f"log:{which + 1}")
        assert finding.problem == f"Before it line {which + 1} is missing."


@given(CONTENTS, st.data())
def test_any_two_lines_that_change_places_are_found(contents, data):
    lines, head = written(contents)
    first, second = sorted(
        data.draw(st.lists(st.integers(0, len(lines) - 1), min_size=2, max_size=2, unique=True))
    )
    lines[first], lines[second] = lines[second], lines[first]
    verdict = verify(placed(lines), head=head)
    moved = {finding.problem for finding in verdict.findings if finding.kind == "moved"}
    # The later one stands too early, so that all between the two stand after it.
    assert moved == {f"Line {number + 1} stands after later ones." for number in range(first, second)}
    assert not [finding for finding in verdict.findings if finding.kind == "removed"]


@given(CONTENTS, st.data())
def test_any_line_that_is_there_twice_is_found(contents, data):
    lines, head = written(contents)
    which = data.draw(st.integers(0, len(lines) - 1))
    where = data.draw(st.integers(which + 1, len(lines)))
    lines.insert(where, lines[which])
    assert found(lines, head=head) == [("repeated", f"log:{where + 1}")]


@given(CONTENTS, st.data())
def test_a_line_that_was_put_in_is_found(contents, data):
    lines, head = written(contents)
    where = data.draw(st.integers(0, len(lines)))
    lines.insert(
        where, data.draw(st.sampled_from(["", "{}", "null", "[1]", '{"digest":1}', "é", "{" * 9999]))
    )
    assert found(lines, head=head) == [("changed", f"log:{where + 1}")]


@given(CONTENTS, st.data())
def test_a_line_that_was_written_anew_does_not_fit_the_next(contents, data):
    """Whoever changes a line and computes its digest has to write all later ones anew, and then the head is another."""
    lines, head = written(contents)
    which = data.draw(st.integers(0, len(lines) - 1))
    before = Head(which, read_line(lines[which]).previous)
    lines[which], forged = chained("one", before, {"kind": "image", "prompt": "another"})
    if which < len(lines) - 1:
        assert found(lines) == [("replaced", f"log:{which + 2}")]
        head = forged
        for later in range(which + 1, len(lines)):
            lines[later], head = chained("one", head, contents[later])
    assert found(lines) == []
    assert [kind for kind, _ in found(lines, head=written(contents)[1])] == ["head"]


def test_removed_lines_are_named():
    lines, _ = numbered(9)
    del lines[6], lines[2:4]
    assert [finding.problem for finding in verify(placed(lines)).findings] == [
        "Before it lines 3 to 4 are missing.",
        "Before it line 7 is missing.",
    ]


def test_an_empty_log_is_sound_and_a_kept_head_says_what_is_gone():
    assert verify([]).is_sound
    _, head = numbered(3)
    (finding,) = verify([], head=head).findings
    assert finding.problem == "The log ended at line 3 once: lines 1 to 3 are missing."


def test_a_head_that_was_kept_earlier_is_in_a_log_that_went_on():
    lines, _ = numbered(5)
    _, earlier = numbered(3)
    assert found(lines, head=earlier) == []
    assert found(lines, head=Head(3, genesis("x").digest)) == [("head", "log:5")]


def test_older_lines_may_be_put_away_after_their_head():
    lines, head = numbered(5)
    _, before = numbered(3)
    assert [kind for kind, _ in found(lines[3:])] == ["removed"]
    assert found(lines[3:], after=before, head=head) == []
    assert found(lines[3:], after=before, head=before) == []
    assert found(lines[3:], after=Head(3, head.digest)) == [("replaced", "log:1")]


def test_a_line_of_another_chain_is_found():
    lines, head = numbered(3)
    others, _ = numbered(3, "two")
    assert found([lines[0], others[1], *lines[1:]], head=head) == [("foreign", "log:2")]
    # One chain's beginning is not another's.
    assert found([chained("two", Head(0, genesis("one").digest), {})[0]]) == [("replaced", "log:1")]


def test_a_line_that_was_cut_off_is_found():
    lines, head = numbered(3)
    parts = [*placed(lines), Placed("log:4", lines[0][:20], is_whole=False)]
    (finding,) = verify(parts, head=head).findings
    assert (finding.kind, finding.place) == ("cut-off", "log:4")


def test_a_number_of_lines_that_nobody_could_list_is_told_at_once():
    far, _ = chained("one", Head(10**18, genesis("one").digest), {})
    (finding,) = verify(placed([far])).findings
    assert finding.problem == f"Before it lines 1 to {10**18} are missing."


@pytest.mark.parametrize(
    "change",
    [
        lambda body: {**body, "strength": "NaN"},
        lambda body: {**body, "sequence": True},
        lambda body: {**body, "sequence": 1.0},
        lambda body: {**body, "format_version": 2},
        lambda body: {name: value for name, value in body.items() if name != "chain"},
    ],
)
def test_what_is_no_line_is_refused(change):
    text, _ = chained("one", genesis("one"), {"kind": "image", "strength": 1.0})
    changed = canonical(change(json.loads(text))).replace('"NaN"', "NaN")
    with pytest.raises(UnsoundLineError):
        read_line(changed)


def test_other_spellings_of_the_same_json_are_refused():
    text, _ = chained("one", genesis("one"), {"kind": "image", "prompt": "é", "strength": 1.0})
    read_line(text)
    for other in (
        text.replace(":1.0", ":1.00"),
        text.replace("\\u00e9", "é"),
        text.replace(",", ", "),
        f"{text} ",
    ):
        assert other != text
        with pytest.raises(UnsoundLineError):
            read_line(other)


def test_a_head_is_read_as_it_is_printed():
    _, head = numbered(3)
    assert Head.parse(str(head)) == head
    for text in ("", "3", "3:abc", f"-1:{head.digest}", f"{head} "):
        with pytest.raises(AuditLogError, match="trimtab audit verify"):
            Head.parse(text)
