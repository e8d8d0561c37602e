"""The README's commands do what it says: the marked blocks are run, the others are targets of the Makefile."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MARK = "<!-- run by tests/test_readme.py -->"


def blocks(text: str, *, marked: bool) -> list[str]:
    """Fenced sh blocks, with or without the mark on the line before."""
    found = re.findall(rf"^({re.escape(MARK)}\n)?```sh\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    return [body for mark, body in found if bool(mark) is marked]


def targets(text: str) -> set[str]:
    return set(re.findall(r"^([a-z]+):", text, flags=re.MULTILINE))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with ``audit-pipelines`` on the path: this checkout, run by this interpreter."""
    folder = tmp_path_factory.mktemp("readme")
    command = folder / "bin" / "audit-pipelines"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m audit_pipelines "$@"\n')
    command.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def ran(place):
    """Every marked block in one shell, as a newcomer types them; ``status`` may have something to say."""
    lines = "\n".join(blocks(README, marked=True)).splitlines()
    script = "\n".join(
        f'{line}\necho "exit $?: {line.split("#")[0].strip().split(chr(39))[0]}"' for line in lines if line.strip()
    )
    environment = {**os.environ, "PATH": f"{place / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    environment.pop("AUDIT_HOME", None)
    done = subprocess.run(["sh", "-c", script], cwd=place, env=environment, capture_output=True, text=True, timeout=300)
    return done.stdout, done.stderr


def codes(output: str) -> dict[str, int]:
    return {command: int(code) for code, command in re.findall(r"^exit (\d+): (.+)$", output, flags=re.MULTILINE)}


def test_the_marked_commands_work(ran):
    output, errors = ran
    found = codes(output)
    assert len(found) >= 9
    assert {command: code for command, code in found.items() if code and "--check" not in command} == {}, errors
    assert "Traceback" not in errors


def test_the_new_home_is_whole_after_its_first_night(ran):
    output, _ = ran
    assert codes(output)["audit-pipelines status --check"] == 0
    assert "all green" in output


def test_the_home_and_its_bundle_are_found_good(ran):
    output, _ = ran
    assert output.splitlines().count("GOOD") == 2


def test_help_and_the_list_of_queries_are_printed(ran):
    output, _ = ran
    assert "Nightly export and compliance reporting" in output
    assert "activity/by_action" in output


def test_the_two_commands_are_targets_of_the_makefile():
    (plain,) = [body for body in blocks(README, marked=False) if "make " in body]
    named = re.findall(r"^make (\w+)", plain, flags=re.MULTILINE)
    assert named == ["demo", "test"]
    assert set(named) <= targets((ROOT / "Makefile").read_text(encoding="utf-8"))


def test_ci_runs_the_test_command_of_the_readme():
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_every_target_is_explained_where_contributors_look():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for target in targets((ROOT / "Makefile").read_text(encoding="utf-8")):
        assert f"`make {target}`" in text, target


def test_blocks_are_told_apart():
    text = f"{MARK}\n```sh\na\n```\n\n```sh\nb\n```\n"
    assert (blocks(text, marked=True), blocks(text, marked=False)) == (["a\n"], ["b\n"])
