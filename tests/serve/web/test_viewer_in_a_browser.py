"""The viewer in a real browser: what somebody does with it, from signing in to a proof that is checked offline."""

import json
import subprocess
from urllib.parse import parse_qs, urlsplit

import pytest

from audit_pipelines.defs import signing
from tests.serve.conftest import Clock, copied, opened


def query(tab) -> dict[str, list[str]]:
    return parse_qs(urlsplit(tab.page.url).query)


def texts(tab, selector: str) -> list[str]:
    return [one.strip() for one in tab.page.locator(selector).all_inner_texts()]


def vkey(door) -> str:
    """The verifier key of the events log, as the operator tells it."""
    (key,) = signing.keys(door.home)
    return key.vkeys[0]


def test_signing_in_leads_to_the_newest_events_their_count_and_chart(tab):
    tab = tab().sign_in().settled()
    assert urlsplit(tab.page.url).path == "/audit-logs"
    times = tab.page.locator("td.when time").evaluate_all("all => all.map(one => one.dateTime)")
    assert len(times) >= 60
    assert times == sorted(times, reverse=True)
    total = tab.door.app.state.reader.log().rows
    assert f"{total:,}".replace(",", "\u202f") in tab.page.locator("[data-total-here]").inner_text()
    assert tab.page.locator("[data-bars] a").count() > 10


def test_a_wrong_token_is_told_so(tab):
    tab = tab()
    tab.go("/sign-in")
    tab.page.fill("#token", "apt_0123456789abcdef_wrong")
    tab.page.click("main button[type=submit]")
    assert "unknown" in tab.page.get_by_role("alert").inner_text()


def test_a_count_adds_its_value_to_the_filter_and_its_chip_takes_it_out(tab):
    tab = tab().sign_in().settled()
    tab.page.locator(".facet a", has_text="failure").click()
    tab.settled()
    assert query(tab) == {"outcome": ["failure"]}
    assert set(texts(tab, "td.how")) == {"failure"}
    tab.page.locator(".chip", has_text="failure").click()
    tab.settled()
    assert query(tab) == {}


def test_the_form_leaves_out_what_is_empty_and_keeps_what_is_chosen(tab):
    tab = tab().sign_in().settled()
    tab.go("/audit-logs?user=ci-main&action=review.completed")
    tab.page.fill("#from", "2026-01-30T00:00")
    tab.page.fill("#q", "review")
    tab.page.get_by_role("button", name="Apply").click()
    tab.settled()
    assert query(tab) == {
        "user": ["ci-main"],
        "action": ["review.completed"],
        "from": ["2026-01-30T00:00"],
        "q": ["review"],
    }
    assert texts(tab, ".chip bdi") == ["2026-01-30", "review.completed", "ci-main", "review"]


def test_an_event_opens_below_its_row_by_click_and_by_key(tab):
    tab = tab().sign_in().settled()
    row = tab.page.locator("tr[data-event]").nth(2)
    row.locator("td.actor").click()
    detail = tab.page.locator("tr.detail")
    detail.get_by_text("Record as received").wait_for()
    assert row.locator("[data-open]").get_attribute("aria-expanded") == "true"
    assert tab.door.records()[-1]["action"] == "audit_log.event_viewed"
    tab.page.keyboard.press("Escape")
    detail.wait_for(state="detached")

    tab.page.keyboard.press("j")
    tab.page.keyboard.press("k")
    tab.page.keyboard.press("j")
    tab.page.keyboard.press("Enter")
    detail.get_by_text("Record as received").wait_for()
    assert tab.page.locator("tr[data-event]").nth(3).evaluate("row => row.classList.contains('opened')")


def test_keys_lead_to_search_export_and_help(tab):
    tab = tab().sign_in().settled()
    tab.page.keyboard.press("/")
    assert tab.page.evaluate("document.activeElement.id") == "q"
    tab.page.keyboard.type("jke?")  # in a field these are letters
    assert tab.page.input_value("#q") == "jke?"
    tab.page.keyboard.press("Escape")
    tab.page.keyboard.press("?")
    assert tab.page.get_by_role("dialog").is_visible()
    tab.page.keyboard.press("Escape")
    tab.page.keyboard.press("e")
    assert tab.page.evaluate("document.activeElement.textContent").startswith("NDJSON")


def test_a_diff_folds_what_stayed_and_marks_changes_by_sign_and_word(tab, hostile):
    tab = tab(hostile).sign_in()
    tab.go("/audit-logs?target=gr_1")
    tab.page.locator("[data-open]").click()
    diff = tab.page.locator(".diff")
    diff.wait_for()
    assert diff.locator("del").inner_text().endswith("enforce")
    assert diff.locator("ins").inner_text().endswith("warn")
    assert "removed:" in diff.locator(".d-gone").first.inner_text()
    assert '"reviewers": 2' in diff.locator(".d-gone").first.inner_text()
    assert '"reviewers": 1' in diff.locator(".d-new").first.inner_text()
    folded = diff.locator("details").first
    assert "unchanged" in folded.locator("summary").inner_text()
    assert not folded.locator("pre").is_visible()
    assert texts(tab, ".targets .mono") == ["gr_1", "ws_9"]


