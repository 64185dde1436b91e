"""The table and the details of a snapshot."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from condor_futures.future import Progress
from condor_futures.sessions import SessionInfo
from condor_futures.status_screen import rows as module
from condor_futures.status_screen.collector import Snapshot
from condor_futures.status_screen.job_files import Call, JobCalls
from condor_futures.status_screen.rows import details, heading, make_rows, widths

NOW = datetime(2026, 11, 21, 8, 45, tzinfo=timezone.utc)
SESSION = "20261121-084209-d88b1a6b"


@pytest.fixture
def snapshot(job):
    """A warm job that makes the second of its calls, one on hold, and jobs that wait."""
    held = {"hold_reason": "no space", "hold_code": 34, "hold_subcode": 0}
    jobs = [
        job("7.0", calls=0, warm=True),
        job("8.0", "idle"),
        *(job(f"9.{number}", "idle", calls=3) for number in range(12)),
        job("10.0", "held", **held),
        job("11.0", session="20261121-090000-0a0b0c0d"),
    ]
    calls = JobCalls([Call("c2", "fit"), Call("c3", "fit")], 2, 1, live=True, progress=Progress(0.5, "half"))
    info = SessionInfo(SESSION, Path("/sweep"), "in use", 4711, "ap1", 100, 17, None, NOW, 0)
    return Snapshot("ap1", NOW, jobs, {"7.0": calls}, {SESSION: info}, {SESSION: {"c2": "fit-2"}})


def test_a_row_for_each_session_and_job(snapshot):
    """Jobs on hold come first; jobs of a cluster that wait share a row."""
    assert [row.cells for row in make_rows(snapshot)] == [
        ["session", "17/100", SESSION, "", "", ""],
        ["10.0", "held", "1 call", "ep17", "0:01:05", "31/128 M"],
        ["7.0", "running", "fit-2 fit 50% half +1", "ep17", "0:01:05", "31/128 M"],
        ["8.0", "idle", "1 call", "", "", "/128 M"],
        ["9.0-11", "idle", "12 jobs, 36 calls", "", "", "/128 M"],
        ["session", "", "20261121-090000-0a0b0c0d", "", "", ""],
        ["11.0", "running", "1 call", "ep17", "0:01:05", "31/128 M"],
    ]
    assert heading(snapshot) == "ap1: 13 idle, 2 running, 1 held"
    assert heading(Snapshot("ap1", NOW)) == "ap1: no jobs"
    assert make_rows(Snapshot("ap1", NOW)) == []


def test_an_action_on_a_row_is_on_all_its_jobs(snapshot):
    jobs = {row.key: [job.job_id for job in row.jobs] for row in make_rows(snapshot)}
    assert jobs["job:7.0"] == ["7.0"]
    assert jobs["jobs:9:idle"] == [f"9.{number}" for number in range(12)]
    assert len(jobs[f"session:{SESSION}"]) == 15


def test_the_calls_of_a_job_are_listed_below_it(snapshot):
    rows = make_rows(snapshot, {"job:7.0"})
    assert [(row.call, row.cells[:3]) for row in rows if row.kind == "call"] == [
        ("c2", ["  c2", "runs", "fit-2 fit"]),
        ("c3", ["  c3", "waits", "c3 fit"]),
    ]


@pytest.mark.parametrize(
    ("changes", "calls", "text"),
    [
        ({"calls": 0, "warm": True}, JobCalls(live=True), "warm, no call now"),
        ({"calls": 0, "warm": True}, JobCalls(), "warm"),
        ({"calls": 0, "warm": True, "state": "idle"}, JobCalls(), "warm"),
        ({"calls": 1}, JobCalls([Call("c5", "fit")], 1), "c5 fit"),
        ({"calls": 2}, JobCalls([Call("c5", "fit"), Call("c6", "fit")], 2), "2 calls"),
        ({"calls": 2}, JobCalls([Call("c6", "fit")], 1, live=True), "c6 fit"),
        ({"calls": None}, JobCalls(), "0 calls"),
    ],
)
def test_what_a_job_does(job, changes, calls, text):
    """The call that runs is named where it is known which one that is."""
    one = job(**changes)
    [_, row] = make_rows(Snapshot("ap1", NOW, [one], {one.job_id: calls}))
    assert row.cells[2] == text


def test_a_memory_that_is_not_known_is_not_shown(job):
    jobs = [job("1.0", memory=None, request_memory=None), job("2.0", request_memory=None)]
    assert [row.cells[5] for row in make_rows(Snapshot("ap1", NOW, jobs))[1:]] == ["", "31 M"]


def test_there_are_not_more_rows_than_a_screen_can_have(job, monkeypatch):
    monkeypatch.setattr(module, "MOST_ROWS", 2)
    *_, last = make_rows(Snapshot("ap1", NOW, [job(f"{number}.0") for number in range(5)]))
    assert (last.kind, last.cells[2], len(last.jobs)) == ("more", "and 3 more jobs", 3)


def test_the_ended_share_of_a_large_session_is_a_percentage(snapshot):
    large = {SESSION: SessionInfo(SESSION, Path("/sweep"), "in use", 1, "ap1", 100_000, 25_000, None, NOW, 0)}
    assert make_rows(Snapshot("ap1", NOW, snapshot.jobs, sessions=large))[0].cells[1] == "25%"


def test_the_table_has_the_width_of_the_terminal():
    """With the paddings, and the bar that scrolls."""
    for columns in (80, 100, 200):
        assert sum(widths(columns)) + 2 * len(widths(columns)) + 1 == columns
    assert widths(60) == widths(80)


def explained(snapshot, key, **why):
    [row] = [row for row in make_rows(snapshot, {"job:7.0"}) if row.key == key]
    return details(row, snapshot, why)


def test_details_of_a_job(snapshot):
    sentence, *rest = explained(snapshot, "job:7.0")
    assert sentence.startswith("job 7.0 running, on ep17.example.org, since 2026-11-21 08:42:14")
    assert rest == [
        "call c2: fit-2 fit",
        "of the calls of this job, 1 ended, and 1 more wait",
        "reports 50% half",
    ]
    assert explained(snapshot, "job:10.0")[1:] == ["held: no space (code 34, subcode 0)"]
    assert explained(snapshot, "call:7.0:c3")[1:] == ["call c3: c3 fit"]
    assert details(make_rows(snapshot)[3], snapshot, {"8.0": "its turn has not come yet"})[1:] == [
        "idle: its turn has not come yet"
    ]
    assert explained(snapshot, "jobs:9:idle")[0].startswith("jobs 9.0 to 9.11 idle, submitted 2026-11-21")


def test_details_of_a_session(snapshot):
    assert explained(snapshot, f"session:{SESSION}") == [
        f"session {SESSION}: 15 jobs in the queue (1 held, 1 running, 13 idle)",
        "17 of 100 calls ended; process 4711 on ap1 uses the session",
        "/sweep",
    ]
    assert explained(snapshot, "session:20261121-090000-0a0b0c0d")[1:] == [
        "the directory of the session is not on this machine"
    ]


def test_a_call_that_has_just_ended_is_still_explained(snapshot):
    [row] = [row for row in make_rows(snapshot, {"job:7.0"}) if row.call == "c3"]
    assert details(row, Snapshot("ap1", NOW, snapshot.jobs), {})[1:] == ["call c3: c3"]


def test_time_spans():
    assert module.duration(timedelta(hours=25, seconds=1)) == "25:00:01"
