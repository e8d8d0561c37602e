"""One run at a time, over processes; the kernel frees the lock of a killed one."""

import json
import signal
import subprocess
import sys

import pytest

from audit_pipelines.errors import LockError
from audit_pipelines.lake import lock

HOLDER = """
import sys, pathlib
from audit_pipelines.lake import lock
with lock.hold(pathlib.Path(sys.argv[1]), who="the other", wait=0):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """Another process that holds the lock until its standard input ends."""
    path = tmp_path / "state" / "lock"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield path, process
    process.kill()
    process.communicate()


def test_a_held_lock_names_its_holder(other):
    path, process = other
    assert lock.is_held(path)
    with (
        pytest.raises(LockError, match=rf"held by the other \(process {process.pid}\)") as raised,
        lock.hold(path, who="me", wait=0),
    ):
        pass
    assert raised.value.exit_code == 4


def test_a_killed_holder_frees_it(other):
    path, process = other
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not lock.is_held(path)
    with lock.hold(path, who="me", wait=0):
        assert lock.holder(path).startswith("me (process ")
    assert not lock.is_held(path)


def test_it_waits_as_long_as_it_was_told(other):
    path, _ = other
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    with pytest.raises(LockError), lock.hold(path, who="me", wait=5, sleep=sleep, clock=lambda: now[0]):
        pass
    assert now[0] == 5


def test_it_goes_on_once_the_holder_has_ended(other):
    path, process = other

    def sleep(_seconds):
        process.communicate("")

    with lock.hold(path, who="me", wait=5, sleep=sleep, clock=lambda: 0.0):
        assert json.loads(path.read_bytes())["who"] == "me"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff"])
def test_an_unreadable_lock_file_is_no_obstacle(tmp_path, content):
    path = tmp_path / "lock"
    path.write_bytes(content)
    assert lock.holder(path) == "another process"
    assert not lock.is_held(path)
    with lock.hold(path, who="me", wait=0):
        pass


def test_no_file_is_not_held(tmp_path):
    assert not lock.is_held(tmp_path / "none")
