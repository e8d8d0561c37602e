"""Each check of the bundle's verifier, failing alone: by whoever passes a bundle on, and by an insider who holds the key.

The bundles are ``bundle_craft``'s, made from docs/format.md without the package. Untouched ones are good; after one
change, with digests, roots and signatures made to fit it, the verdict names that change.
"""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zlib
from datetime import date, timedelta
from pathlib import Path

import pytest

from audit_pipelines.seal import standalone
from audit_pipelines.seal.standalone import Bad, verify
from tests.seal import bundle_craft as craft
from tests.seal import reference as rfc
from tests.seal.bundle_craft import FEBRUARY, JANUARY, Entry, Insider, Pen, story

LAST = ("event", "2026-02-02", "2026-02-03", 19)
SECOND = ("day", "2026-01-02", "2026-01-03")


def counts(**given):
    return {
        **dict.fromkeys(("files", "disclosed", "withheld", "erased", "purged"), 0),
        "statements": 4,
        "batches": 3,
        "leaves": 21,
        **given,
    }


@pytest.fixture
def check(tmp_path):
    """Verify files as a zip of the strict form, with sums that fit, trusting the insider's key."""

    def run(files, *, keys=None, again=True):
        return verify(craft.packed(tmp_path / "b.zip", files, again=again), [story().fingerprint()] if keys is None else keys)

    return run


def refused(says, action, *arguments, **named):
    with pytest.raises(Bad) as caught:
        action(*arguments, **named)
    assert re.search(says, str(caught.value)), str(caught.value)


# --- What is good -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "tells", "seen"),
    [
        (JANUARY, "insider, month 2026-01-01", {"files": 3, "disclosed": 9}),
        (FEBRUARY, "insider, month 2026-02-01", {"files": 4, "disclosed": 9}),
        (SECOND, "insider, day 2026-01-02", {"files": 2, "disclosed": 7}),
        (("day", "2026-03-05", "2026-03-06"), "insider, day 2026-03-05", {}),
        (LAST, "insider, event 2026-02-02, leaf 19", {"files": 1, "disclosed": 1}),
    ],
)
def test_a_bundle_made_from_the_page_is_good(check, scope, tells, seen):
    assert check(story().files(*scope)) == ("GOOD", tells, counts(**seen))


@pytest.mark.parametrize("leaf", range(21))
def test_every_event_of_the_log_can_be_shown_alone(check, leaf):
    insider = story()
    days = {
        first + n: file["day"]
        for manifest in insider.manifests.values()
        for file in manifest["evidence"]
        for first in [file["first"]]
        for n in range(file["count"])
    }
    insider.withheld = {leaf} if leaf % 3 == 0 else set()
    until = str(date.fromisoformat(days[leaf]) + timedelta(days=1))
    seen = {"files": 1, "withheld" if insider.withheld else "disclosed": 1}
    assert check(insider.files("event", days[leaf], until, leaf)).counts == counts(**seen)


def test_withheld_erased_and_purged_are_counted(check):
    insider = story()
    insider.say("erasure", at="2026-02-04T00:00:00Z", leaves=[3, 20])
    insider.purge("2026-02-04T00:00:00Z", 1, 0, 12, "2025-02-04")
    insider.withheld = {4, 8}
    seen = {"files": 3, "disclosed": 6, "withheld": 2, "erased": 1, "statements": 6}
    assert check(insider.files(*JANUARY)).counts == counts(**seen)
    old = ("month", "2024-02-01", "2024-03-01")
    assert check(insider.files(*old)).counts == counts(purged=3, statements=6)


def test_without_a_key_the_signer_is_unknown(check):
    assert check(story().files(*JANUARY), keys=[]).verdict == "CONSISTENT, SIGNER UNKNOWN"


def test_a_vkey_is_trusted_like_its_fingerprint(check):
    name = f"{story().origin}/statements"
    assert check(story().files(*JANUARY), keys=[Pen(7).vkey(name)]).verdict == "GOOD"


@pytest.mark.parametrize(
    "record",
    [
        '{"n":123456789012345678901234567890,"e":1e999}',
        '{"a":' + "[" * 990 + "]" * 990 + "}",
        '{"a":' + '{"a":' * 5000 + "1" + "}" * 5001,
        '{"a":"\\ud800","a":"\\u0000","a":"\u2028\x85"}',
        ' {"a" :\r\t1} ',
        "{}",
    ],
    ids=["numbers", "nested lists", "nested objects", "odd text", "white space", "empty"],
)
def test_every_record_that_the_lake_takes_is_a_record(check, record):
    insider = story()
    insider.lines[4] = insider.lines[4][:33] + record.encode()
    assert check(insider.files(*JANUARY)).counts["disclosed"] == 9


def test_rotated_keys(check):
    """The first key signs, both, then the second alone; a reader may trust either, or both."""
    first, second = Pen(7), Pen(8)
    insider = story()
    insider.say("key", at="2026-02-04T00:00:00Z", action="add", public_key=second.public, reason="")
    insider.pens = [first, second]
    insider.signs = {"events": [first], "events.old": [first], "statements.old": [first]}  # events were signed before
    for keys in ([first.fingerprint], [first.fingerprint, second.fingerprint]):
        assert check(insider.files(*FEBRUARY), keys=keys).verdict == "GOOD"
    insider.say("key", at="2026-02-05T00:00:00Z", action="retire", public_key=first.public, reason="")
    insider.signs |= {"statements": [second]}
    assert check(insider.files(*FEBRUARY), keys=[first.fingerprint, second.fingerprint]).verdict == "GOOD"
    refused(
        "^checkpoints/statements: has no signature by a key that you trust",
        check,
        insider.files(*FEBRUARY),
        keys=[first.fingerprint],
    )
    refused(
        "^checkpoints/events: has no signature by a key that you trust",
        check,
        insider.files(*FEBRUARY),
        keys=[second.fingerprint],
    )


def test_a_batch_without_events_leaves_the_head_where_it_was(check):
    insider = Insider()
    insider.genesis()
    insider.batch("2026-01-03T02:00:00Z")
    insider.batch("2026-01-04T02:00:00Z", ("a", "2026-01-03", 1))
    insider.batch("2026-01-05T02:00:00Z")
    insider.batch("2026-01-06T02:00:00Z")
    for scope in (JANUARY, ("day", "2026-01-03", "2026-01-04"), ("day", "2026-01-04", "2026-01-05"), FEBRUARY):
        assert check(insider.files(*scope)).verdict == "GOOD"


def test_tokens_travel_with_their_checkpoints(check):
    insider = story()
    insider.tokens = [2, 4]
    assert check(insider.files(*JANUARY)).verdict == "GOOD"


