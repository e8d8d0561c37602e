"""What a format may not see: columns redacted, hashed or left empty, and events withheld; for every format there is."""

import hashlib
import hmac
import json

import pytest

from audit_pipelines.drop import Drop, Match
from audit_pipelines.errors import DropError, SettingsError
from audit_pipelines.event import COLUMNS
from audit_pipelines.settings import parse
from audit_pipelines.ship.privacy import key_id, veil
from audit_pipelines.shipped import shipped

KEY = bytes(range(32))
FORMATS = sorted(
    path.name.removesuffix(".sql.j2")
    for path in (shipped("templates") / "siem").glob("[!_]*.sql.j2")
    if "-- delivery: parquet" not in path.read_text(encoding="utf-8")
)
TEXTS = (
    "org_id", "dialect", "actor_id", "actor_name", "actor_email", "source_ip", "user_agent", "api_key_id", "session_id", "request_id",
    "target_type", "target_id", "target_name",
)  # fmt: skip


def hashed(text: str) -> str:
    """The same digest by the standard library."""
    return hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest()[:32]


def seen(drops, rows, **settings) -> list[dict]:
    """The relation as a template with these settings reads it."""
    connection = drops.relation(rows)
    found = connection.execute(veil(Drop(**settings), KEY) + " ORDER BY leaf_index")
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@pytest.fixture
def full(drops):
    """An event with a text in every column."""
    targets = [{"type": "user", "id": "usr_9", "name": "Grace"}, None, {"type": "seat", "id": "usr_9", "name": None}]
    changes = [{"field": "mail", "before": '"old@example.com"', "after": None}, None]
    given = {name: f"secret-{name}" for name in TEXTS}
    return drops.event(0, **given, targets=targets, changes=changes) | {
        "target_type": "user",
        "target_id": "usr_9",
        "target_name": "Grace",
    }


@pytest.mark.parametrize("column", TEXTS)
def test_a_text_column(drops, full, column):
    others = {name: value for name, value in full.items() if name not in (column, "targets")}
    for way, expected in (("redact", "redacted"), ("hash", hashed(full[column])), ("drop", None)):
        (row,) = seen(drops, [full], **{way: (column,)})
        assert row[column] == expected
        assert {name: row[name] for name in others} == others, "and nothing else"
        (empty,) = seen(drops, [drops.event(0, **{column: None})], **{way: (column,)})
        assert empty[column] is None, "what is absent stays absent"


@pytest.mark.parametrize(("column", "member"), [("target_type", "type"), ("target_id", "id"), ("target_name", "name")])
def test_a_column_of_the_first_target_is_changed_in_every_target(drops, full, column, member):
    (row,) = seen(drops, [full], hash=(column,))
    expected = [
        None if target is None else target | {member: target[member] and hashed(target[member])} for target in full["targets"]
    ]
    assert row["targets"] == expected


def test_targets_means_ids_and_names(drops, full):
    (row,) = seen(drops, [full], redact=("targets",))
    assert row["targets"] == [
        {"type": "user", "id": "redacted", "name": "redacted"},
        None,
        {"type": "seat", "id": "redacted", "name": None},
    ]
    assert (row["target_type"], row["target_id"], row["target_name"]) == ("user", "redacted", "redacted")
    (row,) = seen(drops, [full], hash=("targets",), drop=("target_type",))
    assert row["targets"][0] == {"type": None, "id": hashed("usr_9"), "name": hashed("Grace")}
    (row,) = seen(drops, [full], drop=("targets",))
    assert [row[name] for name in ("targets", "target_type", "target_id", "target_name")] == [None] * 4


def test_changes_stay_json_texts(drops, full):
    (row,) = seen(drops, [full], redact=("changes",))
    assert row["changes"] == [{"field": "mail", "before": '"redacted"', "after": None}, None]
    (row,) = seen(drops, [full], hash=("changes",))
    assert json.loads(row["changes"][0]["before"]) == hashed('"old@example.com"')
    (row,) = seen(drops, [full], drop=("changes",))
    assert row["changes"] is None


@pytest.mark.parametrize("text", ["", "Jürgen\u2028", "a\x00b", "'; DROP TABLE events; --", "x" * 10_000])
def test_the_digest_is_hmac_sha_256(drops, text):
    (row,) = seen(drops, [drops.event(0, actor_name=text)], hash=("actor_name",))
    assert row["actor_name"] == hashed(text)


ROWS = [
    {"category": "authentication", "action": "authentication.login", "source": "terracotta"},
    {"category": "access", "action": "seat.added", "source": "terracotta"},
    {"category": "access", "action": "api_key.created", "source": "github"},
    {"category": None, "action": None, "source": "git'hub"},
]


