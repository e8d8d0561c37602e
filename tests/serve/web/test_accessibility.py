"""No page has a serious fault that axe-core finds, in light and dark, on a desk and on a phone."""

import pytest

axe_playwright = pytest.importorskip("axe_playwright_python.sync_playwright")

PAGES = {
    "sign-in": "/sign-in",
    "viewer": "/audit-logs",
    "filtered": "/audit-logs?category=configuration&outcome=failure&q=guardrail&from=2026-01-01",
    "none": "/audit-logs?user=nobody",
    "wrong": "/audit-logs?from=2026-02-01&to=2026-01-01",
    "counts": "/audit-logs/facets",
    "chart": "/audit-logs/histogram",
    "event": "/audit-logs/events/5",
    "not found": "/audit-logs/events/99999999",
    "findings": "/findings",
    "reports": "/reports",
    "report": "/reports/2026-01",
    "verify": "/verify",
    "operator": "/operator",
}
LOOKS = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
}


def serious(tab) -> list[str]:
    found = axe_playwright.Axe().run(tab.page).response["violations"]
    return [
        f"{fault['id']}: {fault['help']}: {node['html'][:200]}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]


def test_a_planted_fault_is_found(tab):
    tab = tab()
    tab.go("/sign-in")
    tab.page.evaluate(
        "document.querySelector('label').remove(); document.querySelector('h1').setAttribute('class', 'button primary')"
    )
    tab.page.evaluate("document.querySelector('h1').style.color = 'black'")
    assert {fault.split(":")[0] for fault in serious(tab)} >= {"label", "color-contrast"}


@pytest.mark.parametrize("look", LOOKS)
def test_no_page_has_a_serious_fault(tab, look):
    tab = tab(**LOOKS[look]).sign_in("admin")
    found = {}
    for name, path in PAGES.items():
        if name == "sign-in":
            continue
        tab.go(path)
        if path.split("?")[0] == "/audit-logs" and name != "wrong":
            tab.settled()
        found[name] = serious(tab)
        assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} scrolls sideways"
    tab.page.get_by_role("button", name="Sign out").click()
    found["sign-in"] = serious(tab)
    assert {name: faults for name, faults in found.items() if faults} == {}


@pytest.mark.parametrize("look", LOOKS)
def test_nor_has_an_open_event_with_its_commands_and_a_menu(tab, hostile, look):
    tab = tab(hostile, **LOOKS[look]).sign_in().settled()
    tab.go("/audit-logs?target=gr_1")
    tab.settled()
    tab.page.locator("[data-open]").click()
    tab.page.locator("tr.detail .event-grid").wait_for()
    tab.page.get_by_text("Check it yourself").click()
    tab.page.get_by_role("button", name="Recompute").click()
    tab.page.locator(".proof-said.good").wait_for()
    assert serious(tab) == []
    tab.page.locator("[data-export] summary").click()
    assert serious(tab) == []


def test_the_first_stop_of_the_tab_key_leads_past_the_navigation(tab):
    tab = tab().sign_in()
    tab.go("/audit-logs")
    tab.page.keyboard.press("Tab")
    assert tab.page.evaluate("document.activeElement.textContent") == "Skip to the content"
    tab.page.keyboard.press("Enter")
    assert tab.page.evaluate("document.activeElement.id") == "main"


def test_the_count_is_said_to_screen_readers(tab):
    tab = tab().sign_in().settled()
    said = tab.page.locator("[data-say]")
    assert said.get_attribute("aria-live") == "polite"
    assert "events in this filter" in said.inner_text()
