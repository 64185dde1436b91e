"""Writes the calls file of a bundle: calls, and outcomes of other calls whose values they take.

The frames, and the unpickling in the job, are in :mod:`condor_futures.execution_point`, which is sent to the execution
point. Both sides use the same functions. :mod:`condor_futures.calls.pickling` pickles objects on this side.
"""

from __future__ import annotations

import contextlib
import errno
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import cloudpickle

from condor_futures.calls.outcomes_file import outcome_at
from condor_futures.calls.pickling import Pickled, pickle_object
from condor_futures.errors import (
    OutcomeError,
    PayloadError,
)
from condor_futures.execution_point.frames import skim, write_frame
from condor_futures.files.private_files import open_regular
from condor_futures.options.ship import Code, Shipping

__all__ = [
    "Call",
    "Manner",
    "append_value",
    "copy_outcome",
    "copy_outcome_at",
    "write_bundle",
    "writing_calls",
]

PythonVersion = f"{sys.version_info[0]}.{sys.version_info[1]}"
"""Client and execution point must have the same minor version, because cloudpickle's bytecode depends on it."""


_COPY = 1 << 20  # bytes at a time

#: Advice for the errors that may occur when a call is written.
_ADVICE = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "; make room there, or choose another directory (session=...)"),
    errno.EMFILE: "; close some files of this process, or raise its limit (ulimit -n)",
}


@dataclass(frozen=True, eq=False)
class Call:
    """One call as it is written into a bundle.

    Attributes:
        key: the key of the call.
        function: the pickled function.
        arguments: the pickle of ``(args, kwargs)``.
        number: the number of the call in its cluster; None if it has none.

    """

    key: str
    function: Pickled
    arguments: Pickled
    number: int | None = None

    @property
    def futures(self) -> dict[str, Future[Any]]:
        """The futures whose values the call takes, by the keys by which the call refers to them."""
        return {**self.function.futures, **self.arguments.futures}

    @property
    def shared(self) -> dict[str, int]:
        """The sizes of the shared objects that the call takes, by name."""
        return {**self.function.shared, **self.arguments.shared}

    def function_header(self) -> dict[str, Any]:
        """Return the header of the frame of its function."""
        name = {"name": self.function.name} if self.function.name else {}
        return {"kind": "function", **name}

    def header(self, function: int) -> dict[str, Any]:
        """Return the header of the call's frame; *function* is the number of its function in the file."""
        header: dict[str, Any] = {"kind": "call", "call": self.key, "function": function}
        header["submitted"] = round(time.time(), 3)  # the job copies it to the outcome
        if self.number is not None:
            header["number"] = self.number
        if self.futures:
            header["parents"] = list(self.futures)
        if self.shared:
            header["shared"] = self.shared
        return header


@dataclass(frozen=True, eq=False)
class Manner:
    """How a job makes the calls of its bundle, and further data that is written with the calls.

    Attributes:
        scratch: the job makes the calls in its scratch directory, even if it starts in another directory.
        initializer: the pickle of ``(initializer, initargs)``.
        retried: the pickle of a tuple of exception classes; if a call raises one of them, the job runs again.
        max_tasks_per_child: a process makes at most this many calls; then a new process starts.
        parents: outcome files that contain the values of futures among the arguments. They are beside the bundle's
            outcome file, or their names are relative to its directory.
        strict: the job fails if a call fails.
        afresh: the job keeps no outcomes of earlier attempts.
        chunk: the number of calls that one job makes if the bundle has more, because warm jobs were to make them; 0 for
            all of them.
        together: the number of calls that a warm job is given at once, as the user has chosen; 0 if that is to be found
            out.
        after: keys of the calls that these calls wait for. A client that attaches to the session reads them.
        stream: the directory of the access point that the job writes outcomes to as its calls end; None if it does not.

    """

    scratch: bool = False
    initializer: Pickled | None = None
    retried: Pickled | None = None
    max_tasks_per_child: int | None = None
    parents: Sequence[str] = ()
    strict: bool = False
    afresh: bool = False
    after: Sequence[str] = ()
    chunk: int = 0
    together: int = 0
    stream: Path | None = None


