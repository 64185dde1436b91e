"""What ``BUNDLE.outcomes`` holds: the outcome of each call, authenticated, and unpickled on request."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from condor_futures.execution_point.frames import FrameError, read_frames
from condor_futures.execution_point.unpickling import Unpickler
from condor_futures.files.private_files import open_regular

__all__ = ["Outcome", "read_outcomes"]


@dataclass(frozen=True)
class Outcome:
    """What came back of one call: authenticated, not yet unpickled."""

    call: str
    result: str
    header: Mapping[str, Any]
    segments: Sequence[bytes | bytearray]

    @property
    def stream_ranges(self) -> dict[str, Any]:
        """Where in the job's standard output and error that of the call is."""
        return {stream: self.header[stream] for stream in ("stdout", "stderr") if stream in self.header}

    def load(self) -> Any:
        """Unpickle the value, or the exception that the call raised; None if the outcome holds neither.

        Raises:
            BaseException: whatever unpickling raises, which runs the user's code.

        """
        return Unpickler(io.BytesIO(self.segments[0]), buffers=self.segments[1:]).load() if self.segments else None


#: What the header of an outcome says in words, by its result.
_RAISED = ("type_name", "message", "traceback")


_WORDS = {
    "value": (),
    "exception": _RAISED,
    "initializer": _RAISED,
    "crashed": (),
    "python": ("here", "wanted", "executable"),
    "dependency": ("parent",),
}


def _is_outcome(header: Mapping[str, Any]) -> bool:
    """Whether all is there that is read of it: a call has the session's secret, and may write anything."""
    result, missing = header.get("result"), (header.get("unpicklable", ""), header.get("stage", ""))
    said = [header.get(name) for name in ("call", "host", *_WORDS.get(str(result), ()))]
    numbers = [header.get(name) for name in ("signal", "exit_status")]
    ranges = [header.get(stream, [0, 0]) for stream in ("stdout", "stderr")]
    return (
        isinstance(result, str)
        and result in _WORDS
        and all(isinstance(text, str) for text in (*said, *missing))
        and all(number is None or type(number) is int for number in numbers)
        and all(isinstance(part, list) and len(part) == 2 for part in ranges)  # noqa: PLR2004 - beginning and end
        and all(place is None or type(place) is int for part in ranges for place in part)
    )


def read_outcomes(path: Path, *, session: str, secret: bytes) -> tuple[dict[str, Outcome], str | None]:
    """The authentic outcomes in ``BUNDLE.outcomes`` by call key, and why reading ended early, if it did.

    A file that does not exist holds none.  An outcome of another session is not authentic.  Of several outcomes of one
    call the first counts, as it does for the runner, and for calls that take the value.
    """
    outcomes: dict[str, Outcome] = {}
    try:
        with open_regular(path) as file:
            for header, segments in read_frames(file, secret):
                if header.get("kind") != "outcome" or header.get("session") != session:
                    return outcomes, "it is not of this session"
                if not _is_outcome(header):
                    return outcomes, "it says something that no outcome says"
                outcomes.setdefault(header["call"], Outcome(header["call"], header["result"], header, segments))
    except FileNotFoundError:
        return outcomes, None
    except (FrameError, OSError) as error:
        return outcomes, str(error)
    return outcomes, None
