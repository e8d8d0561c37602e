"""The operator's page: what is wrong first and what to do, then how everything stands; and no Dagster behind it."""

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from tests.serve.conftest import Clock, copied, opened
from tests.serve.web.auditors import rows, words


@pytest.fixture
def own(audited_home, clock, tmp_path):
    clock.time = datetime(2026, 2, 6, 12, tzinfo=UTC)
    with opened(copied(audited_home, tmp_path), clock) as door:
        yield door


def page(door) -> str:
    answer = door.client(door.token("admin")).get("/operator")
    assert answer.status_code == 200, answer.text
    return answer.text


def test_problems_come_first_each_with_what_to_do(audited):
    text = words(page(audited))
    assert text.index("to see to") < text.index("Sources")
    assert "issued reports that are outdated: 2026-01 run: audit-pipelines report --month 2026-01" in text


def test_a_home_with_nothing_wrong_says_so(sealed, tmp_path):
    morning = Clock()
    morning.time = datetime(2026, 2, 1, 12, tzinfo=UTC)
    with opened(copied(sealed, tmp_path), morning) as door:
        text = words(page(door))
    assert "All is well." in text
    assert "to see to" not in text


def test_a_night_that_did_not_come_is_told_with_its_age(own, clock):
    clock.passes(days=2)
    try:
        text = words(page(own))
    finally:
        clock.passes(days=-2)
    assert "the last finished night is 58 hours old" in text
    assert "see whether cron or the timer still starts it" in text


def test_sources_runs_and_disk_are_told(audited):
    told = page(audited)
    table = {row[0]: row for row in rows(told) if row}
    assert table["terracotta"][1] == "files"
    runs = [row for row in rows(told) if len(row) == 8][1:]
    assert [row[1].split()[0] for row in runs] == ["night", "report", "night", "report", "night", "night"]
    assert {row[2] for row in runs} == {"ok"}
    assert 'href="http://127.0.0.1:3000/runs/' in told
    folders = [row[0] for row in rows(told) if row and row[0].endswith("/")]
    assert {"evidence/", "events/", "log/", "reports/", "drops/"} <= set(folders)
    assert "files that no manifest names" not in told


def test_a_file_that_no_manifest_names_is_told(own):
    (own.home.root / "evidence" / "<i>x").write_bytes(b"")
    told = page(own)
    assert "1 files that no manifest names, the first is evidence/<i>x" in words(told)
    assert "<i>x" not in told


@pytest.mark.parametrize("scope", ["read", "auditor"])
def test_it_is_the_administrators_alone(audited, scope):
    assert audited.client(audited.token(scope)).get("/operator").status_code == 403


def test_serving_imports_no_dagster():
    script = (
        "import sys; import audit_pipelines.serve.app, audit_pipelines.cli.serve\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('dagster', 'weasyprint')])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
