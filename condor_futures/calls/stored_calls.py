"""The calls of a bundle as they wait in ``BUNDLE.calls``, to be handed to warm jobs one by one."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from condor_futures.execution_point.frames import FrameError, read_frames, skim, write_frame
from condor_futures.files.private_files import open_regular

if TYPE_CHECKING:
    from condor_futures.execution_point.frames import Header, Segments

__all__ = ["HandOut", "StoredCalls", "bundle_secret"]


def bundle_secret(secret: bytes, key: str) -> bytes:
    """Return the secret of one open bundle, from that of its session: its job can forge no outcome but its own.

    The derivation is BLAKE2b (RFC 7693), keyed with the session's *secret*, of the bundle's *key*.

    >>> bundle_secret(bytes(32), "b000001") != bundle_secret(bytes(32), "b000002")
    True
    """
    return blake2b(key.encode(), key=secret, digest_size=32).digest()


class StoredCalls:
    """Where the frames of a file of calls are; the file is as the client wrote it.

    Attributes:
        head: the header of the bundle's frame.
        kind: equal for bundles whose calls one process can make: the same initializer, and so on.
        calls: the keys of the calls, in order.

    """

    def __init__(self, path: Path) -> None:
        """Read the headers in the file *path*.

        Raises:
            OSError: the file cannot be read.

        """
        self._path = path
        self._functions: list[int] = []
        self._digests: dict[int, bytes] = {}
        self._outcomes: dict[str, int] = {}
        self._calls: dict[str, tuple[Header, int]] = {}
        with open_regular(path) as file:
            self.head, self.initializer = next(read_frames(file))
            self._secret = bytes.fromhex(self.head["secret"])
            for header, start, _ in skim(file):
                match header["kind"]:
                    case "function":
                        self._functions.append(start)
                    case "call":
                        self._calls[header["call"]] = (header, start)
                    case "outcome":
                        self._outcomes[header["call"]] = start
        self.calls = tuple(self._calls)
        alike = {
            name: self.head.get(name) for name in ("python", "scratch", "max_tasks_per_child", "archives", "discard")
        }
        digest = blake2b(repr(sorted(alike.items())).encode())
        for segment in self.initializer:
            digest.update(segment)
        self.kind = digest.digest()

    def shared(self, calls: Iterable[str]) -> Sequence[str]:
        """Return the names of the shared objects that *calls* take, in order."""
        return sorted({name for call in calls for name in self._calls[call][0].get("shared", ())})

    def hand_out(self, calls: Iterable[str], to: HandOut) -> None:
        """Add *calls* to what *to* writes, each after its function and the values that it takes.

        Raises:
            OSError: the file cannot be read.

        """
        with open_regular(self._path) as file:
            for call in calls:
                header, start = self._calls[call]
                index = header["function"]
                if index not in self._digests:
                    self._digests[index] = _digest(self._frame(file, self._functions[index])[1])
                if self._digests[index] not in to.functions:
                    to.add_function(self._digests[index], self._frame(file, self._functions[index])[1])
                for parent in header.get("parents", ()):
                    if parent in self._outcomes:
                        to.add(*self._frame(file, self._outcomes[parent]))
                _, segments = self._frame(file, start)
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
        with open_regular(self._path) as source:
            numbers: dict[int, int] = {}
            outcomes: dict[str, int] = {}
            for call in calls:
                header, start = self._calls[call]
                index = header["function"]
                if index not in numbers:
                    numbers[index] = len(numbers)
                    write_frame(file, self._secret, *self._frame(source, self._functions[index]))
                write_frame(file, self._secret, {**header, "function": numbers[index]}, self._frame(source, start)[1])
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
            line: where the job finds the calls, and how long it waits for them.

        """
        secret = bundle_secret(self._secret, key)
        own = {"bundle": key, "secret": secret.hex(), "options": dict(options), "line": dict(line)}
        write_frame(file, secret, {**self.head, **own}, self.initializer)


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

    def add_function(self, digest: bytes, segments: Segments) -> None:
        """Give the job a function, which gets the next number."""
        self.functions[digest] = len(self.functions)
        self._new.append(digest)
        self.add({"kind": "function"}, segments)

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


def _digest(segments: Segments) -> bytes:
    digest = blake2b()
    for segment in segments:
        digest.update(len(segment).to_bytes(8, "big"))
        digest.update(segment)
    return digest.digest()
