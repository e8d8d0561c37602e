"""What stands in a line, whatever the event holds: byte rules, nothing lost in `generic`, the line budget."""

import hashlib
import ipaddress
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

HOSTILE = [
    "", " ", '"', "\\", "\\u0000", "\x00", "a\x00b", "\n", "\r\n", "\t", "\x1f", "\x7f", "\x80", "\x85", "\x9f", "\u2028", "\u2029",
    "\u202eevil\u202c", "\ufeff", "\ufffe", "\U0001f600", "e\u0301", "Jürgen", "日本語", "null", ":null", '{"a":null}', "NaN", "'; --",
    "</script>", "${jndi:ldap://x}", "{{ 7*7 }}", "%s", "x" * 1000,
]  # fmt: skip
texts = st.none() | st.sampled_from(HOSTILE) | st.text(st.characters(codec="utf-8"), max_size=20)
json_texts = st.none() | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
).map(json.dumps)
targets = st.none() | st.lists(st.none() | st.fixed_dictionaries({"type": texts, "id": texts, "name": texts}), max_size=3)
changes = st.none() | st.lists(
    st.none() | st.fixed_dictionaries({"field": texts, "before": json_texts, "after": json_texts}), max_size=3
)
addresses = st.none() | st.ip_addresses().map(str) | texts
NAMES = (
    "event_id", "source", "dialect", "org_id", "category", "action", "outcome", "actor_type", "actor_id", "actor_name",
    "actor_email", "target_type", "target_id", "target_name", "user_agent", "api_key_id", "session_id", "request_id",
)  # fmt: skip
rows = st.lists(
    st.fixed_dictionaries(
        dict.fromkeys(NAMES, texts)
        | {"targets": targets, "changes": changes, "source_ip": addresses}
        | {"occurred_at": st.datetimes(timezones=st.just(UTC))}
    ),
    min_size=1,
    max_size=6,
)  # fmt: skip
LIKE_A_TEST = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@LIKE_A_TEST
@given(rows)
def test_every_line_keeps_the_byte_rules(drops, tmp_path_factory, columns):
    publish = drops.Publisher(tmp_path_factory.mktemp("home"))
    made = publish([drops.event(number, **row) for number, row in enumerate(columns)])
    for entry in made.formats:
        for file in entry.files:
            assert len(drops.check_bytes(publish.drops / file.path)) == len(columns)


READ_BACK = """
SELECT uid, event_id, CAST(occurred_at AS TIMESTAMPTZ) AS occurred_at, source, dialect, org_id, category, action, outcome,
  actor."type" AS actor_type, actor.id AS actor_id, actor."name" AS actor_name, actor.email AS actor_email, targets,
  target_type, target_id, target_name, source_ip, user_agent, changes, api_key_id, session_id, request_id,
  CAST(extracted_at AS TIMESTAMPTZ) AS extracted_at, CAST(leaf_index AS BIGINT) AS leaf_index
FROM read_json($file, format = 'newline_delimited', maximum_object_size = 33554432, columns = {
  uid: 'VARCHAR', event_id: 'VARCHAR', occurred_at: 'VARCHAR', source: 'VARCHAR', dialect: 'VARCHAR', org_id: 'VARCHAR',
  category: 'VARCHAR', action: 'VARCHAR', outcome: 'VARCHAR',
  actor: 'STRUCT("type" VARCHAR, id VARCHAR, "name" VARCHAR, email VARCHAR)',
  targets: 'STRUCT("type" VARCHAR, id VARCHAR, "name" VARCHAR)[]', target_type: 'VARCHAR', target_id: 'VARCHAR', target_name: 'VARCHAR',
  source_ip: 'VARCHAR', user_agent: 'VARCHAR', changes: 'STRUCT(field VARCHAR, "before" VARCHAR, "after" VARCHAR)[]',
  api_key_id: 'VARCHAR', session_id: 'VARCHAR', request_id: 'VARCHAR', extracted_at: 'VARCHAR', leaf_index: 'VARCHAR'})
WHERE uid IS NOT NULL
"""


