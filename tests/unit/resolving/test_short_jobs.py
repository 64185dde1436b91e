"""Many jobs whose calls take less time than the start of a job bring one warning."""

from __future__ import annotations

import logging

import pytest

from condor_futures.calls.outcomes_file import Outcome
from condor_futures.resolving.short_jobs import JOBS, ShortJobs


@pytest.fixture
def told(caplog):
    caplog.set_level(logging.WARNING)
    return lambda: [record.getMessage() for record in caplog.records]


def outcome(seconds, key="c000000"):
    return Outcome(key, "value", {"started": 100.0, "ended": 100.0 + seconds}, [])


def test_many_short_jobs_bring_one_warning(told):
    jobs = ShortJobs()
    for _ in range(JOBS - 1):
        jobs.ended([outcome(0.25)])
    assert told() == []
    for _ in range(2 * JOBS):
        jobs.ended([outcome(0.25)])
    [message] = told()
    assert message.startswith(f"{JOBS} jobs have made calls for 0.25 s each on average")
    assert "chunksize=N" in message


def test_the_calls_of_a_job_count_together(told):
    jobs = ShortJobs()
    for _ in range(2 * JOBS):
        jobs.ended([outcome(0.25)] * 5)
    assert told() == []


def test_jobs_without_times_do_not_count(told):
    """An example is a job that crashed, or an outcome of an earlier version."""
    jobs = ShortJobs()
    for _ in range(2 * JOBS):
        jobs.ended([Outcome("c000000", "crashed", {}, [])])
        jobs.ended([])
    assert told() == []