# --- An insider who holds the key ---------------------------------------------------------------------------------

INSIDERS = {}


def insider(says, scope=JANUARY):
    """A change of the story before it is sealed; ``says`` = the verdict on its bundle."""

    def keep(change):
        INSIDERS[change.__name__] = change, scope, says
        return change

    return keep


@insider("^statements.ndjson, line 5: no genesis may stand here")
def a_second_genesis(it):
    it.genesis()


@insider("^statements.ndjson, line 1: no policy may stand here")
def no_genesis_first(it):
    it.statements.insert(0, {"type": "policy", "v": 1, "at": "2026-01-01T00:00:00Z", "months": 1, "sources": {}})


@insider("^statements.ndjson, line 5: no gossip may stand here")
def a_statement_of_an_unknown_type(it):
    it.say("gossip")


@insider("^statements.ndjson, line 5: no report may stand here")
def a_statement_of_another_version(it):
    it.say("report", v=2)


@insider("^statements.ndjson, line 5: malformed, AttributeError|^statements.ndjson, line 5: malformed, TypeError")
def a_statement_without_a_time_that_is_one(it):
    it.say("policy", at=5, months=1, sources={})


@insider("^statements.ndjson, line 6: is older than a purge")
def a_purge_that_is_dated_ahead(it):
    it.purge("2027-02-04T00:00:00Z", 1, 1, 12, "2026-02-04")
    it.say("policy", at="2026-02-05T00:00:00Z", months=12, sources={})


@insider("^evidence/source=b/day=2026-02-01/16-1.txt: leaves 16 to 16 are not those of the signed log, in this order", FEBRUARY)
def a_batch_between_states_another_root(it):
    it.statements[2]["events"]["root"] = craft.b64(rfc.EMPTY)


@insider("^statements.ndjson, line 4: batch 4 is not the next")
def a_batch_is_left_out(it):
    it.statements[3]["seq"] = 4
    it.manifests[4] = it.manifests.pop(3)


@insider("^statements.ndjson, line 5: batch 3 is not the next")
def a_batch_is_stated_twice(it):
    it.statements.append(dict(it.statements[3]))


@insider("^statements.ndjson, line 3: batch 2 is not the next")
def batches_leave_a_leaf_out(it):
    it.statements[2]["events"]["first"] = 11


@insider("^statements.ndjson, line 3: batch 2 is not the next")
def the_log_shrinks(it):
    it.statements[2]["events"]["size"] = 9


@insider("^manifests/000002.json: is not the manifest that was sealed")
def a_manifest_is_changed_after_it_was_sealed(it):
    it.sealed()
    it.manifests[2]["evidence"][0]["newest"] = "2026-01-31T13:00:00Z"


@insider("^manifests/000002.json: its evidence leaves out leaf 12, or has it twice")
def a_manifest_leaves_a_leaf_out(it):
    it.manifests[2]["evidence"][1]["first"] = 13


@insider("^manifests/000002.json: its evidence leaves out leaf 16, or has it twice")
def a_manifest_ends_early(it):
    it.manifests[2]["evidence"].pop()


@insider("^manifests/000002.json: its evidence leaves out leaf 18, or has it twice")
def a_manifest_ends_late(it):
    it.manifests[2]["evidence"][2]["count"] = 2


@insider("^manifests/000002.json: its evidence leaves out leaf 12, or has it twice")
def an_evidence_file_of_nothing(it):
    it.manifests[2]["evidence"].insert(1, {**it.manifests[2]["evidence"][1], "count": 0})


@insider("^checkpoints/events: does not fit the statements")
def the_last_batch_states_another_root(it):
    it.statements[3]["events"]["root"] = craft.b64(rfc.EMPTY)


@insider("^checkpoints/events.old: does not fit the statements", FEBRUARY)
def an_earlier_batch_states_another_root(it):
    it.statements[1]["events"]["root"] = craft.b64(rfc.EMPTY)


@insider("^checkpoints/events: does not fit the statements")
def the_genesis_names_another_origin(it):
    it.statements[0]["origin"] = "audit.example/other"


@insider("^checkpoints/statements: has no signature by a key that you trust and that was in force")
def a_retired_key_signs(it):
    it.say("key", at="2026-02-04T00:00:00Z", action="add", public_key=Pen(8).public)
    it.say("key", at="2026-02-04T00:00:00Z", action="retire", public_key=Pen(7).public)
    it.signs["none"] = [Pen(8)]


@insider("^checkpoints/(events|statements): is of 9 statements, the bundle has 4", FEBRUARY)
def more_statements_are_signed_than_shown(it):
    it.files = lambda *scope: _resigned(Insider.files(it, *scope), "statements", 9)


@insider("^checkpoints/(events|statements).old: is of 99 statements, the bundle has 4", FEBRUARY)
def an_old_head_of_more_statements(it):
    it.old_size = 99


@insider("^checkpoints/(events|statements).old: the old checkpoints are not those before the scope", FEBRUARY)
def an_old_head_from_before_the_last_batch(it):
    it.old_size = 1


@insider("^statements.ndjson, line 5: the purge of leaves 3 to 7: the newest event, .* is not before 2025-02-04")
def a_purge_of_evidence_that_is_not_old_enough(it):
    it.purge("2026-02-04T00:00:00Z", 1, 1, 12, "2025-02-04")


@insider("^statements.ndjson, line 5: the purge of leaves 8 to 9: the policy is 24 months, the limit 2024-02-04")
def a_purge_by_the_months_of_another_source(it):
    it.purge("2026-02-04T00:00:00Z", 1, 2, 12, "2025-02-04")


@insider("^statements.ndjson, line 5: the purge of leaves 3 to 7 is of 2026-02-02 .*, an earlier statement of 2026-02-03")
def a_purge_that_is_backdated(it):
    it.purge("2026-02-02T00:00:00Z", 1, 1, 12, "2025-02-02")


@insider(
    "^statements.ndjson, line 6: the purge of leaves 0 to 2: the legal hold 'case' was in force",
    ("month", "2024-02-01", "2024-03-01"),
)
def a_purge_of_what_is_held(it):
    it.say("hold", at="2026-02-04T00:00:00Z", action="set", name="case", source=None, first="2024-02-29", last="2024-02-29")
    it.purge("2026-02-04T00:00:00Z", 1, 0, 12, "2025-02-04")


@insider("^evidence/source=a/day=2024-02-29/0-3.txt|^proofs/0-3.range: is missing", ("month", "2024-02-01", "2024-03-01"))
def a_purge_that_stands_before_its_batch(it):
    it.purge("2026-01-02T00:00:00Z", 1, 0, 12, "2025-01-02")
    it.statements.insert(1, it.statements.pop())


