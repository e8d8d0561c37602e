"""The header lines of a template, templates that use another, and what holds for every format there is."""

import hashlib
import json
import random
import zlib
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit_pipelines.drop import Match
from audit_pipelines.errors import DropError, SettingsError
from audit_pipelines.ship.format import load_format, render
from audit_pipelines.ship.parts import RECORD_BYTES, Limits
from audit_pipelines.ship.slices import slices
from audit_pipelines.shipped import shipped

TEMPLATES = shipped("templates") / "siem"
EVERY = sorted(path.name.removesuffix(".sql.j2") for path in TEMPLATES.glob("[!_]*.sql.j2"))
TEXT = [name for name in EVERY if load_format(name, [TEMPLATES]).delivery != "parquet"]
HEAD = "-- version: 1\n-- line budget: 300\n"
COLUMNS = "uid, occurred_at, leaf_index, false AS truncated, false AS unmapped FROM events"
PAIR = (
    HEAD
    + "-- delivery: post\n-- lines: 2\n"
    + "{% macro batch_record(batch) %}{{ {'create': {'_id': batch.id}} | tojson_compact }}\n{{ {'batch': batch} | tojson_compact }}{% endmacro %}"
    + "SELECT '{\"create\":{\"_id\":' || to_json(uid) || '}}' || chr(10) || '{\"id\":' || to_json(uid) || '}' AS line, "
    + COLUMNS
)


def own(folder, text: str, name: str = "own"):
    (folder / f"{name}.sql.j2").write_text(text)
    return load_format(name, [folder])


# --- header lines -------------------------------------------------------------------------------------------


def test_what_counts_without_header_lines(tmp_path):
    form = own(tmp_path, "-- version: 1\nSELECT 1")
    assert (form.delivery, form.lines, form.file_bytes, form.part_rows) == ("watched", 1, 64 << 20, 100_000)


def test_header_lines(tmp_path):
    form = own(tmp_path, "-- version: 1\n-- delivery: post\n-- lines: 2\n-- file bytes: 1000\n-- part rows: 7\nSELECT 1")
    assert (form.delivery, form.lines, form.file_bytes, form.part_rows) == ("post", 2, 1000, 7)


@pytest.mark.parametrize("line", ["delivery: mail", "lines: 0", "lines: two", "file bytes: 0", "part rows: -1", "line budget: x"])
def test_impossible_header_lines(tmp_path, line):
    with pytest.raises(SettingsError, match="header"):
        own(tmp_path, f"-- version: 1\n-- {line}\nSELECT 1")


def test_a_template_says_where_its_parts_end(drops, publish, tmp_path):
    own(tmp_path, HEAD + f"-- part rows: 2\nSELECT '{{}}' AS line, {COLUMNS}")
    made = publish([drops.event(number) for number in range(5)], "own", folders=[tmp_path])
    assert [file.rows for file in made.formats[0].files] == [2, 2, 1]
    own(tmp_path, HEAD + f"-- file bytes: 9\nSELECT '{{}}' AS line, {COLUMNS}", "short")
    made = drops.Publisher(publish.root / "b")([drops.event(number) for number in range(5)], "short", folders=[tmp_path])
    assert [file.rows for file in made.formats[0].files] == [3, 2]


# --- two lines an event -------------------------------------------------------------------------------------


def test_two_lines_are_one_event(drops, publish, tmp_path):
    own(tmp_path, PAIR)
    made = publish([drops.event(number) for number in range(5)], "own", folders=[tmp_path], limits=Limits(rows=2))
    (entry,) = made.formats
    assert [file.rows for file in entry.files] == [2, 2, 1]
    assert (entry.rows, entry.delivery) == (5, "post")
    for file in entry.files:
        raw = (publish.drops / file.path).read_bytes()
        assert raw.count(b"\n") == 2 + 2 * file.rows
        action, record = raw.split(b"\n")[:2]
        assert json.loads(action) == {"create": {"_id": json.loads(record)["batch"]["id"]}}
        assert len(action) + len(record) + 2 == RECORD_BYTES
        assert file.body_sha256 == json.loads(record)["batch"]["sha256"] == hashlib.sha256(raw[RECORD_BYTES:]).hexdigest()


@pytest.mark.parametrize(
    ("select", "message"),
    [
        ("'a'", "not 2 text lines"),
        ("'a' || chr(10) || 'b' || chr(10) || 'c'", "not 2 text lines"),
        ("CASE WHEN leaf_index = 0 THEN 'a' ELSE 'a' || chr(10) || 'b' || chr(10) || 'c' END", "not 2 text lines"),
        ("'a' || chr(10) || repeat('b', 301)", "a line of 301 bytes, the budget is 300"),
    ],
)
def test_another_number_of_lines_stops_the_drop(drops, publish, tmp_path, select, message):
    own(tmp_path, HEAD + f"-- lines: 2\nSELECT {select} AS line, {COLUMNS}")
    with pytest.raises(DropError, match=message):
        publish([drops.event(0), drops.event(1)], "own", folders=[tmp_path])
    assert publish.files() == {}


