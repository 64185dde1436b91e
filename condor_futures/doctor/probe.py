"""The probe: a job that tells which Python runs it, and how long each step takes."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import wait
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import htcondor2

from condor_futures.access_point.location import Location
from condor_futures.access_point.why_idle import analyse
from condor_futures.errors import AccessPointError, CondorFuturesError
from condor_futures.executor.condor_executor import CondorExecutor
from condor_futures.future import CondorFuture
from condor_futures.session.session import Session

__all__ = ["Probed", "Times", "probe", "read_events", "times_of"]

#: An expression, because a job cannot import this module: eval() is a function that every job has.
_LOOK_AROUND = """{
    "began": __import__("time").time(),
    "python": __import__("platform").python_version(),
    "executable": __import__("sys").executable,
    "host": __import__("platform").node(),
    "system": __import__("platform").platform(),
    "ticket": "KRB5CCNAME" in __import__("os").environ,
}"""
_WARM = 20.0  # s that a warm job waits for calls
_WARM_CALLS = 9
_LOOK, _LOOK_SHARE, _LOOK_LONGEST = 0.5, 0.1, 5.0  # s between two looks at the job; a share of the time so far; s
_FIRST_ANALYSIS, _NEXT_ANALYSIS = 2.0, 15.0  # s in the queue before condor_q analyses an idle job; s until the next
_INPUT_STARTED, _INPUT_ENDED = 2, 3  # of the types of file transfer events (FileTransferEventType)


@dataclass(frozen=True)
class Times:
    """The seconds that each step of the job took; None if it is not known, or there was no such step.

    Attributes:
        match: from the submission until the job had a slot that began to run it.
        transfer: for the input files.
        start: from the end of the transfer, or from the start of the job, until the call began.
        total: from submit() to the result.

    """

    match: float | None = None
    transfer: float | None = None
    start: float | None = None
    total: float | None = None


@dataclass
class Probed:
    """What the probe found out.

    Attributes:
        error: the exception that the call failed with; None if it has a result.
        state: the state of a job that was given up; empty if the call has ended.
        why_idle: why it was idle, if it was.
        hopeless: whether no slot of the pool suits it, even when it is free.
        job_id: the job; None if it was not submitted.
        waited: seconds until the result, or until the probe was given up.
        look: what the job found out: Python, host, system.
        times: how long the steps took.
        logged: whether the access point wrote the event log in the session directory; None if no job was submitted.
        warm: whether the job could be a warm one: None if it was not tried.
        why_not_warm: why the call had a job of its own, although a warm one was tried.
        warm_call: the median time of calls in a warm job, in seconds.

    """

    error: BaseException | None = None
    state: str = ""
    why_idle: str = ""
    hopeless: bool = False
    job_id: str | None = None
    waited: float = 0.0
    look: Mapping[str, Any] = field(default_factory=dict)
    times: Times = field(default_factory=Times)
    logged: bool | None = None
    warm: bool | None = None
    why_not_warm: str = ""
    warm_call: float | None = None


def probe(
    access_point: str | tuple[str, str] | None,
    location: Location,
    commands: Mapping[str, Any],
    *,
    warm: bool,
    kerberos: bool,
    timeout: float,
    tell: Callable[[str], None],
) -> Probed:
    """Run a job, and return what it found out. Errors of the access point and of the job are a part of the result.

    Args:
        access_point: as in the executor's constructor.
        location: of its schedd, for an analysis of an idle job.
        commands: submit commands for the job.
        warm: try a warm job, and measure calls in it.
        kerberos: store a Kerberos ticket for the job.
        timeout: seconds after which a job that does not run is given up.
        tell: is called with what happens now.

    """
    probed = Probed()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="condor-futures-doctor-") as kept:
        # A warm job has no log of its own. Other jobs' logs come back with their outputs, from any access point.
        options: dict[str, Any] = {"warm": _WARM} if warm else {"warm": 0.0, "keep_logs": kept}
        if kerberos:
            options["credentials"] = "kerberos"
        try:
            with CondorExecutor(1, access_point=access_point, **options, **commands) as executor:
                event_log = Session.open(executor.session).event_log
                future = executor.submit(eval, _LOOK_AROUND)
                submitted = time.monotonic()
                _follow(executor, future, probed, location, timeout, tell)
                probed.waited = time.monotonic() - submitted
                if probed.look:
                    probed.logged = event_log.stat().st_size > 0
                    if warm:
                        _call_again(executor, probed, tell)
                    events = read_events(event_log)
            if not warm:
                events = [event for log in Path(kept).glob("*.log") for event in read_events(log)]
        except CondorFuturesError as error:
            probed.error = error
            probed.waited = probed.waited or time.monotonic() - began
        else:
            if probed.look:
                probed.times = times_of(events, probed.look["began"], probed.waited)
    return probed


def _follow(
    executor: CondorExecutor,
    future: CondorFuture[Any],
    probed: Probed,
    location: Location,
    timeout: float,
    tell: Callable[[str], None],
) -> None:
    """Wait for the result; give up if the job will never run, or the time is up."""
    began = time.monotonic()
    since, analysed, waited = 0.0, -_NEXT_ANALYSIS, 0.0
    while not wait([future], timeout=min(_LOOK + _LOOK_SHARE * waited, _LOOK_LONGEST)).done:
        waited = time.monotonic() - began
        job = next(iter(executor.jobs()), None)
        probed.job_id, state = (job.job_id, job.state) if job is not None else (probed.job_id, "not in the queue yet")
        tell(f"The probe job {probed.job_id or ''} is {state} ({waited:.0f} s)")
        since = (since or waited) if state == "idle" else 0.0
        over = waited > timeout
        due = waited - since >= _FIRST_ANALYSIS and waited - analysed >= _NEXT_ANALYSIS
        if job is not None and state == "idle" and (over or due):
            probed.hopeless, probed.why_idle = _why_idle(location, job.job_id)
            analysed = waited
        if over or (probed.hopeless and state == "idle"):
            probed.state = state
            executor.terminate_workers()
            return
    probed.job_id = future.job_id or probed.job_id
    probed.error = future.exception()
    if probed.error is None:
        probed.look = future.result()


def _why_idle(location: Location, job_id: str) -> tuple[bool, str]:
    """Return whether the job will never run, and why it is idle."""
    try:
        analysis = analyse(location, job_id)
    except AccessPointError as error:
        return False, f"not known: {error}"
    return (False, "HTCondor has no analysis of it") if analysis is None else (analysis.hopeless, analysis.sentence)


def _call_again(executor: CondorExecutor, probed: Probed, tell: Callable[[str], None]) -> None:
    """Measure calls in the job that is warm now, if it is."""
    tell("Calls in the warm job")
    probed.warm = executor.why_not_warm is None
    probed.why_not_warm = executor.why_not_warm or ""
    times = []
    for _ in range(_WARM_CALLS if probed.warm else 0):
        began = time.perf_counter()
        executor.submit(abs, -1).result()
        times.append(time.perf_counter() - began)
    probed.warm_call = statistics.median(times) if times else None


#: An event of a job's log: its name, its time in seconds since the epoch, and the type of a file transfer event.
_Event = tuple[str, float, int]


def read_events(log: Path) -> list[_Event]:
    """Return the events in a job event log; none if it cannot be read."""
    try:
        events = htcondor2.JobEventLog(str(log)).events(stop_after=0)
        return [
            (event.type.name, datetime.fromisoformat(str(event["EventTime"])).timestamp(), int(event.get("Type", 0)))
            for event in events
        ]
    except (htcondor2.HTCondorException, OSError, ValueError, KeyError):
        return []


def times_of(events: Sequence[_Event], began: float, total: float) -> Times:
    """Return how long the steps of the probe job took.

    Args:
        events: those of the job. Some access points write them in whole seconds.
        began: when the call began, by the clock of the execution point.
        total: seconds from submit() to the result.

    >>> times_of([("SUBMIT", 10.0, 0), ("FILE_TRANSFER", 11.0, 2), ("FILE_TRANSFER", 11.2, 3), ("EXECUTE", 11.25, 0)],
    ...     began=11.5, total=2.0)
    Times(match=1.0, transfer=0.2, start=0.3, total=2.0)

    """

    def when(name: str, kind: int = 0) -> float | None:
        return next((time for event, time, of_kind in events if event == name and of_kind == kind), None)

    submitted, executes = when("SUBMIT"), when("EXECUTE")
    sends, sent = when("FILE_TRANSFER", _INPUT_STARTED), when("FILE_TRANSFER", _INPUT_ENDED)
    first = sends if sends is not None else executes

    def between(start: float | None, end: float | None) -> float | None:
        # The clocks of two machines differ, and so may the time zones of their logs.
        if start is None or end is None or not -1 <= end - start <= total + 1:
            return None
        return round(max(0.0, end - start), 3)

    return Times(
        match=between(submitted, first),
        transfer=between(sends, sent),
        start=between(sent if sent is not None else executes, began),
        total=round(total, 3),
    )