def write_bundle(
    file: BinaryIO,
    calls: Sequence[Call],
    *,
    session: str,
    bundle: str,
    secret: bytes,
    archives: Sequence[str] = (),
    code: Code | None = None,
    options: Mapping[str, Any] = MappingProxyType({}),
    objects: Path | None = None,
    environment: Path | None = None,
    manner: Manner | None = None,
) -> None:
    """Write the contents of ``BUNDLE.calls``. A function that several calls share is written once.

    The job imports from *archives*, which are zip files in its sandbox, and finds the modules *code* in its executable.
    A client that attaches to the session reads *options*. The directory *objects* has the shared objects. Only the
    Python of the *environment*, the user's archive or directory, makes the calls.
    """
    manner = manner or Manner()
    head: dict[str, Any] = {
        "kind": "bundle",
        "session": session,
        "bundle": bundle,
        "python": PythonVersion,
        "cloudpickle": cloudpickle.__version__,
        "secret": secret.hex(),
        "scratch": manner.scratch,
    }
    optional = {
        "max_tasks_per_child": manner.max_tasks_per_child,
        "archives": list(archives),
        "after": list(manner.after),
        "parents": list(manner.parents),
        "strict": manner.strict,
        "afresh": manner.afresh,
        "chunk": manner.chunk,
        "together": manner.together,
        "shared": manner.initializer.shared if manner.initializer else None,
        "objects": str(objects) if objects is not None else None,
        "stream": {"directory": str(manner.stream)} if manner.stream is not None else None,
        "environment": str(environment) if environment is not None else None,
    }
    head.update({name: value for name, value in optional.items() if value})
    if code is not None:
        head["code"] = list(code.names)
        if code.script:
            head["main"] = code.script
    head.update(options=dict(options), discard=bool(options.get("discard")))
    write_frame(file, secret, head, manner.initializer.segments if manner.initializer else ())
    if manner.retried is not None:
        write_frame(file, secret, {"kind": "retried"}, manner.retried.segments)
    written: dict[int, int] = {}
    for call in calls:
        if id(call.function) not in written:
            written[id(call.function)] = len(written)
            write_frame(file, secret, call.function_header(), call.function.segments)
        write_frame(file, secret, call.header(written[id(call.function)]), call.arguments.segments)


def append_value(
    file: BinaryIO, key: str, value: object, *, session: str, secret: bytes, ship: Shipping | None = None
) -> None:
    """Append *value* to a bundle's calls as if it were the outcome of a call with the key *key*.

    Raises:
        PayloadError: *value* cannot be pickled.

    """
    segments = pickle_object(value, "the value of a future among the arguments", ship=ship).segments
    header = {"kind": "outcome", "session": session, "call": key, "result": "value"}
    write_frame(file, secret, header, segments)


def copy_outcome(file: BinaryIO, key: str, outcomes: Path) -> None:
    """Append the outcome of the call *key* to a bundle's calls. Its frames are copied without unpickling.

    Raises:
        OutcomeError: the outcome is no longer in its file, or cannot be read.

    """
    file.writelines(_frames_of(key, outcomes))  # an OSError here concerns *file*, never the file of outcomes


def copy_outcome_at(
    file: BinaryIO, key: str, outcomes: Path, start: int, *, session: str, source: bytes, secret: bytes
) -> None:
    """Append the outcome of the call *key*, at *start* of *outcomes*, whose secret is *source*, to a bundle's calls.

    The job that wrote it may have put something else there since, such as an outcome of another job's call.

    Raises:
        OutcomeError: it is not there any more, or not authentic.

    """
    try:
        with open_regular(outcomes) as other:
            outcome = outcome_at(other, start, key, session=session, secret=source)
    except OSError as error:
        raise OutcomeError(f"the outcome of a call cannot be read again: {error}") from error
    write_frame(file, secret, dict(outcome.header), outcome.segments)


def _frames_of(key: str, outcomes: Path) -> Iterator[bytes]:
    try:
        with open_regular(outcomes) as source:
            for header, start, end in skim(source):
                if header.get("call") == key:
                    source.seek(start)
                    yield from (source.read(min(end - at, _COPY)) for at in range(start, end, _COPY))
                    return
    except OSError as error:
        raise OutcomeError(f"the outcome of the call {key} cannot be read again: {error}") from error
    raise OutcomeError(f"the outcome of the call {key} is no longer in its file")


@contextlib.contextmanager
def writing_calls(directory: Path, what: str = "a call") -> Iterator[None]:
    """Convert an OSError in the block into a :class:`PayloadError` with advice."""
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, "")
        raise PayloadError(f"{what} cannot be written to {directory}: {error.strerror or error}{advice}") from error
