"""The files of a warm job on the access point, written and read through the line; see ``warm``."""

import io
import json
import os
import sys
import time
from collections import deque

from .fetching import Fetcher
from .frames import MAGIC, TAG_SIZE, read_frames, skim, write_frame
from .line import BAD_DESCRIPTOR, NO_SPACE, OFFLINE, PIECE, Line, LineError

TYPE_CHECKING = False  # importing typing would take milliseconds in every job; type checkers know this name.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .bundle import Bundle
    from .frames import Header

LAST_TIMEOUT = 10.0
"""Seconds that the last reply may take before the job ends."""
LONGEST_RETRY = 1.0
"""The longest pause, in seconds, before a line that does not work is tried again."""
LARGEST = 1 << 30
"""A job whose files on the access point have this many bytes takes no more calls: offsets are 32-bit integers."""
BACKLOG = 64 << 20
"""A job with this many bytes of outcomes that did not get through the line reads no more calls."""


class Frames:
    """The frames of a growing file of the access point."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        self.offset = 0  # of the first frame that was not whole at the last reading
        self.larger = 0  # this frame has so many bytes, as far as is known

    def read(self, line: Line, descriptor: int) -> "list[tuple[Header, bytes]]":
        """The header and the bytes of each frame that has become whole."""
        data = bytearray(line.read(descriptor, 1 << 16, self.offset))
        # A frame that is not whole is read again from its beginning: a client that was killed while it wrote the frame
        # left a part of it, which the next client cuts off. What that client writes there may be smaller.
        first = len(data)
        while len(data) < self.larger:
            more = line.read(descriptor, min(self.larger - len(data), PIECE), self.offset + len(data))
            if not more:
                break
            data += more
        self.larger = 0
        frames = []
        at = 0
        while len(data) - at >= 8:
            size = int.from_bytes(data[at + 4 : at + 8], "big")
            if data[at : at + 4] != MAGIC:
                raise LineError("the file of calls has something that is not a frame")
            if len(data) - at < 8 + size:
                self.larger = 8 + size
                break
            try:
                header = json.loads(data[at + 8 : at + 8 + size].decode())
                end = at + 8 + size + sum(header["segments"]) + TAG_SIZE
                if end > len(data):
                    self.larger = end - at
                    break
                frame = bytes(data[at:end])
                if end > first:
                    # It was read in pieces, and perhaps replaced meanwhile, as described above.
                    next(read_frames(io.BytesIO(frame), self.secret))
            except (ValueError, KeyError, TypeError) as error:
                raise LineError("the file of calls has something that is not a frame: %s" % error) from None
            frames.append((header, frame))
            at = end
        self.offset += at
        return frames


class _Stream:
    """The job's standard output or error, and its copy on the access point."""

    def __init__(self, descriptor: int, suffix: str) -> None:
        try:  # the job itself may not have opened the file for reading
            self.source = os.open("/proc/self/fd/%d" % descriptor, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            self.source = descriptor
        self.suffix = suffix
        self.target = None  # type: int | None
        self.copied = 0

    def behind(self) -> int:
        try:
            return os.fstat(self.source).st_size - self.copied
        except OSError:
            return 0


class Exchange:
    """The supervisor's side of these files.

    Outcomes are copied from the file of the sandbox to which the child appends them: those that do not get through the
    line are in that file when the job ends.
    """

    def __init__(self, bundle: "Bundle", directory: str, ended: "Callable[[str], None]") -> None:
        """Prepare the exchange; *ended* is called with the key of each call that has an outcome."""
        self.bundle = bundle
        self.path = bundle.attempt = os.path.join(directory, os.urandom(8).hex())
        self.ended = ended
        # An earlier attempt may have left its file, where the job runs in its spool directory. Its values count, but
        # not the crash of a call whose process was killed because the job was.
        bundle.keep_what_counts()
        self.line = None  # type: Line | None
        self.outcomes = self.calls = None  # type: int | None
        self.frames = Frames(bundle.secret)
        self.fetcher = Fetcher(bundle, directory)
        self.unsent, self.sent = deque(), 0  # type: deque[memoryview], int
        self.copied = 0  # so much of the sandbox's file is sent, or in unsent
        self.streams = [_Stream(1, "stdout"), _Stream(2, "stderr")]
        self.active = time.monotonic()  # when something was last written or read
        self.broken = None  # type: float | None
        self.retry = 0.0
        self.patience = None  # type: float | None
        self.given_up = False  # outcomes go to the sandbox's file only

    def exchange(self) -> "list[tuple[Header, bytes]]":
        """Write what there is to write, and return the header and the bytes of each new frame.

        Raises :class:`LineError` if the line does not work. If the disk of the access point is full, it is *broken*,
        but frames are read.
        """
        if self.line is None:
            self.line = Line(lambda: self.patience)
        if self.outcomes is None or self.calls is None:
            self._open(self.line)
        assert self.outcomes is not None
        assert self.calls is not None
        full = None  # type: LineError | None
        try:
            self._write(self.line, self.outcomes)
        except LineError as error:
            if error.code != NO_SPACE:
                raise
            full = error
        frames = []  # type: list[tuple[Header, bytes]]
        # On a full disk the client hands out no further calls, but may cancel some.
        if full or os.path.getsize(self.bundle.outcomes) - self.copied < BACKLOG:
            frames = self.frames.read(self.line, self.calls)
        if frames:
            self.active = time.monotonic()
        if full:
            self.failed(full)
        else:
            self.broken = None
        return frames

    def _open(self, line: Line) -> None:
        """Open all files, and make them; the client looks for the file of outcomes, which comes last.

        All at once, when a shadow has just replied: the starter exits if it is asked to open a file while it has no
        shadow (IOProxyHandler::handle_standard_request, 25.14).
        """
        line.check()
        # What is open from a try that failed is not opened again: nobody would close it.
        if self.calls is None:
            self.calls = line.open(self.path + ".calls", "rwc")
        for stream in self.streams:
            if stream.target is None:
                stream.target = line.open("%s.%s" % (self.path, stream.suffix), "wc")
        self.outcomes = line.open(self.path + ".outcomes", "wc")

    def _forget_descriptors(self) -> None:
        self.outcomes = self.calls = None
        self.fetcher.forget_descriptor()
        for stream in self.streams:
            stream.target = None

    def _write(self, line: Line, descriptor: int) -> None:
        self._copy_streams(line)
        while self.next_outcomes() or self.unsent:
            self._copy_streams(line)  # before the outcome of a call, what the call wrote
            written = line.write(descriptor, self.unsent[0][:PIECE], self.sent)
            self.sent += written
            self.unsent[0] = self.unsent[0][written:]
            if not self.unsent[0]:
                self.unsent.popleft()
            self.active = time.monotonic()

    def try_exchange(self) -> "list[tuple[Header, bytes]]":
        """Like :meth:`exchange`; but if the line does not work, that is tried again later."""
        now = time.monotonic()
        if self.given_up or now < self.retry:
            self.all_outcomes()
            return []
        try:
            return self.exchange()
        except LineError as error:
            self.failed(error)
            return []

    def fetch(self) -> bool:
        """Fetch some of the shared objects that calls wait for; return False if there are none, or not now."""
        if not self.fetcher.sizes or self.line is None or self.outcomes is None or time.monotonic() < self.retry:
            return False
        try:
            self.fetcher.step(self.line)
        except LineError as error:
            self.failed(error)
        self.active = time.monotonic()
        return True

    def failed(self, error: LineError) -> None:
        """Prepare to try again later."""
        now = time.monotonic()
        if self.broken is None:
            self.broken = now
            self.complain(error)
        if error.code in (BAD_DESCRIPTOR, OFFLINE):
            # Another shadow has come, or may come: it has not these files open, but perhaps others by these numbers.
            self._forget_descriptors()
        elif not error.code and self.line is not None:
            self.line.close()
            self.line = None
        self.retry = now + min(max(now - self.broken, 0.02), LONGEST_RETRY)

    def complain(self, error: LineError) -> None:
        """Say in the job's standard error why the line does not work."""
        sys.stderr.write("condor_futures: %s\n" % error)
        sys.stderr.flush()

    def _copy_streams(self, line: Line) -> None:
        for stream in self.streams:
            self._copy(line, stream)

    def _copy(self, line: Line, stream: _Stream) -> None:
        end = min(stream.copied + stream.behind(), LARGEST)  # the call may go on writing forever
        while stream.copied < end:
            try:
                data = os.pread(stream.source, min(PIECE, end - stream.copied), stream.copied)
            except OSError:
                return  # the job writes to something that cannot be read
            if not data or stream.target is None:
                return
            stream.copied += line.write(stream.target, data, stream.copied)
            self.active = time.monotonic()

    def next_outcomes(self) -> bool:
        """Have the next whole outcome frames of the sandbox's file written next; False if there are none."""
        if os.path.getsize(self.bundle.outcomes) == self.copied:
            return False
        with open(self.bundle.outcomes, "rb") as file:
            file.seek(self.copied)
            end = self.copied
            for header, _, end in skim(file):
                self.ended(header["call"])
                if end - self.copied > PIECE:
                    break
            file.seek(self.copied)
            data = file.read(0 if self.given_up else end - self.copied)
        if end == self.copied:
            return False
        if data:
            self.unsent.append(memoryview(data))
        self.copied = end
        return True

    def all_outcomes(self) -> None:
        """Take in all whole outcomes of the sandbox's file."""
        while self.next_outcomes():
            pass

    def say(self, **header: "Any") -> None:
        """Write a frame that is not an outcome, after the outcomes that there are."""
        if self.given_up:
            return
        file = io.BytesIO()
        write_frame(file, self.bundle.secret, dict(header, session=self.bundle.session))
        self.all_outcomes()
        self.unsent.append(memoryview(file.getvalue()))

    def close(self) -> None:
        """Close the connection of this process."""
        if self.line is not None:
            self.line.close()

    def hurry(self) -> None:
        """From now on, do not wait long for a shadow that does not reply, because the job ends."""
        self.patience = LAST_TIMEOUT

    def last(self) -> None:
        """Exchange once more, before the job ends."""
        self.hurry()
        if self.line is not None:
            self.retry = 0.0
            self.try_exchange()

    def size(self) -> int:
        """The bytes of the larger of the two files of frames."""
        return max(self.sent, self.frames.offset)

    def broken_for(self) -> float:
        """The seconds since the line stopped to work."""
        return time.monotonic() - self.broken if self.broken is not None else 0.0

    def behind(self) -> bool:
        """Whether there are outcomes that did not get through yet."""
        return bool(self.unsent) or os.path.getsize(self.bundle.outcomes) > self.copied

    def cut_torn(self) -> None:
        """Cut off what a child that was killed left of an outcome: it would hide those after it."""
        self.all_outcomes()
        os.truncate(self.bundle.outcomes, self.copied)

    def forget(self) -> None:
        """Empty the sandbox's file, to which nobody writes now, if all of it got through."""
        if not self.behind():
            os.truncate(self.bundle.outcomes, 0)
            self.copied = 0
