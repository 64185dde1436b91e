"""Differences between the job queue and the job's known state."""

from __future__ import annotations

import pytest

from condor_futures.state_machine.hold_codes import SPOOLING_INPUT
from condor_futures.state_machine.queue_events import PROJECTION, queue_events
from condor_futures.state_machine.states import (
    Aborted,
    Evicted,
    Executing,
    Gone,
    Held,
    Job,
    Released,
    Remove,
    Report,
    Retrieve,
    ShadowException,
    State,
    Terminated,
    Unspooled,
    Unwanted,
)
from condor_futures.state_machine.transitions import advance


def job_in(state: State, host: str = "") -> Job:
    return Job("b000001", spooled=True, state=state, job_id="7.0", host=host)


def in_queue(status: int, **attributes) -> dict:
    return {"ClusterId": 7, "ProcId": 0, "JobStatus": status, **attributes}


@pytest.mark.parametrize(
    ("state", "ad", "expected"),
    [
        (State.IDLE, in_queue(1), ()),
        (State.IDLE, in_queue(1, LastRemoteHost="slot1@ep1"), ()),
        (State.IDLE, in_queue(2, RemoteHost="slot1@ep1"), (Executing("7.0", "ep1"),)),
        (State.IDLE, in_queue(9), ()),
        (State.IDLE, in_queue(10), ()),
        (State.RUNNING, in_queue(9), (Evicted("7.0"),)),
        (State.HELD, in_queue(10), (Released("7.0"),)),
        (State.IDLE, in_queue(2), (Executing("7.0"),)),
        (State.IDLE, in_queue(6), (Executing("7.0"),)),
        (State.IDLE, in_queue(7), (Executing("7.0"),)),
        (State.HELD, in_queue(5, HoldReasonCode=1), ()),
        (State.HELD, in_queue(1), (Released("7.0"),)),
        (State.HELD, in_queue(2, RemoteHost="slot1@ep1"), (Executing("7.0", "ep1"),)),
        (State.HELD, in_queue(3), (Aborted("7.0"),)),
        (State.HELD, in_queue(4, ExitCode=0), (Terminated("7.0", exit_status=0),)),
        (State.RUNNING, in_queue(1), (Evicted("7.0"),)),
        (State.RUNNING, in_queue(2), ()),
        (State.RUNNING, in_queue(6), ()),
        (State.RUNNING, in_queue(7), ()),
        (State.RUNNING, in_queue(3), (Aborted("7.0"),)),
        (State.IDLE, in_queue(3, RemoveReason="via condor_rm"), (Aborted("7.0", "via condor_rm"),)),
        (State.IDLE, in_queue(4, ExitBySignal=False, ExitCode=3), (Terminated("7.0", exit_status=3),)),
        (
            State.IDLE,
            in_queue(4, ExitCode=0, LastRemoteHost="slot1_2@ep1"),
            (Executing("7.0", "ep1"), Terminated("7.0", exit_status=0)),
        ),
        (State.RUNNING, in_queue(4, ExitBySignal=True, ExitSignal=9), (Terminated("7.0", signal=9),)),
        (State.IDLE, in_queue(5, HoldReasonCode=SPOOLING_INPUT), (Unspooled("7.0"),)),
        (
            State.RUNNING,
            in_queue(5, HoldReasonCode=34, HoldReasonSubCode=102, HoldReason="memory"),
            (Held("7.0", 34, 102, "memory"),),
        ),
    ],
)
def test_queue_says_what_the_log_did_not(state, ad, expected):
    """Each JobStatus becomes the events that the log should have had. If the state is already known, there are none."""
    assert queue_events({"7.0": job_in(state)}, [ad]) == ({"7.0": expected} if expected else {})


def test_job_that_was_evicted_and_runs_elsewhere_by_now():
    """The host is that of its present slot."""
    [events] = queue_events({"7.0": job_in(State.RUNNING, "ep1")}, [in_queue(2, RemoteHost="slot1@ep2")]).values()
    assert events == (Executing("7.0", "ep2"),)


def test_job_whose_shadows_die_and_that_never_runs_is_given_up():
    """The event log, which has an event for each failure, has the same effect."""
    limit = Job.FALSE_STARTS_LIMIT
    assert queue_events({"7.0": job_in(State.IDLE)}, [in_queue(1, NumShadowStarts=limit)]) == {}
    assert queue_events({"7.0": job_in(State.IDLE)}, [in_queue(1, NumShadowStarts=99, NumJobStarts=1)]) == {}
    [[event]] = queue_events({"7.0": job_in(State.IDLE)}, [in_queue(2, NumShadowStarts=limit + 1)]).values()
    assert isinstance(event, ShadowException)
    assert advance(job_in(State.IDLE), event)[1] == (Report(event), Remove())


@pytest.mark.parametrize("state", [State.IDLE, State.RUNNING], ids=lambda state: state.value)
def test_job_in_no_queue_is_gone(state):
    assert queue_events({"7.0": job_in(state)}, []) == {"7.0": (Gone("7.0"),)}


@pytest.mark.parametrize("state", [State.COMPLETED, State.DISCARDED, State.ENDED], ids=lambda state: state.value)
def test_queue_says_nothing_of_a_job_that_is_over(state):
    """The job is about to leave the queue, which is no news."""
    jobs = {"7.0": job_in(state)}
    assert queue_events(jobs, []) == {}
    assert queue_events(jobs, [in_queue(5, HoldReasonCode=1)]) == {}


def test_jobs_of_others_in_the_queue_are_passed_over():
    assert queue_events({"7.0": job_in(State.RUNNING)}, [in_queue(2), {**in_queue(5), "ProcId": 1}]) == {}


def test_projection_has_all_attributes_that_are_looked_at():
    """The client queries only these attributes. An attribute missing in the list would appear as undefined."""
    looked_at = set()

    class Ad(dict):
        def get(self, key, default=None):
            looked_at.add(key)
            return super().get(key, default)

        def __getitem__(self, key):
            looked_at.add(key)
            return super().__getitem__(key)

    for status in range(1, 8):
        for attributes in ({"ExitBySignal": True}, {"ExitBySignal": False}, {"NumShadowStarts": 99}):
            for state in (State.IDLE, State.RUNNING):
                queue_events({"7.0": job_in(state)}, [Ad(in_queue(status, **attributes))])
    assert looked_at == set(PROJECTION)


def test_queue_and_log_speak_of_the_same_end():
    """A job that ended according to the queue is retrieved like any other. Its log may report the same end later."""
    [[event]] = queue_events({"7.0": job_in(State.RUNNING)}, [in_queue(4, ExitCode=0)]).values()
    job, effects = advance(job_in(State.RUNNING), event)
    assert effects == (Retrieve(),)
    assert advance(job, Terminated("7.0", exit_status=0)) == (job, ())
    assert advance(job, Unwanted("7.0"))[0].state is State.DISCARDED
