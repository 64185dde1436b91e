"""What the event log says of a job is told from what it says of another one that had its id."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from condor_futures.access_point.helper.words import NEVER_RAN
from condor_futures.calls.bundle import Bundle
from condor_futures.calls.calls_file import Call, write_bundle
from condor_futures.calls.pickling import pickle_object
from condor_futures.execution_point import runner
from condor_futures.future import CondorFuture
from condor_futures.options.options import Options
from condor_futures.recovery.evidence import Evidence, Found, LoggedJobs, Unused, find_bundles, unused_numbers
from condor_futures.recovery.verdicts import fate, judge, settle
from condor_futures.session.session import Session
from condor_futures.sessions import SessionInfo
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


def test_each_submit_event_begins_another_job():
    first = [SUBMITTED, RUNS, WELL]
    second = [Submitted(JOB, "b000002"), RUNS]
    history = LoggedJobs([*first, *second])
    assert [job.events for job in history.of_bundle["b000001"]] == [first]
    assert history.events(JOB, "b000002") == second
    assert history.events(JOB, "b000001") == []


def test_a_log_that_lost_the_submit_event_is_believed():
    """There is no other job that it could be of."""
    assert LoggedJobs([RUNS]).events(JOB, "b000001") == [RUNS]
    assert LoggedJobs([RUNS]).of_bundle == {}


def test_that_a_job_never_counted_says_nothing_of_the_next_one_with_its_id():
    again = [SUBMITTED, RUNS]
    history = LoggedJobs([SUBMITTED, Aborted(JOB, NEVER_RAN), *again])
    assert [job.events for job in history.of_bundle["b000001"]] == [again]


def test_of_two_bundles_with_one_job_id_the_queue_says_whose_it_is():
    """The other one's job is gone."""
    history = LoggedJobs([SUBMITTED, RUNS, Submitted(JOB, "b000002")])
    ads = [{"ClusterId": 1, "ProcId": 0, "JobStatus": 2, "CondorFuturesBundle": "b000002"}]
    recovery = judge([found("b000001"), found("b000002"), found("b000003")], ads, history.of_bundle)
    assert {job_id: bundle.key for job_id, bundle in recovery.under_way.items()} == {JOB: "b000002"}
    assert [(bundle.key, job.events) for bundle, job in recovery.gone] == [("b000001", [SUBMITTED, RUNS])]
    assert [bundle.key for bundle in recovery.pending] == ["b000003"]


def test_a_number_is_not_given_twice_while_anything_tells_of_it():
    """A bundle that was cancelled has no file any more; its job is in the log, or in the queue yet."""
    bundles = [found("b000000", "c000000", "c000001")]
    assert unused_numbers([], LoggedJobs([]), []) == Unused(bundles=0, calls=0, clusters=0)
    assert unused_numbers(bundles, LoggedJobs([]), []) == Unused(bundles=1, calls=2, clusters=0)
    cancelled = [Submitted(JOB, "b000000"), Submitted("2.0", "b000003"), Aborted("2.0", "condor_futures")]
    assert unused_numbers(bundles, LoggedJobs(cancelled), []) == Unused(bundles=4, calls=5, clusters=0)
    ads = [{"ClusterId": 2, "ProcId": 0, "JobStatus": 3, "CondorFuturesBundle": "b000002"}, {"JobStatus": 2}]
    assert unused_numbers(bundles, LoggedJobs([]), ads) == Unused(bundles=3, calls=4, clusters=0)


def test_also_the_jobs_that_do_not_count_had_a_bundle():
    history = LoggedJobs([SUBMITTED, Aborted(JOB, NEVER_RAN), Submitted(JOB, ""), Submitted(JOB, "somebody's")])
    assert history.of_bundle.keys() == {"somebody's"}
    assert history.bundles == {"b000001", "somebody's"}
    assert unused_numbers([], history, []).bundles == 2


