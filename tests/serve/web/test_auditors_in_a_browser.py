"""The auditor's way in a real browser: a link, the report, its files, the bundle, the verification."""

import zipfile

import pytest

from audit_pipelines.seal.standalone import verify
from tests.serve.web.auditors import MONTH
from tests.serve.web.test_accessibility import LOOKS, serious


def saved(tab, click, folder):
    """The file that a click downloads."""
    with tab.page.expect_download() as waiting:
        click.click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def test_an_auditor_opens_a_link_downloads_report_and_evidence_and_verifies_them(tab, audited, tmp_path):
    tab = tab(audited)
    tab.go(f"/l/{audited.link(report=MONTH)}")
    tab.page.get_by_role("button", name="Open").click()
    tab.page.get_by_text("You came by a link.").wait_for()
    report = saved(tab, tab.page.get_by_role("link", name="Download the PDF").first, tmp_path)
    assert report.read_bytes() == (audited.home.reports / MONTH / "r2" / report.name).read_bytes()
    data = saved(tab, tab.page.get_by_role("link", name="report.json").last, tmp_path)
    assert data.read_bytes() == (audited.home.reports / MONTH / "r1" / "report.json").read_bytes()
    bundle = saved(tab, tab.page.get_by_role("link", name="Download the evidence"), tmp_path)
    assert zipfile.ZipFile(bundle).testzip() is None
    tab.page.get_by_role("link", name="Verify this month").click()
    fingerprint = tab.page.get_by_role("region", name="fingerprint 1").inner_text().strip()
    assert verify(bundle, [fingerprint]).verdict == "GOOD"
    tab.page.get_by_label("The fingerprint you were given").fill(fingerprint)
    tab.page.get_by_role("button", name="Verify", exact=True).click()
    tab.page.get_by_text("everything that was checked holds").wait_for()


def test_a_finding_leads_to_its_events_and_their_proofs(tab, audited):
    tab = tab(audited).sign_in("read")
    tab.go("/findings")
    tab.page.get_by_label("Subject").fill("203.0.113")
    tab.page.get_by_role("button", name="Apply").click()
    tab.page.get_by_role("link", name="151 failed sign-ins").click()
    tab.page.get_by_role("link", name="details and proof").first.click()
    tab.page.wait_for_url("**/audit-logs/events/*")
    assert "evt_002000" in tab.page.content()


def test_everything_can_be_read_without_scripts(tab, audited):
    tab = tab(audited, java_script_enabled=False).sign_in("admin")
    for path, says in {
        "/reports": MONTH,
        f"/reports/{MONTH}": "Revision 2",
        "/findings": "151 failed sign-ins",
        "/verify": "The same on your own machine",
        "/operator": "Last runs",
    }.items():
        tab.go(path)
        assert says in tab.page.locator("main").inner_text()
    tab.go("/verify")
    tab.page.get_by_role("button", name="Verify", exact=True).click()
    assert "everything that was checked holds" in tab.page.locator("main").inner_text()


@pytest.mark.parametrize("look", LOOKS)
def test_reports_with_a_change_findings_and_a_verification_have_no_serious_fault(tab, audited, look):
    tab = tab(audited, **LOOKS[look]).sign_in("admin")
    for path in ("/reports", f"/reports/{MONTH}", "/findings", "/operator"):
        tab.go(path)
        tab.page.evaluate("document.querySelectorAll('main details').forEach(one => { one.open = true })")
        assert serious(tab) == [], path
        assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    tab.go("/findings?subject=203")
    tab.page.get_by_role("link", name="151 failed sign-ins").click()
    assert serious(tab) == []
    tab.go("/verify")
    tab.page.get_by_role("button", name="Verify", exact=True).click()
    tab.page.get_by_text("everything that was checked holds").wait_for()
    assert serious(tab) == []
    assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
