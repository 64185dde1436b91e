"""Advisory locks on files. The kernel releases a lock when its holder exits or is killed."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

__all__ = ["FileLock"]


class FileLock:
    """A ``flock`` with a file descriptor of its own, so that two objects exclude each other within one process too."""

    def __init__(self, path: Path) -> None:
        # Close-on-exec, as all of Python's files, so that daemons which this process starts do not hold the lock.
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def share(self) -> None:
        """Take a shared lock; wait for an exclusive holder."""
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def try_exclusive(self) -> bool:
        """Take an exclusive lock if nobody else holds the lock, and return whether it was taken.

        If not, a shared lock that this object held is lost as well (see flock(2)).
        """
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def wait_exclusive(self, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds for an exclusive lock, and return whether it was taken."""
        deadline = time.monotonic() + timeout
        while not self.try_exclusive():
            # A blocking flock has no time limit.
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def close(self) -> None:
        """Release the lock and close the file."""
        os.close(self._file)
