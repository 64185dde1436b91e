"""Reads the evidence about a session: the event logs, and the headers of the outcomes.

Nothing is authenticated or unpickled: a forged file can do no more than make a number or a text wrong. Values of calls
are not read, so their size does not matter.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from condor_futures.calls.usages import usage
from condor_futures.execution_point.frames import skim
from condor_futures.files.private_files import open_regular
from condor_futures.session.call_parents import read_parents
from condor_futures.session.event_log import EventLog
from condor_futures.session.session import Session
from condor_futures.session_report.job_histories import JobHistories, JobHistory
from condor_futures.sessions import SessionInfo

__all__ = ["EndedCall", "Evidence", "ended_call", "read_evidence"]

_LONGEST: Final = 2000  # characters of a text in a report
_LONGEST_NAME: Final = 100


@dataclass(frozen=True, slots=True)
class EndedCall:
    """The outcome of one attempt of a call.

    Attributes:
        call: the key of the call.
        bundle: the key of the bundle whose job made the call.
        host: the machine.
        result: see :class:`condor_futures.inspection.InspectedOutcome`.
        started: when the call started, in seconds since 1970, by the clock of the machine; None if not known.
        ended: when it ended.
        cpu: the CPU time that it used, in seconds; None if not known.
        memory: the largest memory of its process, in bytes; None if not known.
        waited: the time from its submission to its start, in seconds; None if not known.
        error: the type of the exception, or what is known of another failure.
        message: the message of the exception.
        traceback: the last lines of the traceback.
        again: whether the call was to be made again.
        function: the name of the function; empty if it is not known.

    """

    call: str
    bundle: str
    host: str
    result: str
    started: float | None = None
    ended: float | None = None
    cpu: float | None = None
    memory: int | None = None
    waited: float | None = None
    error: str = ""
    message: str = ""
    traceback: str = ""
    again: bool = False
    function: str = ""

    @property
    def run_time(self) -> float | None:
        """Seconds from its start to its end."""
        return None if self.started is None or self.ended is None else max(self.ended - self.started, 0.0)


@dataclass(frozen=True)
class Evidence:
    """All evidence about one session.

    Attributes:
        info: what the session's directory says.
        outcomes: the outcomes of calls, several for a call of which several attempts are known.
        jobs: the jobs in the event logs.
        warm: the keys of the bundles whose jobs are warm.
        until: the time up to which the evidence goes, in seconds since 1970.
        parents: the keys of the calls that a call waits for, by call key.

    """

    info: SessionInfo
    outcomes: list[EndedCall]
    jobs: list[JobHistory]
    warm: frozenset[str]
    until: float
    parents: Mapping[str, Sequence[str]] = field(default_factory=dict)


def read_evidence(session: Session) -> Evidence:
    """Read the evidence about *session*, which may be in use.

    Raises:
        OSError: its directory cannot be read.

    """
    histories = JobHistories()
    for path in (session.event_log, *session.directory.glob("*.dag.nodes.log")):
        with contextlib.suppress(OSError, UnicodeEncodeError):  # it is not there, or HTCondor cannot read its name
            log = EventLog(path, histories.take)
            try:
                log.read_all()
            finally:
                log.close()
    info = SessionInfo.of(session)
    outcomes = list(_outcomes(session))
    until = time.time()
    if info.state != "in use":
        until = max((histories.last, *(call.ended or 0.0 for call in outcomes)))
    warm = frozenset(path.name for path in session.lines.glob("b*"))
    parents = read_parents(session.directory)
    return Evidence(info, outcomes, histories.jobs, warm, until or info.started.timestamp(), parents)


def _outcomes(session: Session) -> Iterator[EndedCall]:
    for parent in (session.bundles, session.lines, session.streams):
        for place, _, names in os.walk(parent):
            for name in names:
                path = Path(place, name)
                if path.suffix != ".outcomes" or path.with_suffix(".cancelled").exists():
                    continue
                bundle = path.stem if parent == session.bundles else path.parent.name
                with contextlib.suppress(OSError), open_regular(path) as file:
                    for header, _, _ in skim(file):
                        if header.get("kind") == "outcome":
                            yield ended_call(bundle, header)


def ended_call(bundle: str, header: Mapping[str, Any]) -> EndedCall:
    """Return what the *header* of an outcome says. A job can write anything into it.

    >>> call = ended_call("b000000", {"call": "c000000", "result": "value", "started": 5.0, "ended": 7.5, "host": 3})
    >>> call.run_time, call.host
    (2.5, '')

    """
    result = _text(header, "result")
    error, message = _text(header, "type_name").removeprefix("builtins."), _text(header, "message")
    if not error and result != "value":
        error = result
        names = ("signal", "exit_status", "stage", "here", "wanted", "parent", "object", "reason")
        message = message or ", ".join(f"{name} {header[name]}" for name in names if header.get(name) is not None)
    measured = usage(header, None)
    return EndedCall(
        _text(header, "call"),
        bundle,
        _text(header, "host"),
        result,
        _number(header.get("started")),
        _number(header.get("ended")),
        measured.cpu,
        measured.memory,
        measured.waited,
        error,
        message[:_LONGEST],
        _text(header, "traceback")[-_LONGEST:],
        bool(header.get("retry")),
        _text(header, "function")[:_LONGEST_NAME],
    )


def _text(header: Mapping[str, Any], name: str) -> str:
    value = header.get(name)
    return value if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    return float(value) if type(value) in (int, float) and 0 <= value < 1 << 53 else None  # type: ignore[operator, arg-type]
