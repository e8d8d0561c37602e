"""The pages say what the code says: defaults, members on disk, columns, commands in examples; and all can be reached."""

import re
from pathlib import Path
from typing import get_args, get_type_hints

import click
import msgspec
import pytest

from audit_pipelines import batch, errors, event, removal, settings
from audit_pipelines.cli import main
from audit_pipelines.defs.runs import RunEntry
from audit_pipelines.lake import evidence
from audit_pipelines.lake.rejects import Reject
from audit_pipelines.seal import anchor, keys, notary, statements
from audit_pipelines.seal.drill import ALTERATIONS
from audit_pipelines.ship import manifest as drops
from audit_pipelines.sql import findings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "reports").rglob("*.md"), *(ROOT / "bench").rglob("*.md")])
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def page(name):
    return (DOCS / name).read_text(encoding="utf-8")


def sections(text):
    """Body by heading of the second level."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def rows(body):
    """What stands in code in the first cell -> the other cells, of every table row."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines() if line.startswith("| `")]
    return {key: rest for first, *rest in cells for key in re.findall(r"`([^`]+)`", first)}


def tables():
    """Heading in settings.md, and the struct that holds its keys."""
    for name, hint in get_type_hints(settings.Settings).items():
        structs = [kind for kind in (hint, *get_args(hint)) if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
        yield {"sources": "`[[sources]]`", "drops": "`[drops.<format>]`"}.get(name, f"`[{name}]`"), structs[0]


def as_printed(field):
    """A default as settings.md prints it: in TOML."""
    if field.required:
        return "required"
    if field.default is None:
        return "none"
    default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    return "`" + msgspec.json.encode(default).decode().replace(",", ", ") + "`"


@pytest.mark.parametrize(("heading", "struct"), list(tables()), ids=[heading for heading, _ in tables()])
def test_settings_page_has_the_defaults_of_the_code(heading, struct):
    described = rows(sections(page("settings.md"))[heading])
    printed = {field.encode_name: as_printed(field) for field in msgspec.structs.fields(struct)}
    assert {key: cells[1] for key, cells in described.items()} == printed


def test_every_error_stands_beside_its_own_exit_code():
    table = sections(page("commands.md"))["Exit codes"]
    listed = {
        line.split("|")[1].strip(): re.findall(r"`(\w+Error)`", line) for line in table.splitlines() if line.startswith("| ")
    }
    leaves = errors.AuditError.__subclasses__()
    assert sorted((str(leaf.exit_code), leaf.__name__) for leaf in leaves) == sorted(
        (code, name) for code, names in listed.items() for name in names
    )


def test_commands_page_names_no_option_that_is_gone():
    for name, command in main.commands.items():
        below = command.commands.values() if isinstance(command, click.Group) else ()
        parameters = [parameter for one in (command, *below) for parameter in one.params]
        known = {word for parameter in parameters for word in parameter.opts if word.startswith("-")}
        assert rows(sections(page("commands.md"))[name]).keys() == known, name


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_that_a_page_tells_to_run_exist(path):
    """The word after `audit-pipelines` and its options, in code, in a numbered step or after a colon."""
    text = path.read_text(encoding="utf-8")
    code = [
        *_FENCE.findall(text),
        *re.findall(r"`([^`\n]+)`", _FENCE.sub("", text)),
        *re.findall(r": (audit-pipelines .*)", text),
    ]
    for word in re.findall(r"\baudit-pipelines(?: --home [\w./]+| -v)* ([a-z]+)\b", "\n".join(code)):
        assert word in main.commands, word


STRUCTS = [
    *(batch.Batch, batch.DayCount, batch.SourceResult, batch.Reading, batch.EvidenceFile, batch.RejectFile),
    *(drops.DropManifest, drops.DropFormat, drops.DropFile, drops.Totals, drops.Producer, drops.BatchManifest),
    *(Reject, RunEntry, drops.Sealed),
    *(removal.Removal, removal.Taken, keys.CommandFile, notary.Memory, anchor.Missing),
    *(statements.Digested, statements.Range, statements.Drill, statements.Rewritten),
]
STATEMENTS = statements.Statement.__subclasses__()


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_format_page_names_every_member(struct):
    named = set(re.findall(r"`(\w+)`", page("format.md")))
    assert set(struct.__struct_encode_fields__) - named == set()


def described(kind):
    """What the page says of one type of statement: from its name to the next empty line but one, table included."""
    body = sections(page("format.md"))["Statements"].partition("### ")[0]
    return re.search(rf"^`{kind}`:.*?(?=^`[a-z]+`:|\Z)", body, flags=re.MULTILINE | re.DOTALL)[0]


@pytest.mark.parametrize("struct", STATEMENTS, ids=lambda struct: struct.__name__)
def test_format_page_describes_every_statement_with_its_members(struct):
    kind = struct.__struct_config__.tag
    assert kind in rows(sections(page("format.md"))["Statements"])
    named = re.findall(r"`(\w+)`", described(kind))
    assert set(struct.__struct_encode_fields__) - {*named, "v"} == set()


def test_format_page_has_the_sizes_of_statements():
    body = sections(page("format.md"))["Statements"]
    assert f"at most {statements.LIMIT:,} bytes" in body


def test_operations_page_counts_the_alterations_of_the_drill():
    assert f"in one of {('ten', 'eleven', 'twelve')[len(ALTERATIONS) - 10]} ways" in page("operations.md")


def test_format_page_has_every_column_in_the_order_of_the_file():
    assert list(rows(sections(page("format.md"))["Parquet of events"])) == [column.name for column in event.COLUMNS]


def test_format_page_has_the_columns_of_findings():
    named = re.findall(r"`(\w+)`", sections(page("format.md"))["Findings"])
    assert set(findings.SCHEMA.names) - set(named) == set()


def test_format_page_has_the_sizes_of_evidence_files():
    text = page("format.md")
    assert f"at most {evidence.CHUNK_LINES:,} lines" in text
    assert f"A frame holds {evidence.FRAME_LINES:,} lines" in text
    assert f"reach {evidence.FRAME_BYTES >> 20} MiB" in text


def test_decisions_have_the_title_of_the_index():
    listed = re.findall(r"^\| \[(\d{4})\]\(([^)]+)\) \| (.+?) \|", page("adr/README.md"), flags=re.MULTILINE)
    assert listed
    for number, name, title in listed:
        assert page(f"adr/{name}").startswith(f"# {number}: {title}\n")


def test_every_page_can_be_reached_from_the_readme():
    reached, todo = set(), [ROOT / "README.md"]
    while todo:
        current = todo.pop()
        if current in reached or current.suffix != ".md" or not current.is_file():
            continue
        reached.add(current)
        targets = re.findall(r"\]\(([^)\s#]+)", current.read_text(encoding="utf-8"))
        todo += [(current.parent / target).resolve() for target in targets if not re.match(r"[a-z]+:", target)]
    assert {path for path in PAGES if path.is_relative_to(DOCS)} - reached == set()
