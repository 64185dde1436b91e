"""The lines at the bottom of a terminal, below what the program prints.

What the program prints goes to its stream unchanged, and at once. A print first erases the lines; they are drawn again
when a line of the print is complete. So prints look, and can be copied, as if there were no lines; a prompt without a
line break stays where it is. rich's Live would wrap long prints, and could send the standard output of a program to the
terminal although it goes to a file.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import IO, Any

__all__ = ["Screen", "is_terminal", "screen"]

_ERASE, _UP = "\r\x1b[2K", "\x1b[1A"
STYLES = {
    "": "\x1b[0m",
    "dim": "\x1b[2m",
    "red": "\x1b[31m",
    "green": "\x1b[32m",
    "yellow": "\x1b[33m",
    "cyan": "\x1b[36m",
}
"""The text that switches a terminal to a style."""


def is_terminal(stream: IO[str] | None) -> bool:
    """Return whether lines can be drawn on *stream*."""
    try:
        return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"
    except (ValueError, OSError):  # it is closed
        return False


class _Printing(io.TextIOBase):
    """Stands in for a stream of the program: the lines of the screen make way for what is written."""

    def __init__(self, screen: Screen, stream: IO[str]) -> None:
        self.stream = stream
        self._screen = screen
        self._to_be_passed = False  # somebody has asked for the descriptor, and may pass this class

    def write(self, text: str, /) -> int:
        self._to_be_passed = False
        with self._screen.aside(text):
            return self.stream.write(text)

    def flush(self) -> None:
        # input() does so before readline writes the prompt to the terminal itself, and a careful program before it
        # hands its descriptor to another one.
        if self._to_be_passed:
            self._to_be_passed = False
            self._screen.make_way()
        self.stream.flush()

    def fileno(self) -> int:
        self._to_be_passed = True
        return self.stream.fileno()

    def isatty(self) -> bool:
        return self.stream.isatty()

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        """Do not close the stream; the garbage collector closes this object."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return str(getattr(self.stream, "encoding", ""))

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        errors: str | None = getattr(self.stream, "errors", None)
        return errors

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)  # buffer, reconfigure and whatever else it has


class Screen:
    """The lines of one process. Any thread may use it; its parts belong to the holder of the lock."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        # Reentrant: a signal handler may print in the thread that draws.
        self._lock = threading.RLock()
        self._lines: dict[object, Callable[[int], str]] = {}
        self._rows = 0  # drawn at the moment
        self._open = False  # the program has printed a part of a line
        self._stream: IO[str] = sys.__stderr__ or io.StringIO()

    def show(self, token: object, line: Callable[[int], str], stream: IO[str]) -> None:
        """Show a line, or change it.

        Args:
            token: identifies the line.
            line: returns its text for a number of columns.
            stream: the terminal, which lines that are shown already determine.

        """
        with self._lock:
            if not self._lines:
                self._stream = stream.stream if isinstance(stream, _Printing) else stream
                self._divert()
            self._lines[token] = line

    def draw(self) -> None:
        """Draw all lines with their present texts."""
        with self._lock, contextlib.suppress(OSError, ValueError):  # the terminal is gone
            if self._lines and not self._open:
                self._draw()

    def end(self, token: object, last: str) -> None:
        """End a line; *last*, unless it is empty, stays where it was."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            if self._lines.pop(token, None) is None:
                return
            self._erase()
            if last:
                self._stream.write(("\n" if self._open else "") + last + "\n")
                self._open = False
            if self._lines:
                self.draw()
            else:
                self._restore()
            self._stream.flush()

    @contextlib.contextmanager
    def aside(self, text: str) -> Iterator[None]:
        """Make way while the program prints *text*."""
        with self._lock:
            if self._rows:
                with contextlib.suppress(OSError, ValueError):
                    self._erase()
                    self._stream.flush()
            yield
            if text:
                self._open = not text.endswith(("\n", "\r"))

    def make_way(self) -> None:
        """Draw nothing until the program has printed a whole line."""
        with self.aside(""):
            self._open = True

    def _draw(self) -> None:
        columns = self._columns()
        text = "\n".join(line(columns - 1) for line in self._lines.values())
        # The cursor stays in the first column, where what comes past this class does least harm.
        self._stream.write(self._erasure() + text + "\r")
        self._rows = len(self._lines)
        self._stream.flush()

    def _erase(self) -> None:
        self._stream.write(self._erasure())
        self._rows = 0

    def _erasure(self) -> str:
        return _ERASE + (_UP + _ERASE) * (self._rows - 1) if self._rows else ""

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except (OSError, ValueError):
            return 80

    def _divert(self) -> None:
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if is_terminal(stream) and not isinstance(stream, _Printing):
                setattr(sys, name, _Printing(self, stream))

    def _restore(self) -> None:
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if isinstance(stream, _Printing):  # else somebody else has put another stream there since
                setattr(sys, name, stream.stream)

    def forget(self) -> None:
        """Forget all lines without drawing."""
        self._reset()
        self._restore()

    def forget_parent(self) -> None:
        """Forget all lines in a forked child; its first print makes the lines on the terminal way, as those before."""
        rows, stream = self._rows, self._stream
        self._reset()  # another thread of the parent may have held the lock
        self._rows, self._stream = rows, stream


screen = Screen()
"""The screen of this process."""

os.register_at_fork(after_in_child=screen.forget_parent)
atexit.register(screen.forget)  # a print at the very end must not wait for a thread that Python has stopped
