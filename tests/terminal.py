"""A terminal for tests: a real pseudo-terminal, and what a user sees on it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import struct
import termios

_CONTROL = re.compile(r"\x1b\[\??(\d*)([A-Za-z])|\r|\n|[^\x1b\r\n]+")


class Terminal:
    """A terminal of some columns, with the stream that a program writes to."""

    def __init__(self, columns: int = 80) -> None:
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.stream = os.fdopen(slave, "w", encoding="utf-8", buffering=1)
        self.raw = ""

    def read(self) -> str:
        """Return all that was written so far."""
        with contextlib.suppress(ValueError):
            self.stream.flush()
        while select.select([self._master], [], [], 0.0)[0]:
            self.raw += os.read(self._master, 65536).decode()
        return self.raw

    def type(self, text: str) -> None:
        """Act as the user's keyboard."""
        os.write(self._master, text.encode())

    def rows(self) -> list[str]:
        """Return the rows that are on the screen."""
        return seen(self.read())

    def close(self) -> None:
        self.stream.close()
        os.close(self._master)


def seen(text: str) -> list[str]:
    """Return the rows of a screen on which *text* was written."""
    rows, row, column = [""], 0, 0
    for match in _CONTROL.finditer(text):
        word = match[0]
        if word == "\r":
            column = 0
        elif word == "\n":
            row += 1
            rows += [""] * (row + 1 - len(rows))
        elif match[2] == "K":
            rows[row] = ""
        elif match[2] == "A":
            row -= int(match[1] or 1)
        elif match[2] in ("h", "l"):
            continue  # modes, such as readline's bracketed paste
        elif match[2] is None:
            rows[row] = rows[row].ljust(column)[:column] + word + rows[row][column + len(word) :]
            column += len(word)
        else:
            assert match[2] == "m", f"{word!r} is for other terminals"
    return rows
