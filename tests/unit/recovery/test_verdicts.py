"""The evidence alone decides what became of a bundle."""

from __future__ import annotations

from pathlib import Path

import pytest

from condor_futures.access_point.helper.words import NEVER_RAN
from condor_futures.options.options import Options
from condor_futures.recovery.evidence import Evidence, Found, LoggedJobs, unused_numbers
from condor_futures.recovery.verdicts import fate, judge, settle
from condor_futures.state_machine.states import (
    Aborted,
    Evicted,
    Executing,
    Gone,
    Held,
    HoldPolicy,
    Job,
    NotRetrieved,
    Released,
    State,
    Submitted,
    Terminated,
)

JOB = "1.0"
SUBMITTED, RUNS = Submitted(JOB, "b000001"), Executing(JOB, "ep1")
WELL, BADLY = Terminated(JOB, exit_status=0), Terminated(JOB, signal=9)


def found(key, *calls, after=(), cluster=None, ended=False):
    options = Options({}, spool=True, cluster=cluster) if not ended else None
    return Found(key, Path(), options, dict.fromkeys(calls or ("c000001",), ()), after, ended=ended)


def test_of_two_bundles_with_one_job_id_the_queue_says_whose_it_is():
    """The job of the other bundle is gone."""
    history = LoggedJobs([SUBMITTED, RUNS, Submitted(JOB, "b000002")])
    ads = [{"ClusterId": 1, "ProcId": 0, "JobStatus": 2, "CondorFuturesBundle": "b000002"}]
    recovery = judge([found("b000001"), found("b000002"), found("b000003")], ads, history.of_bundle)
    assert {job_id: bundle.key for job_id, bundle in recovery.under_way.items()} == {JOB: "b000002"}
    assert [(bundle.key, job.events) for bundle, job in recovery.gone] == [("b000001", [SUBMITTED, RUNS])]
    assert [bundle.key for bundle in recovery.pending] == ["b000003"]


def test_a_later_call_does_not_inherit_the_job_of_a_cancelled_one():
    """The clients are the first and the third of the session."""
    log = [Submitted(JOB, "b000000"), WELL, Submitted("1.1", "b000001"), Aborted("1.1", "condor_futures")]
    first = found("b000000", ended=True)
    later = found(f"b{unused_numbers([first], LoggedJobs(log), []).bundles:06d}")
    recovery = judge([first, later], [], LoggedJobs(log).of_bundle)
    assert recovery.pending == [later]
    assert recovery.gone == []


GONE = (Gone(JOB),)
HELD = Held(JOB, 13, 2, "no file")


@pytest.mark.parametrize(
    ("events", "last", "retrieved", "cause"),
    [
        ([RUNS], GONE, False, Gone(JOB)),
        ([RUNS], (Aborted(JOB, "rm"),), False, Aborted(JOB, "rm")),
        ([RUNS, Aborted(JOB, "rm")], GONE, False, Aborted(JOB, "rm")),
        # The outcome can no longer be retrieved.
        ([RUNS, WELL], GONE, False, NotRetrieved(JOB, "the job is no longer in the queue")),
        ([RUNS, BADLY], GONE, False, NotRetrieved(JOB, "the job is no longer in the queue")),
        # The outputs were retrieved, and had no outcome.
        ([RUNS, BADLY], GONE, True, BADLY),
        ([RUNS, BADLY], (BADLY,), False, BADLY),
        ([RUNS], (BADLY,), False, BADLY),
        ([RUNS, BADLY, Aborted(JOB, "condor_futures")], GONE, True, BADLY),
        ([RUNS, WELL, Aborted(JOB, "rm")], GONE, False, Aborted(JOB, "rm")),
        # Holds that failed their calls, for which the job was removed, and holds that are over.
        ([HELD, Aborted(JOB, "condor_futures")], GONE, False, HELD),
        ([HELD, Aborted(JOB, "via condor_rm (by user you)")], GONE, False, Aborted(JOB, "via condor_rm (by user you)")),
        ([HELD, Released(JOB), RUNS, Evicted(JOB)], GONE, False, Gone(JOB)),
        ([HELD, Released(JOB), RUNS, BADLY], GONE, True, BADLY),
        # The bundle is to be submitted again.
        ([Aborted(JOB, NEVER_RAN)], GONE, False, None),
        ([], (Aborted(JOB, NEVER_RAN),), False, None),
    ],
)
def test_what_becomes_of_a_spooled_job_that_is_gone(events, last, retrieved, cause):
    job = Job("b000001", spooled=True, policy=HoldPolicy("fail"))
    job, told = fate(job, [SUBMITTED, *events], last, retrieved=retrieved)
    assert told == cause
    assert cause is None or (job.state, job.job_id) == (State.ENDED, JOB)


def test_a_job_that_is_not_spooled_leaves_when_it_has_ended():
    job = Job("b000001", spooled=False)
    assert fate(job, [SUBMITTED, RUNS, BADLY], GONE, retrieved=False)[1] == BADLY


# The complete judgement, without a pool.


def evidence(bundles, queue=(), events=(), **more):
    log = LoggedJobs(events)
    return Evidence(bundles, queue, log, log.of_bundle, unused_numbers(bundles, log, queue), **more)


def test_each_bundle_of_a_session_gets_one_verdict():
    """The bundles: ended, in the queue, removed, never arrived, and cancelled."""
    ended, queued, gone, pending = (found(f"b00000{n}", f"c00000{n}", ended=n == 1) for n in range(1, 5))
    cancelled = Found("b000005", Path(), None, {"c000005": ()}, counts=False)
    events = [
        *(Submitted(f"{n}.0", f"b00000{n}") for n in (1, 2, 3)),
        Terminated("1.0", exit_status=0),
        Executing("2.0", "ep1"),
        Aborted("3.0", "via condor_rm"),
    ]
    queue = [{"ClusterId": 2, "ProcId": 0, "JobStatus": 2, "CondorFuturesBundle": "b000002"}]
    verdicts = settle(evidence([ended, queued, gone, pending, cancelled], queue, events))
    assert [(one.found.key, one.job.job_id, one.job.state) for one in verdicts.ended] == [
        ("b000001", "1.0", State.ENDED),
        ("b000003", "3.0", State.ENDED),
    ]
    assert verdicts.ended[1].cause == Aborted("3.0", "via condor_rm")
    assert {job_id: (one.key, told) for job_id, (one, told) in verdicts.under_way.items()} == {
        "2.0": ("b000002", [events[1], events[4]])
    }
    assert verdicts.pending == [pending]


def test_a_job_that_never_counted_is_submitted_again_in_the_order_of_the_bundles():
    """We removed the job in favour of another one, which does not exist."""
    first, second = found("b000001"), found("b000002", "c000002")
    lost = [Submitted(JOB, "b000001"), RUNS]
    told = {"b000001": (Aborted(JOB, NEVER_RAN),)}
    assert settle(evidence([second, first], events=lost, told=told)).pending == [first, second]


def test_what_the_history_says_of_a_job_counts_after_the_log():
    """The log ends while the job runs. The schedd knows how it ended, and that nobody retrieved its outputs."""
    verdicts = settle(evidence([found("b000001")], events=[SUBMITTED, RUNS], told={"b000001": (BADLY,)}))
    assert [one.cause for one in verdicts.ended] == [BADLY]
