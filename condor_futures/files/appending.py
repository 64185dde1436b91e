"""Appends lines to a file whole: a full disk, or the end of the process, leaves no line that continues another."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import Final

__all__ = ["append_line", "append_to"]

_LOCK: Final = threading.Lock()


def append_to(path: Path, text: str) -> None:
    """Append a line or several to a private file, which is made if it does not exist. Any thread may call this.

    Raises:
        OSError: the text cannot be written. The file is as before.

    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with _LOCK:
        descriptor = os.open(path, flags, 0o600)
        try:
            append_line(descriptor, text)
        finally:
            os.close(descriptor)


def append_line(descriptor: int, line: str) -> None:
    r"""Append a line, with a line end before it too: an earlier process may have been killed while it wrote a line.

    Args:
        descriptor: of a file that is open for appending. Nobody else may write to the file meanwhile.
        line: the text, without a line end.

    Raises:
        OSError: the line cannot be written. The file is as before.

    >>> import tempfile
    >>> with tempfile.TemporaryFile("ab+", buffering=0) as file:
    ...     _ = file.write(b"b000000 c0000")
    ...     append_line(file.fileno(), "b000001 c000007")
    ...     _ = file.seek(0)
    ...     file.read()
    b'b000000 c0000\nb000001 c000007\n'

    """
    end = os.fstat(descriptor).st_size
    data = memoryview(f"\n{line}\n".encode("utf-8", "backslashreplace"))
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except BaseException:
        # A part may have fitted on the disk.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, end)
        raise
