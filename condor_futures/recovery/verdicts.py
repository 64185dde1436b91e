"""Decides, from the evidence alone, the state of each bundle of a session whose client left.

Almost all of the evidence exists anyway. ``BUNDLE.calls`` has the calls, the options of their job, and the calls that
they wait for. ``BUNDLE.outcomes`` has their outcomes. ``BUNDLE.cancelled`` marks a cancelled bundle. The event log, or
without one the schedd's history, has the earlier jobs. The queue has the current jobs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from condor_futures.recovery.evidence import BY_US, Evidence, Found, LoggedJob, never_ran
from condor_futures.state_machine import states
from condor_futures.state_machine.hold_codes import SPOOLING_INPUT, JobStatus
from condor_futures.state_machine.states import HoldPolicy, Job, State
from condor_futures.state_machine.transitions import advance
from condor_futures.submit import attributes

__all__ = [
    "Ended",
    "Recovery",
    "Verdicts",
    "fate",
    "judge",
    "settle",
]


@dataclass(frozen=True)
class Ended:
    """A bundle that has ended: no more outcomes can arrive.

    Attributes:
        found: the bundle.
        job: its job, in its final state.
        cause: the reason why a call has no outcome.

    """

    found: Found
    job: Job
    cause: states.Event


@dataclass(frozen=True)
class Verdicts:
    """The state of each bundle of a session whose client left.

    Attributes:
        ended: the bundles that have ended.
        under_way: by the id of a job in the queue, its bundle and the events of the job so far.
        pending: the bundles to submit, in the order of their creation.

    """

    ended: Sequence[Ended]
    under_way: Mapping[str, tuple[Found, Sequence[states.Event]]]
    pending: Sequence[Found]


def settle(evidence: Evidence) -> Verdicts:
    """Decide the state of each bundle from the evidence alone."""
    recovery = judge(evidence.found, evidence.queue, evidence.logged, evidence.removed)
    ended = []
    for found, job_id in recovery.ended:
        job = replace(_job(found), state=State.ENDED, job_id=job_id)
        ended.append(Ended(found, job, states.Retrieved(job_id or "")))
    pending = list(recovery.pending)
    for found, logged in recovery.gone:
        job, cause = fate(_job(found), logged.events, evidence.told.get(found.key, ()), retrieved=found.retrieved)
        if cause is None:
            pending.append(found)
        else:
            ended.append(Ended(found, job, cause))
    under_way = {
        job_id: (found, evidence.log.events(job_id, found.key)) for job_id, found in recovery.under_way.items()
    }
    return Verdicts(ended, under_way, sorted(pending, key=lambda found: found.number))


def _job(found: Found) -> Job:
    """Return the job of a bundle in its initial state; a bundle without options has only outcomes left."""
    return Job(found.key, spooled=found.options.spool if found.options is not None else True)


@dataclass
class Recovery:
    """The work that each bundle requires.

    Attributes:
        ended: bundles with all their outcomes; each with the id of its job, if known.
        under_way: by job id, the bundles that have a job in the queue.
        gone: bundles whose job has left the queue, with that job; the event log and the history have its end.
        pending: bundles to submit.
        half: jobs in the queue whose input files have not arrived, and perhaps never will.
        stray: jobs in the queue that belong to no bundle: copies, and jobs of cancelled bundles.

    """

    ended: list[tuple[Found, str | None]] = field(default_factory=list)
    under_way: dict[str, Found] = field(default_factory=dict)
    gone: list[tuple[Found, LoggedJob]] = field(default_factory=list)
    pending: list[Found] = field(default_factory=list)
    half: list[str] = field(default_factory=list)
    stray: list[str] = field(default_factory=list)


def judge(
    bundles: Iterable[Found],
    queue: Iterable[Mapping[str, Any]],
    logged: Mapping[str, Sequence[LoggedJob]],
    removed: Collection[str] = (),
) -> Recovery:
    """Decide, for each bundle, the work that it requires.

    Args:
        bundles: the bundles of the session.
        queue: the ads of the session's jobs in the queue.
        logged: by bundle, the jobs in the event log or the history, in its order, without jobs that do not count.
        removed: the ids of jobs that were removed and do not count.

    """
    recovery = Recovery()
    queued: dict[str, str] = {}
    known = {bundle.key: bundle for bundle in bundles}
    for ad in queue:
        job_id = f"{ad['ClusterId']}.{ad['ProcId']}"
        key = str(ad.get(attributes.BUNDLE, ""))
        if ad["JobStatus"] == JobStatus.REMOVED:
            continue
        if ad["JobStatus"] == JobStatus.HELD and ad.get("HoldReasonCode") == SPOOLING_INPUT:
            recovery.half.append(job_id)
        elif key in queued or key not in known or known[key].options is None:
            recovery.stray.append(job_id)
        else:
            queued[key] = job_id
    uncounted = {*recovery.half, *recovery.stray, *removed}
    for key, bundle in known.items():
        earlier = [job for job in logged.get(key, ()) if job.job_id not in uncounted]
        if key in queued:
            # Even if all outcomes are here: the job may be retrieved and about to leave the queue, or run again.
            recovery.under_way[queued[key]] = bundle
        elif bundle.ended:
            recovery.ended.append((bundle, earlier[-1].job_id if earlier else None))
        elif earlier:
            recovery.gone.append((bundle, earlier[-1]))
        else:
            recovery.pending.append(bundle)
    return recovery


def fate(
    job: Job, events: Iterable[states.Event], last: Sequence[states.Event], *, retrieved: bool
) -> tuple[Job, states.Event | None]:
    """Return the final state of a job that has left the queue, and the cause of its end.

    The cause is None if the job did not count, so that its bundle has to be submitted again. No action on the job is
    possible any more, and another job may have its id by now; so of the effects in the transition table only a report
    counts.

    Args:
        job: the job of the bundle.
        events: its events in the log.
        last: its events in the schedd's history.
        retrieved: whether its outputs are here.

    """
    # All holds of the job are over: it was released or removed after each.
    job = replace(job, policy=HoldPolicy("wait"))
    removal: states.Aborted | None = None
    exit_: states.Terminated | None = None
    for event in (*events, *last):
        if never_ran(event):
            return job, None
        before = job
        job, effects = advance(job, event)
        if isinstance(job.exit, states.Terminated):
            exit_ = job.exit
        cause = next((effect.cause for effect in effects if isinstance(effect, states.Report)), None)
        if isinstance(cause, states.Aborted) and before.state is State.HELD and cause.reason.startswith(BY_US):
            return job, before.hold  # the hold failed its calls, and then we removed the job
        if cause is not None:
            return job, cause
        if isinstance(event, states.Aborted):
            removal = event
    job = replace(job, state=State.ENDED)
    # A spooled job leaves the queue as completed only after its outputs are retrieved.
    if exit_ is not None and (retrieved or any(isinstance(event, states.Terminated) for event in last)):
        return job, exit_
    if exit_ is not None and removal is None:
        return job, states.NotRetrieved(job.job_id or "", "the job is no longer in the queue")
    return job, removal or states.Gone(job.job_id or "")
