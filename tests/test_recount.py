"""Figures of drop, Parquet and PDF recounted from the evidence with tools that are not ours.

The small real records of ``tests/vectors`` always; both whole real data sets where they are at hand.
"""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import duckdb
import pytest

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"
VECTORS = ROOT / "tests" / "vectors"
SOURCES = """
[[sources]]
name = "github"
kind = "files"
dialect = "github"
path = {github}

[[sources]]
name = "aws"
kind = "files"
dialect = "cloudtrail"
path = {aws}
"""


def command(home: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "AUDIT_HOME": str(home)}
    done = subprocess.run([sys.executable, "-m", "audit_pipelines", *arguments], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def make_home(folder: Path, github: Path, aws: Path) -> Path:
    home = folder / "home"
    command(home, "init", str(home), "--id", "real")
    settings = (home / "audit.toml").read_text()
    start = next(line for line in settings.splitlines() if line.startswith("start = "))
    text = settings.replace(start, "start = 2023-07-01") + SOURCES.format(
        github=json.dumps(str(github)), aws=json.dumps(str(aws))
    )
    (home / "audit.toml").write_text(text)
    command(home, "night")
    return home


def zstdcat(paths: list[Path]) -> list[str]:
    output = subprocess.run(["zstdcat", *map(str, paths)], capture_output=True, check=True).stdout
    return output.decode().splitlines()


def recount(home: Path, month: str) -> None:
    """One month: evidence, Parquet, both drops and the PDF say the same."""
    records = [json.loads(line[33:]) for line in zstdcat(sorted(home.glob(f"evidence/*/day={month}-*/*.zst")))]
    parquet = str(home / f"events/*/day={month}-*/*.parquet")
    rows = duckdb.execute(f"SELECT action, count(*) FROM read_parquet('{parquet}') GROUP BY 1").fetchall()
    assert sum(count for _, count in rows) == len(records)
    for form in ("generic", "ecs"):
        lines = [
            line
            for path in home.glob(f"drops/{form}/*.{month.replace('-', '')}*.ndjson")
            for line in path.read_text().splitlines()
        ]
        events = [json.loads(line) for line in lines if not line.startswith('{"batch"') and '"kind":"state"' not in line]
        assert len(events) == len(records)
        if form == "generic":
            assert Counter(event["action"] for event in events) == dict(rows)
    command(home, "report", "--month", month)
    (pdf,) = home.glob(f"reports/{month}/r1/*.pdf")
    text = subprocess.run(["pdftotext", "-layout", str(pdf), "-"], capture_output=True, check=True, text=True).stdout
    stored = next(line for line in text.splitlines() if line.strip().startswith("Events stored"))
    assert stored.split()[2] == f"{len(records):,}"
    subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=pdf.parent, check=True)


pytestmark = pytest.mark.skipif(
    not (shutil.which("zstdcat") and shutil.which("pdftotext")), reason="needs zstd and poppler-utils"
)


def test_small_real_records(tmp_path: Path):
    home = make_home(tmp_path, VECTORS / "github", VECTORS / "cloudtrail")
    assert "0 rejects" not in command(home, "rejects")
    recount(home, "2023-07")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the whole real data sets are not here")
def test_both_whole_data_sets(tmp_path: Path):
    home = make_home(tmp_path, SHARED / "github_audit_azure", SHARED / "cloudtrail_invictus")
    assert json.loads(command(home, "status", "--json"))["size"] == 63 + 2140
    assert "nothing new" in command(home, "night"), "a second night skips all files"
    for month in ("2023-07", "2024-03"):
        recount(home, month)
