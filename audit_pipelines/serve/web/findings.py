"""The findings: what the rules noted, by severity, rule, subject and time, each with the events behind it.

What does not belong here: reading findings and who sees which (``findings``), and the rules (``sql``).
"""

from dataclasses import dataclass
from typing import Annotated, Final, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from audit_pipelines.serve.access import touched
from audit_pipelines.serve.auditing import auditing_of
from audit_pipelines.serve.filters import BadParameter, moment
from audit_pipelines.serve.findings import ORDERS, Order, Wanted, evidence, identity, rules
from audit_pipelines.serve.pages import address, page
from audit_pipelines.serve.principal import Principal
from audit_pipelines.serve.reader import reader_of
from audit_pipelines.serve.security import needs
from audit_pipelines.serve.web.opened import opened_link
from audit_pipelines.sql.query import SEVERITIES

router = APIRouter(include_in_schema=False)
_Viewing = Annotated[Principal, Depends(needs("read", "auditor", action="finding.viewed", links=("period",)))]
ROWS: Final = 100
"""Findings of one page."""
_LONGEST: Final = 200
"""Characters of a filter's value."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The page's filters as the address has them."""

    wanted: Wanted
    order: Order
    page: int
    since: str
    until: str

    def query(self, **changed: str) -> str:
        """The address's query with some members changed; empty values are left out."""
        single = {"subject": self.wanted.subject, "from": self.since, "to": self.until}
        single |= {"order": "" if self.order == "time" else self.order, **changed}
        lists = {"severity": self.wanted.severity, "rule": self.wanted.rule}
        pairs = [(name, value) for name, values in lists.items() if name not in changed for value in values]
        return urlencode(pairs + [(name, value) for name, value in single.items() if value])


@router.get("/findings", name="findings")
def findings(request: Request, principal: _Viewing) -> Response:
    """The list, as the address's filters say."""
    asked = parse(request)
    found = auditing_of(request).findings.find(reader_of(request).log(), principal, asked.wanted, asked.order)
    first = (asked.page - 1) * ROWS
    shown = found.findings[first : first + ROWS]
    return page(
        request,
        "findings.html.j2",
        asked=asked,
        rows=[(identity(hit), hit) for hit in shown],
        first=first,
        total=len(found.findings),
        more=first + ROWS < len(found.findings),
        severities={name: found.severities.get(name, 0) for name in reversed(SEVERITIES)},
        rules={**dict.fromkeys(asked.wanted.rule, 0), **found.rules},
        known=rules(),
        orders=ORDERS,
        link=opened_link(request, principal),
    )


@router.get("/findings/{finding}", name="finding")
def finding(request: Request, finding: str, principal: _Viewing) -> Response:
    """One finding: its rule, what to do, and its evidence."""
    reader = reader_of(request)
    log = reader.log()
    hit = auditing_of(request).findings.one(log, principal, finding)
    if hit is None:
        raise HTTPException(404)
    touched(request, "finding", finding, hit.rule)
    rule = rules().get(hit.rule)
    return page(
        request,
        "finding.html.j2",
        id=finding,
        hit=hit,
        rule=rule,
        same_text=rule is not None and rule.sha256 == hit.query_sha256,
        events=evidence(reader, log, principal, hit),
        details=(lambda leaf: address(request, "audit_log_event", leaf=leaf)) if principal.may("read") else None,
        link=opened_link(request, principal),
    )


def parse(request: Request) -> Asked:
    """The filters of the address.

    Raises:
        BadParameter: a value cannot be understood.
    """
    params = request.query_params
    severity = tuple(dict.fromkeys(filter(None, params.getlist("severity"))))
    for value in severity:
        if value not in SEVERITIES:
            raise BadParameter("severity", f"is one of {', '.join(SEVERITIES)}")
    rule = tuple(dict.fromkeys(filter(None, params.getlist("rule"))))
    for value in rule:
        if value not in rules():
            raise BadParameter("rule", "is the name of a rule; docs/queries.md lists them")
    subject, order, number = params.get("subject", "").strip(), params.get("order", "") or "time", params.get("page", "1")
    if len(subject) > _LONGEST:
        raise BadParameter("subject", f"is longer than {_LONGEST} characters")
    if order not in get_args(Order):
        raise BadParameter("order", f"is one of {', '.join(ORDERS)}")
    if not (number.isascii() and number.isdigit() and len(number) < 7 and int(number)):
        raise BadParameter("page", "is a number from 1 on")
    since, until = params.get("from", "").strip(), params.get("to", "").strip()
    wanted = Wanted(severity, rule, subject, moment("from", since), moment("to", until))
    return Asked(wanted, order, int(number), since, until)  # type: ignore[arg-type]  # it is one of ORDERS
