"""The calls of warm jobs as they wait in ``BUNDLE.calls``, to be handed to jobs one by one; the file may grow."""

from __future__ import annotations

import contextlib
import io
import os
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from condor_futures.execution_point.frames import FrameError, read_frames, skim, write_frame
from condor_futures.files.private_files import open_regular

if TYPE_CHECKING:
    from condor_futures.calls.calls_file import Call
    from condor_futures.execution_point.frames import Header, Segments

__all__ = ["HandOut", "StoredCalls", "bundle_secret"]

#: A file of calls gets no further calls when it has so many, or so many bytes.
MOST_CALLS: Final = 4096
LARGEST: Final = 4 << 20


def bundle_secret(secret: bytes, key: str) -> bytes:
    """Return the secret of one open bundle, from that of its session: its job can forge no outcome but its own.

    The derivation is BLAKE2b (RFC 7693), keyed with the session's *secret*, of the bundle's *key*. An empty key stands
    for closed bundles, which have the session's secret.

    >>> bundle_secret(bytes(32), "b000001") != bundle_secret(bytes(32), "b000002")
    True
    """
    return blake2b(key.encode(), key=secret, digest_size=32).digest() if key else secret


class StoredCalls:
    """A file of calls, and where its frames are.

    The thread that submits calls appends them, and then tells the watcher's thread, which reads them and forgets them.
    Calls are not appended by two threads at once.

    Attributes:
        head: the header of the bundle's frame.
        initializer: the pickle of the initializer.
        kind: equal for bundles whose calls one process can make: the same initializer, and so on.
        full: no more calls are appended.

    """

    def __init__(self, path: Path) -> None:
        """Read the headers in the file *path*.

        Raises:
            OSError: the file cannot be read.
            ValueError, StopIteration: it is not a file of calls.

        """
        self.path = path
        self.full = False
        self._functions: list[int] = []
        self._digests: dict[int, bytes] = {}
        self._numbers: dict[bytes, int] = {}  # of functions
        self._outcomes: dict[str, int] = {}
        self._calls: dict[str, int] = {}
        self._shared: dict[str, Sequence[str]] = {}
        self._count = 0
        self._writer: _Appending | None = None
        with open_regular(path) as file:
            self.head, self.initializer = next(read_frames(file))
            self._secret = bytes.fromhex(self.head["secret"])
            for header, start, _ in skim(file):
                match header["kind"]:
                    case "function":
                        self._functions.append(start)
                    case "call":
                        self._calls[header["call"]] = start
                        if "shared" in header:
                            self._shared[header["call"]] = list(header["shared"])
                    case "outcome":
                        self._outcomes[header["call"]] = start
        names = "python", "scratch", "max_tasks_per_child", "archives", "code", "main", "discard", "environment"
        alike = {name: self.head.get(name) for name in names}
        digest = blake2b(repr(sorted(alike.items())).encode())
        for segment in self.initializer:
            digest.update(segment)
        self.kind = digest.digest()

    def shared(self, calls: Iterable[str]) -> Sequence[str]:
        """Return the names of the shared objects that *calls*, and the initializer, take; in order."""
        return sorted(set(self.head.get("shared", ())).union(*(self._shared.get(call, ()) for call in calls)))

    @property
    def calls(self) -> tuple[str, ...]:
        """The keys of the calls that have not been forgotten, in their order."""
        return tuple(self._calls)

    def forget(self, call: str) -> None:
        """Forget a call, which has ended."""
        self._calls.pop(call, None)
        self._shared.pop(call, None)

    # The file grows.

    def append(self, calls: Sequence[Call]) -> None:
        """Append *calls* to the file: all of them, or none.

        Raises:
            OSError: they cannot be written.

        """
        if self._writer is None:
            self._writer = _Appending(self.path)
        writer, functions = self._writer, len(self._functions)
        start = writer.end
        places: dict[str, int] = {}
        try:
            for call in calls:
                number = self._function(call, writer)
                places[call.key] = writer.end
                write_frame(writer, self._secret, call.header(number), call.arguments.segments)
            writer.flush()
        except BaseException:
            self._undo(start, functions)
            raise
        self._calls.update(places)
        self._shared.update((call.key, list(call.shared)) for call in calls if call.shared)
        self._count += len(places)
        if self._count >= MOST_CALLS or writer.end >= LARGEST:
            self.close()

    def _function(self, call: Call, writer: _Appending) -> int:
        """Return the number of the function of *call*, which is written if the file does not have it."""
        digest = _digest(call.function.segments)
        number = self._numbers.get(digest)
        if number is None:
            number = self._numbers[digest] = len(self._functions)
            self._functions.append(writer.end)
            self._digests[number] = digest
            write_frame(writer, self._secret, call.function_header(), call.function.segments)
        return number

    def _undo(self, end: int, functions: int) -> None:
        """Cut the file off at *end*. An incomplete frame would hide the frames after it."""
        for number in range(functions, len(self._functions)):
            self._numbers.pop(self._digests.pop(number), None)
        del self._functions[functions:]
        if self._writer is not None:
            self._writer.cut_off(end)

    def take_back(self, calls: Sequence[Call]) -> None:
        """Remove the *calls* that were appended last, and that nobody was told of."""
        start = self._calls[calls[0].key]
        for call in calls:
            self.forget(call.key)
        self._count -= len(calls)
        if self._writer is None:  # the file was full with them
            self._writer = _Appending(self.path)
            self.full = False
        self._undo(start, len(self._functions))

    def close(self) -> None:
        """Append no more calls."""
        self.full = True
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    # Calls leave.

    def hand_out(self, calls: Iterable[str], to: HandOut) -> None:
        """Add *calls* to what *to* writes, each after its function and the values that it takes.

        Raises:
            OSError: the file cannot be read.

        """
        with open_regular(self.path) as file:
            for call in calls:
                header, segments = self._frame(file, self._calls[call])
                index = header["function"]
                if index not in self._digests:
                    self._digests[index] = _digest(self._frame(file, self._functions[index])[1])
                if self._digests[index] not in to.functions:
                    to.add_function(self._digests[index], *self._frame(file, self._functions[index]))
                for parent in header.get("parents", ()):
                    if parent in self._outcomes:
                        to.add(*self._frame(file, self._outcomes[parent]))
                to.add({**header, "function": to.functions[self._digests[index]]}, segments)

    def _frame(self, file: BinaryIO, start: int) -> tuple[Header, Segments]:
        file.seek(start)
        for frame in read_frames(file, self._secret):
            return frame
        raise FrameError("it is truncated")

    def write_part(self, file: BinaryIO, key: str, calls: Sequence[str]) -> None:
        """Write the file of calls of the closed bundle *key*, whose job makes some of the calls.

        Args:
            file: the file.
            key: of the bundle.
            calls: their keys.

        """
        write_frame(file, self._secret, {**self.head, "bundle": key, "chunk": 0}, self.initializer)
        with open_regular(self.path) as source:
            numbers: dict[int, int] = {}
            outcomes: dict[str, int] = {}
            for call in calls:
                header, segments = self._frame(source, self._calls[call])
                index = header["function"]
                if index not in numbers:
                    numbers[index] = len(numbers)
                    write_frame(file, self._secret, *self._frame(source, self._functions[index]))
                write_frame(file, self._secret, {**header, "function": numbers[index]}, segments)
                parents = header.get("parents", ())
                outcomes.update((parent, self._outcomes[parent]) for parent in parents if parent in self._outcomes)
            for start in outcomes.values():  # after the calls: the job looks for them there
                write_frame(file, self._secret, *self._frame(source, start))

    def write_open(self, file: BinaryIO, key: str, options: Mapping[str, Any], line: Mapping[str, Any]) -> None:
        """Write the file of calls of the open bundle *key*, whose job makes such calls.

        Args:
            file: the file.
            key: of the bundle.
            options: those of its job, for a client that attaches.
            line: where the job finds the calls and shared objects, and how long it waits for calls.

        """
        secret = bundle_secret(self._secret, key)
        own = {"bundle": key, "secret": secret.hex(), "options": dict(options), "line": dict(line)}
        own["objects"] = line["directory"]
        write_frame(file, secret, {**self.head, **own}, self.initializer)