@insider("^proofs/0-3.range: is missing", ("month", "2024-02-01", "2024-03-01"))
def a_purge_of_something_else_than_evidence(it):
    it.purge("2026-02-04T00:00:00Z", 1, 0, 12, "2025-02-04")
    it.files = lambda *scope: _without(Insider.files(it, *scope), "0-3")
    it.statements[-1]["what"] = "findings"


for name, record in {"a_list": b"[1]", "a_text": b'"x"', "a_number": b"1"}.items():

    @insider("^evidence/source=a/day=2026-01-02/3-5.txt, line 2 [(]leaf 4[)]: its record is no JSON object")
    def a_record(it, record=record):
        it.lines[4] = it.lines[4][:33] + record

    INSIDERS[f"{name}_as_record"] = INSIDERS.pop("a_record")

for name, record in {
    "nan": b'{"a":NaN}',
    "text": b"hello",
    "half": b'{"a":',
    "latin_1": b'{"a":"\xe9"}',
    "two": b"{} {}",
    "control": b'{"a":"\x01"}',
}.items():

    @insider("^evidence/source=a/day=2026-01-02/3-5.txt, line 2 [(]leaf 4[)]: malformed")
    def another_record(it, record=record):
        it.lines[4] = it.lines[4][:33] + record

    INSIDERS[f"a_record_of_no_json_{name}"] = INSIDERS.pop("another_record")


@insider("^bundle.json, keys.txt: no such scope", ("month", "2026-01-02", "2026-01-03"))
def a_day_that_calls_itself_a_month(it):
    pass


@insider("^bundle.json, keys.txt: no such scope", ("month", "2026-01-02", "2026-02-02"))
def a_month_from_another_day_on(it):
    pass


@insider("^bundle.json, keys.txt: is not as it must be", ("month", "2026-01-01", "2026-01-31"))
def a_month_without_its_last_day(it):
    pass


@insider("^bundle.json, keys.txt: is not as it must be", ("day", "2026-01-02", "2026-01-02"))
def a_day_of_no_hours(it):
    pass


@insider("^bundle.json, keys.txt: no such scope", ("year", "2026-01-01", "2026-01-02"))
def an_unknown_scope(it):
    pass


@insider("^bundle.json, keys.txt: no such scope", ("event", "2026-01-02", "2026-01-03"))
def an_event_without_a_leaf(it):
    pass


@insider("^bundle.json, keys.txt: no such scope", ("event", "2026-01-02", "2026-01-03", 12))
def an_event_of_another_day(it):
    pass


@insider("^bundle.json, keys.txt: no such scope", ("day", "2026-01-02", "2026-01-03", 4))
def a_day_with_a_leaf(it):
    pass


@insider("^bundle.json, keys.txt: no such scope", ("event", "2026-01-02", "2026-01-03", 21))
def an_event_beyond_the_log(it):
    pass


def _without(files, piece):
    return {name: content for name, content in files.items() if piece not in name}


def _resigned(files, name, size):
    _, root = files[f"checkpoints/{name}"].split(b"\n")[1:3]
    return files | {f"checkpoints/{name}": craft.note(f"{story().origin}/{name}", size, base64.b64decode(root), [Pen(7)])}


@pytest.mark.parametrize("name", INSIDERS)
def test_what_an_insider_signs_is_judged_by_the_rules(check, name):
    change, scope, says = INSIDERS[name]
    it = story()
    assert check(it.files(*JANUARY)).verdict == "GOOD"
    it = story()
    change(it)
    refused(says, check, it.files(*scope), keys=[Pen(7).fingerprint, Pen(8).fingerprint])


# --- Whoever passes the bundle on, and makes the sums fit -----------------------------------------------------------


def put(name, old, new):
    """Replace bytes that are there."""

    def change(files):
        assert old in files[name], files[name]
        return files | {name: files[name].replace(old, new, 1)}

    return change


def give(**named):
    return lambda files: files | {name.replace("__", "/"): content for name, content in named.items()}


def lack(*names):
    return lambda files: {name: content for name, content in files.items() if name not in names}


def lines(name, change):
    """Let ``change`` work on the list of lines."""

    def whole(files):
        found = files[name].split(b"\n")[:-1]
        change(found)
        return files | {name: b"".join(line + b"\n" for line in found)}

    return whole


def swap(found):
    found[0], found[1] = found[1], found[0]


def from_scope(*names, scope):
    """Files of the bundle of another scope."""
    return lambda files: files | {name: story().files(*scope)[name] for name in names}


def described(**changed):
    """bundle.json in its form, with other values."""

    def change(files):
        about = json.loads(files["bundle.json"]) | changed
        return files | {"bundle.json": json.dumps(about, indent=1).encode() + b"\n"}

    return change


def token(files):
    """A checkpoint and a token that the issuer did not list, or listed as what it is not."""
    head = files["checkpoints/statements"]
    return files | {"checkpoints/statements.4": head, "anchors/4.tsr": b"token"}


def listed(*tokens, more=lambda files: files):
    return lambda files: described(tokens=list(tokens))(more(files))


