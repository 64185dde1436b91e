"""A lock that a process holds once, by any path, and that others can inspect without releasing it."""

from __future__ import annotations

import errno
import os

import pytest

from condor_futures.files.process_lock import SessionLock


def no_room(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_lock_that_cannot_be_had_is_not_held(tmp_path, monkeypatch):
    """The reason does not matter."""
    lock = SessionLock(tmp_path / "missing" / "lock")
    with pytest.raises(FileNotFoundError):
        lock.acquire()
    lock = SessionLock(tmp_path / "lock")
    with monkeypatch.context() as broken:
        broken.setattr(SessionLock, "_lock", no_room)
        with pytest.raises(OSError, match="No space"):
            lock.acquire()
    assert lock.holder is None
    assert lock.acquire()
    lock.release()


def test_a_process_has_it_once_by_whichever_path(tmp_path):
    """A second open and close of the file would release the lock of this process."""
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "directory")
    lock, same = SessionLock(tmp_path / "directory" / "lock"), SessionLock(tmp_path / "link" / "lock")
    assert lock.acquire()
    assert not same.acquire()
    assert (lock.held, same.held) == (True, False)
    assert same.holder == lock.holder == os.getpid()
    lock.release()
    assert same.holder is None
    assert same.acquire()
    same.release()