@pytest.mark.parametrize(
    ("only", "leave_out", "expected"),
    [
        (Match(category=("access",)), None, [1, 2]),
        (Match(category=("access",), source=("github",)), None, [2]),
        (Match(category=("other",)), None, [3]),
        (Match(action=("seat.*", "authentication.login")), None, [0, 1]),
        (None, Match(category=("access",)), [0, 3]),
        (None, Match(category=("authentication",), source=("github",)), [1, 3]),
        (None, Match(source=("git'hub",)), [0, 1, 2]),
        (None, Match(action=("*",)), []),
        (Match(source=("git*",)), Match(action=("api_key.created",)), [3]),
    ],
)
def test_which_events_a_format_gets(drops, only, leave_out, expected):
    rows = [drops.event(number, **row) for number, row in enumerate(ROWS)]
    assert [row["leaf_index"] for row in seen(drops, rows, only=only, leave_out=leave_out)] == expected


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_obeys(drops, publish, full, form):
    """No secret in any byte of any file, whichever template wrote it; and lines stay what their readers take."""
    rows = [
        full | {"uid": f"terracotta/{n}", "event_id": f"{n}", "leaf_index": n, "outcome": "failure" if n == 2 else "success"}
        for n in range(3)
    ]
    rows[1] |= {"category": "authentication", "action": "authentication.login"}
    private = {
        "redact": ("actor_name", "actor_email", "changes"),
        "hash": ("actor_id", "source_ip", "targets"),
        "drop": ("user_agent", "session_id", "api_key_id", "request_id", "org_id", "dialect"),
        "leave_out": Match(category=("authentication",)),
    }
    made = publish(rows, form, more={"hash_key": KEY}, **private)
    (entry,) = made.formats
    assert (entry.rows, entry.rows_withheld, entry.privacy.rows_withheld) == (2, 1, 1)
    assert entry.privacy.hash_key == key_id(KEY)
    assert (entry.privacy.redacted, entry.privacy.hashed, entry.privacy.dropped) == (
        private["redact"],
        private["hash"],
        private["drop"],
    )
    assert entry.privacy.leave_out == {"category": ("authentication",)}
    every = b"".join(publish.files().values())
    for secret in ("secret-", "usr_9", "Grace", "old@example.com", KEY.hex()):
        assert secret.encode() not in every
    assert hashed("secret-actor_id").encode() in every
    lines = publish.lines(made, form)
    assert not any(b'terracotta/1"' in line for line in lines)
    for line in lines:
        drops.parse(line)
    again = drops.Publisher(publish.root / "again")
    assert again(rows, form, more={"hash_key": KEY}, **private) == made
    assert again.files() == publish.files(), "same settings, same bytes"


def test_a_template_of_the_home_obeys_too(drops, publish, tmp_path):
    (tmp_path / "own.sql.j2").write_text(
        "-- version: 1\nSELECT to_json(actor_name) AS line, uid, occurred_at, leaf_index, false AS truncated, false AS unmapped FROM events"
    )
    made = publish([drops.event(0), drops.event(1, outcome="failure")], "own", folders=[tmp_path], redact=("actor_name",))
    assert publish.lines(made, "own") == [b'"redacted"\n'] * 2


def test_hashing_needs_a_key(drops, publish):
    with pytest.raises(DropError, match="no key"):
        publish([drops.event(0)], "generic", hash=("actor_id",))


def test_without_settings_nothing_is_said_of_privacy(drops, publish):
    assert publish([drops.event(0)], "generic").formats[0].privacy is None


HOME = '[organisation]\nname = "x"\nid = "x"\nstart = 2026-01-01\n[drops.ecs]\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *((f'{way} = ["{name}"]', f"drops.ecs.{way}: '{name}' cannot be changed")
          for way in ("redact", "hash", "drop") for name in ("uid", "occurred_at", "leaf_index", "source", "event_id", "action")),
        ('redact = ["actor"]', "no column 'actor'"),
        ('redact = ["actor_type"]', "can only be left empty"),
        ('redact = ["actor_id"]\nhash = ["actor_id"]', "named twice"),
        ('only = {category = ["acces"]}', "no category 'acces'"),
        ("only = {}", "names nothing"),
        ('except = {action = ["*.created"]}', "a star stands at the end"),
        ('except = {actor = ["x"]}', "unknown key"),
        ("archive_days = 0", "at least 1"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be(text, message):
    with pytest.raises(SettingsError) as caught:
        parse(HOME + text)
    assert message in str(caught.value)


def test_settings_that_can_be():
    given = 'redact = ["actor_name"]\nhash = ["actor_id"]\ndrop = ["changes", "actor_type"]\nonly = {action = ["a.*"]}\n'
    found = parse(HOME + given + 'except = {source = ["s"]}\narchive_days = 30').drops["ecs"]
    assert (found.leave_out, found.only, found.archive_days) == (Match(source=("s",)), Match(action=("a.*",)), 30)


def test_every_column_is_either_kept_or_can_be_changed():
    for column in COLUMNS:
        ways = []
        for way in ("redact", "hash", "drop"):
            try:
                parse(HOME + f'{way} = ["{column.name}"]')
                ways.append(way)
            except SettingsError:
                continue
        if ways:
            assert veil(Drop(**{ways[0]: (column.name,)}), KEY) != veil(Drop(), KEY), f"{column.name} is changed by no one"