FILE = "evidence/source=a/day=2026-01-02/3-5.txt"
ABOUT = "^bundle.json, keys.txt: is not as it must be"
OTHER = Pen(9)
BOTH = [OTHER.vkey(f"{story().origin}/{log}").encode() for log in ("events", "statements")]
PASSED_ON = {
    "bundle.json of another form": (JANUARY, lambda files: files | {"bundle.json": files["bundle.json"].replace(b"\n ", b"")}, ABOUT),
    "bundle.json with a member twice": (JANUARY, put("bundle.json", b"{\n", b'{\n "format": 1,\n'), ABOUT),
    "bundle.json with one more member": (JANUARY, described(more=1), ABOUT),
    "bundle.json is no JSON": (JANUARY, put("bundle.json", b"{", b"["), "^keys.txt: malformed"),
    "another organisation": (JANUARY, described(organisation="acme"), ABOUT),
    "another format": (JANUARY, described(format=2), ABOUT),
    "another size of events": (JANUARY, described(events_size=20), ABOUT),
    "another size of statements": (JANUARY, described(statements_size=3), ABOUT),
    "a longer scope of the same files": (JANUARY, put("bundle.json", b"2026-02-01", b"2026-02-02"), "is missing$|is not as it must be"),
    "a leaf that is no integer": (LAST, put("bundle.json", b'"leaf": 19', b'"leaf": 19.0'), "^bundle.json, keys.txt: no such scope"),
    "a listed token that is an evidence file": (
        JANUARY,
        listed("evidence/source=a/day=2026-01-02/99-1.txt", more=give(**{"evidence/source=a/day=2026-01-02/99-1.txt": b"made up\n"})),
        ABOUT,
    ),
    "a listed token outside": (JANUARY, listed("../x", more=give(**{"../x": b""})), ABOUT),
    "a listed token that is not there": (JANUARY, listed("anchors/4.tsr"), ABOUT),
    "a token without its checkpoint": (JANUARY, listed("anchors/4.tsr", more=give(anchors__4_tsr=b"")), ABOUT),
    "a checkpoint without its token": (JANUARY, lambda files: lack("anchors/4.tsr")(listed("anchors/4.tsr", more=token)(files)), "^anchors/4.tsr: is missing"),
    "a token that is not listed": (JANUARY, token, ABOUT),
    "a checkpoint that leads outside": (
        JANUARY,
        lambda files: files | {"checkpoints/statements.../../x": files["checkpoints/statements"]},
        "not all of .* are a bundle's checkpoints",
    ),
    "an old head of statements alone": (
        JANUARY,
        lambda files: files | {"checkpoints/statements.old": files["checkpoints/statements"]},
        "not all of .* are a bundle's checkpoints",
    ),
    "a checkpoint of another log": (JANUARY, lambda files: files | {"checkpoints/other": files["checkpoints/statements"]}, "^checkpoints/other: does not fit"),
    "a statements head as events head": (JANUARY, lambda files: files | {"checkpoints/events": files["checkpoints/statements"]}, "^checkpoints/events: does not fit"),
    "no events head": (JANUARY, lack("checkpoints/events"), "malformed, KeyError"),
    "a checkpoint by another key": (
        JANUARY,
        lambda files: files | {"checkpoints/events": craft.note(f"{story().origin}/events", 21, rfc.mth(story().leaves()), [OTHER])},
        "checkpoints/events: no signature by a key that is trusted",
    ),
    "a checkpoint with another size": (JANUARY, put("checkpoints/events", b"\n21\n", b"\n20\n"), "checkpoints/events: the signature by .* is wrong"),
    "keys.txt with a stranger's keys": (JANUARY, lines("keys.txt", lambda found: found.extend(BOTH)), "^bundle.json, keys.txt: are not the keys"),
    "keys.txt in another order": (JANUARY, lines("keys.txt", swap), "^bundle.json, keys.txt: are not the keys of the statements"),
    "keys.txt with a key twice": (JANUARY, lines("keys.txt", lambda found: found.append(found[0])), "^bundle.json, keys.txt: are not the keys"),
    "keys.txt without the statements log": (JANUARY, lines("keys.txt", list.pop), "checkpoints/statements: no signature by a key that is trusted"),
    "keys.txt with another line": (JANUARY, lines("keys.txt", lambda found: found.append(b"hello")), "^keys.txt: the key of a vkey"),
    "keys.txt without its last line end": (JANUARY, lambda files: files | {"keys.txt": files["keys.txt"][:-1]}, "^keys.txt: its last line has no end"),
    "keys.txt with carriage returns": (JANUARY, lambda files: files | {"keys.txt": files["keys.txt"].replace(b"\n", b"\r\n")}, "^keys.txt: the key of a vkey"),
    "a statement of another form": (JANUARY, put("statements.ndjson", b'"months":12', b'"months": 12'), "^statements.ndjson, line 1: is not JSON in its one form"),
    "a statement with a member twice": (JANUARY, put("statements.ndjson", b'"months":12', b'"months":12,"months":12'), "^statements.ndjson, line 1: is not JSON in"),
    "a statement with an escape": (JANUARY, put("statements.ndjson", b"insider", b"\\u0069nsider"), "^statements.ndjson, line 1: is not JSON in its one form"),
    "a signature twice": (JANUARY, lines("checkpoints/statements", lambda found: found.append(found[-1])), "a signature is too short, or there twice"),
    "a stranger's signature beside": (
        JANUARY,
        lambda files: files | {"checkpoints/events": files["checkpoints/events"] + OTHER.line(f"{story().origin}/events", b"any").encode()},
        "^checkpoints/events: has no signature by a key that you trust and that was in force alone",
    ),
    "a statement changed": (JANUARY, put("statements.ndjson", b'"months":12', b'"months":13'), "^checkpoints/statements: does not fit the statements"),
    "a statement gone": (JANUARY, lines("statements.ndjson", list.pop), "is of 4 statements, the bundle has 3"),
    "a statement more": (
        JANUARY,
        lines("statements.ndjson", lambda found: found.append(b'{"type":"report","v":1}')),
        "the checkpoints are not those of the last statement",
    ),
    "a statement twice": (
        JANUARY,
        lines("statements.ndjson", lambda found: found.append(found[-1])),
        "^statements.ndjson, line 5: batch 3 is not the next",
    ),
    "statements swapped": (JANUARY, lines("statements.ndjson", swap), "^statements.ndjson, line 1: no batch may stand here"),
    "statements without their last line end": (
        JANUARY,
        lambda files: files | {"statements.ndjson": files["statements.ndjson"][:-1]},
        "^statements.ndjson: its last line has no end",
    ),
    "statements of an older bundle": (FEBRUARY, lines("statements.ndjson", lambda found: found.__delitem__(slice(3, None))), "is of 4 statements, the bundle has 3"),
    "heads of an older bundle": (
        FEBRUARY,
        lambda files: files | {f"checkpoints/{log}": files[f"checkpoints/{log}.old"] for log in ("events", "statements")},
        "the checkpoints are not those of the last statement",
    ),
    "no old heads": (
        FEBRUARY,
        lack("checkpoints/events.old", "checkpoints/statements.old", "proofs/events.consistency", "proofs/statements.consistency"),
        "the old checkpoints are not those before the scope",
    ),
    "old heads where there are none": (
        JANUARY,
        from_scope("checkpoints/events.old", "checkpoints/statements.old", "proofs/events.consistency", "proofs/statements.consistency", scope=FEBRUARY),
        "the old checkpoints are not those before the scope",
    ),
    "later old heads": (
        FEBRUARY,
        from_scope("checkpoints/events.old", "checkpoints/statements.old", scope=("day", "2026-02-03", "2026-02-04")),
        "the old checkpoints are not those before the scope",
    ),
    "no consistency proof": (FEBRUARY, lack("proofs/events.consistency"), "^proofs/events.consistency: is missing"),
    "a consistency proof of other heads": (
        FEBRUARY,
        from_scope("proofs/events.consistency", scope=("day", "2026-02-03", "2026-02-04")),
        "^proofs/events.consistency: is of other checkpoints",
    ),
    "a consistency proof for another newest head": (
        FEBRUARY,
        lambda files: files | {"proofs/events.consistency": files["proofs/events.consistency"].replace(files["checkpoints/events"], files["checkpoints/events.old"])},
        "^proofs/events.consistency: is of other checkpoints",
    ),
    "a consistency proof without a hash": (FEBRUARY, lines("proofs/events.consistency", lambda found: found.pop(1)), "^proofs/events.consistency: the log of 21 leaves is not the one of 10"),
    "a consistency proof with a hash more": (
        FEBRUARY,
        lines("proofs/statements.consistency", lambda found: found.insert(1, craft.b64(rfc.EMPTY).encode())),
        "^proofs/statements.consistency: the log of 4 leaves is not the one of 2",
    ),
    "a consistency proof swapped": (FEBRUARY, lines("proofs/events.consistency", lambda found: found.insert(1, found.pop(2))), "^proofs/events.consistency: the log of 21 leaves"),
    "a manifest gone": (JANUARY, lack("manifests/000003.json"), "^manifests/000003.json: is missing"),
    "a manifest more": (JANUARY, give(manifests__000004_json=b"{}"), "'manifests__000004_json'|is no part of a bundle"),
    "a manifest changed": (JANUARY, put("manifests/000003.json", b'"count":3', b'"count":2'), "^manifests/000003.json: is not the manifest that was sealed"),
    "a manifest for another": (JANUARY, lambda files: files | {"manifests/000003.json": files["manifests/000002.json"]}, "^manifests/000003.json: is not the manifest"),
    "an evidence file gone": (JANUARY, lack(FILE), f"^{FILE}: is missing"),
    "an evidence file more": (JANUARY, give(**{"evidence/source=a/day=2026-01-02/99-1.txt": b"made up\n"}), "99-1.txt'] is no part of a bundle"),
    "an evidence file of another day": (JANUARY, from_scope("evidence/source=a/day=2026-02-02/18-3.txt", scope=FEBRUARY), "18-3.txt'] is no part of a bundle"),
    "an evidence line changed": (JANUARY, put(FILE, b'"id":4', b'"id":5'), f"^{FILE}: leaves 3 to 7 are not those of the signed log, in this order"),
    "a salt changed": (JANUARY, put(FILE, b"00000000", b"10000000"), f"^{FILE}: leaves 3 to 7 are not those"),
    "evidence lines swapped": (JANUARY, lines(FILE, swap), f"^{FILE}: leaves 3 to 7 are not those"),
    "an evidence line gone": (JANUARY, lines(FILE, list.pop), f"^{FILE}: has 4 lines, the manifest 5"),
    "an evidence line twice": (JANUARY, lines(FILE, lambda found: found.append(found[0])), f"^{FILE}: has 6 lines, the manifest 5"),
    "evidence without its last line end": (JANUARY, lambda files: files | {FILE: files[FILE][:-1]}, f"^{FILE}: its last line has no end"),
    "evidence of two files swapped": (
        JANUARY,
        lambda files: files | {FILE: files["evidence/source=a/day=2026-01-31/10-2.txt"], "evidence/source=a/day=2026-01-31/10-2.txt": files[FILE]},
        f"^{FILE}: has 2 lines, the manifest 5",
    ),
    "a hash that is another's": (JANUARY, lines(FILE, lambda found: found.__setitem__(0, b"!" + b"0" * 64)), f"^{FILE}: leaves 3 to 7 are not those"),
    "a salt in capitals": (JANUARY, put(FILE, b"5ccd", b"5CCD"), f"^{FILE}, line 1 .leaf 3.: is neither SALT RECORD nor !HASH"),
    "a salt that is too short": (JANUARY, put(FILE, b"0", b""), f"^{FILE}, line 1 .leaf 3.: is neither"),
    "a tab after the salt": (JANUARY, put(FILE, b" ", b"\t"), f"^{FILE}, line 1 .leaf 3.: is neither"),
    "a salt without a record": (JANUARY, lines(FILE, lambda found: found.__setitem__(1, found[1][:33])), f"^{FILE}, line 2 .leaf 4.: is neither"),
    "an empty line": (JANUARY, lines(FILE, lambda found: found.__setitem__(1, b"")), f"^{FILE}, line 2 .leaf 4.: is neither"),
    "a short hash": (JANUARY, lines(FILE, lambda found: found.__setitem__(1, b"!" + b"0" * 63)), f"^{FILE}, line 2 .leaf 4.: is neither"),
    "a range of other leaves": (JANUARY, put("proofs/3-5.range", b"leaves 3 5 21", b"leaves 3 4 21"), "^proofs/3-5.range: is no range proof of these leaves"),
    "a range in another tree": (JANUARY, put("proofs/3-5.range", b"leaves 3 5 21", b"leaves 3 5 20"), "^proofs/3-5.range: is no range proof"),
    "a range without after": (JANUARY, put("proofs/3-5.range", b"after\n", b""), "^proofs/3-5.range: is no range proof"),
    "a range with a hash more": (JANUARY, lines("proofs/3-5.range", lambda found: found.append(found[-1])), "^proofs/3-5.range: is no range proof"),
    "a range with a hash less": (JANUARY, lines("proofs/3-5.range", list.pop), "^proofs/3-5.range: is no range proof"),
    "a range with another hash before": (JANUARY, lines("proofs/3-5.range", lambda found: found.__setitem__(2, found[3])), f"^{FILE}: leaves 3 to 7 are not those"),
    "a range with another hash after": (JANUARY, lines("proofs/3-5.range", lambda found: found.__setitem__(-1, found[-2])), f"^{FILE}: leaves 3 to 7 are not those"),
    "a range with no hash at all": (JANUARY, lines("proofs/3-5.range", lambda found: found.__setitem__(-1, b"AAAA")), "^proofs/3-5.range: proofs/3-5.range is not base64"),
    "a range gone": (JANUARY, lack("proofs/3-5.range"), "^proofs/3-5.range: is missing"),
    "an event's proof gone": (LAST, lack("proofs/19.tlog-proof"), "^proofs/19.tlog-proof: is missing"),
    "an event's proof of another leaf": (LAST, put("proofs/19.tlog-proof", b"index 19", b"index 18"), "^proofs/19.tlog-proof: is not the proof of this leaf"),
    "an event's proof with another salt": (LAST, put("proofs/19.tlog-proof", b"extra AAAA", b"extra AAAB"), "^proofs/19.tlog-proof: is not the proof"),
    "an event's proof without its salt": (LAST, lines("proofs/19.tlog-proof", lambda found: found.pop(1)), "^proofs/19.tlog-proof: is not the proof"),
    "an event's proof with a hash less": (LAST, lines("proofs/19.tlog-proof", lambda found: found.pop(3)), "^proofs/19.tlog-proof: is not the proof"),
    "an event's proof with other hashes": (LAST, lines("proofs/19.tlog-proof", lambda found: found.insert(3, found.pop(4))), "^proofs/19.tlog-proof: is not the proof"),
    "an event's proof with another head": (
        LAST,
        lambda files: files | {"proofs/19.tlog-proof": files["proofs/19.tlog-proof"].replace(files["checkpoints/events"], files["checkpoints/events.old"])},
        "^proofs/19.tlog-proof: is not the proof",
    ),
    "an event's proof in a month": (JANUARY, from_scope("proofs/19.tlog-proof", scope=LAST), "19.tlog-proof'] is no part of a bundle"),
    "no README": (JANUARY, lack("README.md"), "^README.md: is missing"),
    "no verifier": (JANUARY, lack("verify_bundle.py"), "^verify_bundle.py: is missing"),
    "one more file": (JANUARY, give(x=b""), "'x'] is no part of a bundle"),
    "no statements": (JANUARY, lack("statements.ndjson"), "^statements.ndjson: is missing"),
    "no keys": (JANUARY, lack("keys.txt"), "^keys.txt: is missing"),
    "no bundle.json": (JANUARY, lack("bundle.json"), "^bundle.json: is missing"),
}  # fmt: skip


