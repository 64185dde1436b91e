"""What the probe found out becomes sentences."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from condor_futures.access_point.location import Location
from condor_futures.doctor import Level
from condor_futures.doctor.probe import Probed, Times
from condor_futures.doctor.probe_judgements import judge_probe, judge_sessions
from condor_futures.errors import CredentialError, JobCrashedError, JobHeldError, PythonMismatchError
from condor_futures.sessions import SessionInfo

RAN = Probed(
    job_id="7.0",
    waited=1.2,
    look={"python": "3.11.7", "executable": "/usr/bin/python3.11", "host": "ep17", "began": 0.0},
    times=Times(match=1.0, transfer=0.1, start=0.06, total=1.2),
    logged=True,
)
ELSEWHERE = Location("cm.example.org", "ap1@example.org")


def judge(probed, location=Location()):  # noqa: B008 - it is frozen
    return {finding.name: finding for finding in judge_probe(probed, location, "3.11")}


def test_a_job_that_ran():
    found = judge(replace(RAN, warm=True, warm_call=0.0023))
    assert [finding.level for finding in found.values()] == [Level.OK] * 4
    assert found["probe job"].sentence == (
        "the job 7.0 ran, and its result came after 1.2 s, of which match 1.0 s, "
        "transfer of the input 100 ms, start 60 ms"
    )
    assert found["Python"].sentence == "the job ran with Python 3.11.7 (/usr/bin/python3.11) on ep17"
    assert found["warm jobs"].sentence == "yes; a call in one takes 2.3 ms"


def test_a_job_without_a_log():
    assert judge(replace(RAN, times=Times(total=1.2)))["probe job"].sentence.endswith("its result came after 1.2 s")


@pytest.mark.parametrize(
    ("probed", "location", "level", "words"),
    [
        (RAN, Location(), Level.NOTE, "`doctor --warm` tries one"),
        (RAN, ELSEWHERE, Level.NOTE, "the schedd would have to be on this machine"),
        (replace(RAN, logged=False), Location(), Level.NOTE, "does not see the session directory"),
        (replace(RAN, warm=False, why_not_warm="no proxy"), Location(), Level.WARNING, "no: no proxy"),
    ],
)
def test_why_no_warm_job(probed, location, level, words):
    finding = judge(probed, location)["warm jobs"]
    assert (finding.level, words in finding.sentence) == (level, True)


@pytest.mark.parametrize(("location", "words"), [(Location(), "may not enter"), (ELSEWHERE, "another machine")])
def test_a_session_directory_that_is_not_seen(location, words):
    finding = judge(replace(RAN, logged=False), location)["event log"]
    assert finding.level is Level.WARNING
    assert words in finding.sentence
    assert "session=" in finding.sentence


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (PythonMismatchError("the execution point ep17 runs Python 3.9.2"), "Python"),
        (JobCrashedError("no Python on this execution point", exit_status=127), "Python"),
        (JobCrashedError("killed", signal=9), "probe job"),
        (JobHeldError("held: disk full", code=26, subcode=0), "probe job"),
        (CredentialError("you have no valid Kerberos ticket"), "credentials"),
    ],
)
def test_a_job_that_failed(error, name):
    [finding] = judge(replace(RAN, look={}, error=error)).values()
    assert (finding.name, finding.level) == (name, Level.FAILED)
    assert str(error) in finding.sentence


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": "idle", "hopeless": True, "why_idle": "no slot has a GPU"}, "can never run here: no slot has a GPU"),
        ({"state": "idle", "why_idle": "all in use"}, "was still idle after 60 s: all in use; wait"),
        ({"state": "running"}, "had no result after 60 s: it was running"),
    ],
)
def test_a_job_that_was_given_up(changes, words):
    [finding] = judge(replace(RAN, look={}, waited=60.0, **changes)).values()
    assert (finding.name, finding.level, words in finding.sentence) == ("probe job", Level.FAILED, True)


def session(state):
    started = datetime(2026, 11, 21, tzinfo=timezone.utc)
    return SessionInfo(f"{state}-1", Path("/s"), state, None, "ap1", 1, 0, None, started, 2**20)


def test_sessions():
    assert judge_sessions([session("in use")]).level is Level.OK
    both = judge_sessions([session("left"), session("finished"), session("finished")])
    assert both.level is Level.WARNING
    assert both.fix == "remove sessions"
    assert both.sentence == (
        "1 session with unfinished calls (1 MiB) wait for attach(), or `condor-futures purge`; "
        "2 finished sessions (2 MiB) remain until `condor-futures purge --finished` (or --fix)"
    )
    assert judge_sessions([session("left")]).fix == ""
