"""The canonical event: its columns, their types and their meaning, in one place.

Every stage after the dialects speaks these columns and no others. What does not belong here: how a
source's record is mapped to them (``extract/dialects``) and how they are written (``lake``).
"""

from dataclasses import dataclass
from typing import Final

CATEGORIES: Final = (
    "authentication",
    "access",
    "review",
    "configuration",
    "billing",
    "drift",
    "data",
    "other",
)
OUTCOMES: Final = ("success", "failure", "unknown")
ACTOR_TYPES: Final = ("user", "service", "system", "unknown")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the lake: its name, its DuckDB type and what a reader may rely on."""

    name: str
    type: str
    meaning: str


COLUMNS: Final = (
    Column("uid", "VARCHAR", "<source>/<event_id>, ~2, ~3 for conflicting records; unique in the home"),
    Column("event_id", "VARCHAR", "the source's id, or content digest and ordinal where it gives none"),
    Column("occurred_at", "TIMESTAMP WITH TIME ZONE", "when it happened, UTC, cut to microseconds"),
    Column("source", "VARCHAR", "the configured source's name"),
    Column("dialect", "VARCHAR", "the dialect that read the record"),
    Column("org_id", "VARCHAR", "the organisation in the source's own words"),
    Column("category", "VARCHAR", "one of CATEGORIES"),
    Column("action", "VARCHAR", "dotted name of what was done, e.g. guardrail.updated"),
    Column("outcome", "VARCHAR", "one of OUTCOMES"),
    Column("actor_type", "VARCHAR", "one of ACTOR_TYPES"),
    Column("actor_id", "VARCHAR", "who did it: the source's stable id"),
    Column("actor_name", "VARCHAR", "who did it: display or login name"),
    Column("actor_email", "VARCHAR", "who did it: e-mail address"),
    Column(
        "targets",
        'STRUCT("type" VARCHAR, id VARCHAR, "name" VARCHAR)[]',
        "everything the action touched, in the source's order",
    ),
    Column("target_type", "VARCHAR", "type of the first target"),
    Column("target_id", "VARCHAR", "id of the first target"),
    Column("target_name", "VARCHAR", "name of the first target"),
    Column("source_ip", "VARCHAR", "address in canonical text, or the source's word where it is none"),
    Column("user_agent", "VARCHAR", "the client, as the source gives it"),
    Column(
        "changes",
        'STRUCT(field VARCHAR, "before" VARCHAR, "after" VARCHAR)[]',
        "what changed; before and after are JSON texts, NULL where absent",
    ),
    Column("api_key_id", "VARCHAR", "the API key that was used"),
    Column("session_id", "VARCHAR", "the session it happened in"),
    Column("request_id", "VARCHAR", "the source's request id"),
    Column("extracted_at", "TIMESTAMP WITH TIME ZONE", "when its batch was extracted"),
    Column("line", "INTEGER", "line in the evidence file, from 0"),
)
"""The columns of an events Parquet, in file order. The relation ``events`` adds ``leaf_index``
(BIGINT): the place of the record in the log, first leaf of its file + line."""

SORT_KEY: Final = ("occurred_at", "event_id")
"""The order of the rows inside one Parquet file."""

NAMES: Final = tuple(column.name for column in COLUMNS)
