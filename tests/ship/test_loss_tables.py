"""docs/siem/formats: the page of a format says where each column goes; here the lines are asked whether that is so.

A page has three sections: `Columns` (`| column | in the output | kept | note |`), `Actions` (a table, or a link to
the page whose table the format uses) and `Other actions`. `kept` is one of three words: `whole` (the value can
be read back at one of the paths), `changed` (something stands there, in another shape or only sometimes) and
`lost` (it is nowhere in the line).
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audit_pipelines.event import NAMES
from audit_pipelines.ship.format import load_format, render
from audit_pipelines.shipped import shipped

PAGES = Path(__file__).parents[2] / "docs" / "siem" / "formats"
TEMPLATES = shipped("templates") / "siem"
FORMATS = sorted(path.name.removesuffix(".sql.j2") for path in TEMPLATES.glob("[!_]*.sql.j2"))
COLUMNS = (*NAMES, "leaf_index")


def section(form: str, title: str) -> str:
    text = (PAGES / f"{form}.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{form}.md has no section {title}"
    link = re.search(r"\]\((\w+)\.md(?:#[a-z-]+)?\)", found[1])
    return section(link[1], title) if link and "\n| `" not in found[1] else found[1]


def rows(text: str) -> list[list[str]]:
    """The cells of the table's rows that begin with code."""
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in text.splitlines() if line.startswith("| `")]


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def columns(form: str) -> dict[str, tuple[list[str], str]]:
    """Column -> its paths, and how it is kept."""
    found = {}
    for cells in rows(section(form, "Columns")):
        (name,) = codes(cells[0])
        assert name not in found, f"{form}.md names {name} twice"
        found[name] = codes(cells[1]), cells[2]
    return found


def at(value, path: str) -> Iterator[object]:
    """What stands at a path such as `audit.targets[].name`."""
    first, _, rest = path.partition(".")
    many = first.endswith("[]")
    if not isinstance(value, dict) or first.removesuffix("[]") not in value:
        return
    inner = value[first.removesuffix("[]")]
    for one in inner if many else [inner]:
        yield from at(one, rest) if rest else [one]


