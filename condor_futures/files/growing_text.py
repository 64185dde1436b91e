"""Reads the output of a call as the file grows: each character once, also where the output continues in a copy."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Final

from condor_futures.files.private_files import open_regular

__all__ = ["GrowingText"]

#: Bytes that are read at once: the output may have gigabytes.
PIECE: Final = 1 << 20


class GrowingText:
    """What was read of the output of one call.

    A job has its output in several files, one after the other. Each attempt writes another file in the same directory,
    which is read from its beginning. The file that HTCondor transfers at the end is in another directory. It is a copy
    if it begins with what was read before, and then is continued from there.

    >>> import tempfile
    >>> directory = tempfile.TemporaryDirectory()
    >>> live, whole = Path(directory.name, "live", "1"), Path(directory.name, "whole")
    >>> live.parent.mkdir()
    >>> _ = live.write_text("step 1"), whole.write_text("step 1, step 2")
    >>> text = GrowingText()
    >>> list(text.read(live, 0, None)), list(text.read(whole, 0, None)), list(text.read(whole, 0, None))
    (['step 1'], [', step 2'], [])
    >>> directory.cleanup()

    """

    def __init__(self) -> None:
        """Begin."""
        self._path: Path | None = None
        self._start = self._size = 0
        self._digest = blake2b()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def read(self, path: Path, start: int, end: int | None) -> Iterator[str]:
        """Yield what is new in *path*; nothing if it cannot be read now.

        Args:
            path: the file that has the output now.
            start: where the output begins in this file. If the file was read before, the place known then counts.
            end: where it ends; None while that is not known.

        """
        try:
            with open_regular(path) as file:
                if path != self._path and (rest := self._change(path, start, file.fileno())):
                    yield rest
                limit = os.fstat(file.fileno()).st_size
                if end is not None:
                    limit = min(limit, end)
                while (at := self._start + self._size) < limit:
                    data = os.pread(file.fileno(), min(PIECE, limit - at), at)
                    if not data:
                        return
                    self._digest.update(data)
                    self._size += len(data)
                    if text := self._decoder.decode(data):
                        yield text
        except OSError:
            return

    def _change(self, path: Path, start: int, descriptor: int) -> str:
        """Go on in another file; return what is left of the text in the file before, if the other is not its copy."""
        before, self._path, self._start = self._path, path, start
        if before is None or not self._size:
            return ""
        digest, left = blake2b(), self._size
        if path.parent != before.parent:
            while left and (data := os.pread(descriptor, min(PIECE, left), start + self._size - left)):
                digest.update(data)
                left -= len(data)
        if not left and digest.digest() == self._digest.digest():
            return ""
        rest = self.end()
        self._size, self._digest = 0, blake2b()
        return rest

    def end(self) -> str:
        """Return what is left of the text: of an incomplete character, the sign that replaces it."""
        rest = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return rest
