"""What became of each job, from the events of HTCondor's job event log. This module reads no file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from condor_futures.state_machine import states

__all__ = ["STATES", "JobHistories", "JobHistory", "Problem"]

STATES: Final = ("queued", "transfer", "running", "idle while warm", "held")
"""The states of a job in the report. The time that a warm job waits for its next call is not in the event log."""

_TRANSFER: Final = (2, 5)  # the types of FILE_TRANSFER events: input, or output, has begun
_MOST_EVENTS: Final = 10_000


@dataclass(frozen=True)
class Problem:
    """An event that a job should not have had: *kind* and HTCondor's *reason*.

    >>> Problem("held", "via condor_hold").kind
    'held'

    """

    kind: str
    reason: str


@dataclass
class JobHistory:
    """One job.

    Attributes:
        job_id: the job, as ``cluster.proc``.
        bundle: the key of its bundle; empty if the log does not say it.
        submitted: when it was submitted, in seconds since 1970.
        spans: its states, one after the other: the state, its start and its end. The end of the last one is infinite if
            the job has not ended.
        starts: how often it was started.
        memory: the largest memory that HTCondor measured, in bytes; None if it measured none.
        requested: the memory that it requested, in bytes; None if the log does not say it.
        problems: what went wrong: holds, evictions, removals by others, signals.
        ended: whether it left the queue, or ran to its end.

    """

    job_id: str
    bundle: str
    submitted: float
    spans: list[tuple[str, float, float]] = field(default_factory=list)
    starts: int = 0
    memory: int | None = None
    requested: int | None = None
    problems: list[Problem] = field(default_factory=list)
    ended: bool = False

    def enter(self, state: str | None, time: float) -> None:
        """Begin *state* at *time*; None ends the job."""
        if self.spans and self.spans[-1][2] == math.inf:
            last, start, _ = self.spans[-1]
            if last == state:
                return
            if time > start:
                self.spans[-1] = last, start, time
            else:
                self.spans.pop()
        if state is None:
            self.ended = True
        elif len(self.spans) < _MOST_EVENTS:
            self.spans.append((state, time, math.inf))

    def forget_eviction(self, reason: str) -> None:
        """Forget that the job was evicted for *reason*: a hold or a removal evicts it first."""
        if self.problems and self.problems[-1] == Problem("evicted", reason):
            self.problems.pop()
            if len(self.spans) > 1 and self.spans[-1][0] == "queued":
                self.spans.pop()
                state, start, _ = self.spans[-1]
                self.spans[-1] = state, start, math.inf


class JobHistories:
    """The histories of all jobs in a log, in the order of their submission. :meth:`take` takes one event."""

    def __init__(self) -> None:
        self.jobs: list[JobHistory] = []
        self.last = 0.0
        """The time of the last event."""
        self._by_id: dict[str, JobHistory] = {}

    def take(self, event: states.Event, kind: str, told: Mapping[str, Any], time: float) -> None:
        """Take one event, in the order of the log. The parameters are those of ``session.event_log.Observer``.

        >>> histories = JobHistories()
        >>> histories.take(states.Submitted("7.0", "b000000"), "SUBMIT", {}, 100.0)
        >>> histories.take(states.Executing("7.0", "ep1"), "EXECUTE", {}, 103.0)
        >>> histories.take(states.Terminated("7.0", exit_status=0), "JOB_TERMINATED", {}, 105.0)
        >>> histories.jobs[0].spans
        [('queued', 100.0, 103.0), ('running', 103.0, 105.0)]

        """
        self.last = max(self.last, time)
        if isinstance(event, states.Submitted):  # a schedd that lost its queue uses ids again
            job = self._by_id[event.job_id] = JobHistory(event.job_id, event.bundle, time)
            job.enter("queued", time)
            self.jobs.append(job)
            return
        if event.job_id not in self._by_id:
            return
        job = self._by_id[event.job_id]
        _take_sizes(job, kind, told)
        if job.ended:
            return  # for example our removal of a job whose output was retrieved
        if kind == "FILE_TRANSFER" and told.get("Type") in _TRANSFER:
            job.enter("transfer", time)
        _take_state(job, event, told, time)


def _take_state(job: JobHistory, event: states.Event, told: Mapping[str, Any], time: float) -> None:
    match event:
        case states.Executing():
            job.starts += 1
            job.enter("running", time)
        case states.Evicted() | states.ShadowException():
            _take_interruption(job, event, told)
            job.enter("queued", time)
        case states.Held(code=code, reason=reason):
            job.forget_eviction(reason)
            job.problems.append(Problem(f"held, code {code}", reason))
            job.enter("held", time)
        case states.Released():
            job.enter("queued", time)
        case states.Terminated(signal=signal):
            if signal:
                job.problems.append(Problem("killed", f"by signal {signal}"))
            job.enter(None, time)
        case states.Aborted(reason=reason):
            job.forget_eviction(reason)
            job.problems.append(Problem("removed", reason))
            job.enter(None, time)


def _take_interruption(job: JobHistory, event: states.Event, told: Mapping[str, Any]) -> None:
    if isinstance(event, states.ShadowException):
        job.problems.append(Problem("shadow exception", event.reason))
    elif told.get("TerminatedAndRequeued"):
        job.problems.append(Problem("repeated", "max_retries: a call failed, and the job runs again"))
    elif not (job.problems and job.problems[-1].kind == "evicted" and job.spans[-1][0] == "queued"):
        # A failed reconnection is followed by an eviction.
        job.problems.append(Problem("evicted", str(told.get("Reason", ""))))


def _take_sizes(job: JobHistory, kind: str, told: Mapping[str, Any]) -> None:
    memory = None
    if kind == "IMAGE_SIZE":
        memory = _size(told, "ResidentSetSize", 1 << 10)
    elif kind == "JOB_TERMINATED":
        # MemoryUsage is rounded up to MiB, so the events before are more exact.
        memory = _size(told, "MemoryUsage", 1 << 20) if job.memory is None else None
        job.requested = _size(told, "RequestMemory", 1 << 20) or job.requested
    elif kind == "EXECUTE" and job.requested is None:
        # The memory of the slot, until a later event says what was requested.
        properties = told.get("ExecuteProps")
        if isinstance(properties, Mapping):
            job.requested = _size(properties, "Memory", 1 << 20)
    if memory:
        job.memory = max(memory, job.memory or 0)


def _size(told: Mapping[str, Any], name: str, unit: int) -> int | None:
    value = told.get(name)
    well = isinstance(value, (int, float)) and 0 <= value < 1 << 53
    return int(value) * unit if well else None  # type: ignore[arg-type]
