"""The schedd's history of jobs, which a site may hide."""

from __future__ import annotations

import logging

import pytest

from condor_futures.access_point.helper.words import NEVER_RAN
from condor_futures.errors import AccessPointError
from condor_futures.options.options import Options
from condor_futures.recovery.evidence import Found, LoggedJob
from condor_futures.recovery.history import jobs_of_history, told_by_history
from condor_futures.session.session import Session
from condor_futures.state_machine.states import Gone, Submitted, Terminated


@pytest.fixture
def session(tmp_path):
    return Session.create(tmp_path / "session")


def ad(cluster, key, **more):
    return {"ClusterId": cluster, "ProcId": 0, "CondorFuturesBundle": key, **more}


def gone(session, key, job_id):
    found = Found(key, session.bundles, Options({}, spool=True), {"c000001": ()})
    return found, LoggedJob(job_id, key, [Submitted(job_id, key)])


def test_the_jobs_of_a_bundle_come_in_the_order_in_which_they_were(session, helper):
    """The schedd lists the newest job first."""
    helper.answers["past"] = [[ad(9, "b000001"), ad(7, "b000002"), ad(3, "b000001")]]
    jobs = jobs_of_history(helper, session)
    assert {key: [job.job_id for job in of_key] for key, of_key in jobs.items()} == {
        "b000001": ["3.0", "9.0"],
        "b000002": ["7.0"],
    }
    assert jobs["b000002"][0].events == [Submitted("7.0", "b000002")]


def test_jobs_that_we_removed_are_not_asked_for(session, helper):
    """Their remove reason begins with ours."""
    jobs_of_history(helper, session)
    [(_, arguments)] = helper.asked
    reason = arguments["constraint"].partition('regexp("^')[2].partition('"')[0]
    assert reason
    assert NEVER_RAN.startswith(reason)
    assert session.id in arguments["constraint"]


@pytest.mark.parametrize("operation", ["past", "look"])
def test_a_history_that_cannot_be_read_is_a_warning(session, helper, caplog, operation):
    helper.answers[operation] = [AccessPointError("not authorized")]
    with caplog.at_level(logging.WARNING):
        if operation == "past":
            assert jobs_of_history(helper, session) == {}
        else:
            told = told_by_history(helper, session, [gone(session, "b000001", "7.0")])
            assert told == {"b000001": (Gone("7.0"),)}
    assert "not authorized" in caplog.text


def test_an_id_that_another_job_of_the_session_has_by_now_tells_nothing(session, helper):
    ads = [ad(7, "b000002", JobStatus=4, ExitCode=0), ad(8, "b000003", JobStatus=4, ExitCode=1)]
    helper.answers["look"] = [{"ads": ads, "seconds": 0.1}]
    told = told_by_history(helper, session, [gone(session, "b000001", "7.0"), gone(session, "b000003", "8.0")])
    assert told == {"b000001": (Gone("7.0"),), "b000003": (Terminated("8.0", exit_status=1),)}


def test_nothing_is_asked_where_nothing_is_gone(session, helper):
    assert told_by_history(helper, session, []) == {}
    assert helper.asked == []
