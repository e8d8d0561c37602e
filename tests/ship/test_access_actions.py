"""What ``serve`` records is named in every format: no reading of the log arrives as an unknown action."""

import json

import pytest

from audit_pipelines.serve.access import ACTIONS
from audit_pipelines.ship.format import load_format, render
from audit_pipelines.shipped import shipped
from tests.ship.conftest import event

TABLES = ("ecs", "ocsf", "splunk", "datadog")
FORMATS = (*TABLES, "ecs_bulk", "splunk_hec")


def own(number: int, action: str, **columns) -> dict:
    category = {"authentication": "authentication"}.get(action.partition(".")[0], "access")
    return event(number, action=action, category=category, source="audit-pipelines", dialect="audit-pipelines", **columns)


@pytest.mark.parametrize("form", TABLES)
def test_every_action_is_in_the_table_of_actions(form):
    module = render(load_format(form, [shipped("templates") / "siem"]), line_budget=8000, organisation="acme").module
    assert {action for action, *_ in module.actions} >= ACTIONS


@pytest.mark.parametrize("form", FORMATS)
def test_none_is_counted_as_unknown(publish, form):
    made = publish([own(number, action) for number, action in enumerate(sorted(ACTIONS))], form)
    assert sum(file.rows_unmapped for file in made.formats[0].files) == 0


def test_reading_is_reading_and_signing_in_is_signing_in(publish):
    rows = [own(0, "audit_log.searched"), own(1, "link.opened"), own(2, "access.denied", outcome="failure")]
    made = publish(rows, *TABLES)
    ecs, ocsf, splunk, datadog = (
        [json.loads(line) for line in publish.lines(made, form)] for form in TABLES
    )  # in the order of the leaves
    assert [(one["event"]["category"], one["event"]["type"]) for one in ecs] == [
        (["api"], ["access"]),
        (["authentication", "session"], ["start"]),
        (["api"], ["access", "denied"]),
    ]
    assert [one["type_uid"] for one in ocsf] == [600302, 300201, 600399]
    assert {one["metadata"]["product"]["vendor_name"] for one in ocsf} == {"audit-pipelines"}
    assert [(one["cim"], one["action"]) for one in splunk] == [
        ("none", "read"),
        ("authentication", "success"),
        ("none", "blocked"),
    ]
    assert [one["evt"]["category"] for one in datadog] == ["data", "authentication", "iam"]
