"""The PDF: sealed, reproducible, and saying what ``report.json`` says."""

import hashlib
import io
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pikepdf
import pytest

from audit_pipelines.errors import ReportError
from audit_pipelines.shipped import shipped
from audit_pipelines.typeset import facts as f
from audit_pipelines.typeset import pdf as pdf_module
from audit_pipelines.typeset.issue import write_report
from audit_pipelines.typeset.pdf import encode, render

SECRET = "planted-secret-0b7a1c"


def text_of(content):
    reader = pytest.importorskip("pypdf").PdfReader(io.BytesIO(content))
    return [page.extract_text() for page in reader.pages]


def squeezed(text):
    return re.sub(r"\s+", "", text)


@pytest.fixture
def requests(monkeypatch):
    """Every address a render asks for."""
    asked = []
    fetch = pdf_module.SealedFetcher.fetch

    def recording(self, url, headers=None):
        asked.append(url)
        return fetch(self, url, headers)

    monkeypatch.setattr(pdf_module.SealedFetcher, "fetch", recording)
    return asked


def hostile(secret: Path):
    uri = secret.as_uri()
    return {
        "img": f'<img src="{uri}"><img src="http://127.0.0.1:9/x.png">',
        "link": f'<link rel="stylesheet" href="http://127.0.0.1:9/x.css"><link rel="attachment" href="{uri}">',
        "style": "<style>@import url(http://127.0.0.1:9/x.css); body { display: none }</style>",
        "svg": f'<svg><image href="{uri}"/><use href="http://127.0.0.1:9/x.svg#a"/></svg>',
        "object": f'<object data="{uri}"></object><embed src="{uri}"><iframe src="{uri}"></iframe>',
        "inline": '"><p style="background: url(http://127.0.0.1:9/x.png)">',
        "attribute": "' onload='x' \" href=\"http://127.0.0.1:9/",
        "jinja": "{{ 7 * 7 }}{% include 'x' %}{{ model|safe }}",
        "close": "</td></table></section></body></html><h1>Forged</h1>",
        "css": "} @page { content: url(http://127.0.0.1:9/x.png) } {",
        "comment": "<!-- <![CDATA[ ]]> --> &lt;script&gt; &#x202e;",
        "bidi": "admin\u202egnp.exe\u2066\u200f",
        "control": "\x00\x07\x1b[31m\u0085\r\n",
        "glyphs": "日本語 🙂 \u0e01 e\u0301\u0301 \ue000 \ufffe",
        "surrogate": "\ud800 and \udfff",
        "long": "x" * (1 << 20),
        "words": "word " * 3_000,
    }


@pytest.mark.parametrize("name", sorted(hostile(Path("/tmp/x"))))
def test_a_hostile_value_in_every_place_is_only_text(name, small, templates, requests, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET, encoding="utf-8")
    value = hostile(secret)[name]
    computed = small(value)
    made = render(computed.model, folders=templates, attachments=computed.attachments)
    assert requests
    assert all(re.fullmatch(r"report:[a-z0-9.-]+", url) for url in requests)
    with pikepdf.open(io.BytesIO(made)) as document:
        assert set(document.attachments) == {"report.json", "rows.ndjson", "findings.ndjson", "events.checkpoint"}
        for name_of_file in document.attachments:
            assert SECRET.encode() not in document.attachments[name_of_file].get_file().read_bytes()
        fonts = {str(font.BaseFont) for page in document.pages for font in page.resources.get("/Font", {}).values()}
        assert all("Plex" in font for font in fonts), "a value was printed in a font of the machine"
        assert len(document.pages) < 40
    text = "".join(text_of(made))
    assert "Forged" not in text or "<h1>Forged" in squeezed(text)
    assert not set("\u202e\u2066\u200f\x1b\x07\ud800") & set(text)
    for heading in ("Statement", "Contents", "Whatthisrevisionchanged", "One", "Inputs", "Queries"):
        assert heading in squeezed(text)


def test_a_value_that_looks_like_markup_is_printed_as_it_is(small, templates):
    computed = small("<b>&amp;</b>")
    made = render(computed.model, folders=templates, attachments=computed.attachments)
    assert "<b>&amp;</b>" in squeezed("".join(text_of(made)))


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:9/x.png",
        "file:///etc/hostname",
        "report:../print.css",
        "report:x.png",
        "x.png",
        "data:image/png;base64,AAAA",
    ],
)
def test_a_template_that_asks_for_anything_else_ends_the_render(small, templates, tmp_path, address):
    own = tmp_path / "report" / "cover.html.j2"
    own.parent.mkdir()
    own.write_text(f'<h1>Cover</h1><img src="{address}" alt="x">', encoding="utf-8")
    with pytest.raises(ReportError, match="outside resource"):
        render(small("x").model, folders=[tmp_path, *templates], attachments=())


def test_a_customers_template_wins_and_cannot_switch_escaping_off(small, templates, tmp_path):
    own = tmp_path / "report" / "cover.html.j2"
    own.parent.mkdir()
    own.write_text("<h1>Our own cover {{ model.organisation.name|safe }}</h1>", encoding="utf-8")
    made = render(small("<i>x</i>\u202e").model, folders=[tmp_path, *templates], attachments=())
    first = squeezed(text_of(made)[0])
    assert first.startswith("Ourowncover<i>x</i>\\u{202E}")


@pytest.mark.parametrize("template", ["{{ model.nothing }}", "{% if %}", "{{ 1 | nofilter }}"])
def test_a_broken_template_is_named(small, templates, tmp_path, template):
    own = tmp_path / "report" / "cover.html.j2"
    own.parent.mkdir()
    own.write_text(template, encoding="utf-8")
    with pytest.raises(ReportError, match=r"template error"):
        render(small("x").model, folders=[tmp_path, *templates], attachments=())


