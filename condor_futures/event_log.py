"""HTCondor's job event log, and where it is silent the schedd's queue, as our own small events."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import htcondor2
from htcondor2 import JobEventType

from condor_futures import states

__all__ = ["QUEUE_PROJECTION", "EventLog", "queue_events", "translate"]

logger = logging.getLogger(__name__)

QUEUE_PROJECTION = [
    "ClusterId",
    "ProcId",
    "JobStatus",
    "HoldReasonCode",
    "HoldReasonSubCode",
    "HoldReason",
    "ExitBySignal",
    "ExitSignal",
    "ExitCode",
    "RemoteHost",
]
"""The attributes that :func:`queue_events` looks at."""


_IDLE, _RUNNING, _REMOVED, _COMPLETED, _HELD = range(1, 6)  # JobStatus, as HTCondor numbers it

#: The note that submit_event_user_notes leaves in each SUBMIT event; see submit_description.describe.
_NOTE = "bundle="


def _submitted(job: str, event: Mapping[str, Any]) -> states.Event:
    notes = str(event.get("UserNotes", ""))
    return states.Submitted(job, notes.removeprefix(_NOTE).strip() if notes.startswith(_NOTE) else "")


def _executing(job: str, event: Mapping[str, Any]) -> states.Event:
    # SlotName is slot1_2@host; ExecuteHost is an address.
    slot = str(event.get("SlotName", ""))
    return states.Executing(job, slot.rpartition("@")[2] or str(event.get("ExecuteHost", "")))


def _terminated(job: str, event: Mapping[str, Any]) -> states.Event:
    if event.get("TerminatedNormally", True):
        return states.Terminated(job, exit_status=int(event.get("ReturnValue", 0)))
    return states.Terminated(job, signal=int(event.get("TerminatedBySignal", 0)))


def _held(job: str, event: Mapping[str, Any]) -> states.Event:
    return states.Held(
        job,
        int(event.get("HoldReasonCode", 0)),
        int(event.get("HoldReasonSubCode", 0)),
        str(event.get("HoldReason", "")),
    )


_TRANSLATIONS: dict[JobEventType, Callable[[str, Mapping[str, Any]], states.Event]] = {
    JobEventType.SUBMIT: _submitted,
    JobEventType.EXECUTE: _executing,
    JobEventType.JOB_EVICTED: lambda job, _: states.Evicted(job),
    JobEventType.JOB_RECONNECT_FAILED: lambda job, _: states.Evicted(job),
    JobEventType.JOB_TERMINATED: _terminated,
    JobEventType.JOB_ABORTED: lambda job, event: states.Aborted(job, str(event.get("Reason", ""))),
    JobEventType.JOB_HELD: _held,
    JobEventType.JOB_RELEASED: lambda job, _: states.Released(job),
    JobEventType.SHADOW_EXCEPTION: lambda job, event: states.ShadowException(job, str(event.get("Message", ""))),
}


def translate(event: htcondor2.JobEvent) -> states.Event:
    """One event of HTCondor's as one of ours; those without a meaning of their own become a Note."""
    job = f"{event.cluster}.{event.proc}"
    translation = _TRANSLATIONS.get(event.type)
    return translation(job, event) if translation else states.Note(job)


class EventLog:
    """Reads what was appended to a job event log since it was last read.

    It never waits: ``JobEventLog`` can wait for whole seconds only, and a thread inside it cannot be woken. A read
    without news takes 4 microseconds (25.14), so the watcher asks often instead.
    """

    def __init__(self, path: Path) -> None:
        """Begin at the start of the log at *path*, which must exist."""
        self._log = htcondor2.JobEventLog(str(path))
        self._refused = ""

    def read(self) -> list[states.Event]:
        """The events that are new, in the log's order; one that the bindings refuse is left out."""
        events: list[states.Event] = []
        log = self._log.events(stop_after=0)
        while True:
            try:
                events.append(translate(next(log)))
            except StopIteration:
                return events
            except (htcondor2.HTCondorException, ValueError) as error:
                # Of a newer HTCondor, or not whole yet: it may be refused again, so the next ones are for the next
                # time.
                # What it would have said, the audit finds out.
                if str(error) != self._refused:
                    self._refused = str(error)
                    logger.warning("an event in the job event log is passed over: %s", error)
                return events

    def close(self) -> None:
        """Close the file."""
        self._log.close()


def queue_events(jobs: Mapping[str, states.Job], ads: Iterable[Mapping[str, Any]]) -> dict[str, states.Event]:
    """What the schedd's queue says of *jobs* (by job id) that their states do not show yet.

    >>> job = states.Job("b000001", spooled=True, state=states.State.RUNNING, job_id="7.0")
    >>> queue_events({"7.0": job}, [{"ClusterId": 7, "ProcId": 0, "JobStatus": 4, "ExitCode": 0}])
    {'7.0': Terminated(job_id='7.0', exit_status=0, signal=None)}
    >>> queue_events({"7.0": job}, [])
    {'7.0': Gone(job_id='7.0')}
    """
    queue = {f"{ad['ClusterId']}.{ad['ProcId']}": ad for ad in ads}
    events: dict[str, states.Event] = {}
    for job_id, job in jobs.items():
        if job.state not in (states.State.IDLE, states.State.RUNNING):
            continue
        ad = queue.get(job_id)
        status = int(ad["JobStatus"]) if ad is not None else None
        if ad is None or status is None:
            events[job_id] = states.Gone(job_id)
        elif status == _RUNNING and job.state is states.State.IDLE:
            events[job_id] = states.Executing(job_id, str(ad.get("RemoteHost", "")).rpartition("@")[2])
        elif status == _IDLE and job.state is states.State.RUNNING:
            events[job_id] = states.Evicted(job_id)
        elif status == _REMOVED:
            events[job_id] = states.Aborted(job_id)
        elif status == _COMPLETED:
            by_signal = bool(ad.get("ExitBySignal", False))
            number = int(ad.get("ExitSignal" if by_signal else "ExitCode", 0))
            events[job_id] = (
                states.Terminated(job_id, signal=number) if by_signal else states.Terminated(job_id, exit_status=number)
            )
        elif status == _HELD and ad.get("HoldReasonCode") != states.SPOOLING_INPUT:
            events[job_id] = _held(job_id, ad)
    return events
