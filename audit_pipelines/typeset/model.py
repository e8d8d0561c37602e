"""The model of a report: everything it says, as plain data. ``report.json`` is this model; the PDF prints it.

A pure function of the spec, the facts and the answers to queries. What does not belong here: looks.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from audit_pipelines.typeset import chapter, ledgers, limits, plots, revision
from audit_pipelines.typeset.asking import Asking, references
from audit_pipelines.typeset.facts import Ask, Facts, QueryText
from audit_pipelines.typeset.figures import FigureMaker
from audit_pipelines.typeset.spec import SET_APART, Block, ReportSpec, Section
from audit_pipelines.typeset.tables import PERSONAL, Attachment, Listing, Result, Withhold, compared, tabulate
from audit_pipelines.typeset.text import plain, shorten, stamp

FORMAT = 1
"""Of ``report.json``."""
_PLACE = re.compile(r"\{([a-z][a-z0-9-]*)\}")
_ORIGIN: Final = {
    "rules": "findings files",
    "findings": "findings files",
    "limits": "as each row says",
    **dict.fromkeys(("sealed", "drills", "decisions"), "statements"),
}
"""Where a block without a query has its rows from; of the others the batch manifests."""
Model = dict[str, object]


@dataclass(frozen=True, slots=True)
class Computed:
    """A report before it is set: the model, and the lists that go beside it."""

    model: Model
    attachments: tuple[Attachment, ...]


def compute(
    spec: ReportSpec,
    facts: Facts,
    ask: Ask,
    ask_last: Ask | None,
    queries: Sequence[QueryText],
    *,
    templates_sha256: str = "",
) -> Computed:
    """Everything the report says.

    Args:
        spec: what it should say.
        facts: counts and digests from manifests and findings.
        ask: runs a query over the month.
        ask_last: the same over the month before, at the same log size; None if there is none.
        queries: every query that the report or a rule may name.
        templates_sha256: ``Shelf.digest`` of the templates it will be set with.

    Raises:
        ReportError: the spec names a query, column, fact or figure that does not exist.
    """
    numbers = references(spec, [rule.query for rule in facts.this.rules], queries)
    asking = Asking(ask, ask_last if facts.last else None)
    labels = _labels(spec)
    figures = [FigureMaker(facts, asking, numbers, labels)(figure) for figure in spec.figures]
    builder = _Builder(spec, facts, asking, numbers, labels)
    sections = [builder.section(section) for section in spec.sections]
    builder.attachments += chapter.attachments(facts)
    model: Model = {
        **_about(spec, facts),
        "figures": figures,
        "change": revision.change(facts, figures) if facts.previous else None,
        "sections": sections,
        "integrity": chapter.model(facts),
        "queries": [_query(reference, query) for reference, query in numbers.values()],
        "attachments": [_attachment(item) for item in builder.attachments],
        "inputs": {**_inputs(spec, facts, numbers), "templates_sha256": templates_sha256},
    }
    return Computed(model, tuple(builder.attachments))


def _about(spec: ReportSpec, facts: Facts) -> Model:
    """Whose report it is, of which period, and what its statement says."""
    month = facts.this
    return {
        "format": FORMAT,
        "report": spec.name,
        "title": spec.title,
        "organisation": {"id": facts.organisation.id, "name": plain(facts.organisation.name)},
        "period": {
            "month": month.month.isoformat()[:7],
            "since": f"{month.month}T00:00:00Z",
            "until": f"{month.until}T00:00:00Z",
            "days": len(month.days),
        },
        "revision": facts.revision,
        "file_name": facts.pdf_name,
        "log_size": facts.size,
        "statements_size": facts.integrity.statements.size,
        "prepared_by": plain(facts.prepared_by),
        "classification": plain(facts.classification),
        "identity": facts.identity,
        "summary": [_parts(text) for text in spec.summary],
        "verify": list(spec.verify),
    }


def _query(reference: str, query: QueryText) -> Model:
    return {
        "ref": reference,
        "name": query.name,
        "question": plain(query.question),
        "sha256": query.sha256,
        "controls": plain(query.controls),
        "text": query.text,
    }


def _attachment(item: Attachment) -> Model:
    return {
        "name": item.name,
        "description": item.description,
        "rows": item.rows,
        "bytes": len(item.content),
        "sha256": item.sha256,
    }


def _inputs(spec: ReportSpec, facts: Facts, numbers: Mapping[str, tuple[str, QueryText]]) -> Model:
    """What the figures depend on: equal inputs give an equal report."""
    together = hashlib.sha256("".join(sorted(f"{query.name} {query.sha256}\n" for _, query in numbers.values())).encode())
    return {
        "log_size": facts.size,
        "statements_size": facts.integrity.statements.size,
        "last_batch": max((batch.seq for batch in facts.batches), default=None),
        "last_extracted_at": stamp(max(batch.extracted_at for batch in facts.batches)) if facts.batches else None,
        "settings_sha256": facts.settings_sha256,
        "report_sha256": spec.sha256,
        "queries_sha256": together.hexdigest(),
        "code": plain(facts.code),
        "versions": {shorten(name): plain(version) for name, version in sorted(facts.versions.items())},
    }


def _labels(spec: ReportSpec) -> dict[str, str]:
    """Block id -> T1, T2, ... in the order of the report."""
    return {block.id: f"T{place}" for place, block in enumerate((b for b in spec.blocks if b.kind not in SET_APART), start=1)}


def _parts(text: str) -> list[Model]:
    """A paragraph as text and the figures in it."""
    pieces = _PLACE.split(text)
    return [{"figure": piece} if place % 2 else {"text": piece} for place, piece in enumerate(pieces) if piece]


@dataclass(slots=True)
class _Builder:
    """Builds sections in order and collects the lists beside the report."""

    spec: ReportSpec
    facts: Facts
    asking: Asking
    numbers: Mapping[str, tuple[str, QueryText]]
    labels: Mapping[str, str]
    attachments: list[Attachment] = field(default_factory=list)
    charts: int = 0

    def section(self, section: Section) -> Model:
        return {
            "id": section.id,
            "title": section.title,
            "controls": list(section.controls),
            "text": [_parts(text) for text in section.text],
            "blocks": [self.block(block) for block in section.blocks],
        }

    def block(self, block: Block) -> Model:
        reference, query = self.numbers[block.query] if block.query else ("", None)
        made = {
            "kind": block.kind,
            "id": block.id,
            "title": block.title,
            "ref": self.labels.get(block.id, ""),
            "query": query.name if query else None,
            "query_ref": reference,
            "origin": reference or _ORIGIN.get(block.kind, "manifests"),
            "query_sha256": query.sha256 if query else None,
            "note": block.note,
            "dense": block.dense,
            "attachment": None,
            "chart": None,
            **self._content(block),
        }
        if made["chart"]:
            self.charts += 1
            made["chart_ref"] = f"F{self.charts}"
        return made

    def _content(self, block: Block) -> Model:
        match block.kind:
            case "table":
                return self._table(block)
            case "bars" | "heat" | "trend" | "pivot":
                return self._chart(block)
            case "population":
                return ledgers.population(block, self.facts, self.asking.rows(block.query, block.params) if block.query else None)
            case "sources" | "batches" | "drops" | "rejects":
                return getattr(ledgers, block.kind)(self.facts)  # type: ignore[no-any-return]
            case "sealed" | "drills" | "decisions":
                return getattr(chapter, block.kind)(self.facts)  # type: ignore[no-any-return]
            case "rules":
                return ledgers.rules(self.facts, self.numbers)
            case "findings":
                name = block.attachment or "findings.ndjson"
                table, attachment = ledgers.findings(self.facts, limit=block.rows or self.spec.print.findings, name=name)
                self.attachments.append(attachment)
                return table
            case "limits":
                return limits.limits(block, self.facts, self.asking, self.numbers)
            case _:
                return {}

    def _withhold(self, block: Block) -> Withhold:
        if self.facts.identity == "full":
            return Withhold(frozenset())
        return Withhold(PERSONAL | {column.key for column in block.columns if column.personal})

    def _table(self, block: Block) -> Model:
        limit = block.rows or self.spec.print.rows
        if block.compare is not None:
            this = self.asking.rows(block.query, block.params)
            assert this is not None
            last = self.asking.rows(block.query, block.params, last=True)
            return tabulate(
                block, compared(block.compare, this, last, query=block.query), limit=limit, withhold=self._withhold(block)
            )
        table = self.asking.stream(block.query, block.params)
        result = Result(block.query, table.columns, table.rows)
        if not block.attachment:
            return tabulate(block, result, limit=limit, withhold=self._withhold(block))
        listing = Listing(table.columns)
        made = tabulate(block, result, limit=limit, withhold=self._withhold(block), listing=listing)
        self.attachments.append(Attachment(block.attachment, block.title, bytes(listing.parts), listing.count))
        return {**made, "attachment": block.attachment}

    def _chart(self, block: Block) -> Model:
        table = self.asking.rows(block.query, block.params)
        assert table is not None
        if block.kind == "bars":
            return plots.bars(block, table, self.facts.this.days)
        if block.kind in ("heat", "pivot"):
            return plots.heat(block, table) if block.kind == "heat" else plots.pivot(block, table)
        limit = block.rows or self.spec.print.rows
        result = Result(block.query, table.columns, table.rows)
        return {**tabulate(block, result, limit=limit, withhold=self._withhold(block)), **plots.trend(block, table)}
