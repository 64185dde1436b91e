"""The vocabulary of the state table: the states of a job, its events, and their effects.

The transitions are in :mod:`condor_futures.state_machine.transitions`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

from condor_futures.state_machine import hold_codes

__all__ = [
    "Aborted",
    "Ask",
    "Attached",
    "Decided",
    "Effect",
    "Event",
    "Evicted",
    "Executing",
    "Gone",
    "Held",
    "HoldPolicy",
    "Job",
    "MarkRunning",
    "NotReleased",
    "NotRetrieved",
    "Note",
    "Refused",
    "Release",
    "Released",
    "Remove",
    "Report",
    "Resubmit",
    "Retrieve",
    "Retrieved",
    "ShadowException",
    "State",
    "Story",
    "Submitted",
    "Terminated",
    "Unspooled",
    "Unwanted",
]


class State(enum.Enum):
    """The state of a job, as far as the client knows. The names are HTCondor's where it has one."""

    PENDING = "pending"
    """Not in the queue yet: the job waits to be submitted, or its submission is under way."""
    IDLE = "idle"
    RUNNING = "running"
    HELD = "held"
    """On hold, but not given up: the job will be released, or the decision is pending."""
    COMPLETED = "completed"
    """The job has ended; its outcomes are being retrieved from the spool directory."""
    DISCARDED = "discarded"
    """The job is not wanted any more: it is removed as soon as it has a job id, and its events are ignored."""
    ENDED = "ended"
    """The job's futures have been resolved, or are being resolved; later events are ignored."""


