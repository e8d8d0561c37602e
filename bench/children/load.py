"""The limit of the ingest: one DuckDB COPY of the same typed columns from the same file, without evidence.

No validation beyond DuckDB's own, no de-duplication, no digest, no fsync. Arguments: RECORDS TABLE.
"""

import sys

import duckdb

_ACTOR = '\'STRUCT("type" VARCHAR, id VARCHAR, "name" VARCHAR, email VARCHAR)\''
_TARGETS = '\'STRUCT("type" VARCHAR, id VARCHAR, "name" VARCHAR)[]\''
_CONTEXT = "'STRUCT(ip VARCHAR, user_agent VARCHAR, session_id VARCHAR, api_key_id VARCHAR, request_id VARCHAR)'"
COLUMNS = f"""{{
    id: 'VARCHAR', occurred_at: 'TIMESTAMPTZ', org_id: 'VARCHAR', "type": 'VARCHAR', outcome: 'VARCHAR',
    actor: {_ACTOR}, targets: {_TARGETS}, context: {_CONTEXT}, before: 'MAP(VARCHAR, JSON)', after: 'MAP(VARCHAR, JSON)'
}}"""
STATEMENT = f"""
COPY (
    SELECT 'bulk/' || id AS uid, id AS event_id, occurred_at, 'bulk' AS source, 'terracotta' AS dialect, org_id,
        split_part("type", '.', 1) AS category, "type" AS action, outcome,
        actor."type" AS actor_type, actor.id AS actor_id, actor."name" AS actor_name, actor.email AS actor_email,
        targets, targets[1]."type" AS target_type, targets[1].id AS target_id, targets[1]."name" AS target_name,
        context.ip AS source_ip, context.user_agent AS user_agent,
        CASE WHEN before IS NULL AND after IS NULL THEN [] ELSE list_transform(
            list_distinct(list_concat(map_keys(before), map_keys(after))),
            lambda k: {{'field': k, 'before': before[k], 'after': after[k]}}) END AS changes,
        context.api_key_id AS api_key_id, context.session_id AS session_id, context.request_id AS request_id,
        TIMESTAMPTZ '2024-11-07 01:30:00+00' AS extracted_at
    FROM read_json($records, format = 'newline_delimited', columns = {COLUMNS})
    ORDER BY occurred_at, id
) TO {{table}} (FORMAT parquet, COMPRESSION zstd)
"""


def main(records: str, table: str) -> None:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    statement = STATEMENT.replace("{table}", "'" + table.replace("'", "''") + "'")
    connection.execute(statement, {"records": records})


if __name__ == "__main__":
    main(*sys.argv[1:])
