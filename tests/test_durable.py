"""A name always holds whole content, readable by owner and group only."""

import stat

import pytest

from audit_pipelines.durable import make_folder, publish_all, write_atomically


def test_content_replaces_content_and_leaves_nothing_behind(tmp_path):
    final = tmp_path / "a" / "b" / "f"
    for content in (b"one", b"two"):
        write_atomically(final, content, staging=tmp_path / "staging")
        assert final.read_bytes() == content
    assert list((tmp_path / "staging").iterdir()) == []
    assert stat.S_IMODE(final.stat().st_mode) == 0o640
    assert stat.S_IMODE(final.parent.stat().st_mode) & 0o007 == 0


def test_no_file_is_renamed_before_all_are_there(tmp_path):
    (tmp_path / "one").write_bytes(b"1")
    with pytest.raises(FileNotFoundError):
        publish_all([(tmp_path / "one", tmp_path / "x" / "1"), (tmp_path / "two", tmp_path / "x" / "2")])
    assert not (tmp_path / "x").exists()
    (tmp_path / "two").write_bytes(b"2")
    publish_all([(tmp_path / "one", tmp_path / "x" / "1"), (tmp_path / "two", tmp_path / "x" / "2")])
    assert [path.read_bytes() for path in sorted((tmp_path / "x").iterdir())] == [b"1", b"2"]


def test_making_a_folder_twice_is_fine(tmp_path):
    assert make_folder(tmp_path / "a") == make_folder(tmp_path / "a")