def test_the_browser_recomputes_the_proof_and_notices_another_record(tab):
    tab = tab().sign_in()
    tab.go("/audit-logs/events/5")
    tab.page.get_by_role("button", name="Recompute").click()
    tab.page.locator(".proof-said.good").wait_for()
    tab.page.route("**/record", lambda route: route.fulfill(body=route.fetch().body().replace(b"a", b"b", 1)))
    tab.page.get_by_role("button", name="Recompute").click()
    tab.page.locator(".proof-said.bad").wait_for()
    assert "another leaf hash" in tab.page.locator(".proof-said").inner_text()


def test_the_commands_on_the_page_prove_what_was_downloaded(tab, tmp_path):
    tab = tab().sign_in()
    tab.go("/audit-logs/events/1000")
    for name in ("proof", "record"):
        with tab.page.expect_download() as download:
            tab.page.get_by_role("link", name=f"Download the {name}").click()
        download.value.save_as(tmp_path / download.value.suggested_filename)
    tab.page.get_by_text("Check it yourself").click()
    by_hand, signature = tab.page.locator(".check-it .code pre").all_inner_texts()[:2]
    (tmp_path / "events.vkey").write_text(vkey(tab.door) + "\n")
    ran = [
        subprocess.run(["sh", "-eu", "-c", text], cwd=tmp_path, capture_output=True, text=True) for text in (by_hand, signature)
    ]
    assert ran[0].stdout == f"leaf 1000 of {tab.door.app.state.reader.log().size}: proven\n", ran[0].stderr
    fingerprint = signing.keys(tab.door.home)[0].fingerprint
    assert ran[1].stdout.split("\n")[:2] == [fingerprint, "Signature Verified Successfully"], ran[1].stderr

    record = next(tmp_path.glob("*.record"))
    record.write_bytes(record.read_bytes().replace(b":", b";", 1))
    again = subprocess.run(["sh", "-u", "-c", by_hand], cwd=tmp_path, capture_output=True, text=True)
    assert again.stdout == ""


def test_commands_are_copied(tab):
    tab = tab(permissions=["clipboard-read", "clipboard-write"]).sign_in()
    tab.go("/audit-logs/events/7")
    tab.page.get_by_text("Check it yourself").click()
    box = tab.page.locator(".check-it .code").nth(2)
    box.get_by_role("button").click()
    box.get_by_text("Copied").wait_for()
    assert tab.page.evaluate("navigator.clipboard.readText()") == box.locator("pre").text_content()


def test_an_export_is_downloaded_and_says_what_it_is(tab, tmp_path):
    tab = tab().sign_in()
    tab.go("/audit-logs?outcome=failure")
    tab.page.locator("[data-export] summary").click()
    with tab.page.expect_download() as download:
        tab.page.get_by_role("link", name="NDJSON").click()
    download.value.save_as(tmp_path / "export")
    head, *lines = (tmp_path / "export").read_bytes().splitlines()
    said = json.loads(head)["export"]
    assert said["filter"] == "outcome=failure"
    assert said["log_size"] == tab.door.app.state.reader.log().size
    assert {json.loads(line)["outcome"] for line in lines} == {"failure"}
    assert download.value.suggested_filename.startswith("test.audit-logs.")


def test_scrolling_brings_older_rows_and_keeps_the_page_small(tab):
    tab = tab().sign_in().settled()
    bodies = tab.page.locator("table.events > tbody")
    tab.page.wait_for_function(
        "() => { scrollTo(0, document.body.scrollHeight); return document.querySelectorAll('table.events > tbody').length >= 16 }"
    )
    tab.page.wait_for_selector("tbody[data-empty]", state="attached")
    first = bodies.nth(0)
    assert first.locator("tr[data-event]").count() == 0
    shown = tab.page.locator("tr[data-event] time").evaluate_all("all => all.map(one => one.dateTime)")
    assert shown == sorted(shown, reverse=True)
    tab.page.evaluate("scrollTo(0, 0)")
    first.locator("tr[data-event]").first.wait_for()
    assert first.locator("tr[data-event]").count() == 60


