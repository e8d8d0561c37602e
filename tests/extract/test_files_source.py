"""Which files are read, when again, and what happens to those that cannot be."""

import hashlib
import os
from datetime import date
from pathlib import Path

import pytest

from audit_pipelines import settings
from audit_pipelines.errors import SourceError
from audit_pipelines.extract.files import FilesSource
from audit_pipelines.record import Block, Finished, parse_dialect

DIALECT = parse_dialect("any", "-- id: id\n-- time: at\n", where="here")


def source(root: Path, path: str, seen=None) -> FilesSource:
    return FilesSource(settings.Source(name="archive", kind="files", dialect="any", path=path), root, DIALECT, seen or {})


def origins(given) -> list[str]:
    return [finished.reading.origin for finished in given.finished]


def test_a_folder_is_read_with_all_below_it_in_order_of_path(read, put):
    for name in ("b.json", "a.ndjson", "2026/c.jsonl", "2026/d.log", "2026/e.JSON"):
        put(name, b"{}\n")
    for name in (".hidden.json", ".git/x.json", "LICENSE", "README.json", "x.csv", "x.json.part"):
        put(name, b"{}\n")
    assert origins(read()) == ["in/2026/c.jsonl", "in/2026/d.log", "in/2026/e.JSON", "in/a.ndjson", "in/b.json"]


def test_a_glob_reads_what_it_names(read, put):
    for name in ("a.txt", "b.json", "deep/er/c.txt", "README.txt"):
        put(name, b"{}\n")
    assert origins(read("in/**/*.txt")) == ["in/a.txt", "in/deep/er/c.txt"]
    assert origins(read("in/b.json")) == ["in/b.json"]


def test_an_absolute_path_outside_the_home_keeps_its_name(tmp_path, put, given):
    path = put("a.json", b"{}")
    home = tmp_path / "home"
    home.mkdir()
    assert origins(given(list(source(home, str(path.parent)).read([])))) == [str(path)]


def test_a_finished_reading_says_what_was_read(read, put):
    content = b'{"id":1}\n{"id":2}\n'
    path = put("a.ndjson", content)
    (finished,) = read().finished
    assert finished.reading.bytes == len(content)
    assert finished.reading.sha256 == hashlib.sha256(content).hexdigest()
    assert finished.reading.records == 2
    assert finished.mark == ("in/a.ndjson", len(content), path.stat().st_mtime_ns)


def test_unchanged_files_are_skipped_and_changed_ones_read_again(read, put):
    put("a.ndjson", b'{"id":1}\n')
    put("b.ndjson", b'{"id":2}\n')
    seen = {finished.mark[0]: finished.mark[1:] for finished in read().finished}
    assert read(seen=seen).pieces == []
    put("a.ndjson", b'{"id":1}\n{"id":3}\n')
    assert origins(read(seen=seen)) == ["in/a.ndjson"]


def test_a_new_mtime_alone_is_a_change(read, put):
    path = put("a.ndjson", b'{"id":1}\n')
    seen = {finished.mark[0]: finished.mark[1:] for finished in read().finished}
    os.utime(path, ns=(1, 1))
    assert origins(read(seen=seen)) == ["in/a.ndjson"]


def test_a_file_that_grows_while_it_is_read_is_not_marked(tmp_path, put):
    path = put("a.ndjson", b'{"id":1}\n')
    pieces = []
    for piece in source(tmp_path, "in").read([]):
        pieces.append(piece)
        if isinstance(piece, Block):
            with path.open("ab") as file:
                file.write(b'{"id":2}\n')
    assert [piece.mark for piece in pieces if isinstance(piece, Finished)] == [None]


@pytest.mark.parametrize("name", ["a.ndjson", "a.json.gz", "a.zst"])
def test_an_empty_file_is_finished_with_no_records(read, put, name):
    put(name, b"")
    given = read()
    assert given.records == []
    assert given.finished[0].reading.records == 0
    assert given.finished[0].mark is not None


def test_an_empty_folder_is_no_error(read, tmp_path):
    (tmp_path / "in").mkdir()
    assert read().pieces == []


@pytest.mark.parametrize("path", ["nowhere", "nowhere/*.json"])
def test_nothing_there_is_an_error_that_names_the_place(read, tmp_path, path):
    with pytest.raises(SourceError, match="no such folder") as caught:
        read(path)
    assert caught.value.kind == "missing"
    assert caught.value.where == str(tmp_path / path)


def test_a_file_that_vanishes_is_named_after_all_others_are_read(tmp_path, put):
    put("a.ndjson", b'{"id":1}\n')
    late = put("b.ndjson", b'{"id":2}\n')
    put("c.ndjson", b'{"id":3}\n')
    pieces = []

    def take_all():
        for piece in source(tmp_path, "in").read([]):
            late.unlink(missing_ok=True)  # gone after the files were listed, before it is opened
            pieces.append(piece)

    with pytest.raises(SourceError, match=r"1 of its files could not be read: in/b\.ndjson") as caught:
        take_all()
    assert caught.value.kind == "unreadable"
    assert [piece.records for piece in pieces if isinstance(piece, Block)] == [[b'{"id":1}'], [b'{"id":3}']]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_named(read, put):
    put("a.ndjson", b"{}").chmod(0)
    with pytest.raises(SourceError, match=r"in/a\.ndjson \(Permission denied\)"):
        read()


def test_pipes_are_no_files(read, put, tmp_path):
    put("a.json", b"{}")
    os.mkfifo(tmp_path / "in" / "b.json")
    assert origins(read()) == ["in/a.json"]


def test_files_cover_every_day_before_today(tmp_path):
    covered = source(tmp_path, "in").covers([date(2026, 1, 5)], date(2026, 1, 7))
    assert covered == ((date(1970, 1, 1), date(2026, 1, 6)),)


SHARED = Path(os.environ.get("AUDIT_SHARED", Path(__file__).parents[3] / "shared")) / "data"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared sample data is not on this machine")
@pytest.mark.parametrize(
    ("folder", "files", "records"),
    [
        ("github_audit_azure", 1, 63),
        ("cloudtrail_invictus", 37, 2140),
        ("cloudtrail_stratus", 24, 257),
        ("cloudtrail_cribl", 1, 44),
        ("panther_scenarios/*cloudtrail.ndjson", 4, 27),
    ],
)
def test_real_files_give_every_record(tmp_path, given, folder, files, records):
    found = given(list(source(tmp_path, str(SHARED / folder)).read([])))
    assert found.refusals == []
    assert len(found.finished) == files
    assert len(found.records) == records
    assert sum(finished.reading.records for finished in found.finished) == records
