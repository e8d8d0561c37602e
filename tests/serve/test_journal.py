"""The access log's files: durable before anybody goes on, one fsync for many, nothing half written."""

import asyncio
import errno
import os
import stat
import threading

import pytest

from audit_pipelines.serve.journal import Journal


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "state" / "access"


def lines(folder):
    return [file.read_bytes() for file in sorted(folder.iterdir())]


@pytest.fixture
def synced(monkeypatch):
    """Descriptors of the files that were fsynced, in order; folders are left out."""
    real, seen = os.fsync, []

    def fsync(descriptor):
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            seen.append(descriptor)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return seen


def test_a_line_is_synced_when_append_returns(folder, synced):
    async def use():
        journal = Journal(folder)
        await journal.append("2026-05-05", b'{"n":1}')
        assert len(synced) == 1
        await journal.append("2026-05-05", b'{"n":2}')
        assert len(synced) == 2
        journal.close()

    asyncio.run(use())
    assert lines(folder) == [b'{"n":1}\n{"n":2}\n']


def test_requests_that_come_during_a_write_share_the_next_one(folder, monkeypatch, synced):
    counted, held = os.fsync, threading.Event()

    def slow(descriptor):
        held.wait()
        counted(descriptor)

    monkeypatch.setattr(os, "fsync", slow)

    async def use():
        journal = Journal(folder)
        first = asyncio.create_task(journal.append("2026-05-05", b"0"))
        await asyncio.sleep(0)
        others = [asyncio.create_task(journal.append("2026-05-05", str(n).encode())) for n in range(1, 50)]
        await asyncio.sleep(0)
        held.set()
        await asyncio.gather(first, *others)
        journal.close()

    asyncio.run(use())
    assert len(synced) == 2
    assert lines(folder) == ["".join(f"{n}\n" for n in range(50)).encode()]


def test_a_request_that_is_given_up_does_not_take_others_with_it(folder):
    async def use():
        journal = Journal(folder)
        gone = asyncio.create_task(journal.append("2026-05-05", b"gone"))
        stays = asyncio.create_task(journal.append("2026-05-05", b"stays"))
        await asyncio.sleep(0)
        gone.cancel()
        await stays
        journal.close()

    asyncio.run(use())
    assert lines(folder) == [b"gone\nstays\n"]


def test_each_day_has_its_file_and_each_process_too(folder):
    async def use():
        one, other = Journal(folder), Journal(folder)
        for journal in (one, other):
            await journal.append("2026-05-05", b"a")
            await journal.append("2026-05-06", b"b")
            journal.close()

    asyncio.run(use())
    names = sorted(path.name for path in folder.iterdir())
    assert [name[:10] for name in names] == ["2026-05-05"] * 2 + ["2026-05-06"] * 2
    assert len({name.split(".")[1] for name in names}) == 2
    assert lines(folder) == [b"a\n", b"a\n", b"b\n", b"b\n"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} <= {0o640, 0o600}


def test_lines_of_two_days_that_wait_together_go_to_their_own_files(folder):
    async def use():
        journal = Journal(folder)
        await asyncio.gather(*(journal.append(f"2026-05-0{5 + n % 2}", str(n).encode()) for n in range(6)))
        journal.close()

    asyncio.run(use())
    assert lines(folder) == [b"0\n2\n4\n", b"1\n3\n5\n"]


def test_a_line_that_is_not_durable_is_cut_off_and_the_next_goes_into_a_new_file(folder, monkeypatch):
    real, failing = os.fsync, []

    def fsync(descriptor):
        if failing and stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, "planted")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)

    async def use():
        journal = Journal(folder)
        await journal.append("2026-05-05", b"kept")
        failing.append(True)
        with pytest.raises(OSError, match="planted"):
            await journal.append("2026-05-05", b"lost")
        failing.clear()
        await journal.append("2026-05-05", b"after")
        journal.close()

    asyncio.run(use())
    assert sorted(lines(folder)) == [b"after\n", b"kept\n"]


def test_a_write_that_stops_half_way_leaves_no_half_line(folder, monkeypatch):
    real, room = os.write, [10_000]

    def write(descriptor, content):
        if len(content) > room[0]:
            if not room[0]:
                raise OSError(errno.ENOSPC, "planted")
            content, room[0] = content[: room[0]], 0
        return real(descriptor, content)

    async def use():
        journal = Journal(folder)
        await journal.append("2026-05-05", b"whole")
        room[0] = 3
        with pytest.raises(OSError, match="planted"):
            await journal.append("2026-05-05", b"torn apart")
        room[0] = 10_000
        await journal.append("2026-05-05", b"again")
        journal.close()

    monkeypatch.setattr("audit_pipelines.serve.journal.os.write", write)
    asyncio.run(use())
    assert sorted(lines(folder)) == [b"again\n", b"whole\n"]
