"""Values as text for people."""

from datetime import UTC, datetime, timedelta, timezone

import jinja2
import pytest
from markupsafe import Markup

from audit_pipelines.serve.pages import environment
from audit_pipelines.serve.web.show import instant, machine, number, plural, printable, size, visible


@pytest.mark.parametrize("point", [0x00, 0x1B, 0x7F, 0x85, 0xAD, 0x200B, 0x200E, 0x202E, 0x2066, 0x2028, 0xFEFF, 0xD800, 0xE0041])
def test_what_cannot_be_seen_stands_as_its_code_point(point):
    assert visible(f"a{chr(point)}b") == f"a⟦U+{point:04X}⟧b"


@pytest.mark.parametrize("text", ["Ada", "a\tb\nc", "שלום", "नमस्\u200dते", "👩\u200d🔧", "é"])
def test_text_of_people_is_itself(text):
    assert visible(text) == text


def test_every_value_of_every_template_is_escaped_and_seen():
    made = environment().from_string('<p title="{{ value }}">{{ value }}</p>{{ empty }}{{ markup }}')
    text = made.render(value="<b>\u202e\ud800'\"", empty=None, markup=Markup("<i>"))
    assert text == '<p title="&lt;b&gt;⟦U+202E⟧⟦U+D800⟧&#39;&#34;">&lt;b&gt;⟦U+202E⟧⟦U+D800⟧&#39;&#34;</p><i>'


def test_an_unknown_name_is_an_error():
    with pytest.raises(jinja2.UndefinedError):
        environment().from_string("{{ nobody }}").render()
    assert printable(3) == "3"


def test_instants_are_utc():
    at = datetime(2026, 1, 31, 9, 30, 1, 123456, tzinfo=timezone(timedelta(hours=1)))
    assert (instant(at), instant(at, digits=0), instant(at, digits=6)) == (
        "2026-01-31 08:30:01.123",
        "2026-01-31 08:30:01",
        "2026-01-31 08:30:01.123456",
    )
    assert machine(datetime(2026, 1, 31, tzinfo=UTC)) == "2026-01-31T00:00:00Z"


def test_counts_and_sizes():
    assert [number(1234567), plural(1, "event"), plural(2000, "event"), plural(2, "hash", "hashes")] == [
        "1\u202f234\u202f567",
        "1 event",
        "2\u202f000 events",
        "2 hashes",
    ]
    assert [size(999), size(1500), size(123_456_789), size(3 * 10**15)] == ["999 bytes", "1.5 kB", "123 MB", "3000 TB"]
