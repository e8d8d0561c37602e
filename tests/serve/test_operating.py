"""Runs and disk as the operator's page has them: never a long walk."""

import os
from datetime import UTC, datetime, timedelta

from audit_pipelines.serve import operating
from audit_pipelines.serve.catalog import Catalog
from audit_pipelines.serve.operating import Disk, Folder

NOW = datetime(2026, 2, 5, 12, tzinfo=UTC)


def test_the_evidence_is_what_the_manifests_say(sealed):
    log = Catalog(sealed).now()
    found = {folder.name: folder for folder in operating.disk(sealed, log, NOW).folders}
    files = list((sealed.root / "evidence").rglob("*.zst"))
    assert found["evidence"].size == sum(path.stat().st_size for path in files)
    assert found["evidence"].grown == found["evidence"].size
    later = operating.disk(sealed, log, NOW + timedelta(days=60))
    assert next(folder for folder in later.folders if folder.name == "evidence").grown == 0


def test_a_folder_is_walked_as_far_as_a_limit_and_links_are_not_followed(home, monkeypatch):
    folder = home.root / "drops"
    (folder / "deep").mkdir(parents=True)
    for number in range(6):
        (folder / "deep" / str(number)).write_bytes(b"12345")
    os.utime(folder / "deep" / "0", (0, 0))
    (folder / "loop").symlink_to(folder)
    log, now = Catalog(home).now(), datetime.now(UTC)
    (drops,) = [one for one in operating.disk(home, log, now).folders if one.name == "drops"]
    link = len(str((folder / "loop").readlink()))
    assert (drops.size, drops.grown, drops.whole) == (30 + link, 25 + link, True)
    monkeypatch.setattr(operating, "WALKED", 4)
    (drops,) = [one for one in operating.disk(home, log, now).folders if one.name == "drops"]
    assert not drops.whole
    assert drops.size <= 4 * max(5, link)


def test_how_long_the_disk_lasts_at_this_pace():
    assert Disk((Folder("a", "", 600, 300, whole=True),), 10_000, 1000).lasts == 100
    assert Disk((Folder("a", "", 600, 0, whole=True),), 10_000, 1000).lasts is None
    assert Disk((Folder("a", "", 600, 30, whole=True),), 10_000, 10**9).lasts is None


def test_runs_are_newest_first_with_their_page_in_dagster(sealed):
    found = operating.runs(sealed, "http://127.0.0.1:3000/")
    assert [run.entry.kind for run in found] == ["report", "night", "night", "night"]
    assert found[0].dagster == f"http://127.0.0.1:3000/runs/{found[0].entry.run_id}"
    assert all(run.seconds >= 0 and not run.dagster for run in operating.runs(sealed, ""))


def test_a_home_without_a_run_has_none(home):
    assert operating.runs(home, "") == []
