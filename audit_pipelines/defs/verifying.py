"""Verification with the heavy libraries: typed columns against their records, and names of events in faults.

What was sealed is checked by ``seal.verify``; here every Parquet file is derived again from its evidence,
with the dialect it says it was made by, and compared row by row. Nothing is written but in a temporary
folder. What does not belong here: making files again (``mending``).
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from audit_pipelines.batch import Batch, EvidenceFile, history
from audit_pipelines.defs.night import dialect_folders
from audit_pipelines.errors import AuditError
from audit_pipelines.event import NAMES
from audit_pipelines.home import Home
from audit_pipelines.lake import lock
from audit_pipelines.lake.derive import prepare
from audit_pipelines.lake.read import connect
from audit_pipelines.lake.rederive import derive_file
from audit_pipelines.record import Dialect, load_dialect
from audit_pipelines.seal import statements as st
from audit_pipelines.seal.ledger import Ledger
from audit_pipelines.seal.sealed import read_ledger
from audit_pipelines.seal.verify.check import Check, Fault, Progress, Silent, Verdict, counted
from audit_pipelines.seal.verify.whole import verify

_SHOWN: Final = 20
"""Rows of one file that are named; the rest is counted."""
_NAMED: Final = 1000
"""Faults that get the name of their event."""

_COLUMNS: Final = ", ".join(f'"{name}"' for name in NAMES)
_OLD: Final = f"SELECT {_COLUMNS} FROM read_parquet($old, hive_partitioning = false)"  # noqa: S608 - our own names
_NEW: Final = f"SELECT {_COLUMNS} FROM read_parquet($new, hive_partitioning = false)"  # noqa: S608 - same
_COUNT_WRONG: Final = f"SELECT count(*) FROM (({_OLD} EXCEPT ALL {_NEW}) UNION ALL ({_NEW} EXCEPT ALL {_OLD}))"  # noqa: S608 - same
_DIFFERS: Final = ", ".join(f"""CASE WHEN a."{name}" IS DISTINCT FROM b."{name}" THEN '{name}' END""" for name in NAMES)
_NAME_WRONG: Final = f"""
SELECT line, coalesce(a.uid, b.uid), a.uid IS NULL, b.uid IS NULL,
    list_filter([{_DIFFERS}], lambda name: name IS NOT NULL) AS wrong
FROM ({_OLD}) AS a FULL JOIN ({_NEW}) AS b USING (line) WHERE len(wrong) > 0 ORDER BY line"""  # noqa: S608 - same
_NAME_EVENTS: Final = "SELECT line, uid FROM read_parquet($path, hive_partitioning = false) WHERE list_contains($lines, line)"


def verify_home(
    home: Home, *, now: datetime, given: Sequence[str] = (), derived: bool = False, progress: Progress | None = None
) -> Verdict:
    """``seal.verify.verify``, events named where a Parquet file still tells them.

    Args:
        home: only read.
        now: the moment.
        given: keys that the reader knows from elsewhere.
        derived: compare the typed columns with their records too.
        progress: is told how far it is.

    Raises:
        EvidenceError: there is nothing to verify, or a given key is none.
        SettingsError: audit.toml cannot be used.
    """
    telling = progress or Silent()
    verdict = verify(home, home.settings(), now=now, given=given, progress=telling)
    notes = []
    if lock.is_held(home.lock_file):
        notes.append("a run is going on: what it is writing now may show as a fault; verify again when it is done")
    if derived:
        columns = _derived(home, telling)
    else:
        columns = Check("columns", "not compared with their records", notes=("typed columns: --rederive compares them",))
    checks = (*verdict.checks, replace(columns, notes=(*columns.notes, *notes)))
    return replace(verdict, checks=_named(home, checks))


def _derived(home: Home, progress: Progress) -> Check:
    """Every Parquet file against a fresh mapping of its records."""
    name = "columns"
    try:
        batches, ledger = history(home), read_ledger(home)
    except AuditError as error:
        return Check(name, "could not be compared", (Fault(error.what, error.where),))
    pairs = [(batch, file) for batch in batches for file in batch.evidence if not file.purged]
    there = [(batch, file) for batch, file in pairs if (home.root / file.events).is_file()]
    faults: list[Fault] = []
    notes = [f"{counted(len(pairs) - len(there), 'derived file')} missing: the next night makes them again"]
    dialects = _dialects(home)
    stage = "comparing columns"
    progress.begin(stage, len(there))
    with tempfile.TemporaryDirectory(prefix="audit-verify-") as folder:
        connection = connect(memory="1GB", spill=Path(folder) / "spill")
        prepare(connection)
        try:
            for batch, file in there:
                faults += _file_faults(connection, home, batch, file, dialects, _allowed(batch, file, ledger), Path(folder))
                progress.advance(stage, 1)
        finally:
            connection.close()
    progress.end(stage)
    rows = sum(file.rows for _, file in there)
    text = f"{counted(rows, 'row')} of {counted(len(there), 'file')}, all {len(NAMES)} columns"
    return Check(name, text, tuple(faults), tuple(notes) if len(there) < len(pairs) else ())


def _dialects(home: Home) -> dict[str, Dialect]:
    """Every dialect that is here, by its digest: the home's own and the shipped ones."""
    found: dict[str, Dialect] = {}
    for folder in dialect_folders(home):
        for path in sorted(folder.glob("*.sql")):
            try:
                dialect = load_dialect(path.stem, [folder])
            except AuditError:
                continue  # a broken file made no column
            found.setdefault(dialect.sha256, dialect)
    return found