@LIKE_A_TEST
@given(rows)
def test_generic_gives_back_every_column_but_line(drops, tmp_path_factory, columns):
    publish = drops.Publisher(tmp_path_factory.mktemp("home"))
    connection = drops.relation([drops.event(number, **row) for number, row in enumerate(columns)])
    made = publish(connection, "generic")
    file = str(publish.drops / made.formats[0].files[0].path)
    connection.execute("CREATE TABLE back AS " + READ_BACK, {"file": file})
    kept = "SELECT * EXCLUDE (line) FROM events"
    assert connection.execute("SELECT count(*) FROM back").fetchone() == (len(columns),)
    assert connection.execute(f"SELECT * EXCLUDE (occurred_at, extracted_at) FROM ({kept} EXCEPT ALL FROM back)").fetchall() == []
    assert connection.execute(f"SELECT * EXCLUDE (occurred_at, extracted_at) FROM (FROM back EXCEPT ALL {kept})").fetchall() == []


def test_members_have_one_order_and_times_six_decimals(drops, publish):
    made = publish(
        [drops.event(3, changes=[{"field": "max", "before": "1.00", "after": None}], request_id="req")], "generic", first=3
    )
    (line,) = publish.lines(made, "generic")
    assert line.decode() == (
        '{"uid":"terracotta/evt_000003","event_id":"evt_000003","occurred_at":"2026-01-05T00:00:03.250000Z","source":"terracotta",'
        '"dialect":"terracotta","org_id":"org_8842","category":"configuration","action":"guardrail.updated","outcome":"success",'
        '"actor":{"type":"user","id":"usr_7","name":"Ada Lovelace","email":"ada@example.com"},'
        '"targets":[{"type":"guardrail","id":"gr_1","name":"No public buckets"}],"target_type":"guardrail","target_id":"gr_1",'
        '"target_name":"No public buckets","source_ip":"198.51.100.7","user_agent":"Mozilla/5.0",'
        '"changes":[{"field":"max","before":"1.00"}],"session_id":"ses_1","request_id":"req",'
        '"extracted_at":"2026-01-06T01:30:00.123456Z","leaf_index":3}\n'
    )


def test_an_index_beyond_2_53_is_a_string(drops, publish):
    edge = 2**53
    made = publish([drops.event(0, leaf_index=edge), drops.event(1, leaf_index=edge + 1)], "generic", first=edge)
    assert [json.loads(line)["leaf_index"] for line in publish.lines(made, "generic")] == [edge, str(edge + 1)]


def test_lines_are_in_order_of_time_then_uid(drops, publish):
    when = datetime(2026, 1, 5, 12, tzinfo=UTC)
    events = [
        drops.event(0, uid="b", occurred_at=when),
        drops.event(1, uid="c", occurred_at=when - timedelta(microseconds=1)),
        drops.event(2, uid="a", occurred_at=when),
        drops.event(3, uid="é", occurred_at=when),
        drops.event(4, uid="Z", occurred_at=when),
    ]
    made = publish(events)
    assert [json.loads(line)["uid"] for line in publish.lines(made, "generic")] == ["c", "Z", "a", "b", "é"]
    assert [json.loads(line)["doc_id"] for line in publish.lines(made, "ecs")] == ["c", "Z", "a", "b", "é"]