def test_two_processes_give_the_same_bytes(small, tmp_path):
    """Other hash seeds, time zones, folders and locales; the model is read back from ``report.json``."""
    computed = small("Šimić <x> 日本")
    (tmp_path / "report.json").write_bytes(encode(computed.model))
    script = (
        "import hashlib, json, pathlib, sys\n"
        "from audit_pipelines.shipped import shipped\n"
        "from audit_pipelines.typeset.pdf import render\n"
        "model = json.loads(pathlib.Path(sys.argv[1]).read_bytes())\n"
        "print(hashlib.sha256(render(model, folders=[shipped('templates')], attachments=())).hexdigest())\n"
    )
    root = str(shipped("templates").parent)
    digests = set()
    for seed, zone, folder in (("0", "UTC", "/"), ("3", "Asia/Tokyo", str(tmp_path))):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": "C", "PYTHONPATH": root}
        environment.pop("SOURCE_DATE_EPOCH", None)
        done = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / "report.json")],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout.strip())
    assert digests == {hashlib.sha256(render(computed.model, folders=[shipped("templates")], attachments=())).hexdigest()}


def test_the_environment_is_as_before(small, templates, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    render(small("x").model, folders=templates, attachments=())
    assert os.environ["SOURCE_DATE_EPOCH"] == "1"


def test_the_key_figures_of_the_pdf_are_those_of_report_json(computed, pages):
    statement = next(page for page in pages if "Key figures" in page)
    rows = squeezed(statement)
    values = {figure["id"]: figure for figure in computed.model["figures"]}
    for figure in computed.model["figures"]:
        if figure["key"]:
            of = f"of{values[figure['of']]['value']:,}" if figure["of"] else ""
            assert squeezed(f"{figure['label']}{figure['value']:,}{of}") in rows, figure["id"]


def test_every_count_of_every_table_is_on_a_page(computed, pages):
    text = squeezed("".join(pages))
    for section in computed.model["sections"]:
        for block in section["blocks"]:
            counts = [place for place, column in enumerate(block.get("columns") or ()) if column["format"] == "number"]
            for cell in (row[place] for row in block.get("rows") or () for place in counts):
                assert cell is None or f"{cell:,}" in text, (block["id"], cell)


def test_the_style_sheet_has_nothing_that_is_ignored(small, templates, caplog):
    render(small("x").model, folders=templates, attachments=())
    assert [record.getMessage() for record in caplog.records if record.name.startswith("weasyprint")] == []


def test_the_lists_are_attached_with_the_digests_that_are_printed(computed, pdf, pages):
    text = squeezed("".join(pages))
    with pikepdf.open(io.BytesIO(pdf)) as document:
        held = {name: document.attachments[name].get_file().read_bytes() for name in document.attachments}
    of_the_log = {item.name for item in computed.attachments} - {"configuration-changes.ndjson", "findings.ndjson"}
    assert {"events.checkpoint", "statements.ndjson"} < of_the_log
    assert set(held) == {"report.json", "configuration-changes.ndjson", "findings.ndjson", *of_the_log}
    assert held["report.json"] == encode(computed.model)
    for name, content in held.items():
        assert hashlib.sha256(content).hexdigest() in text, name


def test_beyond_500_changes_the_page_says_so(small, templates):
    computed = small("x", rows=[(date(2026, 2, 1), f"row {n}", "x", 1) for n in range(612)])
    made = render(computed.model, folders=templates, attachments=computed.attachments)
    assert "500of612printed" in squeezed("".join(text_of(made)))


def test_an_empty_month_prints_none_and_0(small, templates):
    empty = f.MonthFacts(date(2026, 2, 1))
    computed = small("x", rows=[], this=empty, batches=(), drops=(), sources=(), previous=None, revision=1)
    text = " ".join("".join(text_of(render(computed.model, folders=templates, attachments=computed.attachments))).split())
    assert "None in the period (query Q-01, 0 rows)." in text
    assert text.count("None in the period (manifests, 0 rows).") >= 4
    assert text.count("None in the period (findings files, 0 rows).") == 2
    assert "There were 0 (T1, manifests) events" in text


def test_pages_are_numbered_and_chapters_bookmarked(computed, pdf, pages):
    assert "Page" not in squeezed(pages[0])
    for number, page in enumerate(pages[1:], start=2):
        assert f"Page{number}of{len(pages)}" in squeezed(page)
        assert "NorthwindTraders" in squeezed(page)
    with pikepdf.open(io.BytesIO(pdf)) as document:
        with document.open_outline() as outline:
            titles = [str(item.title) for item in outline.root]
            assert all(item.children for item in outline.root if "Population" in str(item.title))
        assert str(document.Root.Lang) == "en"
        assert document.Root.MarkInfo.Marked
    assert titles[:2] == ["Statement", "Contents"]
    assert [title.lstrip("0123456789 ") for title in titles[2:]] == [section["title"] for section in computed.model["sections"]]


def test_the_folder_of_a_revision_checks_itself(computed, tmp_path, templates):
    written = write_report(computed, folder=tmp_path, templates=templates)
    assert {path.name for path in written} == {
        "northwind.audit-report.2026-05.r1.pdf",
        "report.json",
        "configuration-changes.ndjson",
        "findings.ndjson",
        "SHA256SUMS",
        *(item.name for item in computed.attachments),
    }
    for line in (tmp_path / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest
