"""A home says which format it has; this version uses its own and no other."""

import pytest

from audit_pipelines.errors import HomeError
from audit_pipelines.home import open_home


@pytest.fixture
def root(tmp_path):
    (tmp_path / "audit.toml").write_text("")
    return tmp_path


def test_a_new_home_gets_its_format(root):
    home = open_home(root)
    assert home.format_file.read_bytes() == b'{"format": 1}\n'
    assert open_home(root) == home


@pytest.mark.parametrize("content", ['{"format": 2}', '{"format": "1"}', "{}", "[]", "", "{", "null", "\udcff"])
def test_another_format_is_refused(root, content):
    (root / "format.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(HomeError, match="format"):
        open_home(root)


def test_a_folder_without_settings_is_no_home(tmp_path):
    with pytest.raises(HomeError, match="init"):
        open_home(tmp_path)
    assert list(tmp_path.iterdir()) == []
