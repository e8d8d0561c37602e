"""Statements: their exact bytes, every member they have, and that nothing else gets in or out."""

import json
from datetime import UTC, date, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit_pipelines.errors import EvidenceError, SealError
from audit_pipelines.seal import statements
from audit_pipelines.seal.statements import LIMIT, Digested, Drill, Range, Rewritten, decode, encode

AT = datetime(2026, 1, 20, 2, 0, 0, 5, tzinfo=UTC)
FILE = Digested(path="a/b", sha256="ab" * 32)
EVERY = (
    statements.Genesis(at=AT, organisation="acme", origin="o", public_key="AQ==", months=12, sources={"a": 3}),
    statements.Batch(
        seq=1,
        run_id="run",
        extracted_at=AT,
        manifest=FILE,
        events=Range(first=0, size=2, root="r"),
        oldest=AT,
        newest=None,
        late=1,
        rejects=0,
        previous_token_sha256=None,
        code="1.0",
    ),
    statements.Conflict(batch=1, leaves=((3, 1), (4, None))),
    statements.Drop(batch=1, part=0, parts=1, manifests=(FILE,), drill=Drill(batch=1, alteration="a", caught=True, message="m")),
    statements.Report(month="2026-01", revision=1, log_size=2, statements=3, files=(FILE,)),
    statements.Policy(at=AT, months=6, sources={}),
    statements.Hold(at=AT, action="set", name="case", source="a", first=date(2026, 1, 1), last=None, reason="r", approver="p"),
    statements.Purge(
        at=AT,
        removal=1,
        what="evidence",
        path="p",
        sha256="s",
        source="a",
        day=date(2026, 1, 1),
        first=0,
        count=2,
        newest=AT,
        months=12,
        limit=date(2026, 1, 20),
        approver="p",
    ),
    statements.Erasure(
        at=AT,
        removal=FILE,
        leaves=(1, 2),
        files=(Rewritten(path="p", sha256="s", new_path=None, new_sha256=None),),
        ground="g",
        approver="p",
    ),
    statements.Rederive(
        at=AT,
        source="a",
        first=date(2026, 1, 1),
        last=date(2026, 1, 2),
        files=1,
        rows_changed=2,
        old_dialect_sha256="o",
        new_dialect_sha256="n",
    ),
    statements.Key(at=AT, action="add", public_key="AQ==", reason="r"),
    statements.Incident(at=AT, kind="other", text="t"),
)
MEMBERS = {
    "genesis": "at organisation origin public_key months sources previous_events previous_statements",
    "batch": "seq run_id extracted_at manifest events oldest newest late rejects previous_token_sha256 code",
    "conflict": "batch leaves",
    "drop": "batch part parts manifests drill",
    "report": "month revision log_size statements files",
    "policy": "at months sources",
    "hold": "at action name source first last reason approver",
    "purge": "at removal what path sha256 source day first count newest months limit approver",
    "erasure": "at removal leaves files ground approver",
    "rederive": "at source first last files rows_changed old_dialect_sha256 new_dialect_sha256",
    "key": "at action public_key reason",
    "incident": "at kind text public_key",
}
"""What may stand in the log for seven years: a new member has to be written down here too."""


def kind(statement):
    return type(statement).__name__.lower()


def test_every_kind_is_tried_here():
    assert {type(item) for item in EVERY} == set(statements.AnyStatement.__args__)
    assert list(MEMBERS) == [kind(item) for item in EVERY]


@pytest.mark.parametrize("item", EVERY, ids=kind)
def test_the_bytes_hold_the_members_in_order_and_no_other(item):
    data = encode(item)
    assert list(json.loads(data)) == ["type", "v", *MEMBERS[kind(item)].split()]
    assert json.loads(data)["type"] == kind(item)
    assert decode(data, "here") == item
    assert encode(decode(data, "here")) == data


def test_the_exact_bytes_of_one():
    assert encode(statements.Key(at=AT, action="add", public_key="AQ==", reason='é "\n')) == (
        '{"type":"key","v":1,"at":"2026-01-20T02:00:00.000005Z","action":"add","public_key":"AQ==","reason":"é \\"\\n"}'.encode()
    )


@pytest.mark.parametrize("item", EVERY, ids=kind)
def test_what_is_not_in_the_struct_is_not_stated(item):
    """An unknown member, here a person's name, is ignored when it is read and never written."""
    grown = json.loads(encode(item)) | {"actor_name": "Jane Roe"}
    found = decode(json.dumps(grown).encode(), "here")
    assert found == item
    assert b"Jane Roe" not in encode(found)
    with pytest.raises((AttributeError, TypeError)):
        item.actor_name = "Jane Roe"
    with pytest.raises(TypeError, match="actor_name"):
        msgspec.structs.replace(item, actor_name="Jane Roe")


