"""What a job's events mean: a pure table, without HTCondor, threads, clock or I/O.

``TABLE`` has, for each state, the events that can come in it; for each event, the states that it can lead to, and the
function that chooses among them and says what there is to do. ``advance(job, event)`` takes one such step. An event
that the table does not list cannot happen, and raises :class:`IllegalTransition`.

HTCondor promises little: submit comes before terminate, terminate before the job leaves the queue. An execute event can
be missing or repeated, a terminate repeated, and events can come after a removal. Each of these has its entry.
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

#: So many of a job's last events are kept, without those that changed nothing. A job's usual life has four or five.
STORY_LENGTH: Final = 20

PENDING, IDLE, RUNNING, HELD, COMPLETED, DISCARDED, ENDED = State

Step = tuple[State, tuple[Effect, ...], Mapping[str, Any]]
"""The next state, what there is to do, and which other attributes of the job change."""


class Entry(NamedTuple):
    """What one kind of event means in one state.

    Attributes:
        to: the states that it can lead to; the same state where the job stays as it is.
        step: chooses among them.

    """

    to: tuple[State, ...]
    step: Callable[[Job, Any], Step]


# The steps. Each is the effect of some entries of the table below, and says nothing of where it may happen.


def _nothing(job: Job, _event: Event) -> Step:
    return job.state, (), {}


def _submitted(_job: Job, event: Submitted) -> Step:
    return IDLE, (), {"job_id": event.job_id}


def _unwanted(job: Job, _event: Unwanted) -> Step:
    return DISCARDED, (Remove(),) if job.job_id is not None else (), {}


def _remove_once_known(job: Job, event: Submitted) -> Step:
    if job.job_id == event.job_id:
        return DISCARDED, (), {}  # the second of the two: the removal is under way
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
    """What becomes of *hold*, which is the job's hold number *holds*."""
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
    """The entries of a state in which no event means anything any more."""
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
    # Only the schedd's answer, and the user, can say anything of a job that is not in the queue. (The log may speak of
    # it earlier; until the answer says whose job it is, those events are kept.)
    PENDING: {
        Submitted: Entry((IDLE,), _submitted),
        Refused: Entry((ENDED,), _over),
        # While its submission is under way: as soon as it has an id it is removed.
        Unwanted: Entry((DISCARDED,), _unwanted),
    },
    IDLE: {
        # The answer to submit() and the SUBMIT event both say so, in either order.
        Submitted: Entry((IDLE,), _nothing),
        Executing: Entry((RUNNING,), _running),
        # HTCondor tries again after each false start, without end: at the limit the job is given up.
        Evicted: Entry((IDLE, ENDED), _false_start),
        ShadowException: Entry((IDLE, ENDED), _false_start),
        # The execute event may be missing. Unless it is spooled, its outcomes are here already, and it has ended.
        Terminated: Entry((COMPLETED, ENDED), _terminated),
        Aborted: Entry((ENDED,), _over),
        # It stays idle where it is on hold only until its input is spooled; the policy decides about any other hold.
        Held: Entry((IDLE, HELD, ENDED), _held),
        Released: Entry((IDLE,), _nothing),  # as each spooled job is, once its input is there
        # An answer that comes late: somebody else has released it meanwhile.
        NotReleased: Entry((IDLE,), _nothing),
        Decided: Entry((IDLE,), _nothing),
        Attached: Entry((IDLE,), _attached),
        Unwanted: Entry((DISCARDED,), _unwanted),
        Gone: Entry((ENDED,), _over),
        Unspooled: Entry((PENDING,), _unspooled),
        Note: Entry((IDLE,), _nothing),
    },
    # As idle, for what is known of a running job may be out of date.
    RUNNING: {
        Submitted: Entry((RUNNING,), _nothing),
        Executing: Entry((RUNNING,), _running),  # it may be repeated, or be elsewhere: the eviction was not told
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
        Executing: Entry((RUNNING,), _running),  # the release was not told
        # It loses its slot and its shadow because it is held.
        Evicted: Entry((HELD,), _nothing),
        ShadowException: Entry((HELD,), _nothing),
        Terminated: Entry((COMPLETED, ENDED), _terminated),
        Aborted: Entry((ENDED,), _over),
        Held: Entry((HELD,), _nothing),  # log and queue may both say so
        # The next three may be about an earlier hold, which is over: then they mean nothing.
        Released: Entry((IDLE, HELD), _released),
        NotReleased: Entry((ENDED, HELD), _not_released),
        Decided: Entry((HELD, ENDED), _decided),
        # Of the holds in the log's past, this is the one that is not over.
        Attached: Entry((HELD, ENDED), _attached_on_hold),
        Unwanted: Entry((DISCARDED,), _unwanted),
        Gone: Entry((ENDED,), _over),
        Unspooled: Entry((PENDING,), _unspooled),
        Note: Entry((HELD,), _nothing),
    },
    # A repeated terminate, or an execute that the log delivers late, means nothing any more; nor does Gone: a retrieved
    # job leaves the queue by itself, and the answer to Retrieve is on its way.
    COMPLETED: {
        **_absorbed(COMPLETED),
        # Before its outcomes have been fetched, or meanwhile: if it ended well and any are missing, this is why.
        Aborted: Entry((COMPLETED,), _removed_at_the_end),
        Retrieved: Entry((ENDED,), _retrieved),
        NotRetrieved: Entry((ENDED,), _not_retrieved),
        Unwanted: Entry((DISCARDED,), _unwanted),
    },
    # It was unwanted, perhaps while its submission was under way: then only now there is an id to remove.
    DISCARDED: {**_absorbed(DISCARDED), Submitted: Entry((DISCARDED,), _remove_once_known)},
    # Events may come after the end: the abort of a job that was removed when it had been retrieved, for example.
    ENDED: _absorbed(ENDED),
}
"""State -> event -> the states that it can lead to, and the step; the documentation's diagram is drawn from it."""


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
    state, effects, news = _step(job, event)
    if state is job.state and not news and not effects:
        return job, effects
    # In the last two states no event is illegal, so nobody will ask for the story of the many jobs that have ended.
    story = None if state is ENDED or state is DISCARDED else _continued(job, event)
    return replace(job, state=state, story=story, **news), effects


