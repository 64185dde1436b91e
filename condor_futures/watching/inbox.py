"""The watcher's inbox: functions that other threads post, and what wakes the watcher."""

from __future__ import annotations

import contextlib
import math
import os
import queue
import select
import weakref
from collections.abc import Callable

__all__ = ["Inbox"]

#: The longest wait in seconds: poll() takes a C int of milliseconds.
_LONGEST = 86400.0


class Inbox:
    """Functions for one thread to call, which waits for them, and for files, at once. Any thread may post."""

    def __init__(self) -> None:
        self._functions: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._read, self._write = os.pipe()
        for descriptor in (self._read, self._write):
            os.set_blocking(descriptor, False)
        # Only when nobody can post any more: the numbers may be those of other files as soon as they are closed.
        weakref.finalize(self, _close, self._read, self._write)
        self._waits = False
        self._poll = select.poll()
        self._poll.register(self._read, select.POLLIN)

    def put(self, function: Callable[[], None]) -> None:
        """Have *function* called."""
        self._functions.put(function)
        # The reader looks for functions after it has set the flag: it sees this one, or this thread sees the flag.
        if self._waits:
            with contextlib.suppress(BlockingIOError):  # a full pipe wakes the reader just as well
                os.write(self._write, b".")

    def get_nowait(self) -> Callable[[], None]:
        """Return the next function.

        Raises:
            queue.Empty: there is none.

        """
        return self._functions.get_nowait()

    def watch(self, descriptor: int) -> None:
        """Wake the thread also if *descriptor* can be read."""
        self._poll.register(descriptor, select.POLLIN)

    def wait(self, seconds: float) -> None:
        """Wait until there is a function, or a file can be read; *seconds* at most."""
        # Rounded up: poll() takes milliseconds, and would return at once, again and again, for less than one.
        self._waits = True
        if self._functions.empty():
            self._poll.poll(None if seconds == math.inf else math.ceil(1000 * min(max(seconds, 0.0), _LONGEST)))
        self._waits = False
        with contextlib.suppress(BlockingIOError):
            os.read(self._read, 4096)


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