@pytest.mark.parametrize("name", PASSED_ON)
def test_what_is_changed_on_the_way_is_found(check, name):
    scope, change, says = PASSED_ON[name]
    files = story().files(*scope)
    assert check(files).verdict == "GOOD"
    refused(says, check, change(files))


def test_an_erased_record_that_is_here_is_found(check):
    it = story()
    it.say("erasure", at="2026-02-04T00:00:00Z", leaves=[4])
    files = it.files(*JANUARY)
    found = files[FILE].split(b"\n")
    found[1] = it.lines[4]
    refused(f"^{FILE}, line 2 .leaf 4.: its record was erased, and is here", check, files | {FILE: b"\n".join(found)})


def test_purged_evidence_that_is_here_is_found(check):
    it = story()
    before = it.files("month", "2024-02-01", "2024-03-01")
    it.purge("2026-02-04T00:00:00Z", 1, 0, 12, "2025-02-04")
    files = it.files("month", "2024-02-01", "2024-03-01")
    name = "evidence/source=a/day=2024-02-29/0-3.txt"
    refused("0-3.txt'] is no part of a bundle", check, files | {name: before[name]})


def test_free_text_of_the_issuer_is_bound_by_the_sums_alone(check):
    """README.md, the verifier's copy, tokens and ``made_by``: whoever passes a bundle on may write them, and the verdict says so."""
    it = story()
    it.tokens = [2]
    files = it.files(*JANUARY) | {"README.md": b"another", "verify_bundle.py": b"another", "anchors/2.tsr": b"another"}
    assert check(described(made_by="another")(files)).verdict == "GOOD"


