"""The evidence is what the files of a session say, whatever a job wrote into them."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest

from condor_futures.calls.stored_calls import bundle_secret
from condor_futures.execution_point.frames import write_frame
from condor_futures.session.session import Session
from condor_futures.session_report.evidence import ended_call, read_evidence

LOGS = Path(__file__).parents[2] / "event_logs"


@pytest.fixture
def session(tmp_path):
    session = Session.create(tmp_path / "session")
    yield session
    session.leave()


def write(path: Path, secret: bytes, *headers) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for header in headers:
            write_frame(
                file, secret, {"kind": "outcome", "host": "ep1", "result": "value", **header}, [b"not a pickle"]
            )


def test_the_outcomes_of_all_kinds_of_jobs_are_found(session):
    """Outcomes of a cancelled bundle, and frames of other kinds, are none."""
    times = {"started": 100.0, "ended": 102.5}
    directory = session.bundle_directory(0)
    write(directory / "b000000.outcomes", session.secret, {"call": "c000000", **times}, {"kind": "checkpoint"})
    write(directory / "b000001.outcomes", session.secret, {"call": "c000001"})
    (directory / "b000001.cancelled").write_text("c000001")
    write(session.streams / "b000002" / ("0" * 16 + ".outcomes"), session.secret, {"call": "c000002", "retry": True})
    warm = bundle_secret(session.secret, "b000003")
    write(session.lines / "b000003" / ("0" * 16 + ".outcomes"), warm, {"kind": "hello"}, {"call": "c000003"})
    shutil.copy(LOGS / "good_spooled.log", session.event_log)
    session.finish()
    found = read_evidence(session)
    assert [(call.call, call.bundle, call.again) for call in found.outcomes] == [
        ("c000000", "b000000", False),
        ("c000003", "b000003", False),
        ("c000002", "b000002", True),
    ]
    assert found.outcomes[0].run_time == 2.5
    assert [job.job_id for job in found.jobs] == ["174.0", "174.1", "174.2"]
    assert found.warm == {"b000003"}
    assert found.until == pytest.approx(1795252341.928)  # the last event
    assert found.info.id == session.id


def test_a_file_that_is_not_whole_and_a_log_that_is_missing_hide_nothing_else(session):
    path = session.bundle_directory(0) / "b000000.outcomes"
    write(path, session.secret, {"call": "c000000"}, {"call": "c000001"})
    path.write_bytes(path.read_bytes()[:-1])
    session.event_log.unlink()
    found = read_evidence(session)
    assert [call.call for call in found.outcomes] == ["c000000"]
    assert found.jobs == []


@pytest.mark.parametrize("value", ["soon", None, -1.0, math.nan, math.inf, 1e300, True, [1]])
def test_numbers_that_make_no_sense_are_not_taken(value):
    header = {"call": 7, "result": [], "started": value, "ended": 5.0, "usage": [value, value], "message": {}}
    call = ended_call("b000000", header)
    assert (call.call, call.result, call.started, call.run_time, call.cpu, call.memory) == ("", "", *[None] * 4)


def test_an_outcome_without_an_exception_says_what_is_known():
    call = ended_call("b000000", {"call": "c000000", "result": "crashed", "signal": 9, "exit_status": None})
    assert (call.error, call.message) == ("crashed", "signal 9")
    call = ended_call("b000000", {"call": "c000000", "result": "exception", "type_name": "builtins.ValueError"})
    assert (call.error, call.message) == ("ValueError", "")


def test_long_texts_are_cut():
    header = {"call": "c000000", "result": "exception", "message": "a" * 10**6, "traceback": "b" * 10**6 + "end"}
    call = ended_call("b000000", header)
    assert (len(call.message), len(call.traceback), call.traceback[-3:]) == (2000, 2000, "end")
