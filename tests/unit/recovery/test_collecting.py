"""Evidence is collected in the order that makes it complete. Jobs that do not count are removed on the way."""

from __future__ import annotations

import pytest

from condor_futures.access_point.helper.words import NEVER_RAN
from condor_futures.calls.calls_file import Call, write_bundle
from condor_futures.calls.pickling import pickle_object
from condor_futures.options.options import Options
from condor_futures.recovery import collecting
from condor_futures.recovery.collecting import collect
from condor_futures.recovery.verdicts import settle
from condor_futures.session.session import Session

HALF = {"ClusterId": 1, "ProcId": 0, "JobStatus": 5, "HoldReasonCode": 16, "CondorFuturesBundle": "b000000"}
RUNS = {"ClusterId": 1, "ProcId": 0, "JobStatus": 2, "CondorFuturesBundle": "b000000"}
STRAY = {**RUNS, "ClusterId": 2}


class Log:
    """An event log without events, which records when it is read."""

    def __init__(self, helper):
        self.helper = helper

    def read_all(self):
        self.helper.asked.append(("event log", {}))
        return []


@pytest.fixture
def session(tmp_path):
    """A session with one bundle of one call."""
    session = Session.create(tmp_path / "session")
    call = Call("c000000", pickle_object(pow, "function"), pickle_object(((2, 3), {}), "arguments"))
    with session.create_file(session.bundle_directory(0) / "b000000.calls") as file:
        write_bundle(
            file,
            [call],
            session=session.id,
            bundle="b000000",
            secret=session.secret,
            options=Options({}, spool=True).record(),
        )
    return session


def removals(helper):
    return [arguments for operation, arguments in helper.asked if operation == "remove" and arguments["jobs"]]


def test_the_log_and_the_files_are_read_after_the_queue(session, helper, monkeypatch):
    """They then have what happened until the query: jobs that left the queue, and outcomes of warm jobs."""
    find = collecting.find_bundles
    monkeypatch.setattr(collecting, "find_bundles", lambda of: helper.asked.append(("files", {})) or find(of))
    helper.answers["query"] = [[HALF], [RUNS]]
    evidence = collect(session, helper, Log(helper))
    assert [operation for operation, _ in helper.asked][:5] == ["query", "remove", "query", "event log", "files"]
    assert list(settle(evidence).under_way) == ["1.0"]


def test_without_a_log_the_history_is_asked_for_what_is_not_in_the_queue(session, helper):
    helper.answers["past"] = [[{"ClusterId": 1, "ProcId": 0, "CondorFuturesBundle": "b000000"}]]
    helper.answers["look"] = [{"ads": [{**RUNS, "JobStatus": 3, "RemoveReason": "via condor_rm"}], "seconds": 0.0}]
    [ended] = settle(collect(session, helper, Log(helper))).ended
    assert ended.cause.reason == "via condor_rm"


def test_a_job_whose_files_never_arrived_is_removed_and_its_bundle_submitted_again(session, helper):
    helper.answers["query"] = [[HALF], []]
    verdicts = settle(collect(session, helper, Log(helper)))
    assert [found.key for found in verdicts.pending] == ["b000000"]
    [first] = removals(helper)
    assert "HoldReasonCode == 16" in first["jobs"]
    assert "(ClusterId == 1 && ProcId == 0)" in first["jobs"]
    assert first["reason"] == NEVER_RAN


def test_one_whose_files_have_just_arrived_is_not(session, helper):
    """The schedd reports it a second later. Until then, the job looks like one that waits for files."""
    helper.answers["query"] = [[HALF], [RUNS]]
    verdicts = settle(collect(session, helper, Log(helper)))
    assert list(verdicts.under_way) == ["1.0"]


def test_a_second_job_of_a_bundle_is_removed(session, helper):
    helper.answers["query"] = [[RUNS, STRAY]]
    verdicts = settle(collect(session, helper, Log(helper)))
    assert list(verdicts.under_way) == ["1.0"]
    assert removals(helper) == [{"jobs": ["2.0"], "reason": NEVER_RAN}]