def test_a_call_that_others_wait_for_is_not_another_one():
    """It was cancelled, and they fail of that; they must not be given what a later one returns."""
    takes = Found("b000000", Path(), Options({}, spool=True), {"c000001": ["c000004", "x7f00"]})
    assert unused_numbers([takes], LoggedJobs([]), []).calls == 5
    assert unused_numbers([found("b000000", after=["c000007", "xc0"])], LoggedJobs([]), []).calls == 8


def test_clusters_are_counted_on_from_the_last_one():
    """What has ended does not say any more which cluster it was of."""
    bundles = [
        found("b000000", ended=True),
        found("b000001"),
        found("b000002", cluster="k000001"),
        found("b000003", cluster="k000001"),
    ]
    assert unused_numbers(bundles, LoggedJobs([]), []).clusters == 2


def test_a_later_call_does_not_inherit_the_job_of_a_cancelled_one():
    """From one client to the next but one."""
    log = [Submitted(JOB, "b000000"), WELL, Submitted("1.1", "b000001"), Aborted("1.1", "condor_futures")]
    first = found("b000000", ended=True)
    later = found(f"b{unused_numbers([first], LoggedJobs(log), []).bundles:06d}")
    recovery = judge([first, later], [], LoggedJobs(log).of_bundle)
    assert recovery.pending == [later]
    assert recovery.gone == []


@pytest.fixture
def session(tmp_path):
    session = Session.create(tmp_path / "session")
    yield session
    session.remove()


def write(session, number, calls, ended=(), *, directory=0):
    """The files of a bundle, of which the calls *ended* have an outcome; as the client and the job write them."""
    key, place = session.bundle_key(number), session.bundle_directory(directory)
    futures = {call: CondorFuture(call) for call in calls}
    made = Bundle(key, place, Options({}, spool=False), futures, Job(key, False))
    pickled = pickle_object(abs, "function")
    with made.path("calls").open("wb") as file:
        calls = [Call(call, pickled, pickle_object(((1,), {}), "arguments")) for call in calls]
        options = made.options.record()
        write_bundle(file, calls, session=session.id, bundle=key, secret=session.secret, options=options)
    report(session, made, ended)
    return made


def report(session, bundle, calls):
    with bundle.path("outcomes").open("ab") as file:
        for call in calls:
            header = {"kind": "outcome", "session": session.id, "call": call, "result": "value", "host": "ep1"}
            runner.write_frame(file, session.secret, header, runner.dumps(call))


def seen(session):
    return {bundle.key: (list(bundle.calls), bundle.ended) for bundle in find_bundles(session) if bundle.counts}


def test_nothing_of_a_bundle_that_was_cancelled_counts(session):
    """Neither what its job had reported, nor what it reports while it ends; and its keys are not given again."""
    cancelled = write(session, 3, ["c000004", "c000005"], ended=["c000004"])
    assert seen(session) == {"b000003": (["c000004", "c000005"], False)}
    cancelled.futures = {}  # as when they have been failed
    cancelled.cancel_calls()
    assert seen(session) == {}
    report(session, cancelled, ["c000005"])
    assert seen(session) == {}
    assert unused_numbers(find_bundles(session), LoggedJobs([]), []) == Unused(bundles=4, calls=6, clusters=0)
    assert SessionInfo.of(session).calls == 0
    killed = write(session, 5, ["c000006"])  # while its client did that
    killed.path("calls").rename(killed.path("cancelled"))
    assert seen(session) == {}
    assert unused_numbers(find_bundles(session), LoggedJobs([]), []).bundles == 6


def test_a_bundle_whose_calls_went_with_the_last_of_them_has_ended(session):
    """So it is where a session is not kept; it was not cancelled."""
    write(session, 0, ["c000000", "c000001"], ended=["c000000", "c000001"]).discard_calls()
    assert seen(session) == {"b000000": (["c000000", "c000001"], True)}


@pytest.mark.parametrize("left", [0, 1, 900])
def test_what_was_reported_counts_where_the_calls_are_cut_short(session, left):
    both = write(session, 0, ["c000000", "c000001"], ended=["c000000", "c000001"])
    os.truncate(both.path("calls"), left)
    [(calls, ended)] = seen(session).values()
    assert (sorted(calls), ended) == (["c000000", "c000001"], True)


