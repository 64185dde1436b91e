"""The state table of jobs: pure, without HTCondor, threads, clock or I/O.

``TABLE`` lists for each state the events that can occur in it. For each event it lists the next states, and a function
that selects one of them and returns the effects. ``advance(job, event)`` performs one such step. An event that is not
in the table cannot occur, and raises :class:`IllegalTransition`.

HTCondor guarantees little: submit precedes terminate, which precedes leaving the queue. An execute event may be missing
or repeated, a terminate event may be repeated, and events may follow a removal. Each of these cases has its entry.

It is long because the steps stand beside the table that lists them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, Literal, NamedTuple

from condor_futures.state_machine.hold_codes import SPOOLING_INPUT
from condor_futures.state_machine.plain import plain
from condor_futures.state_machine.states import (
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
    HoldPolicy,
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
    Story,
    Submitted,
    Terminated,
    Unspooled,
    Unwanted,
)

__all__ = ["STORY_LENGTH", "TABLE", "Chapter", "Entry", "IllegalTransition", "advance", "chapters"]

#: The number of a job's last events that are kept, without events that changed nothing. Most jobs have four or five.
STORY_LENGTH: Final = 20

PENDING, IDLE, RUNNING, HELD, COMPLETED, DISCARDED, ENDED = State

Step = tuple[State, tuple[Effect, ...], Mapping[str, Any]]
"""The next state, the effects, and the changes to other attributes of the job."""


class Entry(NamedTuple):
    """The meaning of one kind of event in one state.

    Attributes:
        to: the possible next states, which may include the current one.
        step: selects one of them, and returns the effects.

    """

    to: tuple[State, ...]
    step: Callable[[Job, Any], Step]


# The steps, which the entries of the table below use. Only the table says in which states a step may occur.


def _nothing(job: Job, _event: Event) -> Step:
    return job.state, (), {}


def _submitted(_job: Job, event: Submitted) -> Step:
    return IDLE, (), {"job_id": event.job_id}


def _unwanted(job: Job, _event: Unwanted) -> Step:
    return DISCARDED, (Remove(),) if job.job_id is not None else (), {}


def _remove_once_known(job: Job, event: Submitted) -> Step:
    if job.job_id == event.job_id:
        return DISCARDED, (), {}  # the second such event, of the answer and the log: the removal is under way
    return DISCARDED, (Remove(),), {"job_id": event.job_id}


def _running(_job: Job, event: Executing) -> Step:
    return RUNNING, (MarkRunning(),), {"host": event.host, "false_starts": 0}


def _false_start(job: Job, event: Evicted | ShadowException) -> Step:
    times = event.times if isinstance(event, ShadowException) else 1
    news = {"false_starts": job.false_starts + times}
    if news["false_starts"] < Job.FALSE_STARTS_LIMIT:
        return IDLE, (), news
    return ENDED, (Report(event), Remove()), news


def _terminated(job: Job, event: Terminated) -> Step:
    return (COMPLETED, (Retrieve(),), {"exit": event}) if job.spooled else (ENDED, (Report(event),), {"exit": event})


def _over(_job: Job, event: Aborted | Refused | Gone) -> Step:
    return ENDED, (Report(event),), {}


def _held(job: Job, event: Held) -> Step:
    if event.code == SPOOLING_INPUT:
        return job.state, (), {}
    return *_judge(job.policy, event, job.holds + 1), {"hold": event, "holds": job.holds + 1}


def _judge(policy: HoldPolicy, hold: Held, holds: int) -> tuple[State, tuple[Effect, ...]]:
    """Decide about *hold*, which is the job's hold number *holds*."""
    if hold.for_memory and policy.memory_max is not None:
        return HELD, (Release(policy.memory_max),)
    if policy.action == "ask":
        return HELD, (Ask(),)
    if policy.action == "release" and (holds > policy.releases or hold.time_limit):
        return _carry_out("fail", hold)
    return _carry_out(policy.action, hold)


def _carry_out(action: Literal["fail", "release", "wait"], hold: Held) -> tuple[State, tuple[Effect, ...]]:
    match action:
        case "release":
            return HELD, (Release(),)
        case "wait":
            return HELD, ()
    return ENDED, (Report(hold), Remove())


def _decided(job: Job, event: Decided) -> Step:
    if event.hold != job.holds:
        return HELD, (), {}
    return *_carry_out(event.action, job.hold or Held(job.job_id or "")), {}


def _released(job: Job, event: Released) -> Step:
    return IDLE if event.hold in (0, job.holds) else HELD, (), {}


def _not_released(job: Job, event: NotReleased) -> Step:
    return (ENDED, (Report(event), Remove()), {}) if event.hold == job.holds else (HELD, (), {})


def _attached(job: Job, event: Attached) -> Step:
    return job.state, (), {"policy": event.policy}