def test_a_megabyte_survives_in_generic_and_is_cut_in_ecs(drops, publish):
    big = json.dumps({"text": "ü\u2028\x00" * 150_000}, ensure_ascii=False)
    change = {"field": "policy", "before": '"small"', "after": big}
    made = publish([drops.event(0, changes=[change]), drops.event(1, changes=[change | {"after": "2"}])])
    assert json.loads(publish.lines(made, "generic")[0])["changes"] == [change]
    line, other = publish.lines(made, "ecs")
    (cut,) = json.loads(json.loads(line)["audit_pipelines"]["changes"])
    digest = hashlib.sha256(big.encode()).hexdigest()
    assert cut == {
        "field": "policy",
        "before": "small",
        "after": {"truncated": True, "bytes": len(big.encode()), "sha256": digest},
    }
    assert json.loads(line)["audit_pipelines"]["truncated"] is True
    assert "truncated" not in json.loads(other)["audit_pipelines"]
    assert [entry.files[0].rows_truncated for entry in made.formats] == [0, 1]


WORST = "\x7f\u2028\x00" * 10_000
COLUMNS = (
    "uid", "event_id", "source", "dialect", "org_id", "category", "action", "outcome", "actor_type", "actor_id", "actor_name",
    "actor_email", "target_type", "target_id", "target_name", "source_ip", "user_agent", "api_key_id", "session_id", "request_id",
)  # fmt: skip


@pytest.mark.parametrize("form", ["generic", "ecs"])
@pytest.mark.parametrize("budget", [6000, 8000, 100_000])
def test_no_line_is_ever_longer_than_the_budget(drops, publish, form, budget):
    things = [{"type": WORST, "id": "i", "name": WORST}] * 30
    changed = [{"field": WORST, "before": json.dumps(WORST), "after": "not JSON " + WORST}] * 30
    unlike = {name: f"{number}{WORST}" for number, name in enumerate(COLUMNS)}
    events = [drops.event(0, **unlike, targets=things, changes=changed), drops.event(1)]
    events += [drops.event(n + 2, **{name: WORST}) for n, name in enumerate(COLUMNS[1:])]
    events += [drops.event(21, action="seat.added", targets=things), drops.event(22, changes=changed)]
    made = publish(events, form, line_budget=budget)
    lines = publish.lines(made, form)
    assert max(len(line) - 1 for line in lines) <= budget
    assert made.formats[0].files[0].rows_truncated == sum(b'"truncated":true}' in line for line in lines) >= len(events) - 2
    assert len(drops.check_bytes(publish.drops / made.formats[0].files[0].path)) == len(events)


def test_a_value_that_fits_is_not_cut_when_another_is_too_long(drops, publish):
    made = publish([drops.event(0, user_agent="x" * 9000)], "ecs")
    (line,) = map(json.loads, publish.lines(made, "ecs"))
    assert line["user_agent"]["original"] == f"xxxxxxxx~9000~{hashlib.sha256(b'x' * 9000).hexdigest()}"
    assert line["user"] == {"id": "usr_7", "name": "Ada Lovelace", "email": "ada@example.com"}


@LIKE_A_TEST
@given(st.lists(st.ip_addresses().map(str) | st.from_regex(r"\A[0-9a-fA-F:.%]{1,20}\Z") | st.sampled_from(
    ["::ffff:1.2.3.4", "::1.2.3.4", "::", "1::", "fe80::1%eth0", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", "1.2.3.4\n", "1:2:3:4:5:6:7::"]), min_size=1, max_size=20))  # fmt: skip
def test_only_an_address_becomes_source_ip(drops, tmp_path_factory, words):
    """Elasticsearch refuses the whole document when a field of type ip holds anything else."""
    publish = drops.Publisher(tmp_path_factory.mktemp("home"))
    made = publish([drops.event(number, source_ip=word) for number, word in enumerate(words)], "ecs")
    for word, line in zip(words, publish.lines(made, "ecs"), strict=True):
        document = json.loads(line)
        (kind,) = document["source"]
        assert document["source"][kind] == word
        assert ("ip" in document["related"]) == (kind == "ip")
        if kind == "ip":
            assert "%" not in str(ipaddress.ip_address(word))
        elif "%" not in word and "." not in word:  # an address in an odd mixed spelling may stay a word
            with pytest.raises(ValueError):
                ipaddress.ip_address(word)
