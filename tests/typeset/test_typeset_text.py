"""Values become text that is safe to print."""

import hashlib
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from audit_pipelines.shipped import shipped
from audit_pipelines.typeset.fonts import coverage
from audit_pipelines.typeset.shelf import Shelf
from audit_pipelines.typeset.text import Escape, plain, shorten


@pytest.fixture(scope="module")
def escape():
    return Escape(coverage(Shelf([shipped("templates")]).fonts()))


@pytest.mark.parametrize(
    "text", ["plain", "Jonas Šimić", "naïve \N{EN DASH} “quoted”", "Ωμέγα", "Привет", "a b", "C:\\users\\x", "100 %"]
)
def test_text_that_the_fonts_can_print_stays_as_it_is(escape, text):
    assert escape(text) == text


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("日本", "\\u{65E5}\\u{672C}"),
        ("🙂", "\\u{1F642}"),
        ("a\x00b\x07", "a\\u{0}b\\u{7}"),
        ("line\nend\ttab", "line\\u{A}end\\u{9}tab"),
        ("\u202egnp.exe", "\\u{202E}gnp.exe"),
        ("\u2066x\u2069", "\\u{2066}x\\u{2069}"),
        ("a\u200bb\u200f\ufeff", "a\\u{200B}b\\u{200F}\\u{FEFF}"),
        ("\u0085\u009b", "\\u{85}\\u{9B}"),
        ("soft\u00adhyphen", "soft\\u{AD}hyphen"),
        ("no\u00a0break", "no\\u{A0}break"),
        ("e\u0301", "e\\u{301}"),
        ("\ue000", "\\u{E000}"),
        ("\ud800", "\\u{D800}"),
        ("\ufffe", "\\u{FFFE}"),
        (" admin ", "\\u{20}admin\\u{20}"),
        ("two  spaces", "two \\u{20}spaces"),
        ("\\u{202E}", "\\u{5C}u{202E}"),
    ],
)
def test_a_character_that_would_mislead_or_has_no_glyph_is_printed_as_its_code_point(escape, text, printed):
    assert escape(text) == printed


def test_no_two_values_print_alike(escape):
    alphabet = ["\\", "u", "{", "}", "5", "C", "\x05", " ", "\u202e", "2", "0"]
    values = [a + b + c + d for a in alphabet for b in alphabet for c in alphabet for d in alphabet] + [
        "\\u{5}",
        "\\u{20}",
        "\\u{5C}u{5}",
    ]
    assert len({escape(value) for value in values}) == len(set(values))


def test_a_query_text_keeps_its_lines_but_nothing_that_misleads(escape):
    assert escape.lines("SELECT\n\t1 -- \u202e\r") == "SELECT\n    1 -- \\u{202E}\\u{D}"


def test_a_long_value_is_cut_with_its_length_and_digest():
    value = "x" * (1 << 20)
    assert shorten(value) == f"{'x' * 200}… (1,048,576 characters, sha256 {hashlib.sha256(value.encode()).hexdigest()[:16]})"
    assert shorten("x" * 200) == "x" * 200
    assert "201 characters" in shorten("\ud800" * 201)


def test_values_become_json():
    assert plain(datetime(2026, 5, 1, 2, 0, 0, 5, tzinfo=timezone(timedelta(hours=2)))) == "2026-05-01T00:00:00.000005Z"
    assert plain(datetime(2026, 5, 1, tzinfo=UTC)) == plain(datetime.fromisoformat("2026-05-01T00:00")) == "2026-05-01T00:00:00Z"
    assert plain([date(2026, 5, 1), Decimal("2.50"), Decimal(3), float("nan"), timedelta(minutes=1), b"\x01"]) == [
        "2026-05-01",
        2.5,
        3,
        None,
        60,
        "01",
    ]
    assert plain({"k": "v" * 300}, None) == {"k": "v" * 300}


def test_the_templates_themselves_use_only_characters_of_the_fonts(escape):
    for path in [*(shipped("templates") / "report").glob("*.j2"), shipped("reports") / "monthly" / "report.toml"]:
        text = path.read_text(encoding="utf-8")
        assert escape.lines(text) == text.expandtabs(4), path.name
