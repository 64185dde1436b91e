"""Show the contents of a bundle's files: its calls and their outcomes.

A pickle can run any code. Therefore a frame is unpickled only if its tag is valid under the secret of its session, and
if only the user can read or write that secret. Of all other frames only the headers are shown, which are JSON and
cannot run code.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from condor_futures.calls.stored_calls import bundle_secret
from condor_futures.errors import CondorFuturesError
from condor_futures.execution_point import unpickling
from condor_futures.execution_point.frames import TAG_SIZE, FrameError, read_frames, skim
from condor_futures.execution_point.unpickling import Unpickler, found_here
from condor_futures.files.attempts import find_attempts
from condor_futures.session.call_names import read_names
from condor_futures.session.event_log import EventLog
from condor_futures.session.finding import sessions_directory
from condor_futures.session.session import Session, own_sessions
from condor_futures.state_machine import states

__all__ = ["InspectedCall", "InspectedOutcome", "Inspection", "Placeholder", "find_job", "inspect_file"]


@dataclass(frozen=True)
class Placeholder:
    """Stands for a missing object; *text* says which: another call's value, a shared object, or one not unpickled.

    >>> Placeholder("value of call c000003")
    <value of call c000003>
    """

    text: str

    def __repr__(self) -> str:
        return f"<{self.text}>"


NOT_UNPICKLED = Placeholder("not unpickled")


@dataclass(frozen=True)
class InspectedCall:
    """One call, as it was sent to the execution point.

    *function*, *args* and *kwargs* are a :class:`Placeholder` if they were not, or cannot be, unpickled.

    Attributes:
        key: the key of the call; ``"initializer"`` for the executor's initializer.
        function: the function.
        args: its arguments.
        kwargs: its keyword arguments.
        size: the size of the pickled arguments in bytes.
        authentic: whether the frame with the arguments is authentic.
        name: the name of the call; None if it has none.

    """

    key: str
    function: Any
    args: Sequence[Any] | Placeholder
    kwargs: Mapping[str, Any]
    size: int
    authentic: bool
    name: str | None = None


@dataclass(frozen=True)
class InspectedOutcome:
    """The outcome of one call.

    Attributes:
        key: the key of the call.
        result: ``"value"``, ``"exception"``, ``"initializer"`` (the initializer raised), ``"crashed"``, ``"python"``
            (the execution point has another version of Python), ``"dependency"`` (the value of another call was
            missing), or ``"shared"`` (a shared object was missing).
        value: the return value or the exception; None if there is neither. A :class:`Placeholder` if it was not, or
            cannot be, unpickled.
        traceback: the traceback of the exception, as text; empty if there is none.
        host: the execution point.
        size: the size of the pickled value in bytes.
        authentic: whether the frame is authentic.
        header: the header of the frame.
        name: the name of the call; None if it has none.

    """

    key: str
    result: str
    value: Any
    traceback: str
    host: str
    size: int
    authentic: bool
    header: Mapping[str, Any]
    name: str | None = None


@dataclass(frozen=True)
class Inspection:
    """The contents of a file.

    Attributes:
        path: the file.
        session: the id of the session; None if the file does not have it.
        bundle: the key of the bundle; None if the file does not have it.
        python: the version of the client's Python; None if the file does not have it.
        calls: the calls, in order. (The initializer, if there is one, comes first.)
        outcomes: the outcomes of the calls, in the order in which the calls ended; in a file of calls, the outcomes of
            other calls whose values these calls take.
        distrust: why some or all of the file was not unpickled, or would not have been unpickled without *trust*; None
            if all of the file is authentic.

    """

    path: Path
    session: str | None
    bundle: str | None
    python: str | None
    calls: Sequence[InspectedCall]
    outcomes: Sequence[InspectedOutcome]
    distrust: str | None


def inspect_file(path: str | Path, *, trust: bool = False) -> Inspection:
    """Return the contents of a session's file: ``BUNDLE.calls`` or ``BUNDLE.outcomes``, or a file of a warm job.

    Only authentic frames are unpickled. The tag of an authentic frame is valid under the secret in the session's
    ``session.json``, which must belong to you, and which nobody else may be able to read or write.

    Args:
        path: the file, in the place where it was written: ``SESSION/bundles/000`` or ``SESSION/lines/BUNDLE``.
        trust: unpickle the whole file, authentic or not. The author of the file can then run any code in your process.

    Raises:
        CondorFuturesError: the file holds neither calls nor outcomes.
        OSError: the file cannot be read.

    Example:
        >>> from condor_futures.inspection import inspect_file
        >>> with CondorExecutor(access_point="personal", warm=0, session="scan") as executor:
        ...     powers = list(executor.map(pow, [2, 3], [10, 2], chunksize=2))
        >>> for outcome in inspect_file("scan/bundles/000/b000000.outcomes").outcomes:
        ...     print(outcome.key, outcome.result, outcome.value)
        c000000 value 1024
        c000001 value 9

    """
    path = Path(path)
    reader = _Reader(read_names(path.resolve().parent.parent.parent))
    if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would block until another process opens its other end
        raise CondorFuturesError(f"{path} holds neither calls nor outcomes: it is not a regular file")
    with path.open("rb") as file:
        try:
            secret, distrust = _secret_of(path, file), None
        except CondorFuturesError as error:
            secret, distrust = None, f"the file cannot be authenticated: {error}"
        end, broken = 0, ""
        if secret is not None:
            try:
                for header, segments in read_frames(file, secret):
                    reader.add(header, segments, authentic=True)
                    end = file.tell()
            except FrameError as error:
                broken = str(error)
                distrust = f"the file is not authentic from byte {end} on: {error}"
        if secret is None or broken:
            for frame in _skim_frames(file, end, read=trust):
                reader.add(*frame, authentic=False)
        if not reader.frames and os.fstat(file.fileno()).st_size:
            raise CondorFuturesError(f"{path} holds neither calls nor outcomes: {broken or 'it has no frames'}")
    head = reader.head
    return Inspection(
        path, _text(head.get("session")), _text(head.get("bundle")), _text(head.get("python")), reader.calls,
        reader.outcomes, distrust,
    )  # fmt: skip


def _secret_of(path: Path, file: BinaryIO) -> bytes:
    """Return the secret that authenticates a file of a session.

    A warm job has a secret of its own. The name of its bundle is that of the directory in which it and the client
    write, or that of the file in which it brings back the rest.
    """
    session = Session.of_file(path)
    own = path.resolve()
    key = own.parent.name if own.parent.parent == session.lines else own.stem
    of_job = bundle_secret(session.secret, key)
    with contextlib.suppress(FrameError):
        if next(read_frames(file, of_job), None) is not None:
            file.seek(0)
            return of_job
    file.seek(0)
    return session.secret


def find_job(job_id: str, session: Path | None = None) -> list[Path]:
    """Return the files of a job: its calls, if they have not been removed, and its outcomes, if it has any yet.

    Each attempt of a warm job has its own files, and the outcomes that it brought back at its end are in another one.

    Args:
        job_id: the job, as ``cluster.proc``.
        session: the session's directory; by default, all sessions below
            :func:`condor_futures.session.finding.sessions_directory` are searched.

    Raises:
        CondorFuturesError: no session has the job, or several have one with this id (on several access points).

    Example:
        >>> from condor_futures.inspection import find_job
        >>> future.result()
        1024
        >>> *calls, outcomes = find_job(future.job_id, executor.session)
        >>> outcomes.name
        'b000000.outcomes'

    """
    if not re.fullmatch(r"\d+\.\d+", job_id):
        raise CondorFuturesError(f"{job_id!r} is neither a file nor a job id of the form cluster.proc")
    if session is not None:
        sessions, where = [Session.open(session)], str(session)
    else:
        sessions, where = (
            list(own_sessions()),
            f"any session below {sessions_directory()}; --session DIRECTORY names one",
        )
    found = {opened.directory: key for opened in sessions for key in [_bundle_of(job_id, opened)] if key is not None}
    if not found:
        advice = ""
        if session is not None and len(_logs(sessions[0])) > 1:
            advice = ": DAGMan's log has only the jobs of the DAG's last run; name a file of the session instead"
        elif session is not None and not any(log.stat().st_size for log in _logs(sessions[0])):
            advice = (
                ": the event log of the session is empty, for example because the access point does not see the "
                "directory; name a file of the session instead"
            )
        raise CondorFuturesError(f"there is no job {job_id} in {where}{advice}")
    if len(found) > 1:
        names = ", ".join(map(str, found))
        raise CondorFuturesError(f"several sessions have a job {job_id}; name one with --session: {names}")
    [(directory, key)] = found.items()
    line = directory / "lines" / key
    kinds = ("calls", "outcomes")
    files = [line / f"{name}.{kind}" for name in find_attempts(line) for kind in kinds]
    files += [file for kind in kinds for file in directory.glob(f"bundles/*/{key}.{kind}")]
    if not files:
        raise CondorFuturesError(f"the files of the job {job_id}, {key}.*, have been removed from {directory}")
    return files


def _bundle_of(job_id: str, session: Session) -> str | None:
    """Return the key of the bundle of the last job that had the id, from the note in the job's submit event.

    A schedd that lost its queue uses job ids again.
    """
    bundle = None
    for path in _logs(session):
        try:
            log = EventLog(path)
        except UnicodeEncodeError:
            raise CondorFuturesError(
                f"HTCondor cannot read {str(path)!r}, because its name cannot be encoded; name a file of the session "
                "instead"
            ) from None
        try:
            # (including the events after a part that cannot be read)
            for event in log.read_all():
                if isinstance(event, states.Submitted) and event.job_id == job_id:
                    bundle = event.bundle if re.fullmatch(r"\w+", event.bundle, re.ASCII) else bundle
        finally:
            log.close()
    return bundle


def _logs(session: Session) -> list[Path]:
    """Return the job event logs of a session: its own, and DAGMan's for the nodes of a DAG."""
    return [path for path in (session.event_log, *session.directory.glob("*.dag.nodes.log")) if path.exists()]


