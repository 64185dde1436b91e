"""What a job's events mean: a pure table, without HTCondor, threads, clock or I/O.

``advance(job, event)`` gives the job's next state and the effects to carry out. HTCondor promises little: submit comes
before terminate, terminate before the job leaves the queue; an execute event can be missing or repeated, a
terminate repeated, and events can come after a removal. The table has an entry for each of these; what it has no entry
for cannot happen, and raises :class:`IllegalTransition`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

__all__ = [
    "SPOOLING_INPUT",
    "TABLE",
    "Aborted",
    "Effect",
    "Event",
    "Evicted",
    "Executing",
    "Gone",
    "Held",
    "IllegalTransition",
    "Job",
    "MarkRunning",
    "NotRetrieved",
    "Note",
    "Refused",
    "Released",
    "Remove",
    "Report",
    "Retrieve",
    "Retrieved",
    "ShadowException",
    "State",
    "Submitted",
    "Terminated",
    "Unwanted",
    "advance",
]


SPOOLING_INPUT = 16
"""The HoldReasonCode with which every spooled job begins, until its input is there: it is no hold."""


class State(enum.Enum):
    """Where a job stands, as far as the client knows; in HTCondor's words where HTCondor has the word."""

    PENDING = "pending"
    """Not in the queue yet: it waits to be submitted, or its submission is under way."""
    IDLE = "idle"
    RUNNING = "running"
    COMPLETED = "completed"
    """It ended; its outcomes are on their way from the spool directory."""
    DISCARDED = "discarded"
    """Nobody waits for it any more: it is removed as soon as it has a job id, and its events count for nothing."""
    ENDED = "ended"
    """Its futures have been told, or are being told; nothing more can come of it."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to the job *job_id* (``cluster.proc``)."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Submitted(Event):
    """It is in the queue (SUBMIT, or the schedd's own answer); *bundle* is the key from the event's notes."""

    bundle: str = ""


@dataclass(frozen=True, slots=True)
class Executing(Event):
    """It runs on *host* (EXECUTE)."""

    host: str = ""


@dataclass(frozen=True, slots=True)
class Evicted(Event):
    """It lost its slot and is idle again (JOB_EVICTED, JOB_RECONNECT_FAILED)."""


@dataclass(frozen=True, slots=True)
class ShadowException(Event):
    """Its shadow died of *reason*; HTCondor tries again (SHADOW_EXCEPTION)."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Terminated(Event):
    """It ended by itself (JOB_TERMINATED): with *exit_status*, or by *signal*."""

    exit_status: int | None = None
    signal: int | None = None


@dataclass(frozen=True, slots=True)
class Aborted(Event):
    """It was removed (JOB_ABORTED)."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Held(Event):
    """It was put on hold (JOB_HELD); the codes are those of the job attribute HoldReasonCode."""

    code: int = 0
    subcode: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Released(Event):
    """It was released from a hold (JOB_RELEASED)."""


@dataclass(frozen=True, slots=True)
class Refused(Event):
    """The access point did not take it: *reason*."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Retrieved(Event):
    """Its outputs lie in the session directory."""


@dataclass(frozen=True, slots=True)
class NotRetrieved(Event):
    """The access point could not give its outputs: *reason*."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Unwanted(Event):
    """All its calls were cancelled."""


@dataclass(frozen=True, slots=True)
class Gone(Event):
    """The audit found it in no queue."""


@dataclass(frozen=True, slots=True)
class Note(Event):
    """Something that changes no state: image size, file transfer, suspension, a comment."""


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that the watcher is to do."""


@dataclass(frozen=True, slots=True)
class MarkRunning(Effect):
    """Tell the futures that they run."""


@dataclass(frozen=True, slots=True)
class Retrieve(Effect):
    """Get the outputs from the access point; a :class:`Retrieved` or :class:`NotRetrieved` answers."""


@dataclass(frozen=True, slots=True)
class Report(Effect):
    """Resolve the futures from the outcomes; those that have none fail because of *cause*."""

    cause: Event


@dataclass(frozen=True, slots=True)
class Remove(Effect):
    """Remove the job from the queue."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is known of the job of one bundle.

    Attributes:
        bundle: the bundle's key.
        spooled: its outcomes have to be fetched from the spool directory.
        state: where it stands.
        job_id: ``cluster.proc``, once it is known.
        exit: how it ended, once it has.
        host: where it ran last.
        false_starts: how often it lost its slot or its shadow since it last ran.

    """

    #: A job with so many false starts never gets to run. Seen with HTCondor 25.14: a shadow that died 632 times in
    #: 80 s; an eviction every two seconds with job_lease_duration = 0.
    FALSE_STARTS_LIMIT: ClassVar[int] = 20

    bundle: str
    spooled: bool
    state: State = State.PENDING
    job_id: str | None = None
    exit: Terminated | None = None
    host: str = ""
    false_starts: int = 0


Step = tuple[State, tuple[Effect, ...]]
Entry = Callable[[Job, Any], Step]


class IllegalTransition(Exception):  # noqa: N818 - it is a bug of ours, not an error to be handled
    """The table has no entry for this event in this state."""

    def __init__(self, job: Job, event: Event) -> None:
        super().__init__(f"{event} has no meaning for {job}")
        self.job = job
        self.event = event


def _submitted(_job: Job, _event: Submitted) -> Step:
    return State.IDLE, ()


def _discard_submitted(_job: Job, _event: Submitted) -> Step:
    # It was unwanted while its submission was under way: only now there is an id to remove.
    return State.DISCARDED, (Remove(),)


def _running(_job: Job, _event: Executing) -> Step:
    return State.RUNNING, (MarkRunning(),)


def _false_start(job: Job, event: Evicted | ShadowException) -> Step:
    if job.false_starts < Job.FALSE_STARTS_LIMIT:
        return State.IDLE, ()
    return State.ENDED, (Report(event), Remove())


def _terminated(job: Job, event: Terminated) -> Step:
    if job.spooled:
        return State.COMPLETED, (Retrieve(),)
    return State.ENDED, (Report(event),)


def _held(job: Job, event: Held) -> Step:
    if event.code == SPOOLING_INPUT:
        return job.state, ()
    return State.ENDED, (Report(event), Remove())


def _aborted(_job: Job, event: Aborted) -> Step:
    return State.ENDED, (Report(event),)


def _refused(_job: Job, event: Refused) -> Step:
    return State.ENDED, (Report(event),)


def _retrieved(job: Job, event: Retrieved) -> Step:
    return State.ENDED, (Report(job.exit or event),)


def _not_retrieved(_job: Job, event: NotRetrieved) -> Step:
    return State.ENDED, (Report(event), Remove())


def _unwanted(job: Job, _event: Unwanted) -> Step:
    return State.DISCARDED, (Remove(),) if job.job_id is not None else ()


def _gone(_job: Job, event: Gone) -> Step:
    return State.ENDED, (Report(event),)


def _nothing(job: Job, _event: Event) -> Step:
    return job.state, ()


_QUEUED: dict[type[Event], Entry] = {
    # The answer to submit() and the SUBMIT event both say so, in either order.
    Submitted: _nothing,
    Executing: _running,
    Evicted: _false_start,
    ShadowException: _false_start,
    Terminated: _terminated,
    Aborted: _aborted,
    Held: _held,
    Released: _nothing,
    Unwanted: _unwanted,
    Gone: _gone,
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
        Refused,
        Retrieved,
        NotRetrieved,
        Unwanted,
        Gone,
        Note,
    ),
    _nothing,
)

TABLE: dict[State, dict[type[Event], Entry]] = {
    State.PENDING: {Submitted: _submitted, Refused: _refused, Unwanted: _unwanted},
    State.IDLE: _QUEUED,
    State.RUNNING: _QUEUED,
    State.COMPLETED: {
        **_OVER,
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
    if isinstance(event, Submitted):
        if job.job_id == event.job_id and job.state is State.DISCARDED:
            return job, ()  # the second of the two: the removal is under way
        job = replace(job, job_id=event.job_id)
    elif isinstance(event, Executing):
        job = replace(job, host=event.host, false_starts=0)
    elif isinstance(event, Terminated) and job.exit is None:
        job = replace(job, exit=event)
    elif isinstance(event, (Evicted, ShadowException)):
        job = replace(job, false_starts=job.false_starts + 1)
    state, effects = step(job, event)
    return replace(job, state=state), effects
