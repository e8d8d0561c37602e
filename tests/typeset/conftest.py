"""The sample month, computed and rendered once; and a small report in which every printed value can be planted."""

import importlib.util
import io
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from audit_pipelines.shipped import shipped
from audit_pipelines.typeset import facts as f
from audit_pipelines.typeset import integrity as i
from audit_pipelines.typeset import spec as spec_module
from audit_pipelines.typeset.model import compute
from audit_pipelines.typeset.pdf import render

SMALL = """
name = "small"
title = "Small report"
summary = ["There were {stored} events and {amount} of them counted."]
verify = ["sha256sum -c SHA256SUMS"]
figures = [
    { id = "stored", label = "Events stored", fact = "stored", table = "rows", key = true },
    { id = "amount", label = "Amount", query = "demo/rows", column = "events", key = true },
]

[[sections]]
id = "one"
title = "One"
controls = ["SOC 2 CC7.2"]
text = ["The month had {amount} of {stored}."]
blocks = [
    { id = "rows", title = "Rows", query = "demo/rows", attachment = "rows.ndjson", totals = ["events"] },
    { id = "chart", title = "Chart", kind = "bars", query = "demo/rows", x = "day", series = "text", value = "events" },
    { id = "pivot", title = "Pivot", kind = "pivot", query = "demo/rows", x = "text", series = "other", value = "events" },
    { id = "sources", title = "Sources", kind = "sources" },
    { id = "batches", title = "Batches", kind = "batches" },
    { id = "rejects", title = "Rejects", kind = "rejects" },
    { id = "drops", title = "Drops", kind = "drops" },
    { id = "rules", title = "Rules", kind = "rules" },
    { id = "findings", title = "Findings", kind = "findings" },
    { id = "limits", title = "Limits", kind = "limits" },
    { id = "sealed", title = "Sealed", kind = "sealed" },
    { id = "checkpoints", title = "Checkpoints", kind = "checkpoints" },
    { id = "signers", title = "Signers", kind = "signers" },
    { id = "checks", title = "Checks", kind = "checks" },
    { id = "drills", title = "Drills", kind = "drills" },
    { id = "decisions", title = "Decisions", kind = "decisions" },
    { id = "inputs", title = "Inputs", kind = "inputs" },
    { id = "queries", title = "Queries", kind = "queries" },
]
"""


@pytest.fixture(scope="session")
def sample_month():
    """The module that makes the sample (a script too, hence loaded by its path)."""
    location = importlib.util.spec_from_file_location("sample_month", Path(__file__).with_name("sample_month.py"))
    module = importlib.util.module_from_spec(location)
    location.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def month(sample_month):
    """A connection with the sample's events: about 140 a working day."""
    return sample_month.events(24_000)


@pytest.fixture(scope="session")
def computed(sample_month, month):
    return sample_month.sample(month)


@pytest.fixture(scope="session")
def pdf(computed):
    return render(computed.model, folders=[shipped("templates")], attachments=computed.attachments)


@pytest.fixture(scope="session")
def pages(pdf):
    """The text of each page."""
    reader = pytest.importorskip("pypdf").PdfReader(io.BytesIO(pdf))
    return [page.extract_text() for page in reader.pages]


def integrity_of(value, at):
    """What a log would say, with ``value`` wherever a person or a source's name can bring one."""
    head = i.Head(3, bytes(32), "acme/events\n3\nAAAA\n\n\u2014 acme/events AAAA\n")
    return i.Integrity(
        origin=value,
        keys=(i.SigningKey("ab" * 32, "acme/events+00+AQ==", "acme/statements+00+AQ==", 0, 2),),
        events_before=head,
        events=head,
        statements_before=head,
        statements=head,
        batches=(i.SealedBatch(1, 1, 0, 7, 0, 0, 0, (), False, False),),
        drills=(i.DrillCount(value, 1, 1),),
        policy_months=12,
        policy_sources={value: 3},
        holds=(value,),
        decisions=(i.Decision(value, at, (2, 3, 5), value, value, changes=True),),
        erasures=(),
        erased=0,
        files=(i.LogFile("events.checkpoint", "Head", b"head"),),
    )


@pytest.fixture
def templates():
    return [shipped("templates")]


@pytest.fixture
def small():
    """``small(value, rows=...)``: a computed report that prints ``value`` wherever a value can stand."""

    def make(value, *, rows=None, spec=SMALL, **changes):
        month_start = date(2026, 2, 1)
        at = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
        digest = "ab" * 32
        finding = f.Finding(value, value, month_start, value, at, at, 1.5, value, (value,), 1)
        facts = f.Facts(
            **{
                "organisation": f.Organisation("acme", value),
                "this": f.MonthFacts(
                    month_start,
                    population=(f.PopulationDay(month_start, value, 7),),
                    findings=(finding,),
                    rules=(f.RuleRun(value, value, value, "demo/rule", 28, 28, 1),),
                    rejects=(f.RejectCount(value, value, 1),),
                ),
                "last": None,
                "revision": 2,
                "size": 10,
                "sources": (f.SourceFacts(value, value, value, digest, 28, 28),),
                "batches": (f.BatchFacts(1, at, (month_start,), 7, 7, 0, 0, 0, 0, value, digest),),
                "retention_months": 12,
                "settings_sha256": digest,
                "code": value,
                "versions": {value: value},
                "integrity": integrity_of(value, at),
                "drops": (f.DropFacts(value, value, digest, 1, 7),),
                "previous": f.Previous(
                    1, 9, digest, {"stored": 6}, (f.LateEvent(value, at, 1, timedelta(hours=30), value, value, value),)
                ),
                "prepared_by": value,
                "classification": value,
            }
            | changes
        )
        given = [(month_start, value, value, 7)] if rows is None else rows
        queries = [f.QueryText(name, value, f"-- {value}\nSELECT 1", digest, (value,)) for name in ("demo/rows", "demo/rule")]

        def ask(name, params):
            return f.Table(("day", "text", "other", "events"), iter(given))

        return compute(spec_module.parse(spec), facts, ask, ask, queries)

    return make