def _skim_frames(file: BinaryIO, start: int, *, read: bool) -> Iterator[tuple[Mapping[str, Any], list[bytes] | None]]:
    """Yield the headers of the complete frames from *start* on, with their segments if *read*.

    Nothing is authenticated.
    """
    file.seek(start)
    frames = skim(file)
    while True:
        try:
            header, _, end = next(frames)
        except (StopIteration, ValueError, OverflowError, OSError, MemoryError):  # (a length can be any number)
            return
        if read:
            file.seek(end - TAG_SIZE - sum(header["segments"]))
            yield header, [file.read(size) for size in header["segments"]]
            file.seek(end)
        else:
            yield header, None


class _Reader:
    """Converts frames, one after the other, into calls and outcomes."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self.head: Mapping[str, Any] = {}
        self.calls: list[InspectedCall] = []
        self.outcomes: list[InspectedOutcome] = []
        self.frames = 0
        self._functions: list[Any] = []

    def add(self, header: Mapping[str, Any], segments: Sequence[bytes | bytearray] | None, *, authentic: bool) -> None:
        """Add a frame; if its *segments* are given, unpickle it."""
        size = sum(header["segments"])
        loaded: Any = None
        if size:
            loaded = NOT_UNPICKLED if segments is None else _unpickle(segments, header.get("number"))
        key = _text(header.get("call")) or "?"
        match header.get("kind"):
            case "bundle":
                self.head = header
                if size:
                    function, args = loaded if _is_pair(loaded) else (loaded, loaded)
                    self.calls.append(InspectedCall("initializer", function, args, {}, size, authentic))
            case "function":
                self._functions.append(loaded)
            case "call":
                args, kwargs = loaded if _is_pair(loaded) else (loaded, {})
                call = InspectedCall(key, self._function(header), args, kwargs, size, authentic, self._names.get(key))
                self.calls.append(call)
            case "outcome":
                self.head = self.head or header
                result, traceback, host = (_text(header.get(name)) or "" for name in ("result", "traceback", "host"))
                self.outcomes.append(
                    InspectedOutcome(
                        key, result, loaded, traceback, host, size, authentic, dict(header), self._names.get(key)
                    )
                )
            case _:
                return
        self.frames += 1

    def _function(self, header: Mapping[str, Any]) -> Any:
        index = header.get("function")
        if isinstance(index, int) and 0 <= index < len(self._functions):
            return self._functions[index]
        return Placeholder("a function that is missing from the file")


def _is_pair(loaded: Any) -> bool:
    return isinstance(loaded, tuple) and len(loaded) == 2  # noqa: PLR2004 - what pickle_object was given


def _text(value: object) -> str | None:
    """Return a field of a header if it is a string; a header that is not authentic may hold anything."""
    return value if isinstance(value, str) else None


class _Unpickler(Unpickler):
    """Substitutes placeholders for objects that exist only in a job."""

    def __init__(self, file: io.BytesIO, buffers: Sequence[bytes | bytearray], number: object) -> None:
        super().__init__(file, buffers=buffers)
        self._number = number

    def find_class(self, module: str, name: str) -> Any:
        if found_here(module, name) == unpickling.__name__:
            if name == "value_of_call":
                return lambda key: Placeholder(f"value of call {key}")
            if name == "number_in_cluster":
                return lambda: self._number
            if name == "shared_object":
                return lambda name, *_: Placeholder(f"shared object {name[:12]}")
        return super().find_class(module, name)


def _unpickle(segments: Sequence[bytes | bytearray], number: object) -> Any:
    try:
        file = io.BytesIO(segments[0])
        loaded = _Unpickler(file, segments[1:], number).load()
        is_first = type(loaded) is unpickling.ScriptVariables
        return _Unpickler(file, segments[1:], number).load() if is_first else loaded
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - unpickling runs the user's code
        return Placeholder(f"cannot be unpickled here: {type(error).__name__}: {error}")
