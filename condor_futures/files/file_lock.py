"""Advisory locks on files, which the kernel drops when their holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

__all__ = ["FileLock"]


class FileLock:
    """A ``flock`` on an open file of its own: two objects exclude each other within one process too."""

    def __init__(self, path: Path) -> None:
        # Close-on-exec, as all of Python's files: the daemons started below do not hold the lock.
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def share(self) -> None:
        """Hold it together with others; waits for an exclusive holder."""
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def try_exclusive(self) -> bool:
        """Hold it alone, unless somebody else holds it; then a share held before is lost as well (see flock(2))."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def wait_exclusive(self, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds to hold it alone; whether that came to pass."""
        deadline = time.monotonic() + timeout
        while not self.try_exclusive():
            # Not a blocking flock, which has no time limit.
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def close(self) -> None:
        """Let go."""
        os.close(self._file)
