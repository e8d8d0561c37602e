"""Tokens at rest: what the file holds, that it is read strictly and anew, and that no change is lost."""

import hashlib
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from audit_pipelines.errors import HomeError
from audit_pipelines.serve import minting, tokens
from audit_pipelines.serve.tokens import SECRET, Limits, TokenStore


def make(home, clock, *scopes, name="Alice", days=90):
    return minting.new_token(home, name, frozenset(scopes or ("read",)), now=clock(), lasts=timedelta(days=days))


def test_a_token_carries_an_id_that_may_be_shown_and_256_random_bits(home, clock):
    grant, text = make(home, clock)
    assert SECRET.fullmatch(text)
    assert text.startswith(f"apt_{grant.id}_")
    assert grant.public_id == f"tok_{grant.id}"


def test_only_the_digest_is_kept_and_only_the_owner_may_read_it(home, clock):
    secret = make(home, clock)[1][17:]
    kept = tokens.path(home).read_text()
    assert secret not in kept
    assert hashlib.sha256(secret.encode()).hexdigest() in kept
    assert {stat.S_IMODE(path.stat().st_mode) for path in home.state.glob("tokens.*")} == {0o600}


def test_a_change_is_seen_by_a_store_that_is_open(home, clock):
    store = TokenStore(home)
    assert store.current() is None
    grant, text = make(home, clock)
    assert store.present(text, "token").right
    minting.revoke(home, grant.public_id, now=clock())
    assert not store.present(text, "token").grant.live(clock())


def test_a_revoked_token_stays_revoked_since_the_first_time(home, clock):
    grant, _ = make(home, clock)
    first = minting.revoke(home, grant.id, now=clock())
    clock.passes(days=1)
    assert minting.revoke(home, grant.public_id, now=clock()).revoked == first.revoked


def test_revoking_what_is_not_there_is_an_error(home, clock):
    make(home, clock)
    with pytest.raises(HomeError, match="no token or link 'tok_0'"):
        minting.revoke(home, "tok_0", now=clock())


def test_two_commands_at_once_lose_nothing(home, clock):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: make(home, clock, name=f"n{number}")[0].id, range(24)))
    assert sorted(grant.id for grant in tokens.read(home).grants) == sorted(made)


def test_a_secret_is_right_for_its_own_token_and_kind_alone(home, clock):
    _, one = make(home, clock)
    _, other = make(home, clock)
    _, link = minting.new_link(home, "x", Limits(report="2026-04"), now=clock(), lasts=timedelta(days=1))
    store = TokenStore(home)
    assert store.present(one, "token").right
    assert not store.present(one[:17] + other[17:], "token").right
    assert not store.present(one, "link").right
    assert not store.present(link, "token").right
    assert store.present(link, "link").right
    assert not store.present(link.replace("apl", "apt"), "token").right


def test_a_file_that_may_not_be_read_is_an_error_and_not_an_empty_one(home, clock):
    make(home, clock)
    tokens.path(home).unlink()
    tokens.path(home).mkdir()
    with pytest.raises(HomeError, match="cannot be read"):
        TokenStore(home).current()


SPOILED = {
    "no JSON": lambda held: "{",
    "another format": lambda held: json.dumps({**held, "format": 2}),
    "an unknown member": lambda held: json.dumps({**held, "more": 1}),
    "no session secret": lambda held: json.dumps({**held, "session_secret": ""}),
    "an unknown scope": lambda held: json.dumps({**held, "grants": [{**held["grants"][0], "scopes": ["all"]}]}),
    "no expiry": lambda held: json.dumps({**held, "grants": [{**held["grants"][0], "expires": None}]}),
    "a time without a zone": lambda held: json.dumps(
        {**held, "grants": [{**held["grants"][0], "expires": "2026-09-01T00:00:00"}]}
    ),
    "a number for a text": lambda held: json.dumps({**held, "grants": [{**held["grants"][0], "name": 1}]}),
    "an id twice": lambda held: json.dumps({**held, "grants": held["grants"] * 2}),
    "a link without a restriction": lambda held: json.dumps({**held, "grants": [{**held["grants"][0], "kind": "link"}]}),
    "a token with a restriction": lambda held: json.dumps(
        {**held, "grants": [{**held["grants"][0], "restriction": {"actor": "x"}}]}
    ),
}


@pytest.mark.parametrize("way", SPOILED)
def test_a_file_that_the_command_did_not_write_is_refused(home, clock, way):
    make(home, clock)
    file = tokens.path(home)
    file.write_text(SPOILED[way](json.loads(file.read_text())))
    with pytest.raises(HomeError, match="damaged"):
        tokens.read(home)


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"report": "2026-04", "actor": "x"},
        {"since": "2026-04-01T00:00:00Z"},
        {"since": "2026-04-02T00:00:00Z", "until": "2026-04-02T00:00:00Z"},
        {"report": "2026-13"},
        {"actor": ""},
    ],
    ids=str,
)
def test_a_restriction_is_exactly_one_thing(limits):
    import msgspec

    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(limits, Limits)
