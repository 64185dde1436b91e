"""One helper process: how it is started, written to, read and ended."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Generator, Mapping
from pathlib import Path

from condor_futures.access_point.helper import words

__all__ = ["HelperProcess"]

_HELPER = Path(__file__).parent / "helper" / "__main__.py"
_processes: weakref.WeakSet[HelperProcess] = weakref.WeakSet()


class HelperProcess:
    """A helper process. One thread writes to it and another one reads; any thread may end it."""

    def __init__(
        self, *messages: words.Request, environment: Mapping[str, str] | None = None, lock_file: Path | None = None
    ) -> None:
        """Start it; tell it where to import from, and *messages*, before anybody else can tell it anything.

        Args:
            messages: its first requests.
            environment: variables that it has besides this process's.
            lock_file: the file that it shares a lock on for as long as it lives.

        Raises:
            OSError: if it cannot be started.

        """
        self._write_lock = threading.Lock()
        # A new session keeps Ctrl-C and a closing terminal away from it. It ends when its input does, that is when
        # the client ends, however that happens.
        self._process = subprocess.Popen(
            [sys.executable, str(_HELPER), *([str(lock_file)] if lock_file else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        _processes.add(self)
        self._write(words.encode([os.fspath(place) for place in sys.path]), *map(words.encode, messages))

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def write(self, message: words.Request | None) -> None:
        """Write a message; it may wait for as long as the helper reads nothing. One that is dead takes it silently."""
        self._write(words.encode(message))

    def _write(self, *lines: bytes) -> None:
        # It is dead, or was closed (ValueError): the reader notices, and sees to what was asked.
        with self._write_lock, contextlib.suppress(OSError, ValueError):
            self._input.write(b"".join(lines))
            self._input.flush()

    def lines(self) -> Generator[bytes, None, None]:
        """The lines that it writes, until it ends; then its output is closed."""
        with self._output:
            for line in self._output:
                if not line.endswith(b"\n"):
                    break  # it died while it was writing
                yield line

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended; returns its exit status.

        Raises:
            subprocess.TimeoutExpired: if that takes longer than *timeout* seconds.

        """
        return self._process.wait(timeout)

    def kill(self) -> None:
        """End it now."""
        self._process.kill()

    def close_input(self) -> None:
        """Write nothing more to it."""
        with self._write_lock, contextlib.suppress(OSError):  # it may be dead already
            self._input.close()

    def close(self) -> None:
        """Close what is open of it, once it has ended and nobody reads it."""
        self.close_input()
        self._output.close()

    def disconnect_after_fork(self) -> None:
        """In a forked child: have this process hold the helper's input no longer."""
        if not self._input.closed:
            null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            os.dup2(null, self._input.fileno(), inheritable=False)  # not closed: its number is the file object's
            os.close(null)


def _disconnect_helpers() -> None:
    """In a forked child: otherwise a helper would run, and keep its session, for as long as the child does."""
    for process in list(_processes):
        process.disconnect_after_fork()
    _processes.clear()


os.register_at_fork(after_in_child=_disconnect_helpers)