def test_an_untrusted_key(check):
    refused("^keys.txt: has none of the keys you trust, but", check, story().files(*JANUARY), keys=[OTHER.fingerprint])
    refused("^keys.txt: has none of the keys you trust", check, story().files(*JANUARY), keys=[Pen(7).fingerprint.upper()])


def test_a_bundle_signed_anew_by_another_key_holds_together_and_is_not_trusted(check):
    it = Insider(pens=[OTHER])
    it.genesis()
    it.batch("2026-01-03T02:00:00Z", ("a", "2026-01-02", 5))
    assert check(it.files(*JANUARY), keys=[]).verdict == "CONSISTENT, SIGNER UNKNOWN"
    refused("^keys.txt: has none of the keys you trust", check, it.files(*JANUARY))


def test_a_stranger_who_adds_the_trusted_key_to_a_log_of_his_own_has_no_signature(check):
    """The trusted key is named by a key statement, so that it stands in keys.txt; but it has signed nothing."""
    it = Insider(pens=[OTHER])
    it.genesis()
    it.batch("2026-01-03T02:00:00Z", ("a", "2026-01-02", 5))
    it.say("key", at="2026-01-03T02:00:00Z", action="add", public_key=Pen(7).public)
    it.signs["none"] = [Pen(7)]
    refused("has no signature by a key that you trust and that was in force", check, it.files(*JANUARY))


# --- Sums, folders ------------------------------------------------------------------------------------------------


def sums(change):
    def whole(files):
        files = craft.summed(files)
        return files | {"SHA256SUMS": change(files["SHA256SUMS"])}

    return whole


SUMS = {
    "a file changed": (lambda files: craft.summed(files) | {"keys.txt": files["keys.txt"] + b"\n"}, "^keys.txt: its digest is not the one in SHA256SUMS"),
    "README changed": (lambda files: craft.summed(files) | {"README.md": b""}, "^README.md: its digest is not the one in SHA256SUMS"),
    "a file that is not listed": (lambda files: craft.summed(files) | {"x": b""}, "^SHA256SUMS: is not one line a file, in order; odd: \\['x'\\]"),
    "a listed file that is not there": (lambda files: lack("README.md")(craft.summed(files)), "^SHA256SUMS: is not one line a file.*README.md"),
    "a line twice": (sums(lambda text: text.split(b"\n")[0] + b"\n" + text), "^SHA256SUMS: is not one line a file, in order"),
    "another order": (sums(lambda text: b"\n".join(reversed(text[:-1].split(b"\n"))) + b"\n"), "^SHA256SUMS: is not one line a file, in order"),
    "digests in capitals": (sums(lambda text: b"".join(line[:64].upper() + line[64:] + b"\n" for line in text[:-1].split(b"\n"))), "its digest is not"),
    "binary mode": (sums(lambda text: text.replace(b"  ", b" *")), "^SHA256SUMS: is not one line a file"),
    "no last line end": (sums(lambda text: text[:-1]), "^SHA256SUMS: its last line has no end"),
    "an empty line": (sums(lambda text: text + b"\n"), "^SHA256SUMS: is not one line a file"),
    "no sums": (lack("SHA256SUMS"), "^SHA256SUMS: is missing"),
    "empty sums": (sums(lambda text: b""), "^SHA256SUMS: is not one line a file"),
    "no files at all": (lambda files: {"SHA256SUMS": b""}, "^bundle.json: is missing"),
}  # fmt: skip


@pytest.mark.parametrize("name", SUMS)
def test_every_file_stands_in_the_sums(check, tmp_path, name):
    change, says = SUMS[name]
    files = change(story().files(*JANUARY))
    refused(says, check, files, again=False)
    refused(says, verify, craft.folder(tmp_path / "tree", files), [Pen(7).fingerprint])


