"""What a job's events mean: a pure table, without HTCondor, threads, clock or I/O.

``advance(job, event)`` gives the job's next state and the effects to carry out. HTCondor promises little: submit comes
before terminate, terminate before the job leaves the queue; an execute event can be missing or repeated, a
terminate repeated, and events can come after a removal. The table has an entry for each of these; what it has no entry
for cannot happen, and raises :class:`IllegalTransition`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

from condor_futures.state_machine.states import (
    SPOOLING_INPUT,
    Aborted,
    Ask,
    Attached,
    Decided,
    Effect,
    Event,
    Evicted,
    Executing,
    Gone,
    Held,
    Job,
    MarkRunning,
    Note,
    NotReleased,
    NotRetrieved,
    Refused,
    Release,
    Released,
    Remove,
    Report,
    Resubmit,
    Retrieve,
    Retrieved,
    ShadowException,
    State,
    Submitted,
    Terminated,
    Unspooled,
    Unwanted,
)

__all__ = ["TABLE", "IllegalTransition", "advance"]


Step = tuple[Job, tuple[Effect, ...]]
Entry = Callable[[Job, Any], Step]


class IllegalTransition(Exception):  # noqa: N818 - it is a bug of ours, not an error to be handled
    """The table has no entry for this event in this state."""

    def __init__(self, job: Job, event: Event) -> None:
        super().__init__(f"{event} has no meaning for {job}")
        self.job = job
        self.event = event


def _to(job: Job, state: State, *effects: Effect) -> Step:
    return replace(job, state=state), effects


def _submitted(job: Job, event: Submitted) -> Step:
    return _to(replace(job, job_id=event.job_id), State.IDLE)


def _discard_submitted(job: Job, event: Submitted) -> Step:
    if job.job_id == event.job_id:
        return job, ()  # the second of the two: the removal is under way
    # It was unwanted while its submission was under way: only now there is an id to remove.
    return replace(job, job_id=event.job_id), (Remove(),)


def _running(job: Job, event: Executing) -> Step:
    return _to(replace(job, host=event.host, false_starts=0), State.RUNNING, MarkRunning())


def _false_start(job: Job, event: Evicted | ShadowException) -> Step:
    times = event.times if isinstance(event, ShadowException) else 1
    job = replace(job, false_starts=job.false_starts + times)
    if job.false_starts < Job.FALSE_STARTS_LIMIT:
        return _to(job, State.IDLE)
    return _to(job, State.ENDED, Report(event), Remove())


def _terminated(job: Job, event: Terminated) -> Step:
    job = replace(job, exit=event)
    return _to(job, State.COMPLETED, Retrieve()) if job.spooled else _to(job, State.ENDED, Report(event))


def _held(job: Job, event: Held) -> Step:
    if event.code == SPOOLING_INPUT:
        return job, ()
    return _judge(replace(job, hold=event, holds=job.holds + 1))


def _judge(job: Job) -> Step:
    """What becomes of the hold that the job is in."""
    policy, hold = job.policy, job.hold
    if hold is None:
        return job, ()
    if hold.for_memory and policy.memory_max is not None:
        return _to(job, State.HELD, Release(policy.memory_max))
    if policy.action == "ask":
        return _to(job, State.HELD, Ask())
    if policy.action == "release" and (job.holds > policy.releases or hold.time_limit):
        return _carry_out(job, "fail")
    return _carry_out(job, policy.action)


def _carry_out(job: Job, action: Literal["fail", "release", "wait"]) -> Step:
    match action:
        case "release":
            return _to(job, State.HELD, Release())
        case "wait":
            return _to(job, State.HELD)
    return _to(job, State.ENDED, Report(job.hold or Held(job.job_id or "")), Remove())


def _decided(job: Job, event: Decided) -> Step:
    return _carry_out(job, event.action) if event.hold == job.holds else (job, ())


def _released(job: Job, event: Released) -> Step:
    return _to(job, State.IDLE) if event.hold in (0, job.holds) else (job, ())


def _not_released(job: Job, event: NotReleased) -> Step:
    return _to(job, State.ENDED, Report(event), Remove()) if event.hold == job.holds else (job, ())


def _attached(job: Job, event: Attached) -> Step:
    job = replace(job, policy=event.policy)
    return _judge(job) if job.state is State.HELD else (job, ())


def _over(job: Job, event: Aborted | Refused | Gone) -> Step:
    return _to(job, State.ENDED, Report(event))


def _removed_at_the_end(job: Job, event: Aborted) -> Step:
    """Before its outcomes have been fetched, or meanwhile: if it ended well and any are missing, this is why."""
    well = isinstance(job.exit, Terminated) and job.exit.exit_status == 0
    return (replace(job, exit=event) if well else job), ()


def _retrieved(job: Job, event: Retrieved) -> Step:
    return _to(job, State.ENDED, Report(job.exit or event))


def _not_retrieved(job: Job, event: NotRetrieved) -> Step:
    if isinstance(job.exit, Aborted):
        return _to(job, State.ENDED, Report(job.exit))
    return _to(job, State.ENDED, Report(event), Remove())


def _unwanted(job: Job, _event: Unwanted) -> Step:
    return _to(job, State.DISCARDED, *([Remove()] if job.job_id is not None else []))


def _unspooled(job: Job, _event: Unspooled) -> Step:
    return _to(job, State.PENDING, Resubmit())


def _nothing(job: Job, _event: Event) -> Step:
    return job, ()


_QUEUED: dict[type[Event], Entry] = {
    # The answer to submit() and the SUBMIT event both say so, in either order.
    Submitted: _nothing,
    Executing: _running,
    Evicted: _false_start,
    ShadowException: _false_start,
    Terminated: _terminated,
    Aborted: _over,
    Held: _held,
    Released: _nothing,
    NotReleased: _nothing,  # somebody else has released it meanwhile
    Decided: _nothing,
    Attached: _attached,
    Unwanted: _unwanted,
    Gone: _over,
    Unspooled: _unspooled,
    Note: _nothing,
}

# After the end nothing counts: a repeated terminate, the abort of a job that was removed when it had been retrieved,
# an execute that the log delivers late.
_OVER: dict[type[Event], Entry] = dict.fromkeys(
    (
        Submitted,
        Executing,
        Evicted,
        ShadowException,
        Terminated,
        Aborted,
        Held,
        Released,
        NotReleased,
        Decided,
        Attached,
        Refused,
        Retrieved,
        NotRetrieved,
        Unwanted,
        Gone,
        Unspooled,
        Note,
    ),
    _nothing,
)

TABLE: dict[State, dict[type[Event], Entry]] = {
    State.PENDING: {Submitted: _submitted, Refused: _over, Unwanted: _unwanted},
    State.IDLE: _QUEUED,
    State.RUNNING: _QUEUED,
    State.HELD: {
        **_QUEUED,
        Held: _nothing,  # log and queue may both say so
        # It loses its slot and its shadow because it is held.
        Evicted: _nothing,
        ShadowException: _nothing,
        Released: _released,
        NotReleased: _not_released,
        Decided: _decided,
    },
    State.COMPLETED: {
        **_OVER,
        Aborted: _removed_at_the_end,
        Retrieved: _retrieved,
        NotRetrieved: _not_retrieved,
        Unwanted: _unwanted,
        # Gone says nothing new: a retrieved job leaves the queue by itself, and the answer to Retrieve is on its way.
    },
    State.DISCARDED: {**_OVER, Submitted: _discard_submitted},
    State.ENDED: _OVER,
}
"""State -> event -> the step to take; the documentation's diagram is drawn from it."""


def advance(job: Job, event: Event) -> tuple[Job, tuple[Effect, ...]]:
    """The job after *event*, and what is to be done about it.

    Raises:
        IllegalTransition: if the table has no such entry.

    >>> job = Job("b000001", spooled=True)
    >>> job, effects = advance(job, Submitted("7.0", "b000001"))
    >>> job, effects = advance(job, Terminated("7.0", exit_status=0))
    >>> job.state, effects
    (<State.COMPLETED: 'completed'>, (Retrieve(),))

    """
    step = TABLE[job.state].get(type(event))
    if step is None:
        raise IllegalTransition(job, event)
    return step(job, event)
