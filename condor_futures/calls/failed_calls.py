"""The calls of warm jobs that failed without an outcome, because of what became of their job.

The event log tells a client that attaches why a job of its own failed, but not which call a warm job was making. So the
client notes the error as an outcome, in a file of the session that no job can write to.
"""

from __future__ import annotations

import contextlib
import os
import traceback
from pathlib import Path

from condor_futures.execution_point.frames import FrameError, read_frames, write_frame
from condor_futures.execution_point.unpickling import dumps
from condor_futures.files.private_files import open_regular
from condor_futures.session.session import Session

__all__ = ["find_failed", "note_failed"]


def note_failed(session: Session, call: str, error: BaseException) -> None:
    """Note that *call* failed with *error*, before its future does.

    Raises:
        OSError: the note cannot be written. The file is as before.

    """
    kind = type(error)
    header = {
        "kind": "outcome",
        "session": session.id,
        "call": call,
        "result": "exception",
        "host": "",
        "type_name": f"{kind.__module__}.{kind.__qualname__}",
        "message": str(error),
        "traceback": "".join(traceback.format_exception_only(kind, error)),
    }
    end = session.failed.stat().st_size if session.failed.exists() else 0
    try:
        with session.failed.open("ab") as file:
            os.fchmod(file.fileno(), 0o600)
            write_frame(file, session.secret, header, dumps(error))
    except BaseException:
        with contextlib.suppress(OSError):
            os.truncate(session.failed, end)  # a torn frame would hide those after it
        raise


def find_failed(session: Session) -> dict[str, tuple[Path, int]]:
    """Return where the notes are, by call key. A note that an earlier client did not complete is cut off."""
    found: dict[str, tuple[Path, int]] = {}
    end = 0
    try:
        with open_regular(session.failed) as file, contextlib.suppress(FrameError):
            for header, _ in read_frames(file, session.secret):
                found.setdefault(str(header.get("call")), (session.failed, end))
                end = file.tell()
        os.truncate(session.failed, end)
    except OSError:
        pass  # no call has failed in this way
    return found
