"""Nights that ask a time-stamping authority and a witness, both real, on loopback."""

import shutil
import subprocess
import time
from datetime import UTC, date, datetime

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from audit_pipelines.defs.standing import standing
from audit_pipelines.defs.verifying import verify_home
from audit_pipelines.digest import sha256
from audit_pipelines.seal import anchor, sealed
from audit_pipelines.seal import statements as st
from tests.defs.conftest import Yard, day_of_records
from tests.seal.test_timestamp import Authority
from tests.seal.witness_server import Witness, serving

CLOSED = "http://127.0.0.1:9/"
"""Nobody listens on the discard port."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    return Authority(tmp_path_factory.mktemp("authority"))


def settings(yard: Yard, **values: str) -> None:
    """``[seal]`` with other values."""
    content = yard.home.settings_file.read_text()
    head, _, rest = content.partition("[seal]")
    own = "".join(f'{name} = "{value}"\n' for name, value in values.items())
    yard.home.settings_file.write_text(f"{head}[seal]\n{own}" + rest[rest.index("\n[") :])


def a_night(yard: Yard, day: int) -> None:
    yard.put(f"{day}.ndjson", day_of_records(date(2026, 1, day), 3, first=100 * day))
    yard.night(date(2026, 1, day + 1))


def newest(yard: Yard) -> int:
    return len(sealed.read_ledger(yard.home).statements)


def witness_of(yard: Yard) -> Witness:
    """A witness that knows the home's log and has signed nothing yet."""
    (path,) = (yard.home.root / "keys").glob("*.pem")
    key = load_pem_private_key(path.read_bytes(), password=None)
    return Witness("witness.example", logs={"audit-pipelines/test/statements": key}, clock=lambda: int(time.time()))


def stamping(authority: Authority):
    """The authority's address; the path is the one that the witness's server has."""
    return serving(lambda body: (200, "application/timestamp-reply", authority.reply(body)))


def test_every_night_gets_a_token_and_the_next_batch_names_it(yard: Yard, authority: Authority):
    with stamping(authority) as url:
        settings(yard, timestamp_url=f"{url}/add-checkpoint", timestamp_certificate=str(authority.roots))
        a_night(yard, 5)
        first = newest(yard)
        a_night(yard, 6)
    folder = sealed.anchors(yard.home)
    assert sealed.token_sizes(yard.home) == [first, newest(yard)]
    stamped = yard.home.log / "statements" / "checkpoints" / str(first)
    command = ["openssl", "ts", "-verify", "-in", folder / f"{first}.tsr", "-CAfile", authority.roots, "-data", stamped]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    batches = [item for item in sealed.read_ledger(yard.home).statements if isinstance(item, st.Batch)]
    assert [item.previous_token_sha256 for item in batches] == [None, sha256(folder / f"{first}.tsr")]


def test_a_night_without_its_token_goes_on_says_so_and_gets_it_later(yard: Yard, authority: Authority):
    settings(yard, timestamp_url=CLOSED, timeout="1s")
    a_night(yard, 5)
    first = newest(yard)
    assert anchor.missing(yard.home).tokens == (first,)
    stands = standing(yard.home, datetime.now(UTC)).log
    assert stands.tokens_missing == 1
    assert any("without their time-stamp token" in problem for problem in stands.problems)
    with stamping(authority) as url:
        settings(yard, timestamp_url=f"{url}/add-checkpoint", timestamp_certificate=str(authority.roots))
        a_night(yard, 6)
    assert sealed.token_sizes(yard.home) == [first, newest(yard)]
    assert anchor.missing(yard.home) == anchor.Missing()


def test_a_witness_signs_each_night(yard: Yard):
    witness = witness_of(yard)
    with serving(witness.add_checkpoint) as url:
        settings(yard, witness_url=url, witness_key=witness.vkey)
        a_night(yard, 5)
        a_night(yard, 6)
    lines = (sealed.anchors(yard.home) / f"{newest(yard)}.cosig").read_bytes()
    assert lines.startswith("\u2014 witness.example ".encode())
    assert anchor.missing(yard.home).cosignature is None
    assert [fault for fault in verify_home(yard.home, now=datetime.now(UTC)).faults if "cosig" in (fault.file or "")] == []


def test_a_witness_that_lost_its_memory_is_asked_from_the_beginning(yard: Yard):
    witness = witness_of(yard)
    settings(yard, witness_url=CLOSED, witness_key=witness.vkey, timeout="1s")
    a_night(yard, 5)
    assert anchor.missing(yard.home).cosignature == newest(yard)
    assert any("is not cosigned" in problem for problem in standing(yard.home, datetime.now(UTC)).log.problems)
    with serving(witness.add_checkpoint) as url:
        settings(yard, witness_url=url, witness_key=witness.vkey)
        a_night(yard, 6)
        witness.held.clear()
        a_night(yard, 7)
    assert (sealed.anchors(yard.home) / f"{newest(yard)}.cosig").is_file()
