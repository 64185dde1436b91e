"""The log message about an illegal event contains enough to reproduce the error."""

from __future__ import annotations

import json
import logging

import pytest

from condor_futures.state_machine.replaying import replay
from condor_futures.state_machine.states import (
    Decided,
    Executing,
    Held,
    HoldPolicy,
    Job,
    NotReleased,
    Refused,
    Released,
    State,
    Submitted,
    Unspooled,
)
from condor_futures.state_machine.transitions import TABLE, Entry, IllegalTransition, advance

JOB = "7.0"
BEFORE = Job("b000001", spooled=True, policy=HoldPolicy("ask", memory_max=4096))
EVENTS = [Submitted(JOB, "b000001"), Executing(JOB, "ep1"), Held(JOB, 1, 0, "by\nhand"), Decided(JOB, 1, "release")]


def illegal(*events, then):
    """Return the error that *then* causes after *events*."""
    job = BEFORE
    for event in events:
        job, _ = advance(job, event)
    with pytest.raises(IllegalTransition) as caught:
        advance(job, then)
    return caught.value


def test_a_job_is_replayed_from_the_line_as_logged(caplog):
    """One line of the log, with any prefix, leads to the same error."""
    error = illegal(*EVENTS, Released(JOB), Unspooled(JOB), then=Executing(JOB, "ep2"))
    logging.getLogger("condor_futures").error("bundle %s cannot go on: %s", "b000001", error.line())
    [logged] = caplog.text.splitlines()
    with pytest.raises(IllegalTransition) as replayed:
        replay(logged)
    assert (replayed.value.job, replayed.value.event) == (error.job, error.event)
    assert replayed.value.story == error.story
    assert str(replayed.value) == str(error)
    assert [chapter.state for chapter in error.story] == [
        State.IDLE,
        State.RUNNING,
        State.HELD,
        State.HELD,
        State.IDLE,
        State.PENDING,
    ]


def test_a_job_without_a_past_is_replayed():
    error = illegal(then=Executing(JOB, "ep1"))
    with pytest.raises(IllegalTransition) as replayed:
        replay(error.line())
    assert replayed.value.job == BEFORE


def test_only_the_words_of_an_exception_are_kept():
    """The exception is the user's, and may be any object."""
    error = illegal(then=NotReleased(JOB, 1, "on_hold raised", ZeroDivisionError("by zero")))
    with pytest.raises(IllegalTransition) as replayed:
        replay(error.line())
    assert str(replayed.value.event.error) == "ZeroDivisionError: by zero"


def test_a_table_that_has_the_entry_by_now_says_what_it_does(monkeypatch):
    """A developer who corrects the table sees the whole story."""
    error = illegal(*EVENTS, then=Refused(JOB, "no such user"))
    monkeypatch.setitem(TABLE[State.HELD], Refused, Entry((State.HELD,), TABLE[State.HELD][Submitted].step))
    *story, last = replay(error.line())
    assert tuple(story) == error.story
    assert (last.event, last.state, last.effects) == (error.event, State.HELD, ())


def test_a_story_that_does_not_lead_to_its_job_is_refused():
    """Something else changed the job, or the table has changed."""
    line = json.loads(illegal(*EVENTS, then=Refused(JOB)).line())
    del line["story"][1:]
    with pytest.raises(ValueError, match="the story leads to"):
        replay(json.dumps(line))
