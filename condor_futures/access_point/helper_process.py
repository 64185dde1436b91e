"""One helper process: start it, write to it, read from it, and end it."""

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
    """A helper process. Its attributes never change.

    One thread writes requests, and another thread reads answers. Any thread may end the process. The process's input
    belongs to the holder of a lock that each method takes itself.
    """

    def __init__(
        self, *messages: words.Request, environment: Mapping[str, str] | None = None, lock_file: Path | None = None
    ) -> None:
        """Start the process, and write the client's ``sys.path`` and *messages* before any other request.

        Args:
            messages: the first requests.
            environment: variables in addition to those of this process.
            lock_file: the process holds a shared lock on this file until it exits.

        Raises:
            OSError: if the process cannot be started.

        """
        self._write_lock = threading.Lock()
        # A new session protects the process from Ctrl-C and from a closing terminal. The process exits when its input
        # ends, that is when the client exits for whatever reason.
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
        """The process id."""
        return self._process.pid

    def write(self, message: words.Request | None) -> None:
        """Write a message. This blocks while the helper does not read, and does nothing if the helper has exited."""
        self._write(words.encode(message))

    def _write(self, *lines: bytes) -> None:
        # The helper has exited, or its input is closed (ValueError): the reader notices, and handles the open requests.
        with self._write_lock, contextlib.suppress(OSError, ValueError):
            self._input.write(b"".join(lines))
            self._input.flush()

    def lines(self) -> Generator[bytes, None, None]:
        """Yield the lines that the helper writes until it exits; then close its output."""
        with self._output:
            for line in self._output:
                if not line.endswith(b"\n"):
                    break  # the helper exited while it was writing
                yield line

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the process has exited; return its exit status.

        Raises:
            subprocess.TimeoutExpired: if the process has not exited after *timeout* seconds.

        """
        return self._process.wait(timeout)

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()

    def close_input(self) -> None:
        """Close the process's input."""
        with self._write_lock, contextlib.suppress(OSError):  # the process may have exited
            self._input.close()

    def close(self) -> None:
        """Close both pipes, after the process has exited and no thread reads its output."""
        self.close_input()
        self._output.close()

    def disconnect_after_fork(self) -> None:
        """In a forked child, stop holding the helper's input open."""
        if not self._input.closed:
            null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            os.dup2(
                null, self._input.fileno(), inheritable=False
            )  # not closed, because the file object keeps the number
            os.close(null)


def _disconnect_helpers() -> None:
    """In a forked child, disconnect from all helpers.

    Otherwise a helper would run, and keep its session, until the child exits.
    """
    for process in list(_processes):
        process.disconnect_after_fork()
    _processes.clear()


os.register_at_fork(after_in_child=_disconnect_helpers)
