"""What became of the bundles of a session whose client left: decided from the evidence alone.

Little is kept for this but what there is anyway: ``BUNDLE.calls`` says which calls there are, what their job is
submitted with and what they wait for; ``BUNDLE.outcomes`` what came of them; ``BUNDLE.cancelled`` that nothing of them
counts; the event log, or without one the schedd's history, which jobs there were; the queue which there are.
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
    """A bundle of which nothing more can come.

    Attributes:
        found: the bundle.
        job: its job, as it ended.
        cause: why a call without an outcome has none.

    """

    found: Found
    job: Job
    cause: states.Event


@dataclass(frozen=True)
class Verdicts:
    """What became of each bundle of a session whose client left.

    Attributes:
        ended: nothing more can come of them.
        under_way: by the id of the job that is in the queue, the bundle and the events of the job so far.
        pending: the bundles to be submitted, in the order in which they were made.

    """

    ended: Sequence[Ended]
    under_way: Mapping[str, tuple[Found, Sequence[states.Event]]]
    pending: Sequence[Found]


def settle(evidence: Evidence) -> Verdicts:
    """Decide what became of each bundle, from the evidence alone."""
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
    """The job of a bundle before anything is known of it; of a bundle without its options only outcomes are left."""
    return Job(found.key, spooled=found.options.spool if found.options is not None else True)


@dataclass
class Recovery:
    """What is to be done about each bundle.

    Attributes:
        ended: all outcomes are here; with the job that they are of, if that is known.
        under_way: bundle by the job in the queue that is its.
        gone: with the job that was its and has left the queue; what became of it, event log and history say.
        pending: they have to be submitted.
        half: jobs in the queue whose files have not arrived, and perhaps never will.
        stray: jobs in the queue that belong to no bundle: copies, and cancelled ones.

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
    """Decide, for each bundle, what became of it.

    Args:
        bundles: all of the session.
        queue: the session's jobs that are in the queue.
        logged: by bundle, the jobs that the event log, or the history, knows, in its order, without those that never
            counted.
        removed: jobs that do not count any more.

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
            # Also where all outcomes are here: it may have been retrieved and not have left yet, or be tried again.
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
    """What became of a job that has left the queue; None if it never counted, so that it has to be submitted again.

    Nothing is to be done about it any more, and its id may be another job's by now; so of the table's effects only a
    report counts.

    Args:
        job: of the bundle.
        events: its own, as the log has them.
        last: what the schedd's history says of it.
        retrieved: its outputs are here.

    """
    # Of the holds that there were, all are over: it was released, or removed.
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
            return job, before.hold  # the hold had failed its calls, and then we removed it
        if cause is not None:
            return job, cause
        if isinstance(event, states.Aborted):
            removal = event
    job = replace(job, state=State.ENDED)
    # A spooled job leaves as completed only once it is retrieved.
    if exit_ is not None and (retrieved or any(isinstance(event, states.Terminated) for event in last)):
        return job, exit_
    if exit_ is not None and removal is None:
        return job, states.NotRetrieved(job.job_id or "", "the job is in no queue any more")
    return job, removal or states.Gone(job.job_id or "")
