"""What the files of a session say of the calls of one job, read as they grow."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from condor_futures.calls.lines import is_final
from condor_futures.execution_point.frames import skim
from condor_futures.files.attempts import find_attempts
from condor_futures.files.private_files import open_regular
from condor_futures.future import Progress
from condor_futures.session.call_names import clean
from condor_futures.session.names import SessionNames

__all__ = ["Call", "JobCalls", "JobFiles"]

#: Calls of one job that are listed.
MOST_CALLS: Final = 100


@dataclass(frozen=True)
class Call:
    """One call that has no outcome yet.

    Attributes:
        key: the key of the call.
        function: the name of its function; nothing if the file does not have it.

    """

    key: str
    function: str = ""


@dataclass(frozen=True)
class JobCalls:
    """The calls of one job.

    Attributes:
        waiting: the first calls that have no outcome, in order; the job makes the first of them now, or next.
        left: the number of all calls that have no outcome.
        ended: the number of calls of the job's present attempt that have an outcome.
        live: whether the job has a line, by which it tells which of its calls have ended.
        progress: the last report of the call that it makes now.
        output: by stream, the file with the output of that call, and where it begins there.

    """

    waiting: Sequence[Call] = ()
    left: int = 0
    ended: int = 0
    live: bool = False
    progress: Progress | None = None
    output: Mapping[str, tuple[Path, int]] = field(default_factory=dict)


class JobFiles:
    """Reads the files of one job. Only new frames are read, and nothing is authenticated: it is only shown."""

    def __init__(self, session: Path, bundle: str, *, warm: bool) -> None:
        """Prepare to read; *session* is the directory of the session, *bundle* the key of the job's bundle."""
        self._names = SessionNames()
        self._names.directory = session
        self._bundle = bundle if re.fullmatch("b[0-9]+", bundle) else ""
        self._warm = warm
        self._attempt = ""
        self._positions: dict[Path, int] = {}
        self._forget()

    def _forget(self) -> None:
        self._functions: list[str] = []
        #: How often the job was given each call that it has now, and the name of the function. Less than 0: the file
        #: that says so has not been read as far.
        self._given: dict[str, tuple[int, str]] = {}
        self._ended: set[str] = set()  # of a job that is not warm; of a warm one only the number
        self._number = 0
        self._report: tuple[str, Progress] | None = None
        self._starts: dict[str, int] = {}

    def read(self) -> JobCalls:
        """Return what the files say now; nothing if they are not there."""
        if not self._bundle:
            return JobCalls()
        directory = (self._names.lines if self._warm else self._names.streams) / self._bundle
        if not self._warm:
            path = self._names.directory_of_bundle(int(self._bundle[1:])) / f"{self._bundle}.calls"
            self._read(path, self._take_calls)
        attempts = find_attempts(directory)
        for name in attempts if not self._warm else attempts[-1:]:
            if name != self._attempt and name == attempts[-1]:
                self._begin(name)
            self._read(directory / f"{name}.calls", self._take_calls)
            self._read(directory / f"{name}.outcomes", self._take_outcomes)
        return self._result(directory / attempts[-1] if attempts else None)

    def _begin(self, attempt: str) -> None:
        """Read another attempt of the job. A warm job is given its calls again."""
        self._attempt = attempt
        self._starts.clear()
        self._report = None
        if self._warm:
            self._positions.clear()
            self._forget()

    def _read(self, path: Path, take: Callable[[Mapping[str, Any]], None]) -> None:
        try:
            with open_regular(path) as file:
                file.seek(self._positions.get(path, 0))
                for header, _, end in skim(file):
                    take(header)
                    self._positions[path] = end
        except (OSError, ValueError, OverflowError, MemoryError):
            pass  # it is not there, or the job has written something else

    def _take_calls(self, header: Mapping[str, Any]) -> None:
        match header:
            case {"kind": "function"}:
                self._functions.append(clean(str(header.get("name", ""))))
            case {"kind": "call", "call": str(call), "function": int(number)}:
                self._count(call, 1, self._functions[number] if 0 <= number < len(self._functions) else "")
            case {"kind": "cancel", "call": str(call)}:
                self._count(call, -1)

    def _count(self, call: str, times: int, function: str = "") -> None:
        before, known = self._given.pop(call, (0, ""))
        if before + times:
            self._given[call] = before + times, function or known

    def _take_outcomes(self, header: Mapping[str, Any]) -> None:
        match header:
            case {"kind": "outcome", "call": str(call)}:
                if self._warm or (is_final(header) and call not in self._ended):
                    self._count(call, -1)
                    self._number += 1
                if not self._warm and is_final(header):
                    self._ended.add(call)
                for stream in ("stdout", "stderr"):
                    match header.get(stream):
                        case [_, int(end)]:
                            self._starts[stream] = end
            case {"kind": "returned", "calls": list(calls)}:
                for call in calls:
                    self._count(str(call), -1)
            case {"kind": "report", "call": str(call)}:
                progress = Progress.of(header.get("fraction"), header.get("text"))
                self._report = (call, progress) if progress is not None else self._report

    def _result(self, attempt: Path | None) -> JobCalls:
        calls = [Call(key, function) for key, (times, function) in self._given.items() if times > 0]
        progress = self._report[1] if self._report is not None and calls and calls[0].key == self._report[0] else None
        output = {}
        if attempt is not None and calls:
            streams = ("stdout", "stderr")
            output = {name: (attempt.with_suffix(f".{name}"), self._starts.get(name, 0)) for name in streams}
        return JobCalls(tuple(calls[:MOST_CALLS]), len(calls), self._number, attempt is not None, progress, output)
