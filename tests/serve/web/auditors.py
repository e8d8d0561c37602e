"""A home as auditors meet it: two revisions of a report, a third due, and findings of several days; pages as text."""

import html
import re
from datetime import date

from tests.defs.conftest import Yard, day_of_records, record

HOSTILE = "<script>document.title='hit'</script>"
MONTH = "2026-01"


def failure(number: int, when: str, address: str) -> bytes:
    """A sign-in that failed."""
    agent = {"ip": address, "user_agent": "burst", "session_id": None}
    return record(number, when, outcome="failure", context=agent)


def burst(first: int, day: str, address: str, count: int) -> list[bytes]:
    """``count`` failures of one address within five minutes."""
    seconds = (n * 300 / count for n in range(count))
    return [failure(first + n, f"{day}T08:{int(at) // 60:02d}:{at % 60:06.3f}Z", address) for n, at in enumerate(seconds)]


def audited(folder) -> Yard:
    """January: 150 failures on the 6th, 12 of a hostile address on the 9th; r1, a late event, r2, another late event."""
    yard = Yard(folder, start=date(2025, 12, 30))
    yard.put("a.ndjson", day_of_records(date(2025, 12, 30), 50))
    yard.night(date(2025, 12, 31))
    january = day_of_records(date(2026, 1, 5), 40, first=1000)
    yard.put("b.ndjson", january + burst(2000, "2026-01-06", "203.0.113.9", 150) + burst(3000, "2026-01-09", HOSTILE, 12))
    yard.night(date(2026, 2, 4))
    yard.report(date(2026, 1, 1), date(2026, 2, 4))
    yard.put("c.ndjson", [record(4000, "2026-01-07T08:00:00Z")])
    yard.night(date(2026, 2, 5))
    yard.report(date(2026, 1, 1), date(2026, 2, 5))
    yard.put("d.ndjson", [failure(4001, "2026-01-06T08:04:59Z", "203.0.113.9")])
    yard.night(date(2026, 2, 6))
    with yard.home.settings_file.open("a") as settings:
        settings.write('\n[serve]\nrequests_a_minute = 1000000\ndagster_url = "http://127.0.0.1:3000/"\n')
    return yard


def words(page: str) -> str:
    """What a page says in its main part, without markup, spaces run together."""
    main = page.split("<main", 1)[1].split("</main>", 1)[0]
    text = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", main)).split())
    return re.sub(r"(?<=“) | (?=[,.:;”])", "", text)


def rows(page: str) -> list[list[str]]:
    """The cells of every table row of a page, as text."""
    found = []
    for row in re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL):
        cells = re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL)
        found.append([" ".join(html.unescape(re.sub(r"<[^>]*>", " ", cell)).split()) for cell in cells])
    return found


def code(page: str, label: str) -> str:
    """The text to copy that is called ``label``."""
    return html.unescape(re.search(rf'aria-label="{re.escape(label)}"><code>(.*?)</code>', page, re.DOTALL)[1])