def _allowed(batch: Batch, file: EvidenceFile, ledger: Ledger | None) -> set[str]:
    """Digests of dialects that may have made the file: the batch's, and those that a statement names."""
    found = {result.dialect_sha256 for result in batch.sources if result.name == file.source}
    for item in ledger.statements if ledger else ():
        if isinstance(item, st.Rederive) and item.source == file.source and item.first <= file.day <= item.last:
            found.add(item.new_dialect_sha256)
    return found


def _file_faults(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    batch: Batch,
    file: EvidenceFile,
    dialects: dict[str, Dialect],
    allowed: set[str],
    folder: Path,
) -> list[Fault]:
    old, new = home.root / file.events, folder / "fresh.parquet"
    try:
        made_by = (pq.read_metadata(old).metadata or {}).get(b"dialect_sha256", b"").decode("ascii", "replace")
        if made_by not in allowed:
            text = f"says it was made by dialect {made_by[:16] or '?'}, which neither its batch nor a rederive statement names"
            return [Fault(text, file.events, file.day)]
        if made_by not in dialects:
            return [Fault(f"its dialect {made_by[:16]} is not here any more: put it into dialects/", file.events, file.day)]
        dialect = replace(dialects[made_by], name=file.dialect)
        derive_file(connection, batch, file, dialect, evidence=home.root / file.path, staged=new)
        return list(_row_faults(connection, old, new, file))
    except (AuditError, duckdb.Error, pa.ArrowException, OSError) as error:
        return [Fault(f"cannot be compared: {str(error).splitlines()[0]}", file.events, file.day)]
    finally:
        new.unlink(missing_ok=True)


def _row_faults(connection: duckdb.DuckDBPyConnection, old: Path, new: Path, file: EvidenceFile) -> Iterator[Fault]:
    """Rows that are in one file and not in the other, and the columns in which they differ."""
    values = {"old": str(old), "new": str(new)}
    ((wrong,),) = connection.execute(_COUNT_WRONG, values).fetchall()
    if not wrong:
        return
    rows = connection.execute(_NAME_WRONG, values)
    found = rows.fetchmany(_SHOWN)
    for line, uid, is_missing, is_extra, columns in found:
        leaf = file.first + line if isinstance(line, int) else None
        if is_missing or is_extra:
            text = "has no row for this record" if is_missing else "has a row that no record gives"
            yield Fault(text, file.events, file.day, line, leaf, uid)
            continue
        yield Fault(f"differs from its record: {', '.join(columns)}", file.events, file.day, line, leaf, uid, tuple(columns))
    if not found:
        yield Fault("has a row more than once", file.events, file.day)
    elif len(found) == _SHOWN and (more := len(rows.fetchall())):
        yield Fault(f"{more} more rows differ", file.events, file.day)


def _named(home: Home, checks: Sequence[Check]) -> tuple[Check, ...]:
    """The checks, their faults with the uids of events that Parquet files still tell."""
    wanted = [fault for check in checks for fault in check.faults if fault.line is not None and fault.uid is None][:_NAMED]
    if not wanted:
        return tuple(checks)
    try:
        derived = {file.path: file.events for batch in history(home) for file in batch.evidence}
    except AuditError:
        return tuple(checks)
    uids = dict(_uids(home, derived, wanted))
    return tuple(
        replace(check, faults=tuple(replace(fault, uid=uids.get((fault.file, fault.line), fault.uid)) for fault in check.faults))
        for check in checks
    )


def _uids(home: Home, derived: dict[str, str], faults: Iterable[Fault]) -> Iterator[tuple[tuple[str, int | None], str]]:
    lines: dict[str, list[int]] = {}
    for fault in faults:
        if fault.file in derived and fault.line is not None:
            lines.setdefault(fault.file, []).append(fault.line)
    connection = connect(memory="500MB", threads=1)
    try:
        for file, numbers in lines.items():
            try:
                rows = connection.execute(_NAME_EVENTS, {"path": str(home.root / derived[file]), "lines": numbers}).fetchall()
            except (duckdb.Error, OSError):
                continue  # the fault stands without a name
            yield from (((file, line), uid) for line, uid in rows)
    finally:
        connection.close()
