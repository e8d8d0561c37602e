"""The wheel is whole: it holds what a home needs, and works from a folder of its own outside the checkout."""

import importlib.util
import os
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = '\n[[sources]]\nname = "github"\nkind = "files"\ndialect = "github"\npath = "in"\n'

pytestmark = pytest.mark.skipif(importlib.util.find_spec("hatchling") is None, reason="hatchling is not installed")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def run(wheel, tmp_path_factory):
    """``run(*words)``: the command line of the unpacked wheel, far from the checkout."""
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    place = folder / "elsewhere"
    place.mkdir()

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if name not in ("AUDIT_HOME", "DAGSTER_HOME")}
        environment["PYTHONPATH"] = str(folder / "site")
        command = [sys.executable, *words]
        return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=300)

    call.place, call.site = place, folder / "site"
    return call


def inside(folder: str, pattern: str) -> set[str]:
    """Files of the checkout, by their path under ``folder``."""
    return {path.relative_to(ROOT / folder).as_posix() for path in (ROOT / folder).rglob(pattern) if path.is_file()}


def test_nothing_but_the_package_is_at_the_top(names):
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"audit_pipelines"}
    assert len(tops) == 2


@pytest.mark.parametrize("folder", ["reports", "templates"])
def test_shipped_data_is_inside(names, folder):
    files = inside(folder, "*")
    assert files
    assert {f"audit_pipelines/_shipped/{folder}/{name}" for name in files} <= names


@pytest.mark.parametrize("folder", ["audit_pipelines/sql", "audit_pipelines/extract/dialects"])
def test_sql_is_inside(names, folder):
    files = inside(folder, "*.sql")
    assert files
    assert {f"{folder}/{name}" for name in files} <= names


def test_fonts_types_and_licence_are_inside(names):
    assert any(name.startswith("audit_pipelines/_shipped/templates/fonts/") and name.endswith(".woff2") for name in names)
    assert "audit_pipelines/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_a_home_is_made_filled_and_reported_outside_the_checkout(run):
    origin = run("-c", "import audit_pipelines; print(audit_pipelines.__file__)")
    assert Path(origin.stdout.strip()).is_relative_to(run.site)

    assert run("-m", "audit_pipelines", "init", "home").returncode == 0
    home = run.place / "home"
    moment = datetime.now(UTC) - timedelta(days=1)
    settings = home / "audit.toml"
    text = settings.read_text(encoding="utf-8").replace(f"start = {datetime.now(UTC):%Y-%m}-01", f"start = {moment:%Y-%m}-01")
    settings.write_text(text + SOURCE, encoding="utf-8")
    (home / "in").mkdir()
    record = (
        f'{{"_document_id": "a1", "@timestamp": {int(moment.timestamp() * 1000)}, "action": "repo.create", "actor": "mona"}}\n'
    )
    (home / "in" / "log.ndjson").write_text(record, encoding="utf-8")

    night = run("-m", "audit_pipelines", "--home", "home", "night")
    assert night.returncode == 0, night.stderr
    assert "1 events of 1 days" in night.stdout
    assert list((home / "drops" / "ecs").glob("*.ndjson"))

    # The month of a moment ago is over only on the first of the next: both ways a PDF is set.
    report = run("-m", "audit_pipelines", "--home", "home", "report", "--month", f"{moment:%Y-%m}")
    assert report.returncode == 0, report.stderr
    assert [path for part in ("state/drafts", "reports") for path in (home / part).rglob("*.pdf")]
