"""Converts the job attributes in the queue or the history to events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from condor_futures.state_machine import states
from condor_futures.state_machine.hold_codes import SPOOLING_INPUT, JobStatus
from condor_futures.state_machine.states import State

__all__ = ["PROJECTION", "queue_events"]


PROJECTION = [
    "ClusterId",
    "ProcId",
    "JobStatus",
    "RemoteHost",
    "LastRemoteHost",
    "HoldReasonCode",
    "HoldReasonSubCode",
    "HoldReason",
    "RemoveReason",
    "ExitBySignal",
    "ExitSignal",
    "ExitCode",
    "NumShadowStarts",
    "NumJobStarts",
]
"""The attributes that :func:`queue_events` uses."""


_WAITS = (JobStatus.IDLE, JobStatus.BLOCKED, JobStatus.PREPARING)


_HAS_A_SLOT = (JobStatus.RUNNING, JobStatus.TRANSFERRING_OUTPUT, JobStatus.SUSPENDED)


_HAS_RUN = (*_HAS_A_SLOT, JobStatus.COMPLETED, JobStatus.HELD)


def queue_events(
    jobs: Mapping[str, states.Job], ads: Iterable[Mapping[str, Any]]
) -> dict[str, tuple[states.Event, ...]]:
    """Return the events of *jobs* (by job id) that their states lack, according to the queue or the history.

    *ads* are the jobs' attributes, from the history for jobs that left the queue.

    >>> job = states.Job("b000001", spooled=True, state=State.RUNNING, job_id="7.0")
    >>> queue_events({"7.0": job}, [{"ClusterId": 7, "ProcId": 0, "JobStatus": 4, "ExitCode": 0}])
    {'7.0': (Terminated(job_id='7.0', exit_status=0, signal=None),)}
    >>> queue_events({"7.0": job}, [])
    {'7.0': (Gone(job_id='7.0'),)}

    """
    found = {f"{ad['ClusterId']}.{ad['ProcId']}": ad for ad in ads}
    events = {
        job_id: _events(job, found.get(job_id))
        for job_id, job in jobs.items()
        if job.state in (State.IDLE, State.RUNNING, State.HELD)
    }
    return {job_id: told for job_id, told in events.items() if told}


def _events(job: states.Job, ad: Mapping[str, Any] | None) -> tuple[states.Event, ...]:
    job_id = job.job_id or ""
    if ad is None:
        return (states.Gone(job_id),)
    status = int(ad["JobStatus"])
    shadows = int(ad.get("NumShadowStarts", 0))
    never_runs = shadows > states.Job.FALSE_STARTS_LIMIT and not ad.get("NumJobStarts")
    if status in (JobStatus.IDLE, JobStatus.RUNNING) and never_runs:
        return (states.ShadowException(job_id, f"{shadows} shadows were started, but the job never ran", shadows),)
    if status == JobStatus.HELD and job.state is State.HELD:
        return ()
    events: list[states.Event] = []
    host = str(ad.get("RemoteHost") or ad.get("LastRemoteHost") or "").rpartition("@")[2]
    # A short job may never be seen running, and an evicted job may run elsewhere by now. (In events of a very old
    # HTCondor, the host is an address.)
    elsewhere = host not in ("", job.host) and "<" not in job.host
    if (status in _HAS_A_SLOT and job.state is not State.RUNNING) or (status in _HAS_RUN and elsewhere):
        events.append(states.Executing(job_id, host))
    if status in _WAITS and job.state is State.HELD:
        events.append(states.Released(job_id))
    if status in _WAITS and job.state is State.RUNNING:
        events.append(states.Evicted(job_id))
    return (*events, *_stopped(job_id, status, ad))


def _stopped(job_id: str, status: int, ad: Mapping[str, Any]) -> Iterator[states.Event]:
    """Yield the event of a job that has ended or is on hold."""
    if status == JobStatus.REMOVED:
        yield states.Aborted(job_id, str(ad.get("RemoveReason", "")))
    elif status == JobStatus.COMPLETED and ad.get("ExitBySignal"):
        yield states.Terminated(job_id, signal=int(ad.get("ExitSignal", 0)))
    elif status == JobStatus.COMPLETED:
        yield states.Terminated(job_id, exit_status=int(ad.get("ExitCode", 0)))
    elif status == JobStatus.HELD and ad.get("HoldReasonCode") == SPOOLING_INPUT:
        yield states.Unspooled(job_id)
    elif status == JobStatus.HELD:
        code, subcode = int(ad.get("HoldReasonCode", 0)), int(ad.get("HoldReasonSubCode", 0))
        yield states.Held(job_id, code, subcode, str(ad.get("HoldReason", "")))
