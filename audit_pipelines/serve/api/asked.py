"""What requests may ask: the parameters of each route, for the check of their names and for the OpenAPI document.

Values of the filter are read by ``filters.parse``, so that the API and the pages understand the same. What does not
belong here: what is answered.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field

from audit_pipelines.serve.cursor import Order
from audit_pipelines.serve.filters import LONGEST, MOMENT, MOST

LARGEST_PAGE: Final = 10_000
"""Entries of one page at most."""
PAGE: Final = 100
_TEXT: Final[dict[str, Any]] = {"maxLength": LONGEST, "pattern": "^[^\\u0000]*$"}


def _text(about: str, example: str) -> Any:
    return Field("", description=about, examples=[example], json_schema_extra=_TEXT)


def _texts(about: str, example: str) -> Any:
    more: dict[str, Any] = {"items": {"type": "string", **_TEXT}}
    return Field(
        [], description=f"{about} Repeat it for alternatives, at most {MOST}.", examples=[[example]], json_schema_extra=more
    )


def _moment(name: str, about: str) -> Any:
    pattern: dict[str, Any] = {"pattern": f"^({MOMENT})?$"}
    return Field("", alias=name, description=about, examples=["2026-01-05", "2026-01-05T08:00:00Z"], json_schema_extra=pattern)


class Period(BaseModel):
    """A span of time."""

    since: str = _moment("from", "First moment: a date (00:00 UTC) or an instant of RFC 3339.")
    until: str = _moment("to", "The moment after the last, likewise; must be later than `from`.")


class Filtered(Period):
    """Which events: all conditions hold together."""

    category: list[str] = _texts("What kind of action.", "configuration")
    action: list[str] = _texts("What was done.", "guardrail.updated")
    outcome: list[str] = _texts("`success`, `failure` or `unknown`.", "failure")
    source: list[str] = _texts("Name of the source.", "terracotta")
    user: list[str] = _texts("Who did it: e-mail address, id or name, whole.", "ada@example.com")
    address: str = _text("Source address.", "192.0.2.7")
    target: str = _text("Id or name of any of the targets, whole.", "gr_9d824dd0e6")
    api_key: str = _text("Id of the API key that was used.", "key_a58a7d12641d1f4d")
    session: str = _text("Id of the session.", "ses_d750abfcd0d968c9")
    q: str = _text("Free text: part of an action, actor, target, address or user agent, in any case; or a whole id.", "guardrail")


Direction = Annotated[Order, Field(description="Newest first (`desc`) or oldest first (`asc`).")]
Form = Annotated[
    Literal["event", "record"],
    Field(description="`event`: the canonical event, the same in all sources; `record`: the bytes that the source sent."),
]
Limit = Annotated[int, Field(ge=1, le=LARGEST_PAGE, description="Entries of one page at most.")]
Following = Annotated[
    str,
    Field(description="`next_cursor` of the page before, with the other parameters unchanged; without it, the first page."),
]


class Streamed(Filtered):
    """Events without pages."""

    order: Direction = "desc"
    form: Form = Field("event", alias="format")


class Listed(Streamed):
    """Events a page at a time."""

    limit: Limit = PAGE
    cursor: Following = ""


class FoundOnes(Period):
    """Findings a page at a time."""

    severity: list[Literal["critical", "high", "medium", "low"]] = Field([], description="How grave. Repeat it for alternatives.")
    rule: list[str] = _texts("Name of the rule.", "guardrail_weakened")
    limit: Limit = PAGE
    cursor: Following = ""


class Shipped(BaseModel):
    """Drops a page at a time."""

    limit: Limit = PAGE
    cursor: Following = ""