@pytest.fixture
def tree(tmp_path):
    """A good bundle, unpacked."""
    made = craft.folder(tmp_path / "tree", craft.summed(story().files(*JANUARY)))
    assert verify(made, [Pen(7).fingerprint]).verdict == "GOOD"
    return made


def test_a_folder_holds_no_links(tree):
    elsewhere = tree.parent / "keys.txt"
    (tree / "keys.txt").rename(elsewhere)
    (tree / "keys.txt").symlink_to(elsewhere)
    refused("'keys.txt' is neither a file nor a folder", verify, tree, [])


def test_a_folder_holds_no_linked_folders(tree):
    (tree / "manifests").rename(tree.parent / "manifests")
    (tree / "manifests").symlink_to(tree.parent / "manifests")
    refused("'manifests' is neither a file nor a folder", verify, tree, [])


def test_a_folder_holds_no_pipes(tree):
    os.mkfifo(tree / "pipe")
    refused("'pipe' is neither a file nor a folder", verify, tree, [])


def test_a_folder_is_no_bundle_while_a_file_is_elsewhere(tree):
    (tree / "README.md").unlink()
    refused("^SHA256SUMS: is not one line a file", verify, tree, [])


# --- The zip's one form -------------------------------------------------------------------------------------------


def first(**changed):
    """The first entry with other fields."""

    def build(entries):
        for name, value in changed.items():
            setattr(entries[0], name, value)
        return craft.zipped(entries)

    return build


def more(name, content=b"x", **changed):
    return lambda entries: craft.zipped([*entries, Entry(name, content, **changed)])


def spoilt(change):
    return lambda entries: bytes(change(bytearray(craft.zipped(entries))))


def bits_after_the_end(entries):
    """A bit set behind the end of a stream, in its last byte."""
    for entry in entries:
        stream = entry.stream()
        for bit in range(7, 0, -1):
            longer = stream[:-1] + bytes([stream[-1] | 1 << bit])
            if longer != stream:
                entry.stream = lambda longer=longer: longer
                return craft.zipped(entries)
    raise AssertionError


def two_streams(entries):
    twice = Entry(entries[0].name, entries[0].content)
    entries[0].after = twice.stream()
    return craft.zipped(entries)


def a_stream_without_its_end(entries):
    """All of the content, but no last block."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    stream = packer.compress(entries[0].content) + packer.flush(zlib.Z_SYNC_FLUSH)
    entries[0].stream = lambda: stream
    return craft.zipped(entries)


def a_bomb(entries):
    """A directory that claims ten bytes of a stream of ten million."""
    entry = Entry(b"bomb", bytes(10_000_000))
    stream = entry.stream()
    entry.content, entry.crc, entry.stream = bytes(10), 0, lambda: stream
    return craft.zipped([entry, *entries])


ODD, HEADER, DAMAGED = (
    "holds bytes that belong to no file",
    "the header of .* in the zip is not as it must be",
    "its entry in the zip is damaged, or holds more than the file",
)
ZIPS = {
    "bytes at the end": (lambda entries: craft.zipped(entries, behind=b"x"), f"{ODD}|BadZipFile"),
    "a comment": (lambda entries: craft.zipped(entries, comment=b"x"), ODD),
    "bytes before": (lambda entries: craft.zipped(entries, front=b"x"), HEADER),
    "another file before": (lambda entries: craft.zipped(entries, front=b"#!/bin/sh\nexit\n"), HEADER),
    "bytes between": (lambda entries: first(before=b"")([entries[0], *entries[1:]]) if setattr(entries[1], "before", b"x") else craft.zipped(entries), HEADER),
    "bytes before the directory": (spoilt(lambda data: _gap(data)), f"{ODD}|{HEADER}|BadZipFile"),
    "an extra field": (first(extra=b"\x55\x54\x01\x00\x00"), HEADER),
    "a comment of an entry": (first(comment=b"x"), ODD),
    "a name twice": (lambda entries: craft.zipped([*entries, entries[0]]), HEADER),
    "another name in the header": (first(local_name=b"README.mx"), HEADER),
    "an absolute name": (more(b"/etc/x"), "SHA256SUMS: is not one line a file"),
    "a name that leads outside": (more(b"../x"), "SHA256SUMS: is not one line a file"),
    "a name with a backslash": (more(b"..\\x"), "SHA256SUMS: is not one line a file"),
    "a name of other letters": (more(b"\x82"), HEADER),
    "a name in UTF-8": (more("\u00e9".encode(), flags=0x800), HEADER),
    "a name with a NUL": (more(b"x\0y"), HEADER),
    "a folder": (more(b"evidence/", b""), "SHA256SUMS: is not one line a file"),
    "stored": (first(method=0), HEADER),
    "bzip2, as it says": (first(method=12), HEADER),
    "encrypted, as it says": (first(flags=1), HEADER),
    "sizes behind the data": (first(flags=8), HEADER),
    "another version": (first(version=45), HEADER),
    "another time": (first(time=1), HEADER),
    "another day": (first(date=34), HEADER),
    "made elsewhere": (first(made_by=20), ODD),
    "a link": (first(attributes=0o120777 << 16), ODD),
    "executable": (first(attributes=0o100755 << 16), ODD),
    "bytes after a stream": (first(after=b"\0"), DAMAGED),
    "a stream after a stream": (two_streams, DAMAGED),
    "bits after a stream": (bits_after_the_end, DAMAGED),
    "a stream of no bytes": (first(content=b"", stream=lambda: b""), HEADER),
    "a stream without its end": (a_stream_without_its_end, DAMAGED),
    "another CRC": (first(crc=1), DAMAGED),
    "more content than it says": (a_bomb, "SHA256SUMS: is not one line a file|damaged"),
    "no zip": (lambda entries: b"hello", "BadZipFile"),
    "nothing": (lambda entries: b"", "BadZipFile"),
    "no entry": (lambda entries: craft.zipped([]), "SHA256SUMS: is missing"),
    "half a zip": (lambda entries: craft.zipped(entries)[:2000], "BadZipFile"),
    "entries that overlap": (spoilt(lambda data: _overlap(data)), f"{HEADER}|{ODD}|BadZipFile"),
}  # fmt: skip


def _gap(data):
    """One byte between the last entry and the directory; the end record knows."""
    start = int.from_bytes(data[-6:-2], "little")
    data[-6:-2] = (start + 1).to_bytes(4, "little")
    data[start:start] = b"x"
    return data


def _overlap(data):
    """The second entry of the directory points to the first one's data."""
    start = data.index(b"PK\1\2", data.index(b"PK\1\2") + 4)
    data[start + 42 : start + 46] = bytes(4)
    return data


