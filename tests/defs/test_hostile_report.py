"""A report over events in which every column tries something: the PDF shows it as text, and nothing comes alive."""

import json
import re
import subprocess
from datetime import date

import pikepdf
import pytest

from tests.defs.conftest import Yard
from tests.serve.web.conftest import PAYLOADS, hostile_records

UNSEEN = re.compile(r"[\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\x00-\x08\x0b\x0e-\x1f]")


@pytest.fixture(scope="module")
def revision(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", "")
        patch.setenv("AUDIT_HOME", "")
        yard = Yard(tmp_path_factory.mktemp("hostile"))
        yard.put("one.ndjson", hostile_records())
        yard.night(date(2026, 2, 1))
        return yard.report(date(2026, 1, 1), date(2026, 2, 5)).issued.folder


@pytest.fixture(scope="module")
def pdf(revision):
    (path,) = revision.glob("*.pdf")
    return path


def objects(document: pikepdf.Pdf):
    """Every dictionary of the file, wherever it hangs."""
    for found in document.objects:
        waiting = [found]
        while waiting:
            one = waiting.pop()
            if isinstance(one, pikepdf.Dictionary | pikepdf.Stream):
                yield one
                waiting += [value for _, value in one.items() if not getattr(value, "is_indirect", False)]
            elif isinstance(one, pikepdf.Array):
                waiting += [value for value in one if not getattr(value, "is_indirect", False)]


def test_the_pdf_has_no_script_no_action_and_no_foreign_address(pdf):
    with pikepdf.open(pdf) as document:
        for found in objects(document):
            keys = set(found.keys())
            assert not keys & {"/JS", "/JavaScript", "/AA", "/Launch", "/RichMedia", "/XFA"}
            assert found.get("/S") not in ("/JavaScript", "/Launch", "/SubmitForm", "/ImportData", "/GoToR", "/GoToE")
            if "/URI" in keys:
                assert not re.search("evil|javascript|data:", str(found["/URI"]))
        attached = list(document.attachments)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in attached)


def test_its_pages_show_the_values_as_text_without_what_cannot_be_seen(pdf):
    text = subprocess.run(["pdftotext", "-layout", pdf, "-"], check=True, capture_output=True).stdout.decode()
    squeezed = re.sub(r"\s+", "", text)
    assert "<script>document.title" in squeezed  # nothing was taken for markup
    assert "{{7*7}}" in squeezed  # nor for a template
    assert not UNSEEN.search(text.replace("\f", "").replace("\xad", ""))


def test_report_json_has_them_word_for_word(revision):
    texts = set()

    def gather(value: object) -> None:
        if isinstance(value, dict):
            for key, member in value.items():
                texts.add(key)
                gather(member)
        elif isinstance(value, list):
            for member in value:
                gather(member)
        elif isinstance(value, str):
            texts.add(value)

    gather(json.loads((revision / "report.json").read_bytes()))
    assert PAYLOADS["script"] in texts
