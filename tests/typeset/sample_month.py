"""A believable month to render: 3,000 events a day over three months, in a DuckDB table.

Run it to look at the report: ``python tests/typeset/sample_month.py OUT_FOLDER``. The tests load it too.
The names and values are made up; addresses are of the ranges kept for documentation (RFC 5737).
"""

import base64
import hashlib
import json
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from audit_pipelines import sql
from audit_pipelines.event import COLUMNS
from audit_pipelines.shipped import shipped
from audit_pipelines.typeset import facts as f
from audit_pipelines.typeset import integrity as i
from audit_pipelines.typeset import spec as spec_module
from audit_pipelines.typeset.issue import write_report
from audit_pipelines.typeset.model import compute
from audit_pipelines.typeset.shelf import Shelf

MONTH = date(2026, 5, 1)
LAST = date(2026, 4, 1)

EVENTS = """
CREATE TABLE events AS
WITH numbered AS (
    SELECT n, hash(n) AS h1, hash(n + 1000000007) AS h2, hash(n * 3 + 17) AS h3, hash(n * 7 + 5) AS h4
    FROM range($count) t(n)
), placed AS (
    SELECT *,
        TIMESTAMPTZ '2026-03-01 00:00:00+00' + to_microseconds(n * (92::BIGINT * 86400 * 1000000 // $count) + (h1 % 9000000)::BIGINT) AS moment,
        h2 % 1000 AS kind, (h3 % 46)::INTEGER AS person
    FROM numbered
), named AS (
    SELECT *, CASE
        WHEN kind < 610 THEN 'authentication' WHEN kind < 730 THEN 'review' WHEN kind < 790 THEN 'access'
        WHEN kind < 850 THEN 'drift' WHEN kind < 853 THEN 'configuration' WHEN kind < 854 THEN 'billing' ELSE 'data' END AS category
    FROM placed
    WHERE (isodow(moment) < 6 OR h4 % 5 = 0) AND (hour(moment) BETWEEN 8 AND 17 OR h1 % 6 = 0 OR (hour(moment) IN (7, 18) AND h1 % 2 = 0))
), acted AS (
    SELECT *, CASE category
        WHEN 'authentication' THEN (['authentication.login','authentication.login','authentication.logout','authentication.login','api_key.created','api_key.revoked'])[1 + (CASE WHEN h4 % 1000 < 998 THEN h4 % 4 ELSE 4 + h4 % 2 END)::INTEGER]
        WHEN 'review' THEN (['review.triggered','review.completed'])[1 + (h4 % 2)::INTEGER]
        WHEN 'access' THEN 'access.granted'
        WHEN 'drift' THEN (['drift_scan.initiated','drift_scan.completed'])[1 + (h4 % 2)::INTEGER]
        WHEN 'configuration' THEN (['guardrail.created','guardrail.updated','guardrail.updated','guardrail.deleted','integration.connected','integration.disconnected'])[1 + (h4 % 6)::INTEGER]
        WHEN 'billing' THEN (['seat.added','seat.removed','plan.changed'])[1 + (h4 % 3)::INTEGER]
        ELSE 'data.exported' END AS action
    FROM named
)
SELECT
    'terracotta/evt_' || left(md5(n::VARCHAR), 20) AS uid, 'evt_' || left(md5(n::VARCHAR), 20) AS event_id, moment AS occurred_at,
    CASE WHEN h1 % 5 = 0 THEN 'files' ELSE 'terracotta' END AS source, 'terracotta' AS dialect, 'org_northwind' AS org_id,
    category, action,
    CASE WHEN category IN ('drift', 'data') THEN 'unknown' WHEN category = 'authentication' AND h1 % 37 = 0 THEN 'failure' ELSE 'success' END AS outcome,
    CASE WHEN person < 40 THEN 'user' ELSE 'service' END AS actor_type,
    'usr_' || lpad(person::VARCHAR, 4, '0') AS actor_id,
    (['Ada','Bela','Chidi','Dana','Emre','Fatma','Goran','Hana','Ines','Jonas'])[1 + person % 10] || ' ' || (['Okafor','Lindqvist','Novák','Moreau','Šimić'])[1 + person % 5] AS actor_name,
    'person' || person || '@northwind.example' AS actor_email,
    [{'type': split_part(action, '.', 1), 'id': split_part(action, '.', 1) || '_' || (CASE WHEN action LIKE 'api%' THEN n // 3 ELSE h4 % 400 END)::VARCHAR, 'name': NULL::VARCHAR}] AS targets,
    split_part(action, '.', 1) AS target_type, split_part(action, '.', 1) || '_' || (CASE WHEN action LIKE 'api%' THEN n // 3 ELSE h4 % 400 END)::VARCHAR AS target_id, NULL::VARCHAR AS target_name,
    CASE WHEN h2 % 11 > 0 THEN '198.51.100.' || (h3 % 250)::VARCHAR END AS source_ip,
    'Mozilla/5.0 (X11; Linux x86_64)' AS user_agent,
    CASE WHEN action LIKE 'guardrail.%' THEN [
        {'field': 'rules.pii.mode', 'before': CASE WHEN action <> 'guardrail.created' THEN '"block"' END, 'after': CASE WHEN action <> 'guardrail.deleted' THEN '"warn"' END},
        {'field': 'rules.pii.threshold', 'before': CASE WHEN action <> 'guardrail.created' THEN (0.5 + (h1 % 50) / 100)::DECIMAL(4,2)::VARCHAR END, 'after': CASE WHEN action <> 'guardrail.deleted' THEN (0.4 + (h2 % 50) / 100)::DECIMAL(4,2)::VARCHAR END}]
    WHEN action LIKE 'integration.%' THEN [{'field': 'scopes', 'before': CASE WHEN action LIKE '%.disconnected' THEN '["repo:read","issues:write"]' END, 'after': CASE WHEN action LIKE '%.connected' THEN '["repo:read","issues:write"]' END}] END AS changes,
    CASE WHEN h2 % 3 = 0 THEN 'api_key_' || (h4 % 60)::VARCHAR END AS api_key_id, NULL::VARCHAR AS session_id, 'req_' || left(md5((n * 13)::VARCHAR), 12) AS request_id,
    moment::DATE::TIMESTAMPTZ + INTERVAL 25 HOUR + INTERVAL 30 MINUTE AS extracted_at, (n % 262144)::INTEGER AS line, n AS leaf_index
FROM acted
"""