@pytest.mark.parametrize("name", ZIPS)
def test_a_zip_has_one_form(tmp_path, name):
    build, says = ZIPS[name]
    path = tmp_path / "b.zip"
    files = craft.summed(story().files(*JANUARY))
    path.write_bytes(craft.zipped(craft.entries(files)))
    assert verify(path, []).verdict == "CONSISTENT, SIGNER UNKNOWN"
    path.write_bytes(build(craft.entries(files)))
    refused(says, verify, path, [])


def test_a_bomb_is_not_unpacked(tmp_path):
    files = craft.summed(story().files(*JANUARY))
    entries = craft.entries(files)
    entry = next(entry for entry in entries if entry.name == b"README.md")
    stream = Entry(b"", bytes(300_000_000)).stream()
    entry.stream = lambda: stream
    (tmp_path / "b.zip").write_bytes(craft.zipped(entries))
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (250_000_000, 250_000_000)); from runpy import run_path; "
    )
    code += "sys.argv = sys.argv[1:]; run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-I", "-S", "-c", code, standalone.__file__, str(tmp_path / "b.zip"), "--no-key"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "README.md: its entry in the zip is damaged, or holds more than the file" in done.stdout


# --- The command --------------------------------------------------------------------------------------------------


def command(*words, interpreter=sys.executable, before=(), cwd=None):
    """The verifier as a program of its own: (exit code, all that it prints)."""
    program = [*before, interpreter, "-I", "-S", cwd / "verify_bundle.py" if cwd else standalone.__file__, *words]
    done = subprocess.run([str(word) for word in program], cwd=cwd, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def bundle(tmp_path):
    return craft.packed(tmp_path / "b.zip", story().files(*JANUARY))


def test_the_command_says_what_it_found_and_what_it_did_not_check(bundle):
    code, text = command(bundle, "--key", Pen(7).fingerprint)
    assert code == 0
    assert text.splitlines() == [
        "evidence of insider, month 2026-01-01",
        *(f"{name:12}{count}" for name, count in counts(files=3, disclosed=9).items()),
        "not checked: README.md, verify_bundle.py, time-stamp tokens, and what came before sealing",
        "GOOD",
    ]


def test_exit_codes(bundle, tmp_path):
    code, text = command(bundle, "--no-key")
    assert (code, text.splitlines()[-1]) == (2, "CONSISTENT, SIGNER UNKNOWN")
    code, text = command(bundle, "--key", OTHER.fingerprint)
    assert (code, text.splitlines()[-1][:58]) == (
        1,
        "BAD: keys.txt: has none of the keys you trust, but ['" + Pen(7).fingerprint[:5],
    )
    code, text = command(bundle, "--key", OTHER.fingerprint, "--key", Pen(7).fingerprint)
    assert (code, text.splitlines()[-1]) == (0, "GOOD")
    bundle.write_bytes(bundle.read_bytes() + b"x")
    assert command(bundle, "--key", Pen(7).fingerprint)[0] == 1


def test_wrong_calls_end_with_2(bundle, tmp_path):
    for words in (
        (bundle,),
        (),
        ("--no-key",),
        (bundle, "--no-key", "--key", "x"),
        (bundle, "--what"),
        (bundle, bundle, "--no-key"),
    ):
        code, text = command(*words)
        assert (code, "usage:" in text) == (2, True), text
    code, text = command(tmp_path / "none.zip", "--no-key")
    assert (code, "none.zip cannot be read" in text) == (2, True)


def test_what_a_bundle_says_reaches_the_terminal_as_ascii(tmp_path):
    it = Insider()
    it.genesis(organisation="\x1b[2J\u00e9\nGOOD")
    it.batch("2026-01-03T02:00:00Z", ("a", "2026-01-02", 1))
    code, text = command(craft.packed(tmp_path / "b.zip", it.files(*JANUARY)), "--key", Pen(7).fingerprint)
    assert code == 0
    assert text.splitlines()[0] == "evidence of \\x1b[2J\\xe9\\nGOOD, month 2026-01-01"
    assert text.splitlines().count("GOOD") == 1
    files = craft.packed(tmp_path / "c.zip", {**it.files(*JANUARY), "\x1b[2J\nGOOD": b""})
    code, text = command(files, "--key", Pen(7).fingerprint)
    assert (code, len(text.splitlines()), "\x1b" in text) == (1, 1, False)


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14"])
def test_other_versions_of_python(bundle, version):
    interpreter = shutil.which(f"python{version}")
    if interpreter is None or subprocess.run([interpreter, "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip(f"Python {version} is not on this machine")
    assert command(bundle, "--key", Pen(7).fingerprint, interpreter=interpreter)[0] == 0
    bundle.write_bytes(bundle.read_bytes()[:-1] + b"x")
    assert command(bundle, "--key", Pen(7).fingerprint, interpreter=interpreter)[0] == 1


def test_the_file_alone_in_an_empty_folder_without_a_network(bundle, tmp_path):
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(standalone.__file__, alone / "verify_bundle.py")
    assert command(bundle, "--key", Pen(7).fingerprint, cwd=alone)[0] == 0
    assert [path.name for path in alone.iterdir()] == ["verify_bundle.py"]
    cut_off = ("unshare", "-rn")
    if shutil.which("unshare") is None or subprocess.run([*cut_off, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network namespace can be made here (unshare -rn)")
    assert command(bundle, "--key", Pen(7).fingerprint, cwd=alone, before=cut_off)[0] == 0


def test_nothing_but_the_standard_library_is_loaded(bundle):
    program = [sys.executable, "-I", "-S", "-X", "importtime", standalone.__file__, str(bundle), "--no-key"]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    loaded = {
        line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines() if line.startswith("import time:")
    } - {"imported package", "org"}  # org: copy.py looks for Jython
    assert {"json", "zipfile", "hashlib"} <= loaded
    assert loaded <= set(sys.stdlib_module_names)
    assert not loaded & {"dagster", "duckdb", "pyarrow", "weasyprint", "audit_pipelines", "socket", "ssl"}


def test_its_digest_stands_in_the_changelog():
    root = Path(standalone.__file__).parents[2]
    unreleased = (root / "CHANGELOG.md").read_text(encoding="utf-8").split("\n## ")[1]
    digest = hashlib.sha256(Path(standalone.__file__).read_bytes()).hexdigest()
    assert re.findall(r"verify_bundle\.py`?: SHA-256\s+`?([0-9a-f]{64})", unreleased) == [digest]
