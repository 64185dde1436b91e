"""The words of the state table: the states of a job, the events that it meets, and the effects that they have.

What leads from which to which is in :mod:`condor_futures.state_machine.transitions`.
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
    """Where a job stands, as far as the client knows; in HTCondor's words where HTCondor has the word."""

    PENDING = "pending"
    """Not in the queue yet: it waits to be submitted, or its submission is under way."""
    IDLE = "idle"
    RUNNING = "running"
    HELD = "held"
    """On hold, and not given up: it is to be released, or whether it is to be is not decided yet."""
    COMPLETED = "completed"
    """It ended; its outcomes are on their way from the spool directory."""
    DISCARDED = "discarded"
    """Nobody waits for it any more: it is removed as soon as it has a job id, and its events count for nothing."""
    ENDED = "ended"
    """Its futures have been told, or are being told; nothing more can come of it."""


@dataclass(frozen=True, slots=True)
class HoldPolicy:
    """What is to become of a job that is put on hold.

    Attributes:
        action: fail its calls, release it, wait until somebody releases it, or ask the user's function.
        releases: from how many holds of a job ``"release"`` releases it; one for its time limit fails it at once.
        memory_max: a job that is held for memory is released with more of it instead, at most so many MiB.

    """

    action: Literal["fail", "release", "wait", "ask"] = "fail"
    releases: int = 3
    memory_max: int | None = None


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
    """Its shadow died of *reason*, so many *times*; HTCondor tries again (SHADOW_EXCEPTION)."""

    reason: str = ""
    times: int = 1


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

    @property
    def for_memory(self) -> bool:
        """It used more memory than it had asked for, as the codes say, or the words of a policy.

        >>> Held("7.0", 34, 102).for_memory, Held("7.0", 34, 104).for_memory
        (True, False)
        >>> Held("7.0", 26, 0, "Job has gone over memory limit of 2048 megabytes").for_memory
        True

        """
        if self.code == hold_codes.OUT_OF_RESOURCES:
            return self.subcode != hold_codes.DISK  # before HTCondor 23 it came without a subcode
        memory = self.subcode == hold_codes.MEMORY or "memory" in self.reason.lower()
        return memory and self.code in hold_codes.POLICIES

    @property
    def time_limit(self) -> str | None:
        """The submit command that allowed it to run for so long only, if that is why.

        >>> Held("7.0", 47).time_limit
        'allowed_execute_duration'
        """
        return hold_codes.TIME_LIMITS.get(self.code)


@dataclass(frozen=True, slots=True)
class Released(Event):
    """It was released from a hold (JOB_RELEASED, or the answer to a :class:`Release` for its *hold* of that number)."""

    hold: int = 0


@dataclass(frozen=True, slots=True)
class NotReleased(Event):
    """It cannot be released from its *hold* of that number: *reason*; *error* is what the user's function raised."""

    hold: int
    reason: str = ""
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Decided(Event):
    """The user's function has answered an :class:`Ask` about its *hold* of that number."""

    hold: int
    action: Literal["fail", "release", "wait"] = "fail"


@dataclass(frozen=True, slots=True)
class Attached(Event):
    """What the log has of the past has been read: from here on *policy* says what becomes of its holds."""

    policy: HoldPolicy


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
    """It is in no queue any more, and no history says what became of it."""


@dataclass(frozen=True, slots=True)
class Unspooled(Event):
    """It waits for its input files, which had been sent: the schedd ended before it had made a note of that."""


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
class Release(Effect):
    """Release the job; with *memory_max*, once it asks for twice the memory, as far as so many MiB allow.

    A :class:`Released` or :class:`NotReleased` answers.
    """

    memory_max: int | None = None


@dataclass(frozen=True, slots=True)
class Ask(Effect):
    """Ask the user's function; a :class:`Decided` or :class:`NotReleased` answers."""


@dataclass(frozen=True, slots=True)
class Resubmit(Effect):
    """Submit it again, as another job; this one never ran, and leaves the queue."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is known of the job of one bundle.

    Attributes:
        bundle: the bundle's key.
        spooled: its outcomes have to be fetched from the spool directory.
        state: where it stands.
        job_id: ``cluster.proc``, once it is known.
        exit: how it ended, once it has; that it was removed, if that was done before its outcomes had come.
        host: where it ran last.
        false_starts: how often it lost its slot or its shadow since it last ran.
        policy: what is to become of its holds.
        holds: how many there were.
        hold: the last of them.
        story: how it came to be as it is; None before its first event, and once nothing can go wrong any more. Two
            jobs are equal whatever their stories.

    """

    #: A job with so many false starts never gets to run. Seen with HTCondor 25.14: a shadow that died 632 times in
    #: 80 s; an eviction every two seconds with job_lease_duration = 0.
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
        """As futures show it: what has ended counts as completed until its future knows."""
        return State.COMPLETED if self.state in (State.ENDED, State.DISCARDED) else self.state


class Story(NamedTuple):
    """The last events of a job, for whoever has to find out how it came to what cannot happen.

    Attributes:
        before: the job before the first of *events*, without a story of its own.
        events: those that changed it since, in their order: with *before* they lead to the job as it is.

    """

    before: Job
    events: tuple[Event, ...]
