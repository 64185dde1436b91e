"""Who is at work on a session: a record lock on a file of it, which the kernel drops when its holder dies.

A client and its helper process share the lock; who wants to take up a session that was left has to have it alone first.
It is a POSIX record lock, not a ``flock``: a child that the user's program forks has no part in it, so that one which
outlives the program does not keep the session from being taken up.
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

# File systems without locks, some AFS and FUSE ones: better no protection than no session.
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
#: struct flock, as Linux has it on 64 bits: type, whence, start, length, process.
_FLOCK = struct.Struct("@hhqqi4x")


class SessionLock:
    """The lock of one session, of which a process may have one at a time."""

    #: The kernel knows processes only, and drops a process's locks when it closes any descriptor of the file. So we
    #: know ourselves which files this one has open: by process, because a forked child gets a copy of this without the
    #: locks, and by device and inode, because a session may be found by several paths.
    _here: ClassVar[set[tuple[int, int, int]]] = set()
    #: Held from looking there until the file is open, or closed again.
    _looking: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, path: Path) -> None:
        """Name the file; it is made at first use."""
        self.path = path
        self._file: int | None = None
        self._identity = (0, 0, 0)

    @classmethod
    def forked(cls) -> None:
        """In a forked child: another thread, which is not here, may have had the lock of this class."""
        cls._looking = threading.Lock()

    def acquire(self, timeout: float = 0.0) -> bool:
        """Have it alone for a moment, then share it; False if others still have it after *timeout* seconds."""
        with self._looking:
            if self._is_here():
                return False
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            self._identity = _identity(os.fstat(self._file))
            self._here.add(self._identity)
        try:
            os.fchmod(self._file, 0o600)  # whatever the umask is
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
        """Whether this process has it, by whichever path."""
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
        """It is this object that has it."""
        return self._file is not None

    @property
    def holder(self) -> int | None:
        """The process that has it, or one of them, without disturbing it; None if nobody has it."""
        with self._looking:
            if self._is_here():
                return os.getpid()  # (to look at the file would lose it)
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
        """Let go, if it is held."""
        # Nothing here waits: the garbage collector may call it, at any moment.
        if self._file is not None:
            file, self._file = self._file, None
            os.close(file)
            self._here.discard(self._identity)  # only now: closing would lose the lock of whoever had it next


def _identity(file: os.stat_result) -> tuple[int, int, int]:
    """A file, as this process sees it."""
    return os.getpid(), file.st_dev, file.st_ino


os.register_at_fork(after_in_child=SessionLock.forked)
