"""The files by which the client and one attempt of a warm job speak: see :mod:`condor_futures.execution_point.warm`."""

from __future__ import annotations

import logging
import os
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from condor_futures.calls.stored_calls import HandOut, StoredCalls
from condor_futures.execution_point.frames import MAGIC, frame_size, parse_header
from condor_futures.files.private_files import open_regular

if TYPE_CHECKING:
    from condor_futures.execution_point.frames import Header

__all__ = ["Connection"]

logger = logging.getLogger(__name__)

#: Bytes of the largest header that is read into memory. It has the message and the traceback of an exception.
LARGEST_HEADER: Final = 8 << 20
#: A job writes at most so many frames for each frame that it is given, and for each second, and so many more.
MOST_FRAMES, FRAMES_PER_SECOND, MORE_FRAMES = 2, 10, 100
_START: Final = len(MAGIC) + 4  # and the length of the header


class Connection:
    """The client's side of the two files. It belongs to the watcher's thread.

    Attributes:
        path: the path of the files without their suffixes.
        outcomes: the file that the job writes.

    """

    def __init__(
        self, directory: Path, name: str, secret: bytes, position: int | None = None, *, frames: int = 0
    ) -> None:
        """Open the files, which the job has made; go on where an earlier client stopped.

        Args:
            directory: where they are; the job can write there, so nothing in it is trusted.
            name: of the attempt.
            secret: of the job's bundle.
            position: an earlier client read the file of outcomes up to here; None if the attempt is new.
            frames: the number of calls that the job has without being handed them.

        Raises:
            OSError: they cannot be opened, or are not what they should be.

        """
        self.path = directory / name
        self.outcomes = self.path.with_suffix(".outcomes")
        self._out = HandOut(secret)
        self._unsent = b""
        self._new = position is None
        self._position = position or 0
        self._whole = 0  # the size at which the next frame is whole, as far as is known
        self._opened = time.monotonic()
        self._expected = frames
        self._frames = 0  # without those that an earlier client did not read
        self._file = open_regular(self.outcomes)
        self._old = 0 if position is None else os.fstat(self._file.fileno()).st_size
        try:
            self._calls = os.open(self.path.with_suffix(".calls"), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except BaseException:
            self._file.close()
            raise
        try:
            self._resume()
        except BaseException:
            self.close()
            raise

    def _resume(self) -> None:
        about = os.fstat(self._calls)
        if not stat.S_ISREG(about.st_mode) or about.st_nlink != 1:
            raise OSError(f"{self.path.name}.calls is not a file of its own")
        if self._new and about.st_size:
            raise OSError(f"{self.path.name}.calls is not empty")
        with os.fdopen(os.dup(self._calls), "rb") as file:
            end = self._out.resume(file)
        # A client was perhaps killed while it wrote a frame. The job reads whole frames only.
        os.ftruncate(self._calls, end)
        os.lseek(self._calls, end, os.SEEK_SET)

    def read(self) -> Iterator[tuple[Header, int]]:
        """Yield the headers of the new whole frames, and where each frame begins.

        Raises:
            OSError: the file cannot be read.
            ValueError: the file has something that is not a frame, or more frames than the job has to write.

        """
        size = os.fstat(self._file.fileno()).st_size
        while size - self._position >= _START and size >= self._whole:
            at = self._position
            self._file.seek(at)
            start = self._file.read(_START)
            length = int.from_bytes(start[len(MAGIC) :], "big")
            if start[: len(MAGIC)] != MAGIC or length > LARGEST_HEADER:
                raise ValueError(f"{self.outcomes.name} has something that is not a frame")
            self._whole = at + _START + length
            if self._whole > size:
                return
            head = self._file.read(length)
            header = parse_header(head)
            self._whole = at + frame_size(head, header)
            if self._whole > size:
                return
            self._frames += at >= self._old
            if self._frames > self._most_frames():
                raise ValueError(f"{self.outcomes.name} has more frames than a job writes")
            self._position = self._whole
            yield header, at

    def _most_frames(self) -> float:
        seconds = time.monotonic() - self._opened
        return MOST_FRAMES * (self._out.count + self._expected) + FRAMES_PER_SECOND * seconds + MORE_FRAMES

    def hand_out(self, stored: StoredCalls, calls: Iterable[str]) -> None:
        """Have *calls* written by the next :meth:`send`: all of them, or none if one of them cannot be read."""
        with self._out.whole():
            stored.hand_out(calls, self._out)

    def say(self, **header: Any) -> None:
        """Have a frame without segments written by the next :meth:`send`."""
        self._out.add(header)

    def send(self) -> bool:
        """Write what is to be written; return whether all of it could be written. The rest is kept for the next time.

        What was written counts, even if the disk is full then: the job may have read it.
        """
        data = memoryview(self._unsent + self._out.take())
        try:
            while data:
                data = data[os.write(self._calls, data) :]
        except OSError as error:
            logger.warning("%d bytes of calls cannot be written: %s", len(data), error)
        self._unsent = bytes(data)
        return not self._unsent

    @property
    def behind(self) -> bool:
        """Whether something could not be written yet."""
        return bool(self._unsent)

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        os.close(self._calls)