def _attached_on_hold(job: Job, event: Attached) -> Step:
    state, effects = (HELD, ()) if job.hold is None else _judge(event.policy, job.hold, job.holds)
    return state, effects, {"policy": event.policy}


def _unspooled(_job: Job, _event: Unspooled) -> Step:
    return PENDING, (Resubmit(),), {}


def _removed_at_the_end(job: Job, event: Aborted) -> Step:
    well = isinstance(job.exit, Terminated) and job.exit.exit_status == 0
    return COMPLETED, (), {"exit": event} if well else {}


def _retrieved(job: Job, event: Retrieved) -> Step:
    return ENDED, (Report(job.exit or event),), {}


def _not_retrieved(job: Job, event: NotRetrieved) -> Step:
    if isinstance(job.exit, Aborted):
        return ENDED, (Report(job.exit),), {}
    return ENDED, (Report(event), Remove()), {}


def _absorbed(state: State) -> dict[type[Event], Entry]:
    """Return the entries of a state that ignores all events."""
    return dict.fromkeys(
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
        Entry((state,), _nothing),
    )


TABLE: Final[Mapping[State, Mapping[type[Event], Entry]]] = {
    # Events of a job that is not in the queue come only from the schedd's answer and the user. (The log may have events
    # of it before the answer. They are kept until the answer assigns the job to a bundle.)
    PENDING: {
        Submitted: Entry((IDLE,), _submitted),
        Refused: Entry((ENDED,), _over),
        # If its submission is under way, the job is removed as soon as it has an id.
        Unwanted: Entry((DISCARDED,), _unwanted),
    },
    IDLE: {
        # Comes from both the answer to submit() and the SUBMIT event, in either order.
        Submitted: Entry((IDLE,), _nothing),
        Executing: Entry((RUNNING,), _running),
        # HTCondor retries after each false start without limit. At our limit, the job is given up.
        Evicted: Entry((IDLE, ENDED), _false_start),
        ShadowException: Entry((IDLE, ENDED), _false_start),
        # The execute event may be missing. The outcomes of an unspooled job are here already, so the job has ended.
        Terminated: Entry((COMPLETED, ENDED), _terminated),
        Aborted: Entry((ENDED,), _over),
        # The job stays idle during the initial hold, until its input is spooled. The policy decides about other holds.
        Held: Entry((IDLE, HELD, ENDED), _held),
        Released: Entry((IDLE,), _nothing),  # from the initial hold of each spooled job
        # A late answer: somebody else has released the job in the meantime.
        NotReleased: Entry((IDLE,), _nothing),
        Decided: Entry((IDLE,), _nothing),
        Attached: Entry((IDLE,), _attached),
        Unwanted: Entry((DISCARDED,), _unwanted),
        Gone: Entry((ENDED,), _over),
        Unspooled: Entry((PENDING,), _unspooled),
        Note: Entry((IDLE,), _nothing),
    },
    # The same events as in IDLE, because the known state of a running job may be out of date.
    RUNNING: {
        Submitted: Entry((RUNNING,), _nothing),
        Executing: Entry((RUNNING,), _running),  # repeated, or on another host after an unreported eviction
        Evicted: Entry((IDLE, ENDED), _false_start),
        ShadowException: Entry((IDLE, ENDED), _false_start),
        Terminated: Entry((COMPLETED, ENDED), _terminated),
        Aborted: Entry((ENDED,), _over),
        Held: Entry((RUNNING, HELD, ENDED), _held),
        Released: Entry((RUNNING,), _nothing),
        NotReleased: Entry((RUNNING,), _nothing),
        Decided: Entry((RUNNING,), _nothing),
        Attached: Entry((RUNNING,), _attached),
        Unwanted: Entry((DISCARDED,), _unwanted),
        Gone: Entry((ENDED,), _over),
        Unspooled: Entry((PENDING,), _unspooled),
        Note: Entry((RUNNING,), _nothing),
    },
    HELD: {
        Submitted: Entry((HELD,), _nothing),
        Executing: Entry((RUNNING,), _running),  # after an unreported release
        # The job loses its slot and its shadow because it is held.
        Evicted: Entry((HELD,), _nothing),
        ShadowException: Entry((HELD,), _nothing),
        Terminated: Entry((COMPLETED, ENDED), _terminated),
        Aborted: Entry((ENDED,), _over),
        Held: Entry((HELD,), _nothing),  # both log and queue may report the hold
        # The next three are ignored if they concern an earlier hold, which is over.
        Released: Entry((IDLE, HELD), _released),
        NotReleased: Entry((ENDED, HELD), _not_released),
        Decided: Entry((HELD, ENDED), _decided),
        # This hold is the only one in the past of the log that is not over.
        Attached: Entry((HELD, ENDED), _attached_on_hold),
        Unwanted: Entry((DISCARDED,), _unwanted),
        Gone: Entry((ENDED,), _over),
        Unspooled: Entry((PENDING,), _unspooled),
        Note: Entry((HELD,), _nothing),
    },
    # A repeated terminate event, and a late execute event in the log, are ignored. Gone is ignored too: a retrieved job
    # leaves the queue by itself, and the answer to Retrieve follows.
    COMPLETED: {
        **_absorbed(COMPLETED),
        # Removed before or during the retrieval: if the job exited with status 0, this explains missing outcomes.
        Aborted: Entry((COMPLETED,), _removed_at_the_end),
        Retrieved: Entry((ENDED,), _retrieved),
        NotRetrieved: Entry((ENDED,), _not_retrieved),
        Unwanted: Entry((DISCARDED,), _unwanted),
    },
    # If the job became unwanted during its submission, it gets an id, and can be removed, only now.
    DISCARDED: {**_absorbed(DISCARDED), Submitted: Entry((DISCARDED,), _remove_once_known)},
    # Events may follow the end, such as the abort of a job that was removed after its retrieval.
    ENDED: _absorbed(ENDED),
}
"""State -> event -> the possible next states, and the step. The documentation's diagram is generated from it."""