class _Appending:
    """Appends to a file, and closes it when nobody refers to this any more.

    Attributes:
        end: the size of the file, with what has not been flushed.

    """

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._descriptor = descriptor
        self.close = weakref.finalize(self, os.close, descriptor)
        self.end = os.fstat(descriptor).st_size
        self._parts: list[memoryview] = []

    def write(self, part: bytes | bytearray | memoryview) -> None:
        self._parts.append(memoryview(part))
        self.end += self._parts[-1].nbytes

    def flush(self) -> None:
        parts, self._parts = self._parts, []
        # Small parts take one request of the kernel; large ones are not copied.
        whole = sum(part.nbytes for part in parts) <= LARGEST
        for part in [memoryview(b"".join(parts))] if whole else parts:
            left = part
            while left:
                left = left[os.write(self._descriptor, left) :]

    def cut_off(self, end: int) -> None:
        self._parts.clear()
        os.ftruncate(self._descriptor, end)
        self.end = end


class HandOut:
    """What is written next to the file of calls that one attempt of a warm job reads.

    Attributes:
        functions: the numbers of the functions that the job has, by their digests.
        count: how many frames the job was given, at most.

    """

    def __init__(self, secret: bytes) -> None:
        """Begin; *secret* is that of the job's bundle."""
        self.functions: dict[bytes, int] = {}
        self.count = 0
        self._secret = secret
        self._new: list[bytes] = []
        self._frames = io.BytesIO()

    def resume(self, file: BinaryIO) -> int:
        """Take the functions that the job has from its *file* of calls; return where the last whole frame ends."""
        end = 0
        try:
            for header, segments in read_frames(file, self._secret):
                end = file.tell()
                self.count += 1
                if header.get("kind") == "function":
                    self.functions[_digest(segments)] = len(self.functions)
        except FrameError:
            pass
        return end

    def add_function(self, digest: bytes, header: Header, segments: Segments) -> None:
        """Give the job a function, which gets the next number."""
        self.functions[digest] = len(self.functions)
        self._new.append(digest)
        self.add(header, segments)

    def add(self, header: Mapping[str, Any], segments: Iterable[bytes | bytearray] = ()) -> None:
        """Add a frame."""
        self.count += 1
        write_frame(self._frames, self._secret, dict(header), segments)

    def take(self) -> bytes:
        """Return the frames, which are to be written now."""
        frames, self._frames = self._frames.getvalue(), io.BytesIO()
        self._new.clear()
        return frames

    @contextlib.contextmanager
    def whole(self) -> Iterator[None]:
        """Add all that is added in here, or nothing if that raises an exception."""
        size, known = self._frames.tell(), len(self._new)
        try:
            yield
        except BaseException:
            self._frames.seek(size)
            self._frames.truncate()
            for digest in self._new[known:]:
                del self.functions[digest]
            del self._new[known:]
            raise


def _digest(segments: Iterable[bytes | bytearray | memoryview]) -> bytes:
    digest = blake2b()
    for segment in segments:
        digest.update(len(segment).to_bytes(8, "big"))
        digest.update(segment)
    return digest.digest()
