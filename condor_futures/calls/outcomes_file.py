"""Reads ``BUNDLE.outcomes``: the outcome of each call, authenticated, and unpickled on request."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any, BinaryIO

from condor_futures.errors import OutcomeError
from condor_futures.execution_point.frames import FrameError, read_frames
from condor_futures.execution_point.unpickling import Unpickler
from condor_futures.files.private_files import open_regular

__all__ = ["Outcome", "outcome_at", "read_outcomes"]


@dataclass(frozen=True)
class Outcome:
    """The outcome of one call: authenticated, not yet unpickled."""

    call: str
    result: str
    header: Mapping[str, Any]
    segments: Sequence[bytes | bytearray]
    start: int = 0
    """Where it begins in its file."""

    @property
    def stream_ranges(self) -> dict[str, Any]:
        """The ranges of the job's standard output and error that the call wrote."""
        return {stream: self.header[stream] for stream in ("stdout", "stderr") if stream in self.header}

    def load(self) -> Any:
        """Unpickle the value, or the exception that the call raised; None if the outcome has neither.

        Raises:
            BaseException: unpickling runs the user's code, and may raise any exception.

        """
        return Unpickler(io.BytesIO(self.segments[0]), buffers=self.segments[1:]).load() if self.segments else None


_RAISED = ("type_name", "message", "traceback")
_LARGEST = 1 << 63  # no file is larger
_NOTHING = [0, 0]

#: The text fields that the header of an outcome must have, by the outcome's result.
_TEXTS = {
    "value": (),
    "exception": _RAISED,
    "initializer": _RAISED,
    "crashed": (),
    "python": ("here", "wanted", "executable"),
    "dependency": ("parent",),
    "shared": ("object", "reason"),
}


def _is_outcome(header: Mapping[str, Any]) -> bool:
    """Return whether *header* has all fields that the client reads, with the right types.

    A check is needed because a call has the session's secret, and may write anything.
    """
    # Loops: generators took a sixth of the time that an outcome takes.
    result = header.get("result")
    if not isinstance(result, str) or result not in _TEXTS:
        return False
    for name in ("call", "host", *_TEXTS[result]):
        if not isinstance(header.get(name), str):
            return False
    for name in ("unpicklable", "stage", "script", "environment", "reason"):
        if not isinstance(header.get(name, ""), str):
            return False
    for name in ("signal", "exit_status"):
        if type(header.get(name, 0)) not in (int, NoneType):
            return False
    return _is_range(header.get("stdout", _NOTHING)) and _is_range(header.get("stderr", _NOTHING))


def _is_range(part: object) -> bool:
    """Return whether *part* is a list of a beginning and an end, each of which may be unknown."""
    if not isinstance(part, list) or len(part) != 2:  # noqa: PLR2004
        return False
    return all(place is None or (type(place) is int and 0 <= place < _LARGEST) for place in part)


def outcome_at(file: BinaryIO, start: int, call: str, *, session: str, secret: bytes) -> Outcome:
    """Return the outcome of *call* that begins at *start* of a file that a warm job writes.

    Raises:
        OutcomeError: it is not an outcome of this session, or not authentic.

    """
    file.seek(start)
    try:
        header, segments = next(read_frames(file, secret))
    except (FrameError, OSError, StopIteration) as error:
        raise OutcomeError(f"the outcome of a call is refused: {error}") from error
    well = header.get("kind") == "outcome" and header.get("session") == session and _is_outcome(header)
    if not well or header["call"] != call:
        raise OutcomeError("the outcome of a call is refused: it is malformed, or of another call or session")
    return Outcome(header["call"], header["result"], header, segments, start)


def read_outcomes(path: Path, *, session: str, secret: bytes) -> tuple[dict[str, Outcome], str | None]:
    """Return the authentic outcomes in ``BUNDLE.outcomes`` by call key, and why reading ended early, if it did.

    A missing file has no outcomes. An outcome of another session is not authentic. If a call has several outcomes, the
    first one counts, as it does for the runner and for calls that take the value.
    """
    outcomes: dict[str, Outcome] = {}
    try:
        with open_regular(path) as file:
            start = 0
            for header, segments in read_frames(file, secret):
                if header.get("kind") == "checkpoint" and header.get("session") == session:
                    start = file.tell()
                    continue  # of an attempt after which HTCondor did not run the job again
                if header.get("kind") != "outcome" or header.get("session") != session:
                    return outcomes, "it has a record that is not an outcome of this session"
                if not _is_outcome(header):
                    return outcomes, "it has a malformed outcome record"
                key = header["call"]
                outcomes.setdefault(key, Outcome(key, header["result"], header, segments, start))
                start = file.tell()
    except FileNotFoundError:
        return outcomes, None
    except (FrameError, OSError) as error:
        return outcomes, str(error)
    return outcomes, None
