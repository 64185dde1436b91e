"""The evidence about bundles in the files and the event log of a session."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from line_files import JobSide

from condor_futures.access_point.helper.words import NEVER_RAN
from condor_futures.calls.bundle import Bundle
from condor_futures.calls.calls_file import Call, Manner, write_bundle
from condor_futures.calls.pickling import pickle_object
from condor_futures.execution_point.frames import write_frame
from condor_futures.execution_point.unpickling import dumps
from condor_futures.future import CondorFuture
from condor_futures.options.options import Options
from condor_futures.recovery.evidence import Found, LoggedJobs, Unused, find_bundles, unused_numbers
from condor_futures.session.session import Session
from condor_futures.sessions import SessionInfo
from condor_futures.state_machine.states import (
    Aborted,
    Executing,
    Job,
    Submitted,
    Terminated,
)

JOB = "1.0"


SUBMITTED, RUNS = Submitted(JOB, "b000001"), Executing(JOB, "ep1")
WELL = Terminated(JOB, exit_status=0)


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
    """The event can belong to no other job."""
    assert LoggedJobs([RUNS]).events(JOB, "b000001") == [RUNS]
    assert LoggedJobs([RUNS]).of_bundle == {}


def test_that_a_job_never_counted_says_nothing_of_the_next_one_with_its_id():
    again = [SUBMITTED, RUNS]
    history = LoggedJobs([SUBMITTED, Aborted(JOB, NEVER_RAN), *again])
    assert [job.events for job in history.of_bundle["b000001"]] == [again]


def test_a_number_is_not_given_twice_while_anything_tells_of_it():
    """A cancelled bundle has no file any more, but its job is in the log, or still in the queue."""
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
    """The parent was cancelled, and its children fail for that reason. They must not get the value of a later call."""
    takes = Found("b000000", Path(), Options({}, spool=True), {"c000001": ["c000004", "x7f00"]})
    assert unused_numbers([takes], LoggedJobs([]), []).calls == 5
    assert unused_numbers([found("b000000", after=["c000007", "xc0"])], LoggedJobs([]), []).calls == 8


def test_clusters_are_counted_on_from_the_last_one():
    """A finished bundle no longer shows its cluster."""
    bundles = [
        found("b000000", ended=True),
        found("b000001"),
        found("b000002", cluster="k000001"),
        found("b000003", cluster="k000001"),
    ]
    assert unused_numbers(bundles, LoggedJobs([]), []).clusters == 2


@pytest.fixture
def session(tmp_path):
    session = Session.create(tmp_path / "session")
    yield session
    session.remove()


def write(session, number, calls, ended=(), *, directory=0, after=()):
    """Write the files of a bundle, as the client and the job do. The calls *ended* have an outcome."""
    key, place = session.bundle_key(number), session.bundle_directory(directory)
    futures = {call: CondorFuture(call) for call in calls}
    made = Bundle(key, place, Options({}, spool=False), futures, Job(key, False))
    pickled = pickle_object(abs, "function")
    with made.path("calls").open("wb") as file:
        calls = [Call(call, pickled, pickle_object(((1,), {}), "arguments")) for call in calls]
        options = made.options.record()
        write_bundle(
            file,
            calls,
            session=session.id,
            bundle=key,
            secret=session.secret,
            options=options,
            manner=Manner(after=after),
        )
    report(session, made, ended)
    return made


def report(session, bundle, calls):
    with bundle.path("outcomes").open("ab") as file:
        for call in calls:
            header = {"kind": "outcome", "session": session.id, "call": call, "result": "value", "host": "ep1"}
            write_frame(file, session.secret, header, dumps(call))


def seen(session):
    return {bundle.key: (list(bundle.calls), bundle.ended) for bundle in find_bundles(session) if bundle.counts}


def test_nothing_of_a_bundle_that_was_cancelled_counts(session):
    """Neither earlier nor later outcomes of its job count, and its keys are not used again."""
    cancelled = write(session, 3, ["c000004", "c000005"], ended=["c000004"])
    assert seen(session) == {"b000003": (["c000004", "c000005"], False)}
    cancelled.futures = {}  # as after a failure
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
    """A session that is not kept has such bundles. The bundle was not cancelled."""
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


# Warm jobs.


def open_bundle(session, number, *given, calls=True):
    """The bundle of a warm job, which was *given* calls. Its file has no calls; without *calls*, it was lost."""
    if calls:
        write(session, number, [])
    job = JobSide(session, session.bundle_key(number)).hello()
    job.given(*given)
    return job


def bundles(session):
    return {bundle.key: bundle for bundle in find_bundles(session)}


def test_outcomes_that_a_warm_job_wrote_are_those_of_the_bundle_of_the_calls(session):
    write(session, 0, ["c000000", "c000001", "c000002"])
    job, other = open_bundle(session, 1, "c000000", "c000001"), open_bundle(session, 2, "c000002")
    places = {
        "c000000": (job.path.with_suffix(".outcomes"), job.outcome("c000000"), "b000001"),
        "c000002": (other.path.with_suffix(".outcomes"), other.outcome("c000002"), "b000002"),
    }
    found = bundles(session)
    assert found["b000000"].places == places
    assert (found["b000000"].ended, found["b000000"].line) == (False, None)
    assert list(found["b000000"].calls) == ["c000000", "c000001", "c000002"]
    for key, side in {"b000001": job, "b000002": other}.items():
        assert found[key].line.directory == side.path.parent
        assert (found[key].calls, found[key].places, found[key].counts) == ({}, {}, True)
    job.outcome("c000001")
    assert bundles(session)["b000000"].ended


def test_a_bundle_waits_for_nothing_whose_calls_a_warm_job_was_given(session):
    """What it waited for has ended. It would wait for a moment, and its calls would be given to another job then."""
    write(session, 0, ["c000001"], after=["c000000"])
    assert bundles(session)["b000000"].after == ["c000000"]
    open_bundle(session, 1, "c000001")
    assert bundles(session)["b000000"].after == ()


def test_a_bundle_whose_calls_have_outcomes_of_both_kinds_has_ended(session):
    """Its own job made one of them, after the session fell back; or the other way round."""
    write(session, 0, ["c000000", "c000001"], ended=["c000000"])
    job = open_bundle(session, 1, "c000001")
    job.outcome("c000001")
    found = bundles(session)["b000000"]
    assert (found.ended, list(found.places)) == (True, ["c000001"])


def test_what_the_job_brought_back_as_a_file_counts_for_its_calls(session):
    write(session, 0, ["c000000"])
    job = open_bundle(session, 1, "c000000")
    path = session.bundle_directory(1) / "b000001.outcomes"
    with path.open("wb") as file:
        header = {"kind": "outcome", "session": session.id, "call": "c000000", "result": "value", "host": "ep1"}
        write_frame(file, job.secret, header, dumps(1))
    found = bundles(session)
    assert found["b000000"].places == {"c000000": (path, 0, "b000001")}
    assert found["b000001"].calls == {}


def test_calls_that_went_with_their_last_outcome_are_found_with_the_warm_job(session):
    """A session that is not kept has such calls: their file is gone, and the outcomes are there."""
    gone = write(session, 0, ["c000000", "c000001"])
    gone.discard_calls()
    gone.path("outcomes").unlink()
    job = open_bundle(session, 1, "c000000", "c000001")
    for call in ("c000000", "c000001"):
        job.outcome(call)
    found = bundles(session)
    assert found.keys() == {"b000001"}
    assert list(found["b000001"].calls) == list(found["b000001"].places) == ["c000000", "c000001"]
    assert found["b000001"].ended
    assert unused_numbers(found.values(), LoggedJobs([]), []) == Unused(bundles=2, calls=2, clusters=0)


def test_a_cancelled_call_does_not_come_back_with_its_outcome(session):
    cancelled = write(session, 0, ["c000000"])
    cancelled.cancel_calls()
    job = open_bundle(session, 1, "c000000")
    job.outcome("c000000")
    found = bundles(session)
    assert not found["b000000"].counts
    assert (found["b000001"].calls, found["b000001"].places) == ({}, {})


def test_keys_that_a_job_made_up_are_no_calls(session):
    job = open_bundle(session, 1, "x7f00", "../c000001")
    for call in ("x7f00", "../c000001", "", "c000003"):
        job.outcome(call)
    assert bundles(session)["b000001"].calls == {}


def test_a_warm_job_of_which_only_the_line_is_left_is_no_bundle(session):
    """Nothing can be done for it; the outcomes of known calls count all the same."""
    write(session, 0, ["c000000"])
    open_bundle(session, 1, "c000000", calls=False).outcome("c000000")
    found = bundles(session)
    assert found.keys() == {"b000000"}
    assert found["b000000"].ended
