from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from condor_futures.access_point.job_info import JobInfo

SUBMITTED = datetime(2026, 11, 21, 8, 42, 9, tzinfo=timezone.utc)


@pytest.fixture
def job():
    """Make the information about a job."""

    def job(job_id="7.0", state="running", **changes):
        started = SUBMITTED + timedelta(seconds=5) if state not in ("idle", "spooling") else None
        facts = {
            "session": "20261121-084209-d88b1a6b",
            "bundle": "b000000",
            "calls": 1,
            "host": "ep17.example.org" if started else None,
            "submitted": SUBMITTED,
            "started": started,
            "run_time": timedelta(seconds=65 if started else 0),
            "memory": 31 << 20 if started else None,
            "disk": None,
            "request_memory": 128 << 20,
        }
        return JobInfo(job_id=job_id, state=state, **{**facts, **changes})

    return job