def test_an_outcome_that_is_another_bundles_adds_no_call(session):
    first, second = (write(session, n, [f"c{n:06d}"], ended=[f"c{n:06d}"]) for n in range(2))
    first.path("outcomes").rename(session.directory / "swapped")
    second.path("outcomes").rename(first.path("outcomes"))
    (session.directory / "swapped").rename(second.path("outcomes"))
    assert seen(session) == {"b000000": (["c000000"], False), "b000001": (["c000001"], False)}


def test_files_that_are_not_ours_are_left_alone(session):
    made = write(session, 0, ["c000000"])
    place = made.directory
    for name in ("notes.calls", "b0.backup.calls", "notes.outcomes", "notes.new", "b000001.calls.new"):
        (place / name).write_bytes(made.path("calls").read_bytes())
    (session.bundles / "plain").write_text("x")
    assert seen(session) == {"b000000": (["c000000"], False)}
    assert (place / "notes.new").exists()
    assert not (place / "b000001.calls.new").exists()


def test_a_key_is_not_given_again_where_nothing_can_be_read_of_its_bundle(session):
    write(session, 4, ["c000000"]).path("calls").write_bytes(b"")
    assert seen(session) == {}
    assert unused_numbers(find_bundles(session), LoggedJobs([]), []).bundles == 5


GONE = (Gone(JOB),)
HELD = Held(JOB, 13, 2, "no file")


@pytest.mark.parametrize(
    ("events", "last", "retrieved", "cause"),
    [
        ([RUNS], GONE, False, Gone(JOB)),
        ([RUNS], (Aborted(JOB, "rm"),), False, Aborted(JOB, "rm")),
        ([RUNS, Aborted(JOB, "rm")], GONE, False, Aborted(JOB, "rm")),
        # It cannot be had any more.
        ([RUNS, WELL], GONE, False, NotRetrieved(JOB, "the job is in no queue any more")),
        ([RUNS, BADLY], GONE, False, NotRetrieved(JOB, "the job is in no queue any more")),
        # It was, and there was nothing in it.
        ([RUNS, BADLY], GONE, True, BADLY),
        ([RUNS, BADLY], (BADLY,), False, BADLY),
        ([RUNS], (BADLY,), False, BADLY),
        ([RUNS, BADLY, Aborted(JOB, "condor_futures")], GONE, True, BADLY),
        ([RUNS, WELL, Aborted(JOB, "rm")], GONE, False, Aborted(JOB, "rm")),
        # A hold that failed its calls, for which the job was removed; or that is over.
        ([HELD, Aborted(JOB, "condor_futures")], GONE, False, HELD),
        ([HELD, Aborted(JOB, "via condor_rm (by user you)")], GONE, False, Aborted(JOB, "via condor_rm (by user you)")),
        ([HELD, Released(JOB), RUNS, Evicted(JOB)], GONE, False, Gone(JOB)),
        ([HELD, Released(JOB), RUNS, BADLY], GONE, True, BADLY),
        # It is to be submitted again.
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


# The whole judgement, without a pool.


def evidence(bundles, queue=(), events=(), **more):
    log = LoggedJobs(events)
    return Evidence(bundles, queue, log, log.of_bundle, unused_numbers(bundles, log, queue), **more)


def test_each_bundle_of_a_session_gets_one_verdict():
    """One that has ended, one in the queue, one that was removed, one that never got there, and a cancelled one."""
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
    """We removed it because another one was to count, which there is not."""
    first, second = found("b000001"), found("b000002", "c000002")
    lost = [Submitted(JOB, "b000001"), RUNS]
    told = {"b000001": (Aborted(JOB, NEVER_RAN),)}
    assert settle(evidence([second, first], events=lost, told=told)).pending == [first, second]


def test_what_the_history_says_of_a_job_counts_after_the_log():
    """The log ends while it runs; the schedd knows how it ended, and that nobody fetched what it made."""
    verdicts = settle(evidence([found("b000001")], events=[SUBMITTED, RUNS], told={"b000001": (BADLY,)}))
    assert [one.cause for one in verdicts.ended] == [BADLY]