@dataclass(frozen=True, slots=True)
class HoldPolicy:
    """The treatment of a job that is put on hold.

    Attributes:
        action: fail the calls, release the job, wait until somebody releases it, or ask the user's function.
        releases: the maximum number of a job's holds that ``"release"`` releases; a hold for a time limit fails the
            calls immediately.
        memory_max: a job that is held for memory is instead released with more memory, at most this many MiB; None
            disables this.

    """

    action: Literal["fail", "release", "wait", "ask"] = "fail"
    releases: int = 3
    memory_max: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """An event of the job *job_id* (``cluster.proc``)."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Submitted(Event):
    """The job is in the queue (SUBMIT, or the schedd's own answer). *bundle* is the key from the event's notes."""

    bundle: str = ""


@dataclass(frozen=True, slots=True)
class Executing(Event):
    """The job runs on *host* (EXECUTE)."""

    host: str = ""


@dataclass(frozen=True, slots=True)
class Evicted(Event):
    """The job lost its slot, and is idle again (JOB_EVICTED, JOB_RECONNECT_FAILED)."""


@dataclass(frozen=True, slots=True)
class ShadowException(Event):
    """The job's shadow failed *times* times because of *reason*; HTCondor retries (SHADOW_EXCEPTION)."""

    reason: str = ""
    times: int = 1


@dataclass(frozen=True, slots=True)
class Terminated(Event):
    """The job ended (JOB_TERMINATED): with *exit_status*, or by *signal*."""

    exit_status: int | None = None
    signal: int | None = None


@dataclass(frozen=True, slots=True)
class Aborted(Event):
    """The job was removed (JOB_ABORTED)."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Held(Event):
    """The job was put on hold (JOB_HELD). The codes are those of the job attribute HoldReasonCode."""

    code: int = 0
    subcode: int = 0
    reason: str = ""

    @property
    def for_memory(self) -> bool:
        """Whether the job used more memory than requested, according to the codes or to the text of a policy.

        >>> Held("7.0", 34, 102).for_memory, Held("7.0", 34, 104).for_memory
        (True, False)
        >>> Held("7.0", 26, 0, "Job has gone over memory limit of 2048 megabytes").for_memory
        True

        """
        if self.code == hold_codes.OUT_OF_RESOURCES:
            return self.subcode != hold_codes.DISK  # before HTCondor 23 the code had no subcode
        memory = self.subcode == hold_codes.MEMORY or "memory" in self.reason.lower()
        return memory and self.code in hold_codes.POLICIES

    @property
    def time_limit(self) -> str | None:
        """The submit command that limits the run time, if the job was held because of it; otherwise None.

        >>> Held("7.0", 47).time_limit
        'allowed_execute_duration'
        """
        return hold_codes.TIME_LIMITS.get(self.code)


@dataclass(frozen=True, slots=True)
class Released(Event):
    """The job was released (JOB_RELEASED, or the answer to a :class:`Release` for its hold number *hold*)."""

    hold: int = 0


@dataclass(frozen=True, slots=True)
class NotReleased(Event):
    """The job cannot be released from its hold number *hold*: *reason*. The user's function raised *error*, if any."""

    hold: int
    reason: str = ""
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Decided(Event):
    """The user's function has answered an :class:`Ask` about the job's hold number *hold*."""

    hold: int
    action: Literal["fail", "release", "wait"] = "fail"


@dataclass(frozen=True, slots=True)
class Attached(Event):
    """The past events in the log have been read: from now on *policy* applies to the job's holds."""

    policy: HoldPolicy


@dataclass(frozen=True, slots=True)
class Refused(Event):
    """The access point refused the job: *reason*."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Retrieved(Event):
    """The job's outputs are in the session directory."""


@dataclass(frozen=True, slots=True)
class NotRetrieved(Event):
    """The job's outputs could not be retrieved: *reason*."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Unwanted(Event):
    """All calls of the job were cancelled."""


@dataclass(frozen=True, slots=True)
class Gone(Event):
    """The job is in neither the queue nor the history."""


@dataclass(frozen=True, slots=True)
class Unspooled(Event):
    """The job waits for input files that were sent: the schedd ended before it recorded their arrival."""


@dataclass(frozen=True, slots=True)
class Note(Event):
    """An event that changes no state: image size, file transfer, suspension, a comment."""


@dataclass(frozen=True, slots=True)
class Effect:
    """An action that the watcher must carry out."""


@dataclass(frozen=True, slots=True)
class MarkRunning(Effect):
    """Mark the futures as running."""


@dataclass(frozen=True, slots=True)
class Retrieve(Effect):
    """Retrieve the outputs from the access point; answered by :class:`Retrieved` or :class:`NotRetrieved`."""


@dataclass(frozen=True, slots=True)
class Report(Effect):
    """Resolve the futures from the outcomes. Futures without an outcome fail because of *cause*."""

    cause: Event


@dataclass(frozen=True, slots=True)
class Remove(Effect):
    """Remove the job from the queue."""


@dataclass(frozen=True, slots=True)
class Release(Effect):
    """Release the job; with *memory_max*, after doubling its requested memory, up to this many MiB.

    Answered by :class:`Released` or :class:`NotReleased`.
    """

    memory_max: int | None = None


@dataclass(frozen=True, slots=True)
class Ask(Effect):
    """Ask the user's function; answered by :class:`Decided` or :class:`NotReleased`."""


@dataclass(frozen=True, slots=True)
class Resubmit(Effect):
    """Submit the bundle again, as another job. This job, which never ran, is removed from the queue."""


@dataclass(frozen=True, slots=True)
class Job:
    """The state of the job of one bundle, as far as it is known.

    Attributes:
        bundle: the bundle's key.
        spooled: whether its outcomes must be retrieved from the spool directory.
        state: its state.
        job_id: ``cluster.proc``, once known.
        exit: the event with which it ended, once it has. If it was removed before its outcomes had arrived, and they
            may be missing for this reason, this is the removal.
        host: the last host on which it ran.
        false_starts: how often it lost its slot or its shadow since it last ran.
        policy: the treatment of its holds.
        holds: the number of its holds.
        hold: its last hold.
        story: the events that led to its state; None before its first event, and when no event can be illegal any more.
            Comparisons of jobs ignore it.

    """

    #: A job with this many false starts never runs. Seen with HTCondor 25.14: a shadow that failed 632 times in 80 s,
    #: and an eviction every two seconds with job_lease_duration = 0.
    FALSE_STARTS_LIMIT: ClassVar[int] = 20

    bundle: str
    spooled: bool
    state: State = State.PENDING
    job_id: str | None = None
    exit: Terminated | Aborted | None = None
    host: str = ""
    false_starts: int = 0
    policy: HoldPolicy = field(default_factory=HoldPolicy)
    holds: int = 0
    hold: Held | None = None
    story: Story | None = field(default=None, compare=False, repr=False)

    @property
    def shown(self) -> State:
        """The state that futures show: an ended job counts as completed until its futures are resolved."""
        return State.COMPLETED if self.state in (State.ENDED, State.DISCARDED) else self.state


class Story(NamedTuple):
    """The last events of a job, for debugging an illegal transition.

    Attributes:
        before: the job before the first of *events*, without a story of its own.
        events: the events that have changed the job since, in order: they lead from *before* to the current job.

    """

    before: Job
    events: tuple[Event, ...]
