"""What the queue and the history say becomes events of ours, and the queue is asked no more often than is polite."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from condor_futures.calls.bundle import Bundle
from condor_futures.errors import AccessPointError
from condor_futures.options.options import Options
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
from condor_futures.watching import queue_looks
from condor_futures.watching.queue_looks import QueueLooks


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
    """Each JobStatus, as the events that the log should have had; nothing where the state shows it already."""
    assert queue_events({"7.0": job_in(state)}, [ad]) == ({"7.0": expected} if expected else {})


def test_job_that_was_evicted_and_runs_elsewhere_by_now():
    """Its host is the one where it is."""
    [events] = queue_events({"7.0": job_in(State.RUNNING, "ep1")}, [in_queue(2, RemoteHost="slot1@ep2")]).values()
    assert events == (Executing("7.0", "ep2"),)


def test_job_whose_shadows_die_and_that_never_runs_is_given_up():
    """As it would be by the event log, which has an event for each."""
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
    """It is on its way out of the queue: that is no news."""
    jobs = {"7.0": job_in(state)}
    assert queue_events(jobs, []) == {}
    assert queue_events(jobs, [in_queue(5, HoldReasonCode=1)]) == {}


def test_jobs_of_others_in_the_queue_are_passed_over():
    assert queue_events({"7.0": job_in(State.RUNNING)}, [in_queue(2), {**in_queue(5), "ProcId": 1}]) == {}


def test_projection_has_all_attributes_that_are_looked_at():
    """The schedd is asked for these attributes only; one that is missing there would count as absent."""
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
    """A job that the queue says has ended is fetched as any other, and its log may still say so afterwards."""
    [[event]] = queue_events({"7.0": job_in(State.RUNNING)}, [in_queue(4, ExitCode=0)]).values()
    job, effects = advance(job_in(State.RUNNING), event)
    assert effects == (Retrieve(),)
    assert advance(job, Terminated("7.0", exit_status=0)) == (job, ())
    assert advance(job, Unwanted("7.0"))[0].state is State.DISCARDED


# When it is asked, and what is believed.


class Schedd:
    """An access point's answers, given when the test says so, and a clock that the test sets."""

    def __init__(self, monkeypatch) -> None:
        self.now = 1000.0
        self.usable, self.why_closed = True, ""
        monkeypatch.setattr(queue_looks.time, "monotonic", lambda: self.now)
        self.bundles: dict[str, Bundle] = {}
        self.asked: list = []
        self.told: list = []
        self.log: list = []
        self.queue = QueueLooks(self, 'CondorFuturesSession == "s"', self.bundles, self)

    def handle(self, event) -> None:
        self.told.append(event)

    def request(self, operation, answer, **arguments) -> None:
        assert operation == "look"
        self.asked.append((arguments["jobs"], answer))

    def read_log(self) -> None:
        for job_id, job in self.log:
            self.bundles[job_id].job = job
            self.queue.log_speaks = True

    def submit(self, *, logged: bool) -> None:
        self.bundles["7.0"] = Bundle("b000001", Path(), Options({}, True, ""), {}, job_in(State.IDLE))
        self.queue.submitted(logged=logged)

    def wait(self) -> float:
        """Seconds until the queue is asked."""
        began = self.now
        count = len(self.asked)
        while len(self.asked) == count:
            assert self.now - began < 1000, "it is not asked"
            self.now += 0.25
            self.queue.look()
        return self.now - began

    def answer(self, *ads, seconds: float = 0.01) -> list:
        """Answer the last question; gives what is told because of it."""
        self.told.clear()
        self.asked[-1][1]({"ads": list(ads), "seconds": seconds}, None)
        return self.told


@pytest.fixture
def schedd(monkeypatch):
    return Schedd(monkeypatch)


def test_queue_is_not_asked_while_there_is_no_job(schedd):
    schedd.now += 1000
    schedd.queue.look()
    assert schedd.asked == []


def test_what_a_speaking_log_has_not_said_is_believed_when_it_is_seen_twice(schedd):
    """Every 20 seconds; then the log is taken to be silent, until it speaks again."""
    schedd.submit(logged=True)
    assert schedd.wait() == 20
    assert schedd.answer(in_queue(4, ExitCode=0)) == []
    assert schedd.wait() == 20
    assert schedd.answer(in_queue(4, ExitCode=0)) == [Terminated("7.0", exit_status=0)]
    assert not schedd.queue.log_speaks


def test_an_audit_that_finds_nothing_starts_anew(schedd):
    """Seen twice means twice in a row."""
    schedd.submit(logged=True)
    for ad in (in_queue(2), in_queue(1), in_queue(2)):
        schedd.wait()
        assert schedd.answer(ad) == []


