"""What the files of a bundle hold: calls as bytes; outcomes, which become a value or an exception.

The frames and the pickling on the other side are in :mod:`condor_futures.execution_point`, which travels to the
execution point; both sides use the same functions. How objects are pickled here is in
:mod:`condor_futures.calls.pickling`.
"""

from __future__ import annotations

import contextlib
import errno
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import cloudpickle

from condor_futures.calls.pickling import Pickled, pickle_object
from condor_futures.errors import (
    OutcomeError,
    PayloadError,
)
from condor_futures.execution_point.frames import skim, write_frame
from condor_futures.files.private_files import open_regular
from condor_futures.options.ship import Shipping

__all__ = [
    "Call",
    "Manner",
    "append_value",
    "copy_outcome",
    "write_bundle",
    "writing_calls",
]

PythonVersion = f"{sys.version_info[0]}.{sys.version_info[1]}"
"""What must agree between client and execution point: the minor version, on which cloudpickle's bytecode depends."""


_COPY = 1 << 20  # bytes at a time

#: What can be done where a call cannot be written.
_ADVICE = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "; make room there, or choose another directory (session=...)"),
    errno.EMFILE: "; close some of this process's, or let it have more (ulimit -n)",
}


@dataclass(frozen=True, eq=False)
class Call:
    """One call as it is written into a bundle: *arguments* is the pickle of ``(args, kwargs)``; *number* is that of the
    call in its cluster.
    """

    key: str
    function: Pickled
    arguments: Pickled
    number: int | None = None

    @property
    def futures(self) -> dict[str, Future[Any]]:
        """The futures that it takes values from, by the keys that it refers to them with."""
        return {**self.function.futures, **self.arguments.futures}


@dataclass(frozen=True, eq=False)
class Manner:
    """How a job makes the calls of its bundle, and what else is kept with them.

    Attributes:
        scratch: the calls are made in the job's scratch directory, also where the job begins in another one.
        initializer: the pickle of ``(initializer, initargs)``.
        retried: the pickle of a tuple of classes of exceptions for which the job is to be run again.
        max_tasks_per_child: after so many calls, the next one gets a fresh process.
        parents: files of outcomes, beside the bundle's or relative to its directory, that hold the values of futures
            among the arguments.
        strict: the job fails if a call does.
        afresh: nothing of earlier attempts is kept.
        after: keys of calls that these come after, for whoever attaches to the session.

    """

    scratch: bool = False
    initializer: Pickled | None = None
    retried: Pickled | None = None
    max_tasks_per_child: int | None = None
    parents: Sequence[str] = ()
    strict: bool = False
    afresh: bool = False
    after: Sequence[str] = ()


def write_bundle(
    file: BinaryIO,
    calls: Sequence[Call],
    *,
    session: str,
    bundle: str,
    secret: bytes,
    archives: Sequence[str] = (),
    options: Mapping[str, Any] = MappingProxyType({}),
    manner: Manner | None = None,
) -> None:
    """Write what ``BUNDLE.calls`` holds; a function that calls share is written once.

    *archives* are zip files in the sandbox to import from; *options* are for whoever attaches to the session.
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
    }
    head.update({name: value for name, value in optional.items() if value})
    head.update(options=dict(options), discard=bool(options.get("discard")))
    write_frame(file, secret, head, manner.initializer.segments if manner.initializer else ())
    if manner.retried is not None:
        write_frame(file, secret, {"kind": "retried"}, manner.retried.segments)
    written: dict[int, int] = {}
    for call in calls:
        if id(call.function) not in written:
            written[id(call.function)] = len(written)
            write_frame(file, secret, {"kind": "function"}, call.function.segments)
        header = {"kind": "call", "call": call.key, "function": written[id(call.function)]}
        if call.number is not None:
            header["number"] = call.number
        if call.futures:
            header["parents"] = list(call.futures)
        write_frame(file, secret, header, call.arguments.segments)


def append_value(
    file: BinaryIO, key: str, value: object, *, session: str, secret: bytes, ship: Shipping | None = None
) -> None:
    """Append *value* to a bundle's calls as if it were the outcome of a call *key*.

    Raises:
        PayloadError: if it cannot be pickled.

    """
    segments = pickle_object(value, "the value of a future among the arguments", ship=ship).segments
    header = {"kind": "outcome", "session": session, "call": key, "result": "value"}
    write_frame(file, secret, header, segments)


def copy_outcome(file: BinaryIO, key: str, outcomes: Path) -> None:
    """Append the outcome of the call *key* to a bundle's calls, frame for frame: nothing is unpickled.

    Raises:
        OutcomeError: if it is not there any more.

    """
    file.writelines(_frames_of(key, outcomes))  # (an OSError is then of this file, and of no other)


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
    raise OutcomeError(f"the outcome of the call {key} is not in its file any more")


@contextlib.contextmanager
def writing_calls(directory: Path) -> Iterator[None]:
    """What the operating system refuses in here becomes a :class:`PayloadError` that says what can be done."""
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, "")
        raise PayloadError(f"a call cannot be written to {directory}: {error.strerror or error}{advice}") from error
