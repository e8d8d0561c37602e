"""The limit of a drop: DuckDB's own ordered JSON of the same fields, one file, no digest, no fsync.

``bench/bare/<format>.sql`` names the fields. Arguments: HOME FORMAT FILE.
"""

import sys
from pathlib import Path

import duckdb

_EVENTS = """
CREATE VIEW events AS
SELECT * EXCLUDE (filename), CAST(regexp_extract(filename, '([0-9]+)-[0-9]+\\.parquet$', 1) AS BIGINT) + line AS leaf_index
FROM read_parquet({files}, filename = true, hive_partitioning = false)"""


def main(home: str, form: str, file: str) -> None:
    paths = sorted(map(str, Path(home).glob("events/*/*/*.parquet")))
    select = (Path(__file__).parent.parent / "bare" / f"{form}.sql").read_text(encoding="utf-8")
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(_EVENTS.format(files=paths))
    connection.execute(f"COPY ({select}) TO '{file}' (FORMAT json)")


if __name__ == "__main__":
    main(*sys.argv[1:])