def test_a_period_is_chosen_in_the_chart_by_mouse_and_by_keys(tab):
    tab = tab().sign_in().settled()
    bars = tab.page.locator("[data-bars] a")
    since, until = bars.nth(5).get_attribute("data-since"), bars.nth(9).get_attribute("data-until")
    first, last = bars.nth(5).locator(".hit").bounding_box(), bars.nth(9).locator(".hit").bounding_box()
    tab.page.mouse.move(first["x"] + 2, first["y"] + 30)
    tab.page.mouse.down()
    tab.page.mouse.move(last["x"] + 2, last["y"] + 30, steps=4)
    with tab.page.expect_navigation():
        tab.page.mouse.up()
    assert query(tab) == {"from": [since], "to": [until]}

    tab.go("/audit-logs")
    tab.settled()
    tab.page.locator("[data-bars]").focus()
    for key in ("Home", "ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight"):
        tab.page.keyboard.press(key)
    since, until = bars.nth(1).get_attribute("data-since"), bars.nth(3).get_attribute("data-until")
    with tab.page.expect_navigation():
        tab.page.keyboard.press("Enter")
    assert query(tab) == {"from": [since], "to": [until]}


def test_colours_follow_the_system_and_the_switch_which_is_remembered(tab):
    def ground(tab):
        return tab.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")

    tab = tab(color_scheme="dark").sign_in()
    dark = ground(tab)
    switch = tab.page.locator("[data-theme-switch]")
    switch.click()
    light = ground(tab)
    assert light != dark
    tab.page.reload()
    assert ground(tab) == light
    switch.click()
    assert ground(tab) == dark


def test_times_are_utc_until_somebody_wants_their_own_zone(tab):
    tab = tab(timezone_id="Asia/Kolkata").sign_in()
    time = tab.page.locator("td.when time").first
    assert time.inner_text() == time.get_attribute("datetime")[:19].replace("T", " ")
    assert "UTC" in tab.page.locator("thead th").first.inner_text()
    tab.page.locator("[data-zone-switch]").click()
    hours = int(time.get_attribute("datetime")[11:13]), int(time.inner_text()[11:13])
    assert (hours[0] + 5) % 24 in (hours[1], (hours[1] - 1) % 24)
    assert "Asia/" in tab.page.locator("thead th").first.inner_text()
    tab.page.reload()
    assert "Asia/" in tab.page.locator("thead th").first.inner_text()


@pytest.mark.parametrize("width", [360, 480])
def test_phones_get_cards_and_never_scroll_sideways(tab, width):
    tab = tab(viewport={"width": width, "height": 740}, has_touch=True, is_mobile=True).sign_in().settled()
    tab.page.locator("[data-open]").first.click()
    tab.page.locator("tr.detail .event-grid").wait_for()
    tab.page.get_by_text("Check it yourself").click()
    assert tab.page.evaluate("document.documentElement.scrollWidth") == width
    row = tab.page.locator("tr[data-event]").first
    when, actor = row.locator("td.when").bounding_box(), row.locator("td.actor").bounding_box()
    assert actor["y"] > when["y"]
    bar = tab.page.locator("[data-bars] a").nth(3)
    bar.locator(".hit").tap()
    tab.page.wait_for_url("**from=**")
    tab.settled()
    assert query(tab)["from"] != query(tab)["to"]


def test_an_expired_session_asks_to_sign_in_and_comes_back(tab, sealed, tmp_path):
    clock = Clock()
    with opened(copied(sealed, tmp_path), clock) as door:
        tab = tab(door).sign_in()
        tab.go("/audit-logs?outcome=failure")
        tab.settled()  # nothing of the page is still being asked for
        clock.passes(hours=13)
        tab.page.locator("[data-open]").first.click()  # a script asks; the page then loads again and says so
        tab.page.locator("#token").wait_for()
        tab.page.fill("#token", door.token("read"))
        tab.page.click("main button[type=submit]")
        tab.page.locator("tr[data-event]").first.wait_for()
        assert query(tab) == {"outcome": ["failure"]}
        tab.page.get_by_role("button", name="Sign out").click()
        assert urlsplit(tab.page.url).path == "/sign-in"


def test_without_scripts_everything_can_be_read(tab):
    tab = tab(java_script_enabled=False).sign_in()
    times = []
    for _ in range(3):
        times += tab.page.locator("td.when time").evaluate_all("all => all.map(one => one.dateTime)")
        tab.page.get_by_role("link", name="Older events").click()
    assert len(times) == 180
    assert times == sorted(times, reverse=True)
    tab.page.get_by_role("link", name="Newest").click()
    tab.page.get_by_role("link", name="Counts by value").click()
    tab.page.locator(".facet a", has_text="configuration").click()
    assert query(tab) == {"category": ["configuration"]}
    tab.page.get_by_role("link", name="Chart and total count").click()
    tab.page.locator("[data-bars] a:has(.all)").last.click()
    assert set(query(tab)) == {"category", "from", "to"}
    tab.page.locator("[data-open]").first.click()
    assert urlsplit(tab.page.url).path.startswith("/audit-logs/events/")
    assert tab.page.get_by_role("heading", name="Evidence and proof").is_visible()
    tab.go("/audit-logs")
    tab.page.get_by_text("More conditions").click()
    tab.page.get_by_label("failure").check()
    tab.page.get_by_role("button", name="Apply").click()
    assert set(texts(tab, "td.how")) == {"failure"}