@pytest.mark.parametrize("item", EVERY, ids=kind)
def test_a_statement_without_one_of_its_members_is_refused_or_has_its_default(item):
    whole = json.loads(encode(item))
    required = {field.name for field in msgspec.structs.fields(item) if field.required}
    for name in whole:
        less = json.dumps({key: value for key, value in whole.items() if key != name}).encode()
        if name in required or name == "type":
            with pytest.raises(EvidenceError, match="here: no statement that this version knows"):
                decode(less, "here")
        else:
            decode(less, "here")


@settings(max_examples=50, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_text_is_one_line_and_comes_back(text):
    item = statements.Incident(at=AT, kind="other", text=text)
    data = encode(item)
    assert b"\n" not in data
    assert decode(data, "here") == item


def test_the_longest_statement():
    empty = len(encode(statements.Incident(at=AT, kind="other", text="")))
    assert len(encode(statements.Incident(at=AT, kind="other", text="x" * (LIMIT - empty)))) == LIMIT == 2**16 - 1
    with pytest.raises(SealError, match=r"an? incident statement of 65536 bytes, the limit is 65535"):
        encode(statements.Incident(at=AT, kind="other", text="x" * (LIMIT - empty + 1)))


def test_text_that_is_no_unicode_is_a_clear_error():
    """What a terminal in another encoding gives: bytes that Python keeps as lone surrogates."""
    text = b"caf\xe9".decode(errors="surrogateescape")
    with pytest.raises(SealError, match="a hold statement holds characters that are no Unicode"):
        encode(statements.Hold(at=AT, action="set", name="n", reason=text))


# --- reading --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b'{"type":"other","v":1}',
        b'{"v":1,"at":"2026-01-20T02:00:00Z","kind":"other","text":"t"}',
        b'{"type":"incident","v":1,"at":"2026-01-20T02:00:00Z","kind":"strange","text":"t"}',
        b'{"type":"incident","v":1,"at":"2026-01-20","kind":"other","text":"t"}',
        b'{"type":"incident","v":1,"at":"2026-01-20T02:00:00Z","kind":"other","text":"t"} ,',
        b'{"type":"incident","v":1,"at":"2026-01-20T02:00:00Z","kind":"other","text":"\\ud800"}',
        b'{"type":"incident","v":1,"at":"2026-01-20T02:00:00Z","kind":"other","text":"t","x":' + b"[" * 60_000,
        b'{"type":"purge","v":1,"removal":' + b"9" * 6000 + b"}",
    ],
)
def test_what_is_no_statement_is_an_evidence_error(data):
    with pytest.raises(EvidenceError, match=r"^statement 7: no statement that this version knows: .* \(a newer version"):
        decode(data, "statement 7")


@pytest.mark.parametrize("version", [0, 2, -1, 10**30])
def test_a_statement_of_another_version_is_not_guessed_at(version):
    data = encode(EVERY[-1]).replace(b'"v":1', b'"v":%d' % version)
    with pytest.raises(EvidenceError, match=r"this version knows .* \(a newer version of audit-pipelines may know it\)"):
        decode(data, "here")


@pytest.mark.parametrize("item", [item for item in EVERY if hasattr(item, "at")], ids=kind)
def test_a_time_without_its_offset_is_refused(item):
    """It could not be compared with the others."""
    with pytest.raises(EvidenceError, match="timezone"):
        decode(encode(item).replace(b"00.000005Z", b"00.000005"), "here")


def test_a_time_with_another_offset_is_the_same_moment():
    there = AT.astimezone(timezone(timedelta(hours=2)))
    found = decode(encode(statements.Incident(at=there, kind="other", text="t")), "here")
    assert found.at == AT


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_decode_lets_no_other_error_out(data):
    content = bytearray(data.draw(st.one_of(st.binary(max_size=60), st.sampled_from(EVERY).map(encode))))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 4))] = data.draw(
            st.one_of(st.binary(max_size=4), st.sampled_from([b'"', b"{", b"9" * 30]))
        )
    try:
        found = decode(bytes(content), "here")
    except EvidenceError as error:
        said = str(error)
    else:
        said = f"here: {kind(found)}"
        encode(found)
    assert said.startswith("here: ")