# --- templates that use another -----------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["import 'base.sql.j2' as base", "import 'base.sql.j2' as base with context"])
def test_a_template_uses_the_macros_of_another(tmp_path, way):
    own(tmp_path, HEAD + "{% macro hello() %}'{{ organisation }} {{ now }}'{% endmacro %}", "base")
    form = own(tmp_path, HEAD + f"{{%- {way} -%}}SELECT {{{{ base.hello() }}}}")
    assert render(form, line_budget=None, organisation="acme", now="2026").sql.endswith("SELECT 'acme 2026'")


def test_the_digest_covers_every_text_used(tmp_path):
    own(tmp_path, HEAD + "x", "deep")
    own(tmp_path, HEAD + "{% include 'deep.sql.j2' %}", "base")
    before = own(tmp_path, HEAD + "{% include 'base.sql.j2' %}")
    assert [name for name, _ in before.used] == ["base.sql.j2", "deep.sql.j2"]
    own(tmp_path, HEAD + "y", "deep")
    assert load_format("own", [tmp_path]).sha256 != before.sha256
    assert load_format("own", [tmp_path]).template == before.template


@pytest.mark.parametrize("name", ["'../own.sql.j2'", "'/etc/passwd'", "'nope.sql.j2'", "'_macros.sql'", "organisation"])
def test_only_templates_of_the_same_folders_can_be_used(tmp_path, name):
    (tmp_path / "inner").mkdir()
    (tmp_path / "own.sql.j2").write_text("secret")
    with pytest.raises(SettingsError, match="uses"):
        own(tmp_path / "inner", HEAD + f"{{% include {name} %}}")


def test_the_homes_template_is_used_before_the_shipped_one(tmp_path):
    home, there = tmp_path / "home", tmp_path / "shipped"
    home.mkdir(), there.mkdir()
    own(there, HEAD + "shipped", "base")
    own(there, HEAD + "{% include 'base.sql.j2' %}")
    own(home, HEAD + "mine", "base")
    text = render(load_format("own", [home, there]), line_budget=None, organisation="acme").sql
    assert "mine" in text
    assert "shipped" not in text


def test_templates_that_use_each_other_are_refused(drops, publish, tmp_path):
    (tmp_path / "other.sql.j2").write_text(HEAD + "{% include 'own.sql.j2' %}")
    (tmp_path / "own.sql.j2").write_text(HEAD + "{% include 'other.sql.j2' %}")
    with pytest.raises(DropError, match="cannot be rendered"):
        publish([drops.event(0)], "own", folders=[tmp_path])


# --- order in bounded memory --------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 100])
def test_slices_are_all_of_the_day_and_do_not_overlap(drops, rows):
    same = datetime(2026, 1, 5, 7, tzinfo=UTC)
    events = [drops.event(number) for number in range(10)] + [drops.event(10 + n, occurred_at=same) for n in range(5)]
    connection = drops.relation(random.Random(1).sample(events, len(events)))
    found = slices(connection, rows)
    assert all(end == start for (_, end), (start, _) in pairwise(found))
    counts = [connection.execute("SELECT count(*) FROM events WHERE epoch_us(occurred_at) >= ? AND epoch_us(occurred_at) < ?", part).fetchone()[0]
              for part in found]  # fmt: skip
    assert sum(counts) == len(events)
    assert all(counts)
    assert max(counts) <= max(rows, 5) + rows


@pytest.mark.parametrize("form", EVERY)
def test_the_bytes_do_not_depend_on_the_slices(drops, tmp_path, form):
    rows = [drops.event(number, occurred_at=datetime(2026, 1, 5, number % 5, tzinfo=UTC)) for number in range(40)]
    whole, cut = drops.Publisher(tmp_path / "a"), drops.Publisher(tmp_path / "b")
    whole(rows, form)
    cut(rows[::-1], form, more={"slice_rows": 3})
    assert whole.files() == cut.files()


# --- what holds for every format ----------------------------------------------------------------------------


