"""What follows from the statements in their order, and which orders there cannot be."""

from datetime import UTC, date, datetime

import pytest

from audit_pipelines.errors import EvidenceError
from audit_pipelines.seal import ledger
from audit_pipelines.seal import statements as st
from audit_pipelines.seal.keys import text_of

AT = datetime(2026, 1, 20, 2, tzinfo=UTC)
FIRST, SECOND, THIRD = (text_of(bytes([number]) * 32) for number in (1, 2, 3))
GENESIS = st.Genesis(at=AT, organisation="test", origin="o", public_key=FIRST, months=12, sources={"short": 1})


def read(*items, genesis=GENESIS):
    return ledger.read([st.encode(item) for item in ([genesis] if genesis else []) + list(items)], "log/statements")


def key(action, public):
    return st.Key(at=AT, action=action, public_key=public, reason="")


def batch(seq, first=0, size=0):
    return st.Batch(
        seq=seq,
        run_id="r",
        extracted_at=AT,
        manifest=st.Digested(path=f"batches/{seq:06d}.json", sha256="s"),
        events=st.Range(first=first, size=size, root="r"),
        oldest=None,
        newest=None,
        late=0,
        rejects=0,
        previous_token_sha256=None,
        code="1",
    )


def hold(action, name, **named):
    return st.Hold(at=AT, action=action, name=name, **named)


def purge(path, removal=1):
    return st.Purge(
        at=AT,
        removal=removal,
        what="evidence",
        path=path,
        sha256="s",
        source="a",
        day=date(2026, 1, 1),
        first=0,
        count=1,
        newest=AT,
        months=12,
        limit=date(2026, 1, 1),
        approver="",
    )


def erasure(path):
    return st.Erasure(at=AT, removal=st.Digested(path=path, sha256="s"), leaves=(1,), files=(), ground="", approver="")


def drop(number, part, parts):
    return st.Drop(batch=number, part=part, parts=parts, manifests=())


# --- the beginning --------------------------------------------------------------------------------------------


def test_a_ledger_begins_with_its_genesis():
    found = read()
    assert (found.genesis, found.statements) == (GENESIS, [GENESIS])


@pytest.mark.parametrize("items", [[], [batch(1)], [batch(1), GENESIS], [GENESIS, batch(1), GENESIS]])
def test_there_is_one_genesis_at_the_beginning(items):
    with pytest.raises(EvidenceError, match="log/statements: does not begin with its one genesis statement"):
        read(*items, genesis=None)


def test_a_statement_that_cannot_be_read_is_named_by_its_number():
    with pytest.raises(EvidenceError, match="log/statements: statement 2: no statement that this version knows"):
        ledger.read([st.encode(GENESIS), st.encode(batch(1)), b"{}"], "log/statements")


# --- keys -----------------------------------------------------------------------------------------------------


def test_keys_sign_from_their_statement_on():
    found = read(batch(1), key("add", SECOND), batch(2), key("retire", FIRST), key("add", THIRD))
    assert [found.signing_keys(before) for before in range(1, 7)] == [
        [FIRST],
        [FIRST],
        [FIRST, SECOND],
        [FIRST, SECOND],
        [SECOND],
        [SECOND, THIRD],
    ]
    assert found.signing_keys() == [SECOND, THIRD]
    assert found.all_keys() == [FIRST, SECOND, THIRD]


@pytest.mark.parametrize(
    ("items", "says"),
    [
        ([key("add", FIRST)], "statement 1: cannot add this key"),
        ([key("add", SECOND), key("add", SECOND)], "statement 2: cannot add this key"),
        ([key("retire", SECOND)], "statement 1: cannot retire this key"),
        ([key("retire", FIRST)], "statement 1: cannot retire this key"),
        ([key("add", SECOND), key("retire", FIRST), key("retire", FIRST)], "statement 3: cannot retire this key"),
        ([key("add", SECOND), key("retire", FIRST), key("retire", SECOND)], "statement 3: cannot retire this key"),
    ],
)
def test_key_statements_that_make_no_sense_are_refused(items, says):
    with pytest.raises(EvidenceError, match=says):
        read(*items)


# --- policy and holds -----------------------------------------------------------------------------------------


def test_the_policy_is_the_newest_before():
    found = read(st.Policy(at=AT, months=6, sources={}), batch(1), st.Policy(at=AT, months=7, sources={"a": 1}))
    months = [(found.policy(before).months, found.policy(before).months_for("short")) for before in (1, 2, 3, 4, None)]
    assert months == [(12, 1), (6, 6), (6, 6), (7, 7), (7, 7)]
    assert found.policy().months_for("a") == 1


def test_a_hold_is_in_force_until_it_is_released():
    found = read(hold("set", "one"), hold("set", "two"), hold("release", "one"), hold("release", "never"), hold("set", "one"))
    assert [sorted(found.holds(before)) for before in range(1, 7)] == [
        [],
        ["one"],
        ["one", "two"],
        ["two"],
        ["two"],
        ["one", "two"],
    ]


@pytest.mark.parametrize(
    ("named", "held"),
    [
        ({}, {"a 1", "a 5", "a 9", "b 1", "b 5", "b 9"}),
        ({"source": "a"}, {"a 1", "a 5", "a 9"}),
        ({"first": date(2026, 1, 5)}, {"a 5", "a 9", "b 5", "b 9"}),
        ({"last": date(2026, 1, 5)}, {"a 1", "a 5", "b 1", "b 5"}),
        ({"source": "b", "first": date(2026, 1, 5), "last": date(2026, 1, 5)}, {"b 5"}),
    ],
)
def test_a_hold_covers_the_days_of_its_sources(named, held):
    found = read(hold("set", "one", **named))
    days = {(source, number): date(2026, 1, number) for source in "ab" for number in (1, 5, 9)}
    assert {f"{source} {number}" for (source, number), day in days.items() if found.held(source, day)} == held
    assert not any(found.held(source, day, before=1) for (source, _), day in days.items())


def test_a_day_of_any_source_is_held_by_a_hold_of_one():
    assert read(hold("set", "one", source="a")).held(None, date(2026, 1, 1))


# --- what is stated -------------------------------------------------------------------------------------------


def test_batches_reports_and_purges_are_found_with_their_numbers():
    report = st.Report(month="2026-01", revision=2, log_size=3, statements=4, files=())
    found = read(batch(1, 0, 2), batch(2, 2, 3), report, purge("p"))
    assert {seq: index for seq, (index, _) in found.batches().items()} == {1: 1, 2: 2}
    assert found.batches()[2][1].events.size == 3
    assert found.reports() == {("2026-01", 2): (3, report)}
    assert found.purges() == {"p": (4, purge("p"))}


def test_a_batch_is_dropped_when_the_last_part_is_stated():
    found = read(drop(1, 0, 2), drop(1, 1, 2), drop(2, 0, 1), drop(3, 0, 2))
    assert found.dropped() == {1, 2}
    assert [item.batch for item in found.drops()] == [1, 1, 2, 3]


def test_removals_are_counted_from_purges_and_erasures():
    found = read(purge("p", 1), purge("q", 1), erasure("removals/000002.json"))
    assert found.removals() == {1, 2}
    assert [index for index, _ in found.erasures()] == [3]


@pytest.mark.parametrize("path", ["", "removals/x.json", "..", "²"])
def test_an_erasure_that_names_no_removal_counts_for_none(path):
    assert read(erasure(path)).removals() == set()
