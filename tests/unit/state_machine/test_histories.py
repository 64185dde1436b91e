"""A job has one end, whatever becomes of it, and whatever part of it the event log tells, how often and how late.

A model of HTCondor leads a job through a possible history. The log loses, repeats and delays events. The test carries
out the table's effects on the model. In the end, it asks the queue, as the watcher does.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from condor_futures.state_machine.queue_events import queue_events
from condor_futures.state_machine.states import (
    Aborted,
    Ask,
    Decided,
    Event,
    Evicted,
    Executing,
    Held,
    HoldPolicy,
    Job,
    Release,
    Released,
    Remove,
    Report,
    Retrieve,
    Retrieved,
    State,
    Submitted,
    Terminated,
    Unwanted,
)
from condor_futures.state_machine.transitions import advance

JOB = "7.0"
IDLE, RUNNING, REMOVED, COMPLETED, HELD = 1, 2, 3, 4, 5  # JobStatus


@dataclass
class HTCondor:
    """One job in a schedd's queue: what may happen to it, and what the log is told."""

    status: int = IDLE
    log: list[Event] = field(default_factory=list)

    def run(self):
        if self.status == IDLE:
            self.status = RUNNING
            self.log.append(Executing(JOB, "ep1"))

    def evict(self):
        if self.status == RUNNING:
            self.status = IDLE
            self.log.append(Evicted(JOB))

    def hold(self, code=1, subcode=0):
        if self.status in (IDLE, RUNNING):
            self.evict()
            self.status = HELD
            self.log.append(Held(JOB, code, subcode, "because"))

    def hold_for_memory(self):
        self.hold(34, 102)

    def release(self):
        if self.status == HELD:
            self.status = IDLE
            self.log.append(Released(JOB))

    def remove(self):
        if self.status != REMOVED:
            self.status = REMOVED
            self.log.append(Aborted(JOB))

    def complete(self):
        if self.status == RUNNING:
            self.status = COMPLETED
            self.log.append(Terminated(JOB, exit_status=0))

    def end(self):
        """Make the job run."""
        for step in (self.release, self.run, self.complete):
            step()

    def ads(self):
        codes = {"HoldReasonCode": 1} if self.status == HELD else {}
        ended = {"ExitCode": 0} if self.status == COMPLETED else {}
        return [{"ClusterId": 7, "ProcId": 0, "JobStatus": self.status, **codes, **ended}]


class Client:
    """The watcher, in memory."""

    def __init__(self, htcondor, policy, *, spooled, answer):
        self.htcondor, self.answer = htcondor, answer
        self.job, self.reports = Job("b000001", spooled, policy=policy), []
        self.tell(Submitted(JOB))

    def tell(self, event):
        self.job, effects = advance(self.job, event)
        for effect in effects:
            match effect:
                case Report(cause):
                    self.reports.append(cause)
                case Remove():
                    self.htcondor.remove()
                case Release():
                    held = self.htcondor.status == HELD
                    self.htcondor.release()
                    if held:
                        self.tell(Released(JOB, self.job.holds))
                case Ask():
                    self.tell(Decided(JOB, self.job.holds, self.answer))
                case Retrieve():
                    self.tell(Retrieved(JOB))

    def ask_the_queue(self):
        for event in queue_events({JOB: self.job}, self.htcondor.ads()).get(JOB, ()):
            self.tell(event)


steps = st.sampled_from(["run", "run", "evict", "hold", "hold_for_memory", "release", "complete", "remove"])
told = st.lists(st.sampled_from([0, 1, 1, 1, 2]), min_size=8, max_size=8)
policies = st.builds(
    HoldPolicy, st.sampled_from(["fail", "release", "wait", "ask"]), st.integers(1, 3), st.sampled_from([None, 4096])
)


@given(
    history=st.lists(st.tuples(steps, st.booleans(), st.booleans()), max_size=25),
    told=told,
    policy=policies,
    answer=st.sampled_from(["fail", "release", "wait"]),
    spooled=st.booleans(),
    cancelled=st.booleans(),
)
def test_each_job_has_exactly_one_end(history, told, policy, answer, spooled, cancelled):
    """The second flag of a step decides whether the log is read then, the third whether the queue is asked."""
    htcondor = HTCondor()
    client = Client(htcondor, policy, spooled=spooled, answer=answer)
    times = iter(told * 100)

    def read_the_log():
        events, htcondor.log = htcondor.log, []
        for event in events:
            for _ in range(next(times)):
                client.tell(event)

    for step, read, asked in history:
        getattr(htcondor, step)()
        if read:
            read_the_log()
        if asked:
            client.ask_the_queue()
    if cancelled:
        client.tell(Unwanted(JOB))
    for _ in range(10):  # any hold may be released, and a user who waits for that makes the job run
        htcondor.end()
        read_the_log()
        client.ask_the_queue()

    assert client.job.state in (State.ENDED, State.DISCARDED)
    assert len(client.reports) == (client.job.state is State.ENDED)
    assert htcondor.status in (COMPLETED, REMOVED)
    if htcondor.status == COMPLETED:
        assert [type(cause) for cause in client.reports] == [Terminated]
