"""Finding, reading and rendering templates; a home may bring its own."""

import json

import pytest

from audit_pipelines.errors import DropError, SettingsError
from audit_pipelines.ship.format import load_format, render

OWN = """-- version: 3
-- line budget: 0
-- least line budget: 0
SELECT '{"id":' || to_json(uid) || '}' AS line, uid, occurred_at, leaf_index, false AS truncated, false AS unmapped
FROM events WHERE outcome = 'failure'
"""


@pytest.mark.parametrize("name", ["generic", "ecs"])
def test_shipped_formats(drops, name):
    form = load_format(name, [drops.TEMPLATES])
    assert form.name == name
    assert form.default_line_budget == {"generic": None, "ecs": 8000}[name]
    assert len(form.sha256) == 64


def test_a_homes_template_wins_and_brings_new_formats(drops, publish, tmp_path):
    (tmp_path / "siem").mkdir()
    (tmp_path / "siem" / "failures.sql.j2").write_text(OWN)
    rows = [drops.event(0), drops.event(1, outcome="failure")]
    made = publish(rows, "failures", folders=(tmp_path / "siem", drops.TEMPLATES))
    entry = made.formats[0]
    assert (entry.version, entry.rows, entry.rows_withheld) == ("3", 1, 1)
    record, line = (publish.drops / entry.files[0].path).read_bytes().splitlines()
    assert json.loads(line) == {"id": "terracotta/evt_000001"}
    assert json.loads(record)["batch"]["id"] == "000007.20260105.failures.00"


def test_the_digest_covers_the_macros(drops, tmp_path):
    (tmp_path / "_macros.sql.j2").write_text((drops.TEMPLATES / "_macros.sql.j2").read_text() + "{# mine #}")
    assert load_format("ecs", [tmp_path, drops.TEMPLATES]).sha256 != load_format("ecs", [drops.TEMPLATES]).sha256


@pytest.mark.parametrize("name", ["nope", "../generic", "_macros", "Generic", ""])
def test_an_unknown_format_names_those_there_are(drops, name):
    with pytest.raises(SettingsError, match="no format") as caught:
        load_format(name, [drops.TEMPLATES])
    assert {"ecs", "generic"} <= set(caught.value.todo.removeprefix("there are: ").split(", "))
    assert "_" not in [name[0] for name in caught.value.todo.removeprefix("there are: ").split(", ")]


def test_a_template_without_a_header(tmp_path):
    (tmp_path / "bare.sql.j2").write_text("SELECT 1")
    with pytest.raises(SettingsError, match="incomplete header"):
        load_format("bare", [tmp_path])


@pytest.mark.parametrize(("wanted", "budget"), [(None, 8000), (0, None), (6000, 6000), (900_000, 900_000)])
def test_line_budget(drops, wanted, budget):
    assert load_format("ecs", [drops.TEMPLATES]).budget(wanted) == budget


@pytest.mark.parametrize("wanted", [5999, 1, -1])
def test_a_budget_that_cannot_be_kept(drops, wanted):
    with pytest.raises(DropError, match="too few"):
        load_format("ecs", [drops.TEMPLATES]).budget(wanted)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{% if %}", "cannot be rendered"),
        ("{{ nowhere.at_all }}", "cannot be rendered"),
        ("{{ ''.__class__.__mro__ }}", "cannot be rendered"),
        ("SELECT nothing FROM events", "the SELECT fails"),
        ("SELECT 'x' AS line", "the SELECT fails"),
        (
            "SELECT NULL::VARCHAR AS line, uid, occurred_at, leaf_index, false AS truncated, false AS unmapped FROM events",
            "is NULL",
        ),
        (
            "SELECT repeat('x', 500) AS line, uid, occurred_at, leaf_index, false AS truncated, false AS unmapped FROM events",
            "line of 500",
        ),
        (
            "SELECT '{}' AS line, uid, occurred_at, leaf_index, false AS truncated, false AS unmapped FROM events, range(2)",
            "2 lines for 1",
        ),
        ("{% macro batch_record(batch) %}{{ 'x' * 4000 }}{% endmacro %}" + OWN, "a batch record of 4000 bytes"),
        ("{% macro batch_record(batch) %}{}{% endmacro %}" + OWN, "without its id in front"),
        ("{% macro batch_record(batch) %}{}\n{}{% endmacro %}" + OWN, "a batch record of 5 bytes"),
        (
            "SELECT 'a' || chr(10) || 'b' AS line, uid, occurred_at, leaf_index, false AS truncated, false AS unmapped FROM events",
            "not 1 text lines",
        ),
    ],
)
def test_a_broken_template_is_a_drop_error(drops, publish, tmp_path, body, message):
    (tmp_path / "own.sql.j2").write_text("-- version: 1\n-- line budget: 300\n" + body)
    with pytest.raises(DropError, match=message):
        publish([drops.event(0)], "own", folders=[tmp_path])
    assert publish.files() == {}


def test_a_template_cannot_break_out_of_the_organisations_name(drops):
    sql = render(load_format("ecs", [drops.TEMPLATES]), line_budget=None, organisation="acme").sql
    assert "acme" in sql
    assert "{{" not in sql