def _step(job: Job, event: Event) -> Step:
    entry = TABLE[job.state].get(type(event))
    if entry is None:
        raise IllegalTransition(job, event)
    step = entry.step(job, event)
    assert step[0] in entry.to, f"{event} led {job} to {step[0]}, which the table does not list"
    return step


def _continued(job: Job, event: Event) -> Story:
    """The story of *job* with *event* at its end."""
    if job.story is None:
        return Story(job, (event,))
    before, events = job.story
    if len(events) == STORY_LENGTH:
        # The first of them is told by where the story begins.
        state, _, news = _step(before, events[0])
        before, events = replace(before, state=state, **news), events[1:]
    return Story(before, (*events, event))


class Chapter(NamedTuple):
    """One event of a job's story, the state that it led to, and the effects that it had."""

    event: Event
    state: State
    effects: tuple[Effect, ...]


def chapters(story: Story | None) -> tuple[Chapter, ...]:
    """Tell *story* event by event: effects follow from events, so that only these are kept.

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


class IllegalTransition(Exception):  # noqa: N818 - it is a bug of ours, not an error to be handled
    """The table has no entry for this event in this state.

    Attributes:
        job: as it was.
        event: the one that has no entry.
        story: the job's last events before that, with the state and the effects of each.

    """

    def __init__(self, job: Job, event: Event) -> None:
        super().__init__(job, event)
        self.job = job
        self.event = event
        self.story = chapters(job.story)

    def __str__(self) -> str:
        return f"{self.event} has no meaning for {self.job}"

    def line(self) -> str:
        """All of it, for the log: one line of JSON, from which :func:`~.replaying.replay` can replay the job."""
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
