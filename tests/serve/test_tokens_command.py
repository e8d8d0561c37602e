"""``audit-pipelines tokens``: what an operator types, and what is printed."""

from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from audit_pipelines.cli import main
from audit_pipelines.serve import tokens
from audit_pipelines.serve.tokens import SECRET, TokenStore


@pytest.fixture
def tokens_command(home):
    def run(*words, code=0):
        found = CliRunner().invoke(main, ["--home", str(home.root), "tokens", *words])
        assert found.exit_code == code, found.output
        return found

    return run


def test_new_prints_the_token_once_and_alone_on_standard_output(home, tokens_command):
    found = tokens_command("new", "--name", "Alice", "--scope", "read", "--scope", "export")
    grant = TokenStore(home).present(found.stdout.strip(), "token").grant
    assert (grant.name, grant.scopes) == ("Alice", ("read", "export"))
    assert found.stderr.startswith(f"{grant.public_id}, read, export, until ")
    assert SECRET.search(tokens_command("list").output) is None


@pytest.mark.parametrize(("words", "days"), [((), 90), (("--expires", "36h"), 1.5)])
def test_a_token_always_expires(home, tokens_command, words, days):
    tokens_command("new", "--name", "Alice", "--scope", "read", *words)
    grant = tokens.read(home).grants[0]
    assert grant.expires - grant.created == timedelta(days=days)


def test_a_period_includes_its_last_day(home, tokens_command):
    tokens_command("link", "--name", "Auditor", "--from", "2026-04-01", "--to", "2026-04-30")
    grant = tokens.read(home).grants[0]
    assert (grant.restriction.since, grant.restriction.until) == (
        datetime(2026, 4, 1, tzinfo=UTC),
        datetime(2026, 5, 1, tzinfo=UTC),
    )
    assert grant.expires - grant.created == timedelta(days=14)
    assert "2026-04-01 to 2026-04-30  Auditor" in tokens_command("list").stdout


def test_a_link_is_a_path_or_a_whole_address_where_that_is_known(home, tokens_command):
    assert tokens_command("link", "--name", "A", "--report", "2026-04").stdout.startswith("/l/apl_")
    with home.settings_file.open("a") as file:
        file.write('[serve]\npublic_url = "https://example.com/audit/"\n')
    assert tokens_command("link", "--name", "A", "--actor", "usr_1").stdout.startswith("https://example.com/audit/l/apl_")


def test_revoke_takes_the_id_that_list_shows(home, tokens_command):
    assert tokens_command("list").stdout == "no tokens: make one with audit-pipelines tokens new\n"
    tokens_command("new", "--name", "Alice", "--scope", "admin")
    shown = tokens_command("list").stdout.split()[0]
    assert tokens_command("revoke", shown).stdout == f"{shown} (Alice) is revoked\n"
    assert tokens_command("list").stdout.startswith(f"{shown}  revoked")
    tokens_command("revoke", "tok_000000000000", code=2)


@pytest.mark.parametrize(
    "words",
    [
        ("new", "--name", "A"),
        ("new", "--name", "A", "--scope", "all"),
        ("new", "--name", "A", "--scope", "export"),
        ("new", "--name", " ", "--scope", "read"),
        ("new", "--name", "a\x1b[31m", "--scope", "read"),
        ("new", "--name", "A", "--scope", "read", "--expires", "0d"),
        ("new", "--name", "A", "--scope", "read", "--expires", "3651d"),
        ("new", "--name", "A", "--scope", "read", "--expires", "never"),
        ("link", "--name", "A"),
        ("link", "--name", "A", "--report", "2026-4"),
        ("link", "--name", "A", "--report", "2026-04", "--actor", "x"),
        ("link", "--name", "A", "--from", "2026-04-01"),
        ("link", "--name", "A", "--from", "2026-04-02", "--to", "2026-04-01"),
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_refused_and_nothing_is_written(home, tokens_command, words):
    tokens_command(*words, code=2)
    assert not tokens.path(home).exists()
