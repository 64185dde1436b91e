"""The evidence in the files that a session's warm jobs and its last client wrote to each other."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from condor_futures.calls.outcomes_file import read_outcomes
from condor_futures.calls.stored_calls import bundle_secret
from condor_futures.execution_point.frames import MAGIC, FrameError, read_frames, skim
from condor_futures.files.attempts import find_attempts
from condor_futures.files.private_files import open_regular
from condor_futures.future import Progress
from condor_futures.session.session import Session

__all__ = ["Attempt", "Line", "Notes", "cancelled_of", "find_lines", "find_streamed", "is_final", "last_report"]

_CANCELLED: Final = "cancelled:"
#: Bytes at the end of a file of outcomes that contain the last report, if nothing else was written after it.
_TAIL: Final = 4096


@dataclass(frozen=True)
class Attempt:
    """The last attempt of a warm job.

    Attributes:
        name: the name of its files.
        calls: the keys of the calls that the job was given and has not ended or returned, in order. No other job was
            given them later.
        position: the file of outcomes was read up to here.
        greeted: whether the attempt has said hello. Before, it writes the outcomes that earlier attempts had kept.
        lost: the keys of other calls that the job may still bring an outcome of: those that were given to another job
            later, as this one had lost its slot, and if the attempt has not said hello, all others without an outcome.
        earlier: the names of the files of earlier attempts.

    """

    name: str
    calls: Sequence[str]
    position: int
    greeted: bool = True
    lost: AbstractSet[str] = frozenset()
    earlier: AbstractSet[str] = frozenset()


@dataclass(frozen=True)
class Line:
    """The files of one warm job.

    Attributes:
        directory: the directory of the files.
        outcomes: by call key, the file that has its outcome, and where that begins.
        last: the last attempt; None if the job never ran.

    """

    directory: Path
    outcomes: Mapping[str, tuple[Path, int]] = field(default_factory=dict)
    last: Attempt | None = None


def find_lines(session: Session, notes: Notes) -> dict[str, Line]:
    """Return the evidence of each warm job, by the key of its bundle."""
    lines = {}
    for directory in sorted(session.lines.glob("b*")):
        key = directory.name
        # HTCondor lets a job make links wherever its owner can (Chirp's symlink, seen with 25.14).
        if not re.fullmatch("b[0-9]+", key) or directory.is_symlink():
            continue
        secret, allowed = bundle_secret(session.secret, key), notes.given.get(key, set())
        held = {call for call in allowed if notes.holders[call] == key}
        outcomes: dict[str, tuple[Path, int]] = {}
        last = None
        for name in find_attempts(directory):
            before = last
            last = _read(directory, name, session.id, secret, allowed, held, outcomes)
            if before is not None:
                last = replace(last, earlier=before.earlier | {before.name})
        brought = session.bundles / session.directory_of_bundle(int(key[1:])).name / f"{key}.outcomes"
        for call, outcome in read_outcomes(brought, session=session.id, secret=secret)[0].items():
            if call in allowed:
                outcomes.setdefault(call, (brought, outcome.start))
        lines[key] = Line(directory, outcomes, last)
    return lines


def find_streamed(directory: Path, session: Session, calls: Collection[str]) -> dict[str, tuple[Path, int]]:
    """Return the outcomes that the job of a closed bundle wrote as its *calls* ended, and that no later one replaces.

    Args:
        directory: the directory that the job writes to.
        session: the session of the job.
        calls: the keys of the calls of the bundle.

    """
    outcomes: dict[str, tuple[Path, int]] = {}
    for name in find_attempts(directory):
        path, position = directory / f"{name}.outcomes", 0
        with contextlib.suppress(OSError, FrameError), open_regular(path) as file:
            for header, _ in read_frames(file, session.secret):
                start, position = position, file.tell()
                if is_final(header) and header.get("session") == session.id and header.get("call") in calls:
                    outcomes.setdefault(header["call"], (path, start))
    return outcomes


def is_final(header: Mapping[str, Any]) -> bool:
    """Return whether a frame is an outcome after which no later attempt of the job makes the call.

    >>> is_final({"kind": "outcome", "result": "value"}), is_final({"kind": "outcome", "result": "crashed"})
    (True, False)
    >>> is_final({"kind": "outcome", "result": "exception", "retry": True})
    False

    """
    ended = header.get("kind") == "outcome" and header.get("result") in ("value", "exception")
    return ended and not header.get("retry")


def last_report(directory: Path) -> Progress | None:
    """Return the last report of the call that a warm job makes now; None if the call has not reported anything.

    Only the end of one file is read, and nothing is authenticated, because the job makes up its reports anyway.

    Args:
        directory: the directory of the job's files.

    """
    attempts = find_attempts(directory)
    if not attempts:
        return None
    try:
        with open_regular(directory / f"{attempts[-1]}.outcomes") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            data = file.read(_TAIL)
    except OSError:
        return None
    at = len(data)
    while (at := data.rfind(MAGIC, 0, at)) >= 0:
        frame = next(skim(io.BytesIO(data[at:])), None)
        if frame is not None:  # otherwise it is not whole yet, or no frame
            header = frame[0]
            if header.get("kind") == "stack":
                continue  # somebody has asked for it since the last report
            return Progress.of(header.get("fraction"), header.get("text")) if header.get("kind") == "report" else None
    return None


def calls_of(path: Path) -> list[str]:
    """Return the keys of the calls in the file *path* of a closed bundle. Nothing is authenticated."""
    try:
        with open_regular(path) as file:
            return [str(header["call"]) for header, _, _ in skim(file) if header.get("kind") == "call"]
    except (OSError, KeyError):
        return []


def running_call(directory: Path) -> str | None:
    """Return the key of the call that a warm job makes now, or next; None if it has no call.

    Only headers are read, and nothing is authenticated: a hostile job can make no other job appear in another light.

    Args:
        directory: the directory of the job's files.

    """
    attempts = find_attempts(directory)
    if not attempts:
        return None
    gone: Counter[str] = Counter()
    given: Counter[str] = Counter()
    for suffix in ("outcomes", "calls"):
        try:
            with open_regular(directory / f"{attempts[-1]}.{suffix}") as file:
                for header, _, _ in skim(file):
                    match header:
                        case {"kind": "outcome" | "cancel", "call": str(call)}:
                            gone[call] += 1
                        case {"kind": "returned", "calls": list(calls)}:
                            gone.update(call for call in calls if isinstance(call, str))
                        case {"kind": "call", "call": str(call)}:
                            given[call] += 1
        except OSError:
            return None
    return next((call for call, times in given.items() if times > gone[call]), None)


def cancelled_of(bundle: str) -> str:
    """Return what stands for a job in the session's file ``given``, for the cancelled calls that *bundle* stores.

    >>> cancelled_of("b000001")
    'cancelled:b000001'

    """
    return _CANCELLED + bundle


@dataclass(frozen=True)
class Notes:
    """The clients' notes, where no job can write: a hostile job may write outcomes of any calls into its files.

    Attributes:
        given: the calls that each job was given, by the key of its bundle.
        holders: by call, the bundle of the job that was given the call last.
        cancelled: the calls that were cancelled, or moved to files of their own, by the key of the bundle that stored
            them. Warm jobs were to make them.

    """

    given: Mapping[str, set[str]] = field(default_factory=dict)
    holders: Mapping[str, str] = field(default_factory=dict)
    cancelled: Mapping[str, set[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, session: Session) -> Notes:
        """Read the notes of a session. Other lines do no harm."""
        given: dict[str, set[str]] = {}
        holders: dict[str, str] = {}
        cancelled: dict[str, set[str]] = {}
        try:
            text = session.given.read_text(errors="replace")
        except OSError:
            return cls()
        for line in text.splitlines():
            key, _, calls = line.partition(" ")
            keys = calls.split()
            if not keys:
                continue
            if key.startswith(_CANCELLED):
                cancelled.setdefault(key.removeprefix(_CANCELLED), set()).update(keys)
            else:
                given.setdefault(key, set()).update(keys)
                holders.update(dict.fromkeys(keys, key))
        return cls(given, holders, cancelled)


def _read(
    directory: Path,
    name: str,
    session: str,
    secret: bytes,
    allowed: AbstractSet[str],
    held: AbstractSet[str],
    outcomes: dict[str, tuple[Path, int]],
) -> Attempt:
    """Read the files of one attempt, which may hold what the job likes but for calls that it was *allowed* to make.

    It still has those of them that are *held*; the others were given to another job later.
    """
    path = directory / f"{name}.outcomes"
    returned: Counter[str] = Counter()
    left = greeted = False
    position = 0
    try:
        with open_regular(path) as file:
            for header, _ in read_frames(file, secret):
                start, position = position, file.tell()
                match header:
                    case {"kind": "outcome", "session": of, "call": str(call)} if of == session and call in allowed:
                        outcomes.setdefault(call, (path, start))
                    case {"kind": "hello"}:
                        greeted = True
                    case {"kind": "returned", "calls": list(calls)}:
                        returned.update(call for call in calls if isinstance(call, str))
                    case {"kind": "left"}:
                        left = True
    except (OSError, FrameError):
        pass  # the rest is not whole yet, or never will be
    given = _calls_of(directory / f"{name}.calls", allowed)
    calls = [call for call, times in given.items() if not left and times > returned[call] and call not in outcomes]
    own = tuple(call for call in calls if call in held)
    lost = (allowed - outcomes.keys() if not greeted else set(calls)) - set(own)
    return Attempt(name, own, position, greeted, frozenset(lost))


def _calls_of(path: Path, allowed: AbstractSet[str]) -> Counter[str]:
    """Return how often the client gave each call to an attempt."""
    given: Counter[str] = Counter()
    try:
        with open_regular(path) as file:
            for header, _, _ in skim(file):
                match header:  # the job can write here too
                    case {"kind": "call", "call": str(call)} if call in allowed:
                        given[call] += 1
                    case {"kind": "cancel", "call": str(call)}:
                        given.pop(call, None)
    except OSError:
        pass  # the client had not noticed this attempt
    return given