RULES = {query.name.partition("/")[2]: query for query in sql.catalogue().values() if query.is_rule}


def events(count=600_000):
    """A connection with the table ``events``, ``count`` numbers over March, April and May 2026."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(EVENTS.replace("$count", str(count)))
    present = [row[0] for row in connection.execute("DESCRIBE events").fetchall()]
    assert set(present) >= {column.name for column in COLUMNS}
    return connection


def queries():
    return [
        f.QueryText(query.name, query.question, query.text, query.sha256, query.controls) for query in sql.catalogue().values()
    ]


def asker(connection, month):
    """An ``Ask`` over one month of the table, as the caller of the stage makes it."""
    known = {"since": month, "until": f.MonthFacts(month).until, "limit_date": date(2025, 6, 1)}

    def ask(name, params):
        query = sql.find(name)
        declared = {parameter.name for parameter in query.parameters}
        answer = sql.run(connection, query, {key: value for key, value in known.items() if key in declared} | dict(params))
        return f.Table(answer.columns, answer.rows)

    return ask


def at(day, hour=0):
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def month_facts(connection, month, *, findings=()):
    days = f.MonthFacts(month).days
    counts = {}
    if connection is not None:
        sql = "SELECT occurred_at::DATE, source, count(*) FROM events WHERE occurred_at >= $since AND occurred_at < $until GROUP BY ALL"
        rows = connection.execute(sql, {"since": at(month), "until": at(f.MonthFacts(month).until)}).fetchall()
        counts = {(day, source): count for day, source, count in rows}
    return f.MonthFacts(
        month=month,
        population=tuple(
            f.PopulationDay(
                day,
                source,
                counts.get((day, source), 0),
                late=3 if day.day == 12 and source == "files" else 0,
                batches=(day.day + 30, *((day.day + 34,) if day.day == 12 else ())),
            )
            for day in days
            for source in ("files", "terracotta")
        ),
        findings=tuple(findings),
        rules=tuple(
            f.RuleRun(
                rule,
                query.question,
                query.severity,
                query.name,
                len(days),
                len(days),
                sum(item.rule == rule for item in findings),
            )
            for rule, query in RULES.items()
        ),
        rejects=(f.RejectCount("files", "no time in the record", 3),) if connection is not None else (),
    )


def some_findings(count=34):
    made = []
    for n in range(count):
        rule = list(RULES)[(n * n + 1) % len(RULES)]
        day = MONTH + timedelta(days=(n * 11) % 31)
        start = at(day, n % 24) + timedelta(minutes=n)
        summary = f"{4 + n % 9} failed sign-ins from 203.0.113.{n} to person{n}@northwind.example within 10 minutes."
        made.append(
            f.Finding(
                rule,
                RULES[rule].severity,
                day,
                f"usr_{n:04}",
                start,
                start + timedelta(minutes=9),
                4.0 + n,
                summary,
                (f"terracotta/evt_{n:020}",),
                4 + n % 9,
                late=n == 5,
            )
        )
    return made


def head(log, size):
    """A head as the log has them; its signature is made up, which printing does not look at."""
    root = hashlib.sha256(f"{log}{size}".encode()).digest()
    signature = base64.b64encode(hashlib.sha512(root).digest() + b"\0\0\0\0").decode()
    origin = f"audit-pipelines/northwind/{log}"
    return i.Head(size, root, f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n\n\u2014 {origin} {signature}\n")


def integrity(batches):
    """What the log of the sample month would say."""
    key = base64.b64encode(b"\1" + hashlib.sha256(b"key").digest()).decode()
    names = [f"audit-pipelines/northwind/{log}+0a1b2c3d+{key}" for log in ("events", "statements")]
    statements = b"".join(json.dumps({"type": "batch", "seq": batch.seq}).encode() + b"\n" for batch in batches)
    heads = [head("events", 150_101), head("events", 231_442), head("statements", 61), head("statements", 133)]
    return i.Integrity(
        origin="audit-pipelines/northwind",
        keys=(i.SigningKey(hashlib.sha256(key.encode()).hexdigest(), *names, since=0),),
        events_before=heads[0],
        events=heads[1],
        statements_before=heads[2],
        statements=heads[3],
        batches=tuple(
            i.SealedBatch(
                batch.seq, 61 + 2 * number, 150_101 + 2_000 * number, 152_101 + 2_000 * number,
                late=batch.late, rejects=batch.rejects, conflicts=0, conflict_statements=(), names_token=True, followed=number < 30,
            )
            for number, batch in enumerate(batches)
        ),
        drills=(i.DrillCount("a bit of a record or salt", 14, 14), i.DrillCount("two records swapped", 17, 17)),
        policy_months=12,
        policy_sources={"files": 18},
        holds=("matter-7",),
        decisions=(
            i.Decision("hold", at(date(2026, 5, 6), 9), (74,), "matter-7 is set: all sources, from 2026-03-01 on; a request of counsel", "A. Okafor"),
            i.Decision("erasure", at(date(2026, 5, 20), 15), (101, 102), "3 events, 1 of them of this month; a request under article 17", "D. Moreau", changes=True),
            i.Decision("purge", at(date(2026, 5, 31), 2), tuple(range(121, 127)), "61,204 events; files: 2 drop, 3 evidence, 1 findings; days 2025-05-29 to 2025-05-30", "policy"),
        ),
        erasures=(101, 102),
        erased=1,
        files=(
            i.LogFile("events.old.checkpoint", "Signed head of the events log before the month", heads[0].text.encode()),
            i.LogFile("events.checkpoint", "Signed head of the events log at size S", heads[1].text.encode()),
            i.LogFile("events.vkey", "Public key of the events log", f"{names[0]}\n".encode()),
            i.LogFile("statements.checkpoint", "Signed head of the statements log at size T", heads[3].text.encode()),
            i.LogFile("statements.ndjson", "Every statement", statements, len(batches)),
            i.LogFile("statements.vkey", "Public key of the statements log", f"{names[1]}\n".encode()),
        ),
    )  # fmt: skip


def facts(connection, *, revision=1, findings=None):
    this = month_facts(connection, MONTH, findings=some_findings() if findings is None else findings)
    batches = tuple(
        f.BatchFacts(
            seq=day.day + 30, extracted_at=at(day + timedelta(days=1), 1) + timedelta(minutes=30, seconds=day.day), days=(day,),
            received=sum(e.stored for e in this.population if e.day == day) + 12 + (day.day == 9) * 3, stored=sum(e.stored for e in this.population if e.day == day),
            duplicates=12, conflicts=0, rejects=3 if day.day == 9 else 0, late=3 if day.day == 16 else 0,
            manifest=f"batches/{day.day + 30:06}.json", manifest_sha256=hashlib.sha256(str(day).encode()).hexdigest(),
            statement=59 + 2 * day.day,
        )
        for day in this.days
    )  # fmt: skip
    return f.Facts(
        organisation=f.Organisation("northwind", "Northwind Traders"),
        this=this,
        last=month_facts(connection, LAST, findings=some_findings(29)),
        revision=revision,
        size=231_442,
        sources=tuple(f.SourceFacts(name, kind, "terracotta", hashlib.sha256(name.encode()).hexdigest(), 31, 31) for name, kind in (("files", "files"), ("terracotta", "terracotta"))),
        batches=batches,
        retention_months=12,
        settings_sha256=hashlib.sha256(b"settings").hexdigest(),
        code="0.1.0",
        versions={"duckdb": "2.0.1", "weasyprint": "70.0", "fonttools": "4.60"},
        integrity=integrity(batches),
        drops=tuple(
            f.DropFacts(form, f"drops/_manifests/{form}/{seq:06}.json", hashlib.sha256(f"{form}{seq}".encode()).hexdigest(), 1, 2_300 + seq)
            for form in ("ecs", "generic")
            for seq in range(31, 62)
        ),
        previous=f.Previous(
            revision=1, size=228_001, report_sha256=hashlib.sha256(b"r1").hexdigest(), figures={"stored": 66_000, "late": 0, "findings": 33},
            late=tuple(f.LateEvent(f"files/evt_{n:020}", at(date(2026, 5, 12), 9 + n), 62, timedelta(days=23, hours=3, minutes=n), f"person{n}@northwind.example", "guardrail.updated", f"guardrail_{n}") for n in range(3)),
            statements=99,
        ) if revision > 1 else None,
        prepared_by="Platform Security",
        classification="Confidential",
    )  # fmt: skip


def sample(connection, *, revision=1):
    """The sample month, computed."""
    spec = spec_module.load("monthly", [shipped("reports")])
    digest = Shelf([shipped("templates")]).digest()
    return compute(
        spec,
        facts(connection, revision=revision),
        asker(connection, MONTH),
        asker(connection, LAST),
        queries(),
        templates_sha256=digest,
    )


if __name__ == "__main__":
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    write_report(
        sample(events(), revision=int(sys.argv[2]) if len(sys.argv) > 2 else 1), folder=out, templates=[shipped("templates")]
    )
