"""A dialect says in its header where id and time are."""

import pytest

from audit_pipelines.errors import SettingsError
from audit_pipelines.record import load_dialect, parse_dialect


def test_header():
    dialect = parse_dialect("x", "-- id: a, b\r\n-- time: t\n-- unit: s\n-- objects: o\n-- arrays:\nSELECT 1", where="x.sql")
    assert (dialect.id_keys, dialect.time_keys, dialect.time_unit) == (("a", "b"), ("t",), "s")
    assert (dialect.objects, dialect.arrays) == (("o",), ())


@pytest.mark.parametrize("sql", ["", "SELECT 1", "-- id: a\nSELECT 1", "-- time: t\n-- unit: days\nSELECT 1"])
def test_an_incomplete_header(sql):
    with pytest.raises(SettingsError, match=r"x\.sql: incomplete header"):
        parse_dialect("x", sql, where="x.sql")


def test_the_first_folder_wins_and_unknown_names_list_the_known(tmp_path):
    for folder, unit in (("own", "s"), ("shipped", "us")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.sql").write_text(f"-- time: t\n-- unit: {unit}\n")
    folders = [tmp_path / "own", tmp_path / "shipped"]
    assert load_dialect("x", folders).time_unit == "s"
    with pytest.raises(SettingsError, match="there are: x"):
        load_dialect("y", folders)


@pytest.mark.parametrize("header", ["-- id: t\n-- time: t\n", "-- id: a, a\n-- time: t\n", "-- time: t\n-- objects: t\n"])
def test_a_member_is_named_once(header):
    with pytest.raises(SettingsError, match="stands twice in the header"):
        parse_dialect("x", header, where="x.sql")


def test_a_dialect_that_is_no_text(tmp_path):
    (tmp_path / "x.sql").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match=r"x\.sql: cannot be read"):
        load_dialect("x", [tmp_path])
