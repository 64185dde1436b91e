"""Shares of a file, and a lock that excludes them, between processes and between two objects of one process."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import pytest

from condor_futures.files.file_lock import FileLock


@pytest.fixture
def lock(tmp_path):
    """Make locks on one file. The fixture closes all of them after the test."""
    made = []

    def make():
        made.append(FileLock(tmp_path / "lock"))
        return made[-1]

    yield make
    for each in made:
        with contextlib.suppress(OSError):  # the test has closed it
            each.close()


def test_shares_exclude_nobody_but_a_holder_alone(lock):
    first, second, alone = lock(), lock(), lock()
    first.share()
    second.share()
    assert not alone.try_exclusive()
    assert not alone.wait_exclusive(0.01)
    first.close()
    assert not alone.try_exclusive()


def test_a_lock_that_becomes_free_is_had(tmp_path):
    holder, waits = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    holder.share()
    assert not waits.try_exclusive()
    holder.close()
    assert waits.wait_exclusive(10.0)
    waits.close()


def test_a_holder_that_is_killed_holds_nothing(tmp_path):
    """The kernel releases the lock when the process ends."""
    code = "import sys, time; from pathlib import Path; from condor_futures.files.file_lock import FileLock as L\n"
    code += "lock = L(Path(sys.argv[1])); assert lock.try_exclusive(); print('has it', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, tmp_path / "lock"], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"has it\n"
        lock = FileLock(tmp_path / "lock")
        assert not lock.try_exclusive()
        process.kill()
        process.wait()
        assert lock.wait_exclusive(10.0)
        lock.close()