def test_what_a_silent_logs_queue_says_is_believed_at_once(schedd):
    """And it is asked soon."""
    schedd.submit(logged=False)
    assert schedd.wait() == 1
    assert schedd.answer(in_queue(2, RemoteHost="slot1@ep1")) == [Executing("7.0", "ep1")]


def test_gone_is_believed_when_it_is_seen_twice(schedd):
    """The job may be on its way from the queue to the history."""
    schedd.submit(logged=False)
    schedd.wait()
    assert schedd.answer() == []
    assert schedd.wait() == 1
    assert schedd.answer() == [Gone("7.0")]


def test_a_job_whose_input_never_arrives_is_told_when_it_has_waited_long_enough(schedd):
    """A schedd takes a second to say that the files have come. The log is none the less trusted."""
    schedd.submit(logged=True)
    waiting = in_queue(5, HoldReasonCode=SPOOLING_INPUT)
    schedd.wait()
    assert schedd.answer(waiting) == []
    assert schedd.wait() == 20
    assert schedd.answer(waiting) == [Unspooled("7.0")]
    assert schedd.queue.log_speaks


def test_a_job_whose_input_is_on_its_way_is_left_alone(schedd):
    schedd.submit(logged=False)
    for _ in range(3):
        schedd.wait()
        assert schedd.answer(in_queue(5, HoldReasonCode=SPOOLING_INPUT)) == []


def test_job_that_was_submitted_after_the_question_is_not_gone(schedd):
    """The answer cannot have it, and does not count as the first of two."""
    schedd.submit(logged=False)
    schedd.wait()
    later = Job("b000002", spooled=True, state=State.IDLE, job_id="7.1")
    schedd.bundles["7.1"] = Bundle("b000002", Path(), Options({}, True, ""), {}, later)
    told = [schedd.answer(in_queue(1)).copy()]
    for _ in range(2):
        schedd.wait()
        told.append(schedd.answer(in_queue(1)).copy())
    assert told == [[], [], [Gone("7.1")]]


def test_what_the_log_says_counts_first(schedd):
    """The log may begin to speak between the question and its answer."""
    schedd.submit(logged=False)
    schedd.wait()
    schedd.log.append(("7.0", job_in(State.COMPLETED)))
    assert schedd.answer(in_queue(2)) == []
    assert schedd.wait() == 20


def test_queue_is_asked_less_often_the_longer_the_jobs_take(schedd):
    """A tenth of the time since they changed, from one second to thirty; often again when they do."""
    schedd.submit(logged=False)
    waits = []
    for _ in range(100):
        waits.append(schedd.wait())
        schedd.answer(in_queue(1))
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (1, 30)
    schedd.wait()
    schedd.bundles["7.0"].job = job_in(State.RUNNING)
    schedd.answer(in_queue(2))
    assert schedd.wait() == 1


def test_new_jobs_are_asked_for_soon(schedd):
    """Also when those before them are old."""
    schedd.submit(logged=False)
    for _ in range(100):
        schedd.wait()
        schedd.answer(in_queue(1))
    schedd.queue.submitted(logged=False)
    assert schedd.wait() == 1


def test_slow_schedd_is_left_in_peace(schedd):
    """Ten times as long as it took, whatever the jobs do, but not for longer than a minute."""
    schedd.submit(logged=False)
    schedd.wait()
    schedd.answer(in_queue(1), seconds=6.0)
    assert schedd.wait() == 60
    schedd.answer(in_queue(1), seconds=0.3)
    assert schedd.wait() >= 3
    schedd.answer(in_queue(1), seconds=20.0)  # it stood still for once
    assert schedd.wait() == 60


def test_error_is_no_answer(schedd, caplog):
    """Nothing is told; the queue is asked again later."""
    schedd.submit(logged=False)
    schedd.wait()
    schedd.asked[-1][1](None, AccessPointError("it is away"))
    assert schedd.told == []
    assert "it is away" in caplog.text
    assert schedd.wait() == 30


@pytest.mark.parametrize(
    ("spooled", "logged", "ends"), [(True, True, False), (False, False, False), (False, True, True)]
)
def test_jobs_that_nobody_can_be_asked_about_any_more(schedd, spooled, logged, ends):
    """The helper was given up: only what needs no retrieval, and is told by the log, still ends."""
    schedd.queue.look()
    schedd.submit(logged=logged)
    schedd.bundles["7.0"].job = replace(schedd.bundles["7.0"].job, spooled=spooled)
    schedd.wait()
    schedd.usable, schedd.why_closed = False, "it does not live"
    with contextlib.nullcontext() if ends else pytest.raises(AccessPointError, match="it does not live; its jobs may"):
        schedd.queue.look()
    schedd.bundles.clear()
    schedd.queue.look()