def leaves(value) -> Iterator[object]:
    """Every value below; JSON inside a text is looked into."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from leaves(inner)
        return
    yield value
    if isinstance(value, str):
        try:
            inner = json.loads(value)
        except ValueError:
            return
        yield from leaves(inner)


def moment(value) -> datetime | None:
    """A time that can be read to the microsecond: RFC 3339, or seconds since 1970."""
    try:
        if isinstance(value, int | float):
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=round(value * 1_000_000))
        return datetime.fromisoformat(value)
    except (ValueError, OverflowError):
        return None


def is_kept(wanted, found: list) -> bool:
    if wanted is None or wanted == []:
        return True
    values = [leaf for value in found for leaf in leaves(value)]
    if isinstance(wanted, datetime):
        return wanted in [moment(value) for value in values]
    if isinstance(wanted, list):
        texts = [text for struct in wanted for text in struct.values() if text is not None]
        return all(text in values or any(leaf in values for leaf in leaves(text)) for text in texts)
    return wanted in values or str(wanted) in values


def probe(drops, number: int, **more) -> dict:
    """An event no two columns of which hold the same; `targets` begins with target_type, target_id and target_name."""
    text = {name: f"{name}-{number}-probe" for name in COLUMNS}
    first = {"type": more.get("target_type", "guardrail"), "id": text["target_id"], "name": text["target_name"]}
    own = {
        "occurred_at": datetime(2026, 1, 6, 1, 2, 3, 456_789 + number, UTC), "extracted_at": datetime(2026, 1, 6, 4, 5, 6, 654_321, UTC),
        "dialect": "terracotta", "category": "configuration", "action": "guardrail.updated", "outcome": "success", "actor_type": "service",
        "actor_email": f"actor-{number}@example.com", "target_type": first["type"], "source_ip": f"203.0.113.{number + 70}",
        "targets": [first, {"type": "team", "id": "other-target-id", "name": "other target"}],
        "changes": [{"field": "limit", "before": '"old-7"', "after": "42"}, {"field": "mode", "before": None, "after": '{"deep":"new"}'}],
        "line": 313_370 + number, "leaf_index": 777_000 + number,
    }  # fmt: skip
    return drops.event(number) | text | own | more


@pytest.fixture(scope="module")
def probes(drops) -> list[dict]:
    """One event of every kind that formats treat in their own way."""
    kinds = [
        {}, {"outcome": "failure", "actor_type": "user"}, {"action": "authentication.login", "category": "authentication"},
        {"action": "authentication.logout", "category": "authentication"}, {"action": "api_key.created", "category": "authentication", "target_type": "api_key"},
        {"action": "seat.added", "category": "billing", "target_type": "user"}, {"action": "seat.removed", "category": "access", "target_type": "user"},
        {"action": "integration.connected", "target_type": "integration"}, {"action": "plan.changed", "category": "billing", "target_type": "plan"},
        {"action": "review.triggered", "category": "review", "target_type": "pull_request"}, {"action": "review.completed", "category": "review"},
        {"action": "drift_scan.initiated", "category": "drift", "target_type": "scan"}, {"action": "drift_scan.completed", "category": "drift"},
        {"action": "iam.AttachUserPolicy", "target_type": "user"}, {"action": "odd", "category": "other", "outcome": "unknown"},
        {"source_ip": "cloudformation.amazonaws.com"}, {"outcome": "perhaps", "actor_type": "robot", "actor_email": "no address"},
        {"actor_id": None, "actor_name": None, "actor_email": None}, {"occurred_at": datetime(2026, 1, 3, 1, 2, 3, 456_000, UTC)},
    ]  # fmt: skip
    return [probe(drops, number, **kind) for number, kind in enumerate(kinds)]


@pytest.fixture(scope="module")
def written(drops, probes) -> dict[str, list[tuple[dict, str]]]:
    """Format -> each probe and the line it became (of several lines, the last)."""
    connection = drops.relation(probes)
    found = {}
    for name in FORMATS:
        sql = render(load_format(name, [TEMPLATES]), line_budget=None, organisation="acme").sql
        lines = dict(connection.execute(f"SELECT leaf_index, line FROM ({sql})").fetchall())
        found[name] = [(row, lines[row["leaf_index"]].rpartition("\n")[2]) for row in probes]
    return found


@pytest.mark.parametrize("form", FORMATS)
def test_every_column_is_named_once(form):
    table = columns(form)
    assert set(table) == set(COLUMNS)
    assert all(kept in ("whole", "changed", "lost") for _, kept in table.values())
    assert all(bool(paths) == (kept != "lost") for paths, kept in table.values())


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_kept_whole_can_be_read_back(form, written):
    wrong = set()
    for row, line in written[form]:
        document = json.loads(line)
        for name, (paths, kept) in columns(form).items():
            found = [value for path in paths for value in at(document, path)]
            if kept == "whole" and not is_kept(row[name], found):
                wrong.add(f"{name} of {row['action']}: {row[name]!r} is not in {found}")
    assert wrong == set()


@pytest.mark.parametrize("form", FORMATS)
def test_every_path_that_a_page_names_is_in_the_lines(form, written):
    documents = [json.loads(line) for _, line in written[form]]
    paths = {path for paths, _ in columns(form).values() for path in paths}
    assert {path for path in paths if not any(True for document in documents for _ in at(document, path))} == set()


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_lost_is_nowhere(form, written):
    lost = [name for name, (_, kept) in columns(form).items() if kept == "lost"]
    assert "line" in lost  # it is leaf_index less the first leaf of its file
    for row, line in written[form]:
        for name in lost:
            value = f"{row[name]:%H:%M:%S.%f}" if isinstance(row[name], datetime) else str(row[name])
            assert value not in line, name


@pytest.mark.parametrize("form", FORMATS)
def test_the_table_of_actions_is_the_template_s(form):
    module = render(load_format(form, [TEMPLATES]), line_budget=None, organisation="acme").module
    known = {action: rest for action, *rest in getattr(module, "actions", ())}
    table = {action: " ".join(cells[1:]) for cells in rows(section(form, "Actions")) for action in codes(cells[0])}
    assert set(table) == set(known)
    if form in ("ecs", "splunk", "datadog"):  # these write the table's own words
        for action, rest in known.items():
            words = [word for part in rest for word in (part if isinstance(part, list) else [part]) if isinstance(word, str)]
            assert [word for word in words if word not in table[action]] == [], action


@pytest.mark.parametrize("form", FORMATS)
def test_what_becomes_of_other_actions_is_explained(form):
    assert len(section(form, "Other actions").split()) >= 3


def test_the_check_finds_what_is_wrong(drops):
    """A reader of tables that believes everything is worth nothing."""
    row = probe(drops, 0)
    assert is_kept(row["uid"], [{"id": row["uid"]}])
    assert not is_kept(row["uid"], [row["event_id"]])
    assert is_kept(row["changes"], ['[{"field":"limit","before":"old-7","after":42},{"field":"mode","after":{"deep":"new"}}]'])
    assert not is_kept(row["changes"], ['[{"field":"limit","after":42},{"field":"mode"}]'])
    assert is_kept(row["occurred_at"], ["2026-01-06T01:02:03.456789Z"])
    assert is_kept(row["occurred_at"], [1767661323.456789])
    assert not is_kept(row["occurred_at"], ["2026-01-06T01:02:03.456Z"])
    assert list(at({"a": {"b": [{"c": 1}, {"c": 2}, {}]}}, "a.b[].c")) == [1, 2]
