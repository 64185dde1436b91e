"""Events change the state of a bundle's job, and its carrier is told."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from condor_futures.calls.bundle import Bundle
from condor_futures.future import CondorFuture
from condor_futures.options.options import Options
from condor_futures.state_machine.replaying import replay
from condor_futures.state_machine.states import (
    Aborted,
    Evicted,
    Executing,
    Held,
    Job,
    Note,
    Remove,
    Report,
    Retrieve,
    State,
    Submitted,
    Terminated,
    Unwanted,
)
from condor_futures.state_machine.transitions import IllegalTransition
from condor_futures.watching import live_jobs as module
from condor_futures.watching.live_jobs import LiveJobs

JOB = "7.0"


class Carrier:
    """Records its calls."""

    def __init__(self):
        self.told = []

    def read_log(self):
        self.told.append("read_log")

    def perform(self, bundle, effect):
        self.told.append(effect)

    def advanced(self, bundle, before):
        self.told.append((before.state, bundle.job.state))

    def illegal(self, bundle, error):
        self.told.append(error)

    def unknown(self, event):
        self.told.append(event)


@pytest.fixture
def carrier():
    return Carrier()


@pytest.fixture
def jobs(carrier):
    return LiveJobs(carrier)


@pytest.fixture
def bundle(tmp_path):
    return Bundle(
        "b000000", tmp_path, Options({}, spool=True), {"c0": CondorFuture("c0")}, Job("b000000", spooled=True)
    )


@pytest.fixture
def live(jobs, carrier, bundle):
    """The bundle, whose job is in the queue."""
    jobs.put(JOB, bundle)
    jobs.advance(bundle, Submitted(JOB))
    carrier.told.clear()
    return bundle


def test_an_event_leads_to_the_next_state_and_its_effects(jobs, carrier, live):
    jobs.handle(Terminated(JOB, exit_status=0))
    assert live.job.state is State.COMPLETED
    assert carrier.told == [Retrieve(), (State.IDLE, State.COMPLETED)]
    assert dict(jobs) == {JOB: live}


def test_futures_run_when_their_job_does(jobs, carrier, live):
    """The carrier has nothing to do for that."""
    jobs.handle(Executing(JOB, "ep1"))
    assert live.futures["c0"].running()
    assert carrier.told == [(State.IDLE, State.RUNNING)]


@pytest.mark.parametrize("end", [Aborted(JOB), Held(JOB, 1), Unwanted(JOB)], ids=lambda event: type(event).__name__)
def test_a_job_that_is_over_is_dropped_once_its_effects_are_carried_out(jobs, carrier, live, end):
    """Some effects need to know which bundle the id belongs to."""
    carrier.perform = lambda bundle, effect: carrier.told.append(jobs.is_its_own(bundle) and JOB in jobs)
    jobs.handle(end)
    assert all(carrier.told)
    assert dict(jobs) == {}


def test_an_event_of_an_unknown_job_is_the_carriers_business(jobs, carrier, live):
    jobs.handle(Note("8.0"))
    assert carrier.told == [Note("8.0")]


def test_an_id_that_was_given_again_is_not_dropped_with_the_job_that_had_it(jobs, carrier, live, tmp_path):
    """The schedd had lost its queue."""
    other = Bundle("b000001", tmp_path, Options({}, spool=True), {}, Job("b000001", True, State.IDLE, JOB))
    jobs.put(JOB, other)
    assert not jobs.is_its_own(live)
    jobs.advance(live, Aborted(JOB))
    assert live.job.state is State.ENDED
    assert carrier.told[0] == Report(Aborted(JOB))
    assert jobs[JOB] is other


def test_an_illegal_event_changes_nothing_and_its_story_is_logged(jobs, carrier, bundle, caplog):
    """There is one message, from which the job can be replayed, whatever follows."""
    before = bundle.job
    jobs.put(JOB, bundle)
    jobs.handle(Executing(JOB, "ep1"))
    assert bundle.job is before
    [error] = carrier.told
    assert isinstance(error, IllegalTransition)
    [record] = caplog.records
    with pytest.raises(IllegalTransition):
        replay(record.getMessage())


def test_the_log_is_the_carriers(jobs, carrier):
    jobs.read_log()
    assert carrier.told == ["read_log"]


def test_an_illegal_event_may_be_answered_by_another_one(jobs, carrier, live):
    """The watcher does so: it no longer wants the job."""
    carrier.illegal = lambda bundle, error: jobs.advance(bundle, Unwanted(error.event.job_id))
    live.job = Job("b000000", True, State.PENDING, JOB)
    jobs.handle(Executing(JOB, "ep1"))
    assert live.job.state is State.DISCARDED
    assert carrier.told == [Remove(), (State.PENDING, State.DISCARDED)]


def test_it_is_known_for_how_long_jobs_have_been_idle(jobs, tmp_path, monkeypatch):
    """Since they lost their slot, if they had one."""
    now = SimpleNamespace(monotonic=lambda: now.seconds, seconds=100.0)
    monkeypatch.setattr(module, "time", now)
    bundles = {}
    for number in range(4):
        job_id = f"{number}.0"
        bundle = Bundle(f"b{number}", tmp_path, Options({}, spool=True), {}, Job(f"b{number}", spooled=True))
        jobs.put(job_id, bundle)
        jobs.advance(bundle, Submitted(job_id))
        bundles[bundle] = number
        now.seconds += 1.0

    def idle_for(seconds):
        return [bundles[bundle] for bundle in jobs.idle_for(seconds)]

    assert idle_for(1.5) == [0, 1, 2]
    jobs.handle(Note("0.0"))
    jobs.handle(Executing("1.0", "ep1"))
    jobs.handle(Unwanted("2.0"))
    assert idle_for(0.0) == [0, 3]
    jobs.handle(Evicted("1.0"))
    now.seconds += 0.5
    assert (idle_for(1.0), idle_for(0.0)) == ([0, 3], [0, 3, 1])
    jobs.drop("3.0")
    assert idle_for(0.0) == [0, 1]
    other = Bundle("b9", tmp_path, Options({}, spool=True), {}, Job("b9", spooled=True))
    jobs.put("0.0", other)  # the schedd has lost its queue
    assert idle_for(0.0) == [1]
    jobs.clear()
    assert idle_for(0.0) == []
