"""Evidence about sessions that never were, for tests of the report."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from condor_futures.session_report.evidence import EndedCall, Evidence
from condor_futures.session_report.job_histories import JobHistory
from condor_futures.sessions import SessionInfo


def evidence(outcomes=(), jobs=(), *, warm=(), until=100.0, calls=0, parents=None):
    info = SessionInfo(
        id="20261129-120000-0123abcd",
        directory=Path("scan"),
        state="finished",
        pid=None,
        client="desk",
        calls=calls,
        ended=0,
        access_point="personal",
        started=datetime(2026, 11, 29, 12).astimezone(),
        size=0,
    )
    return Evidence(info, list(outcomes), list(jobs), frozenset(warm), until, parents or {})


def ended(number, started=0.0, stopped=1.0, *, bundle="b000000", host="ep1", result="value", **more):
    return EndedCall(f"c{number:06d}", bundle, host, result, started, stopped, **more)


def failed(number, message, **more):
    return ended(number, result="exception", error="ValueError", message=message, **more)


def job(bundle, *spans, job_id="1.0", **more):
    return JobHistory(job_id, bundle, spans[0][1] if spans else 0.0, list(spans), **more)
