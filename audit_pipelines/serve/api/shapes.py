"""The shapes of answers, for the OpenAPI document: what stands here is what clients may rely on.

Answers are not made from these classes: events and records are bytes that are passed on as they are. Tests hold the
answers against the document. What does not belong here: parameters (``asked``).
"""

from datetime import date, datetime
from typing import Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema


def _optional(schema: dict[str, Any]) -> None:
    """A member that may be missing is never null."""
    for member in schema.get("properties", {}).values():
        if member.get("default", "") is None:
            del member["default"]


class _Shape(BaseModel):
    """Base of all: members that clients do not know are to be ignored."""

    model_config = ConfigDict(json_schema_extra=_optional)


Text: TypeAlias = str | SkipJsonSchema[None]
"""A text that is left out where it is not known."""
_HEX: Final = "^[0-9a-f]{64}$"
_NEXT: Final = "Give it back as `cursor` for the next page; null = this was the last one."


class Actor(_Shape):
    """Who did it."""

    type: Text = Field(None, description="`user`, `service`, `system` or `unknown`.")
    id: Text = None
    name: Text = None
    email: Text = None


class Target(_Shape):
    """What it was done to."""

    type: Text = None
    id: Text = None
    name: Text = None


class Change(_Shape):
    """One field before and after, each as JSON text."""

    field: Text = None
    before: Text = Field(None, examples=["3"])
    after: Text = Field(None, examples=["2"])


class Event(_Shape):
    """A canonical event (docs/siem/formats/generic.md): members whose value is not known are left out."""

    uid: str = Field(
        description="Unique in this log: the source's name, a slash, the source's id.", examples=["terracotta/evt_01a2054a"]
    )
    event_id: str = Field(description="The id that the source gave it.", examples=["evt_01a2054a"])
    occurred_at: datetime = Field(examples=["2026-11-22T22:05:21.389221Z"])
    source: str = Field(examples=["terracotta"])
    dialect: str = Field(examples=["terracotta"])
    org_id: Text = None
    category: str = Field(examples=["configuration"])
    action: str = Field(examples=["guardrail.updated"])
    outcome: str = Field(description="`success`, `failure` or `unknown`.", examples=["success"])
    actor: Actor | SkipJsonSchema[None] = None
    targets: list[Target] | SkipJsonSchema[None] = None
    target_type: Text = Field(None, description="Of the first target, as the next two.")
    target_id: Text = None
    target_name: Text = None
    source_ip: Text = None
    user_agent: Text = None
    changes: list[Change] | SkipJsonSchema[None] = None
    api_key_id: Text = None
    session_id: Text = None
    request_id: Text = None
    extracted_at: datetime = Field(description="When the night that read it began.")
    leaf_index: int = Field(ge=0, description="Its place in the log.")


class LogSize(_Shape):
    """The log that an answer is of."""

    size: int = Field(ge=0, description="Leaves of the log of events.")


class EventPage(_Shape):
    """One page of events, or of records with `format=record`."""

    data: list[Event | dict[str, Any]] = Field(
        description="Events; with `format=record` the JSON objects that the sources sent, byte for byte."
    )
    next_cursor: str | None = Field(description=_NEXT)
    total: int | None = Field(
        ge=0, description="Events of the whole walk, at the log's size when it began; null where counting takes too long."
    )
    log: LogSize


class Evidence(_Shape):
    """Where the record lies in the home."""

    batch: int = Field(ge=1)
    path: str = Field(description="The evidence file.")
    line: int = Field(ge=0, description="The record's line in it, from 0.")
    sha256: str = Field(pattern=_HEX)


class EventProof(_Shape):
    """That the event is in the signed log (docs/api.md says how to check it)."""

    leaf_index: int = Field(ge=0)
    leaf_hash: str = Field(pattern=_HEX, description="SHA-256 of 0x00, the salt and the record.")
    salt: str = Field(pattern="^[0-9a-f]{32}$")
    log_size: int = Field(ge=1, description="Leaves under the checkpoint.")
    checkpoint: str = Field(description="The newest signed head of the log of events (C2SP tlog-checkpoint).")
    tlog_proof: str = Field(description="Salt, path and checkpoint as one file (C2SP tlog-proof).")


class OneEvent(_Shape):
    """An event, and what it rests on."""

    event: Event
    record: str = Field(description="The record as the source sent it.")
    evidence: Evidence | None = Field(description="Null for links.")
    proof: EventProof | None = Field(description="Null while the night that read it has not sealed it.")


class ReportFile(_Shape):
    """One file of a revision."""

    name: str
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=_HEX)
    url: str = Field(description="Path of its download on this server.")


class ReportRevision(_Shape):
    """One revision of a monthly report."""

    month: str = Field(pattern="^[0-9]{4}-[0-9]{2}$", examples=["2026-10"])
    revision: int = Field(ge=1)
    log_size: int | None = Field(description="Leaves of the log of events that it was computed from.")
    statement: int | None = Field(description="Index of the statement that names its files; null = not stated yet.")
    sound: bool = Field(description="Whether the log states it, and every stated file is here unaltered.")
    files: list[ReportFile]


class Reports(_Shape):
    """Every revision that may be seen, newest month and revision first."""

    data: list[ReportRevision]


class Finding(_Shape):
    """One hit of one rule."""

    rule: str = Field(examples=["guardrail_weakened"])
    severity: Literal["critical", "high", "medium", "low"]
    day: date = Field(description="UTC day of the window's end.")
    subject: str
    window_start: datetime
    window_end: datetime
    score: float | None
    summary: str
    uids: list[str] = Field(description="Events of the evidence, oldest first, at most 100.")
    evidence_count: int = Field(ge=0, description="How many there are.")
    query_sha256: str = Field(pattern=_HEX, description="Digest of the rule's text.")


class FindingPage(_Shape):
    """One page of findings, the latest first."""

    data: list[Finding]
    next_cursor: str | None = Field(description=_NEXT)
    total: int = Field(ge=0)


class Head(_Shape):
    """The newest signed head of one log."""

    origin: str = Field(description="The log's name.")
    size: int = Field(ge=0)
    root: str = Field(description="Root hash, base64.")
    checkpoint: str = Field(description="The signed text (C2SP tlog-checkpoint).")


class VKeys(_Shape):
    """A public key under the name of each log (C2SP signed-note verifier keys)."""

    events: str
    statements: str


class SigningKey(_Shape):
    """A key that signs, or signed."""

    fingerprint: str = Field(pattern=_HEX)
    signs: bool = Field(description="Whether it signs today.")
    vkeys: VKeys


class Heads(_Shape):
    """Both logs' heads, and the keys to check them with. Compare the fingerprint with the one you were given."""

    events: Head
    statements: Head
    keys: list[SigningKey]


class DropPage(_Shape):
    """One page of drop manifests (docs/format.md, Drops), the newest batch first."""

    data: list[dict[str, Any]]
    next_cursor: str | None = Field(description=_NEXT)
    total: int = Field(ge=0)
