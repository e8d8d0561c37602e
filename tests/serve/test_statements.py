"""A statement's way to the signed root is worked out, and a wrong one is noticed."""

import shutil

import pytest

from audit_pipelines.errors import EvidenceError
from audit_pipelines.home import open_home
from audit_pipelines.serve.statements import Statements


def test_every_statement_of_a_sealed_home_is_in_the_signed_log(sealed):
    known = Statements(sealed)
    total = len(known.ledger().statements)
    found = [known.inclusion(index) for index in range(total)]
    assert [one.fault for one in found] == [""] * total
    assert {one.signers for one in found} == {known.fingerprints()}
    assert all(one.index < one.size for one in found)
    for index in (-1, total):
        with pytest.raises(EvidenceError):
            known.inclusion(index)


def test_a_checkpoint_that_somebody_altered_is_noticed(sealed, tmp_path):
    home = open_home(shutil.copytree(sealed.root, tmp_path / "home"))
    known = Statements(home)
    size = known.inclusion(1).size
    path = home.log / "statements" / "checkpoints" / str(size)
    lines = path.read_bytes().split(b"\n")
    lines[2] = (b"B" if lines[2][:1] == b"A" else b"A") + lines[2][1:]
    path.chmod(0o600)
    path.write_bytes(b"\n".join(lines))
    again = Statements(home).inclusion(1)
    assert f"the checkpoint of {size} statements: the signature by" in again.fault
    assert again.signers == ()


def test_a_home_without_a_log_has_no_statements(home):
    known = Statements(home)
    assert (known.head(), known.ledger(), known.fingerprints()) == (b"", None, ())
