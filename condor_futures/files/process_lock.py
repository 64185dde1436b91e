"""The lock of a session: a record lock on a file, which the kernel releases when its holder exits or is killed.

A client and its helper process share the lock. A client that attaches must first have it exclusively. It is a POSIX
record lock, not a ``flock``, because a forked child of the user's program does not inherit it: a child that outlives
the program does not keep other clients from attaching.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import threading
import time
from pathlib import Path
from typing import ClassVar

__all__ = ["SessionLock"]

# Some file systems, such as some AFS and FUSE ones, have no locks: a session without protection is better than none.
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
#: struct flock of Linux on 64 bits: type, whence, start, length, process.
_FLOCK = struct.Struct("@hhqqi4x")


class SessionLock:
    """The lock of one session; a process may have one such object in use at a time."""

    #: The lock files that this process has open. The kernel counts locks by process, and drops a process's locks when
    #: the process closes any descriptor of the file. An entry has the process id, because a forked child gets a copy of
    #: this set without the locks, and device and inode, because several paths may lead to a session.
    _here: ClassVar[set[tuple[int, int, int]]] = set()
    #: Held between looking into the set and opening the file, or closing it again.
    _looking: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, path: Path) -> None:
        """Set the path of the lock file, which is created at first use."""
        self.path = path
        self._file: int | None = None
        self._identity = (0, 0, 0)

    @classmethod
    def forked(cls) -> None:
        """Make a new class lock in a forked child, because a thread of the parent may have held the old one."""
        cls._looking = threading.Lock()

    def acquire(self, timeout: float = 0.0) -> bool:
        """Take the lock exclusively for a moment, then share it.

        Returns:
            False if another process still has the lock after *timeout* seconds, or this process has it already.

        """
        with self._looking:
            if self._is_here():
                return False
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            self._identity = _identity(os.fstat(self._file))
            self._here.add(self._identity)
        try:
            os.fchmod(self._file, 0o600)  # the mode of open() is subject to the umask
            deadline = time.monotonic() + timeout
            while not self._lock(fcntl.LOCK_EX):
                if time.monotonic() >= deadline:
                    self.release()
                    return False
                time.sleep(0.05)
            self._lock(fcntl.LOCK_SH)
        except BaseException:
            self.release()
            raise
        return True

    def _is_here(self) -> bool:
        """Return whether this process has the lock, by any path."""
        try:
            return _identity(self.path.lstat()) in self._here
        except FileNotFoundError:
            return False

    def _lock(self, kind: int) -> bool:
        assert self._file is not None
        try:
            fcntl.lockf(self._file, kind | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        return True

    @property
    def held(self) -> bool:
        """Whether this object has the lock."""
        return self._file is not None

    @property
    def holder(self) -> int | None:
        """The id of a process that has the lock; None if there is none. The lock is not disturbed."""
        with self._looking:
            if self._is_here():
                return os.getpid()  # (opening and closing the file would lose the lock)
            try:
                file = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            except FileNotFoundError:
                return None
            try:
                kind, _, _, _, pid = _FLOCK.unpack(
                    fcntl.fcntl(file, fcntl.F_GETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
                )
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
                return None
            finally:
                os.close(file)
        return None if kind == fcntl.F_UNLCK else int(pid)

    def release(self) -> None:
        """Release the lock if it is held."""
        # This must not wait: the garbage collector may call it at any moment.
        if self._file is not None:
            file, self._file = self._file, None
            os.close(file)
            # Only after closing: closing the file would drop a lock that another object of this process took meanwhile.
            self._here.discard(self._identity)


def _identity(file: os.stat_result) -> tuple[int, int, int]:
    """Return the identity of a file in this process."""
    return os.getpid(), file.st_dev, file.st_ino


os.register_at_fork(after_in_child=SessionLock.forked)
