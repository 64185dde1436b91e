"""Reads and writes frames, of which the files of calls and outcomes consist. Both sides use these functions.

A frame is::

    MAGIC (4 bytes) | length of the header (4 bytes, big-endian) | header (JSON) | segments | tag (32 bytes)

``header["segments"]`` has the lengths of the segments: a pickle (protocol 5), then its out-of-band buffers (PEP 574).
The tag is a BLAKE2b hash, keyed with the session's secret, of the whole frame before the tag. The header names session
and call, so that an outcome cannot be altered, truncated, or passed off as the outcome of another call.
"""

import json
import os

try:  # loading OpenSSL would take 6 ms in every job; CPython's own BLAKE2 is the same function.
    from _blake2 import blake2b
except ImportError:
    from hashlib import blake2b

TYPE_CHECKING = False  # importing typing would take milliseconds in every job; type checkers know this name.
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, BinaryIO, Protocol, Union

    Buffer = Union[bytes, bytearray, memoryview]
    Header = dict[str, Any]
    Segments = list[Union[bytes, bytearray]]
    Frame = tuple[Header, Segments]

    class Writable(Protocol):
        """Frames are written to it."""

        def write(self, __part: Buffer) -> object:  # noqa: PYI063 - Python 3.6 has no other syntax
            """Write it."""


MAGIC = b"CFf1"
TAG_SIZE = 32
LARGEST_HEADER = 64 << 20
"""Bytes of the largest header: it is read before it is known whether the frame is authentic."""
UNCHECKED = 16 << 20
"""Bytes of segments that are read into memory before it is known whether the frame is authentic."""
_PIECE = 1 << 20


class FrameError(ValueError):
    """A frame is truncated or altered, or does not belong to this session."""


def frame_parts(secret: bytes, header: "Header", segments: "Iterable[Buffer]" = ()) -> "list[Buffer]":
    """Return the parts of one frame, its tag last. *segments* are bytes-like objects, and are not copied."""
    views = [memoryview(segment).cast("B") for segment in segments]
    head = json.dumps(dict(header, segments=[view.nbytes for view in views])).encode()
    parts = [MAGIC, len(head).to_bytes(4, "big"), head]  # type: list[Buffer]
    parts += views
    parts.append(_tag(secret, parts))
    return parts


def write_frame(file: "Writable", secret: bytes, header: "Header", segments: "Iterable[Buffer]" = ()) -> None:
    """Write one frame."""
    for part in frame_parts(secret, header, segments):
        file.write(part)


def _tag(secret: bytes, parts: "Iterable[Buffer]") -> bytes:
    tag = blake2b(key=secret, digest_size=TAG_SIZE)
    for part in parts:
        tag.update(part)
    return tag.digest()


def read_object(file: "BinaryIO", name: str) -> "Segments":
    """Return the segments of the shared object *name*. Its name is the tag of its frame, which has an empty secret.

    Only what is in memory is compared with the name: others may still be able to change the file.

    Raises :class:`FrameError` if the file does not hold this object.
    """
    start, head, header = _read_header(file, os.fstat(file.fileno()).st_size)
    segments = _read_segments(file, header["segments"])
    parts = [start, head]  # type: list[Buffer]
    parts += segments
    if _tag(b"", parts).hex() != name:
        raise FrameError("it is truncated or altered")
    return segments