@pytest.mark.parametrize("form", EVERY)
def test_guarantees(drops, publish, form):
    """G1 to G6: names, digests, counts, heads; G5: again the same bytes; an empty day says so."""
    base = publish([drops.event(number) for number in range(5)], form, limits=Limits(rows=2))
    late = publish([drops.event(number) for number in range(5, 7)], form, kind="d", seq=8, first=5)
    empty = publish([], form, seq=9, first=7, day=datetime(2026, 1, 6, tzinfo=UTC).date())
    files = publish.files()
    entries = [file for made in (base, late, empty) for entry in made.formats for file in entry.files]
    assert {file.path for file in entries} == {name for name in files if not name.startswith("_manifests/")}
    for file in entries:
        raw = files[file.path]
        assert (hashlib.sha256(raw).hexdigest(), len(raw)) == (file.sha256, file.bytes)
        assert file.sha256[:8] in file.path
        assert len(raw) >= 1025
    assert [made.formats[0].rows for made in (base, late, empty)] == [5, 2, 0]
    assert empty.formats[0].files, "nothing happened is told apart from nothing arrived"
    if load_format(form, [TEMPLATES]).delivery != "parquet":
        assert len({zlib.crc32(files[file.path][:256]) for file in entries}) == len(entries)
        for file in entries:
            drops.check_bytes(publish.drops / file.path, load_format(form, [TEMPLATES]).lines)
    again = drops.Publisher(publish.root / "again")
    again([drops.event(number) for number in range(5)], form, limits=Limits(rows=2))
    assert again.files().items() <= files.items()


@pytest.mark.parametrize("form", EVERY)
def test_a_drop_once_more_is_new_to_readers(drops, publish, form):
    rows = [drops.event(number) for number in range(3)]
    first = publish(rows, form)
    second = publish(rows, form, kind="r", more={"again": 1})
    third = publish(rows, form, kind="r", more={"again": 2})
    names = [file.path for made in (first, second, third) for file in made.formats[0].files]
    assert len(set(names)) == len(names)
    assert all(".r000007.1.p" in file.path for file in second.formats[0].files)
    if form in TEXT:
        assert len({publish.files()[name] for name in names}) == len(names)
        skip = RECORD_BYTES
        assert len({publish.files()[file.path][skip:] for made in (first, second) for file in made.formats[0].files}) == 1
        records = [json.loads(publish.files()[name].split(b"\n")[load_format(form, [TEMPLATES]).lines - 1]) for name in names]
        assert len({drops.batch_of(record)["id"] for record in records}) == 3
        assert drops.batch_of(records[1])["id"] == f"000007.20260105.{form}.00.r1"


# --- late events in any order -------------------------------------------------------------------------------

LIKE_A_TEST = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("form", TEXT)
@LIKE_A_TEST
@given(seed=st.integers(0, 2**32), counts=st.lists(st.integers(0, 7), min_size=1, max_size=5), filtered=st.booleans())
def test_the_union_of_all_files_is_the_source_and_no_event_is_twice(drops, tmp_path_factory, form, seed, counts, filtered):
    dice = random.Random(seed)
    publish = drops.Publisher(tmp_path_factory.mktemp("home"))
    rule = {"leave_out": Match(category=("authentication",))} if filtered else {}
    expected, leaves, withheld, first = Counter(), [], 0, 0
    for number, count in enumerate(counts):
        rows = []
        for leaf in range(first, first + count):
            category = dice.choice(["authentication", "configuration"])
            when = datetime(2026, 1, 5, tzinfo=UTC) + timedelta(microseconds=dice.randrange(86_400_000_000))
            rows.append(drops.event(leaf, category=category, occurred_at=when))
            if filtered and category == "authentication":
                withheld += 1
            else:
                expected[rows[-1]["uid"]] += 1
        made = publish(rows, form, kind="d" if number else "b", seq=number + 1, first=first, limits=Limits(rows=3), **rule)
        (entry,) = made.formats
        assert entry.rows + entry.rows_withheld == count, "leaf ranges tile the log less what is withheld"
        leaves += [(file.min_leaf_index, file.max_leaf_index) for file in entry.files if file.rows]
        withheld -= entry.rows_withheld
        first += count
    assert withheld == 0
    found = Counter(uid for name, raw in publish.files().items() if "_manifests" not in name for uid in uids(raw, form, expected))
    assert found == expected
    assert all(0 <= low <= high < first for low, high in leaves)


def uids(raw: bytes, form: str, expected) -> list[str]:
    """The ids of a file's events: which of the strings of an event is an expected uid."""
    lines = load_format(form, [TEMPLATES]).lines
    body = raw.splitlines()[lines:][lines - 1 :: lines]
    found = []
    for line in body:
        strings = set(texts(json.loads(line)))
        mine = {text for text in strings if text.startswith("terracotta/evt_")}
        assert len(mine) == 1, line
        found += mine
    assert set(found) <= set(expected)
    return found


def texts(value):
    if isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value
