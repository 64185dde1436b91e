"""Reports of the queue and the history become our events, and the queue is queried no more often than is polite."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from condor_futures.calls.bundle import Bundle
from condor_futures.errors import AccessPointError
from condor_futures.options.options import Options
from condor_futures.state_machine.hold_codes import SPOOLING_INPUT
from condor_futures.state_machine.states import (
    Aborted,
    Executing,
    Gone,
    Job,
    State,
    Terminated,
    Unspooled,
)
from condor_futures.watching import queue_looks
from condor_futures.watching.queue_looks import QueueLooks


def job_in(state: State, host: str = "") -> Job:
    return Job("b000001", spooled=True, state=state, job_id="7.0", host=host)


def in_queue(status: int, **attributes) -> dict:
    return {"ClusterId": 7, "ProcId": 0, "JobStatus": status, **attributes}


# When the queue is queried, and which reports count.


class Schedd:
    """An access point that answers when the test says so, and a clock that the test sets."""

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
        """Return the seconds until the next query."""
        began = self.now
        count = len(self.asked)
        while len(self.asked) == count:
            assert self.now - began < 1000, "the queue is not queried"
            self.now += 0.25
            self.queue.look()
        return self.now - began

    def answer(self, *ads, seconds: float = 0.01) -> list:
        """Answer the last query, and return the resulting events."""
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
    """The queue is queried every 20 seconds.

    After a second sighting, the log counts as silent until it has events again.
    """
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


def test_seen_twice_means_the_same_event_twice(schedd):
    """The log had the start of the job after the first query; its removal is still to be written."""
    schedd.submit(logged=True)
    schedd.wait()
    assert schedd.answer(in_queue(2)) == []
    schedd.bundles["7.0"].job = job_in(State.RUNNING)
    schedd.wait()
    assert schedd.answer(in_queue(3, RemoveReason="via condor_rm")) == []
    schedd.wait()
    assert schedd.answer(in_queue(3, RemoveReason="via condor_rm")) == [Aborted("7.0", "via condor_rm")]


def test_what_a_silent_logs_queue_says_is_believed_at_once(schedd):
    """The next query also comes soon."""
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
    """A schedd takes a second to report that the files have arrived. The log still counts as reliable."""
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
    """The answer cannot have the job, and does not count as the first of two."""
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
    """The log may have new events between the query and its answer."""
    schedd.submit(logged=False)
    schedd.wait()
    schedd.log.append(("7.0", job_in(State.COMPLETED)))
    assert schedd.answer(in_queue(2)) == []
    assert schedd.wait() == 20


def test_queue_is_asked_less_often_the_longer_the_jobs_take(schedd):
    """The interval is a tenth of the time since the last change, from one second to thirty.

    Changes shorten it again.
    """
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
    """Older jobs do not delay that."""
    schedd.submit(logged=False)
    for _ in range(100):
        schedd.wait()
        schedd.answer(in_queue(1))
    schedd.queue.submitted(logged=False)
    assert schedd.wait() == 1


def test_slow_schedd_is_left_in_peace(schedd):
    """The interval is ten times the duration of the query, whatever the jobs do, but at most a minute."""
    schedd.submit(logged=False)
    schedd.wait()
    schedd.answer(in_queue(1), seconds=6.0)
    assert schedd.wait() == 60
    schedd.answer(in_queue(1), seconds=0.3)
    assert schedd.wait() >= 3
    schedd.answer(in_queue(1), seconds=20.0)  # the schedd hung once
    assert schedd.wait() == 60


def test_error_is_no_answer(schedd, caplog):
    """No event results. The queue is queried again later."""
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
    """The helper was given up. Only jobs that need no retrieval, and whose end is in the log, still end."""
    schedd.queue.look()
    schedd.submit(logged=logged)
    schedd.bundles["7.0"].job = replace(schedd.bundles["7.0"].job, spooled=spooled)
    schedd.wait()
    schedd.usable, schedd.why_closed = False, "it does not live"
    with contextlib.nullcontext() if ends else pytest.raises(AccessPointError, match="it does not live; its jobs may"):
        schedd.queue.look()
    schedd.bundles.clear()
    schedd.queue.look()