def read_frames(file: "BinaryIO", secret: "bytes | None" = None) -> "Iterator[Frame]":
    """Yield ``(header, segments)`` of each frame. Without a *secret*, use the one in the first frame's header.

    Raises :class:`FrameError` at a frame that is incomplete or not authentic, after yielding the frames before it.
    Frames that are appended after the start are ignored.
    """
    # The position is counted here: tell() would take longer than all the rest.
    at = file.tell()
    end = file.seek(0, os.SEEK_END)
    file.seek(at)
    while at < end:
        start, head, header = _read_header(file, end - at)
        at += frame_size(head, header)
        try:
            if secret is None:
                secret = bytes.fromhex(header["secret"])
            tag = blake2b(start + head, key=secret, digest_size=TAG_SIZE)
        except (ValueError, KeyError, TypeError) as error:
            raise FrameError("its header cannot be read") from error
        size = sum(header["segments"])
        if size > UNCHECKED and not _is_authentic(file, size, tag.copy(), secret):
            raise FrameError("it is truncated or altered")
        try:
            segments = _read_segments(file, header["segments"])
        except MemoryError as error:
            raise FrameError("it is larger than the available memory") from error
        for part in segments:
            tag.update(part)
        if not _same(tag.digest(), file.read(TAG_SIZE), secret):
            raise FrameError("it is truncated or altered")  # even if it was not before: the file may be changing
        yield header, segments


def _is_authentic(file: "BinaryIO", size: int, tag: "Any", secret: bytes) -> bool:
    """Return whether the *size* bytes that follow, and the tag after them, are authentic. Little memory is used."""
    place = file.tell()
    for at in range(0, size, _PIECE):
        tag.update(file.read(min(_PIECE, size - at)))
    authentic = _same(tag.digest(), file.read(TAG_SIZE), secret)
    file.seek(place)
    return authentic


def _same(tag: bytes, other: bytes, secret: bytes) -> bool:
    # Compare keyed hashes of the tags: otherwise the time could reveal how many bytes of a forged tag are right.
    return blake2b(tag, key=secret).digest() == blake2b(other, key=secret).digest()


def frame_size(head: bytes, header: "Header") -> int:
    """The size of a frame, from the bytes of its header."""
    return 8 + len(head) + sum(header["segments"]) + TAG_SIZE


def _read_segments(file: "BinaryIO", sizes: "list[int]") -> "Segments":
    # The buffers are writable, so that an array made from them is as writable as the pickled array.
    segments = [file.read(size) for size in sizes[:1]]  # type: Segments
    for size in sizes[1:]:
        buffer = bytearray(size)
        file.readinto(buffer)  # type: ignore[attr-defined]
        segments.append(buffer)
    return segments


def _read_header(file: "BinaryIO", left: int) -> "tuple[bytes, bytes, Header]":
    """Read a frame up to its segments, and check that the whole frame is in the *left* bytes of the file.

    The header is not authenticated yet, so no memory is allocated for the sizes that it states.
    """
    start = file.read(8)
    size = int.from_bytes(start[4:], "big")
    if len(start) < 8 or start[:4] != MAGIC or size > left - 8:
        raise FrameError("it is not a frame, or it is truncated")
    if size > LARGEST_HEADER:
        raise FrameError("its header has %d bytes, and %d at most are read" % (size, LARGEST_HEADER))
    head = file.read(size)
    header = parse_header(head)
    if frame_size(head, header) > left:
        raise FrameError("it is truncated, or its header states a wrong size")
    return start, head, header


def parse_header(head: bytes) -> "Header":
    """Return the header of a frame from its bytes. Nothing but its ``segments`` is checked."""
    try:
        header = json.loads(head.decode())  # type: Header
        sizes = header["segments"]
        well = type(sizes) is list and all(type(size) is int and size >= 0 for size in sizes)
    except (ValueError, KeyError, TypeError, RecursionError):
        well = False
    if not well:
        raise FrameError("its header cannot be read")
    return header


def skim(file: "BinaryIO") -> "Iterator[tuple[Header, int, int]]":
    """Yield the header of each complete frame, with the frame's start and end. Stop at an incomplete frame.

    Segments are skipped, and nothing is authenticated. Use it to read one's own file, or to copy frames.
    """
    start = file.tell()
    size = file.seek(0, os.SEEK_END)
    while True:
        file.seek(start)
        try:
            _, head, header = _read_header(file, size - start)
        except FrameError:
            return
        end = start + frame_size(head, header)
        yield header, start, end
        start = end