def advance(job: Job, event: Event) -> tuple[Job, tuple[Effect, ...]]:
    """Return the job after *event*, and the effects.

    Raises:
        IllegalTransition: the table has no entry for the event in the job's state, or the step has a bug: it leads to a
            state that the entry does not list, or raises an exception, which is then the cause.

    >>> job = Job("b000001", spooled=True)
    >>> job, effects = advance(job, Submitted("7.0", "b000001"))
    >>> job, effects = advance(job, Terminated("7.0", exit_status=0))
    >>> job.state, effects
    (<State.COMPLETED: 'completed'>, (Retrieve(),))

    """
    state, effects, news = _step(job, event)
    if state is job.state and not news and not effects:
        return job, effects
    # In the last two states no event is illegal, so the many jobs that have ended need no story.
    story = None if state is ENDED or state is DISCARDED else _continued(job, event)
    return replace(job, state=state, story=story, **news), effects


def _step(job: Job, event: Event) -> Step:
    entry = TABLE[job.state].get(type(event))
    if entry is None:
        raise IllegalTransition(job, event)
    try:
        step = entry.step(job, event)
    except Exception as error:  # a bug in a step costs one bundle, and not the whole session
        raise IllegalTransition(job, event) from error
    if step[0] not in entry.to:
        raise IllegalTransition(job, event, step[0])
    return step


def _continued(job: Job, event: Event) -> Story:
    """Return the story of *job* with *event* appended."""
    if job.story is None:
        return Story(job, (event,))
    before, events = job.story
    if len(events) == STORY_LENGTH:
        # Drop the first event: the story then begins with the job after it.
        state, _, news = _step(before, events[0])
        before, events = replace(before, state=state, **news), events[1:]
    return Story(before, (*events, event))


class Chapter(NamedTuple):
    """One event of a job's story, the state that it led to, and the effects that it had."""

    event: Event
    state: State
    effects: tuple[Effect, ...]


def chapters(story: Story | None) -> tuple[Chapter, ...]:
    """Return *story* event by event. A story has only events, because states and effects follow from them.

    >>> job, _ = advance(Job("b000001", spooled=True), Submitted("7.0", "b000001"))
    >>> chapters(job.story)
    (Chapter(event=Submitted(job_id='7.0', bundle='b000001'), state=<State.IDLE: 'idle'>, effects=()),)

    """
    if story is None:
        return ()
    job, told = story.before, []
    for event in story.events:
        job, effects = advance(job, event)
        told.append(Chapter(event, job.state, effects))
    return tuple(told)


class IllegalTransition(Exception):  # noqa: N818 - a bug in this package, not an error to handle
    """The table has no entry for an event in the job's state, or the entry is wrong.

    Attributes:
        job: the job before the event.
        event: the event without an entry.
        to: the state that the event led to, if the entry does not list it.
        story: the job's last events before this one, with the state and the effects of each.

    """

    def __init__(self, job: Job, event: Event, to: State | None = None) -> None:
        super().__init__(job, event, to)
        self.job = job
        self.event = event
        self.to = to
        self.story = chapters(job.story)

    def __str__(self) -> str:
        if self.to is not None:
            return f"{self.event} led {self.job} to {self.to}, which is not in the table"
        why = f": {type(self.__cause__).__name__}: {self.__cause__}" if self.__cause__ is not None else ""
        return f"{self.event} is illegal for {self.job}{why}"

    def line(self) -> str:
        """Return one line of JSON for the log, from which :func:`~.replaying.replay` can replay the job."""
        before = self.job.story.before if self.job.story is not None else self.job
        return json.dumps(
            {
                "event": plain(self.event),
                "job": plain(self.job),
                "before": plain(before),
                "story": [
                    {"event": plain(event), "state": state.value, "effects": [plain(effect) for effect in effects]}
                    for event, state, effects in self.story
                ],
            }
        )
