"""The pages name everything there is: commands, settings, queries, checks, decisions; and their links resolve."""

import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import click
import msgspec
import pytest

from audit_pipelines import settings
from audit_pipelines.cli import main
from audit_pipelines.sql import catalogue

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
GENERATED = {"bench/RESULTS.md"}
"""Written by `make bench`; its link may stand before the file does."""
# Built from parts, so that this file does not hold the words it looks for.
FORBIDDEN = [
    "".join(parts)
    for parts in (
        ("chat", "gpt"),
        ("clau", "de"),
        ("anthro", "pic"),
        ("open", "ai"),
        ("sub", "agent"),
        ("lorem ", "ipsum"),
        ("fix", "me"),
        ("py", "pi.org"),
        ("python", "hosted.org"),
    )
]
PROMISES = ["tamper-" + "proof", "tamper " + "proof", "cannot be " + "altered", "un" + "alterable", "immutable " + "proof"]
"""What no log can keep: ours shows alterations, within limits."""
MACHINE_PATHS = ["".join(parts) for parts in (("/work/", "main"), ("/ro", "ot/"), ("/opt/ap", "-venv"))]


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def tracked() -> list[Path]:
    """Files that git knows or would add (in an unpacked archive without git there is nothing to ask)."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: the list of tracked files is not known")
    return [path for name in sorted(filter(None, listed.split("\0"))) if (path := ROOT / name).is_file()]


def tracked_texts() -> dict[str, str]:
    found = {}
    for path in tracked():
        content = path.read_bytes()
        if b"\0" not in content:
            found[path.relative_to(ROOT).as_posix()] = content.decode("utf-8", "replace")
    return found


def options(command: click.Command) -> list[str]:
    """Options of a command, and of its own commands if it is a group."""
    below = command.commands.values() if isinstance(command, click.Group) and command is not main else ()
    return [
        word
        for one in (command, *below)
        for parameter in one.params
        if isinstance(parameter, click.Option)
        for word in (*parameter.opts, *parameter.secondary_opts)
    ]


def sections(text: str) -> dict[str, str]:
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


@pytest.mark.parametrize("name", sorted(main.commands))
def test_command_has_a_section_with_every_option(name):
    section = sections(page("commands.md"))[name]
    for option in options(main.commands[name]):
        assert f"`{option}`" in section, option


def test_options_of_the_program_itself_are_described():
    head = sections(page("commands.md"))[""]
    for option in [*options(main), *main.context_settings["help_option_names"]]:
        assert f"`{option}`" in head, option


def test_commands_page_describes_no_command_that_is_gone():
    assert sections(page("commands.md")).keys() - {"", "Exit codes"} == set(main.commands)


def tables() -> dict[str, type[msgspec.Struct]]:
    """Heading in settings.md -> the struct it describes, walked from ``Settings``."""
    found = {}
    for field in msgspec.structs.fields(settings.Settings):
        kind = msgspec.inspect.type_info(field.type)
        if isinstance(kind, msgspec.inspect.StructType):
            found[f"`[{field.name}]`"] = kind.cls
        elif isinstance(kind, msgspec.inspect.DictType):
            found[f"`[{field.name}.<format>]`"] = kind.value_type.cls
        else:
            found[f"`[[{field.name}]]`"] = kind.item_type.cls
    return found


@pytest.mark.parametrize("heading", tables())
def test_settings_page_lists_exactly_the_keys_there_are(heading):
    section = sections(page("settings.md"))[heading]
    listed = re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)
    assert listed == [field.encode_name for field in msgspec.structs.fields(tables()[heading])]


def test_every_query_stands_in_queries_page():
    headings = re.findall(r"^#{2,3} (\S+/\S+)$", page("queries.md"), flags=re.MULTILINE)
    assert set(headings) == set(catalogue())


def test_operations_page_names_every_asset_check():
    from audit_pipelines.definitions import build

    shape = settings.parse('[organisation]\nname = "x"\nid = "x"\nstart = 2026-01-01\n')
    names = {key.name for check in build(shape).asset_checks for key in check.check_keys}
    assert names
    assert names == set(re.findall(r"^\| `(\w+)` \| `(?:events|drop)` \|", page("operations.md"), flags=re.MULTILINE))


def test_operations_page_says_what_to_do_about_every_exit_code():
    from audit_pipelines import errors

    leaves = errors.AuditError.__subclasses__()
    assert leaves
    codes = {f"{leaf.exit_code}" for leaf in leaves}
    assert codes == set(re.findall(r"^\| (\d) \| .+ \| .+ \|$", page("operations.md"), flags=re.MULTILINE))
    for leaf in leaves:
        assert f"`{leaf.__name__}`" in sections(page("commands.md"))["Exit codes"]


def test_index_lists_every_decision_and_nothing_else():
    pages = {path.name for path in (DOCS / "adr").glob("[0-9]*.md")}
    assert pages
    assert set(re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", page("adr/README.md"))) == pages


@pytest.mark.parametrize("path", sorted((DOCS / "adr").glob("[0-9]*.md")), ids=lambda path: path.stem)
def test_decision_has_the_four_parts(path):
    text = path.read_text(encoding="utf-8")
    for word in ("Status", "Context", "Options", "Outcome"):
        assert re.search(rf"^(## )?{word}\b", text, flags=re.MULTILINE), word


def anchors(text: str) -> set[str]:
    """Anchors of the headings, as forges make them."""
    bare = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", bare, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(path: Path, text: str, root: Path) -> list[str]:
    found = []
    bare = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", bare):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = unquote(target).partition("#")
        aim = (path.parent / name).resolve() if name else path
        if not aim.exists():
            if aim.relative_to(root.resolve()).as_posix() not in GENERATED:
                found.append(target)
        elif anchor and aim.suffix == ".md" and anchor not in anchors(aim.read_text(encoding="utf-8")):
            found.append(target)
    return found


def test_relative_links_resolve():
    pages = [path for path in tracked() if path.suffix == ".md"]
    assert pages
    found = [
        f"{path.relative_to(ROOT)}: {link}"
        for path in pages
        for link in broken_links(path, path.read_text(encoding="utf-8"), ROOT)
    ]
    assert found == []


def test_a_broken_link_is_seen(tmp_path):
    text = "# One two\n[a](#one-two) [b](gone.md) [c](#three) [d](https://example.com/x) [e](bench/RESULTS.md)\n"
    (tmp_path / "p.md").write_text(text)
    assert broken_links(tmp_path / "p.md", text, tmp_path) == ["gone.md", "#three"]


def found_in(texts: dict[str, str], words: list[str]) -> list[str]:
    return [f"{name}: {word}" for name, text in texts.items() for word in words if word in text.lower()]


def test_forbidden_words_stand_nowhere():
    texts = {name: text for name, text in tracked_texts().items() if not name.startswith("tests/vectors/")}
    assert found_in(texts, FORBIDDEN) == []


def test_nothing_is_promised_that_no_log_can_keep():
    texts = {name: text for name, text in tracked_texts().items() if not name.startswith("tests/")}  # they look for it, too
    assert found_in(texts, PROMISES) == []


@pytest.mark.parametrize("name", ["README.md", "docs/verify.md", "docs/threats.md"])
def test_what_the_log_shows_and_its_limits_stand_where_readers_begin(name):
    text = (ROOT / name).read_text(encoding="utf-8").lower()
    assert "tamper-evident" in text
    assert "limits" in text


@pytest.mark.parametrize("group", ["keys", "holds"])
def test_commands_of_a_group_are_described(group):
    section = sections(page("commands.md"))[group]
    for name in main.commands[group].commands:
        assert f"`audit-pipelines {group} {name}" in section or f"`{group} {name}" in section, name


def test_no_path_of_a_machine_stands_anywhere():
    assert found_in(tracked_texts(), MACHINE_PATHS) == []


def test_a_forbidden_word_is_seen():
    assert found_in({"a": f"x {FORBIDDEN[0].upper()} y", "b": "clean"}, FORBIDDEN) == [f"a: {FORBIDDEN[0]}"]
