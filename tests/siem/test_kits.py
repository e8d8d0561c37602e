"""The kits are whole: every file is named in its page, can be read by its own syntax, and watches what it should."""

import json
import re
from pathlib import Path

import pytest
import yaml

from audit_pipelines.ship.format import load_format
from audit_pipelines.shipped import shipped

DOCS = Path(__file__).parents[2] / "docs" / "siem"
KITS = sorted(path.parent.name for path in DOCS.glob("*/README.md") if path.parent.name != "formats")
FOLDER = shipped("templates") / "siem"


def configs(kit: str) -> list[Path]:
    return [path for path in sorted((DOCS / kit).rglob("*")) if path.is_file() and path.name != "README.md"]


def test_every_target_of_the_overview_has_a_kit():
    overview = (DOCS / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\(([a-z-]+)/README\.md\)", overview)) == set(KITS)
    assert len(KITS) >= 9


@pytest.mark.parametrize("kit", KITS)
def test_the_page_names_every_file_and_what_was_tried(kit):
    page = (DOCS / kit / "README.md").read_text(encoding="utf-8")
    for path in configs(kit):
        name = path.relative_to(DOCS / kit).parts
        assert f"`{name[0]}{'/' if len(name) > 1 else ''}`" in page, path
    assert re.search(r"^\*\*Tried here\*\*", page, re.MULTILINE)
    assert re.search(r"^\*\*Not tried\*\*", page, re.MULTILINE)
    assert "## Is everything there?" in page


@pytest.mark.parametrize(
    "path", [path for kit in KITS for path in configs(kit)], ids=lambda path: path.relative_to(DOCS).as_posix()
)
def test_every_file_can_be_read(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix in (".yaml", ".yml"):
        assert isinstance(yaml.safe_load(text), dict)
    elif path.suffix == ".json":
        assert isinstance(json.loads(text), dict)
    assert text.endswith("\n")


def test_the_kits_watch_only_formats_that_are_made_for_it():
    watched = {name for kit in KITS for path in configs(kit) for name in re.findall(r"/srv/audit/drops/(\w+)", path.read_text())}
    assert watched >= {"ecs", "splunk", "datadog"}
    assert {load_format(name, (FOLDER,)).delivery for name in watched} == {"watched"}
