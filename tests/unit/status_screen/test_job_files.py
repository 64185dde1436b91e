"""What is known of the calls of a job from its files, as they grow."""

from __future__ import annotations

import pytest

from condor_futures.execution_point.frames import write_frame
from condor_futures.future import Progress
from condor_futures.status_screen import job_files
from condor_futures.status_screen.job_files import Call, JobCalls, JobFiles

ATTEMPT, LATER = "0" * 15 + "1", "0" * 15 + "2"


class Writer:
    """Writes the files of a session as the client and the job do."""

    def __init__(self, directory):
        self.directory = directory

    def write(self, path, *headers):
        path = self.directory / path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            for header in headers:
                write_frame(file, bytes(32), header, [b"segment"])

    def line(self, *headers, attempt=ATTEMPT, folder="lines"):
        self.write(f"{folder}/b000003/{attempt}.calls", *headers)

    def job(self, *headers, attempt=ATTEMPT, folder="lines"):
        self.write(f"{folder}/b000003/{attempt}.outcomes", *headers)


def function(name=None):
    return {"kind": "function", **({"name": name} if name else {})}


def call(number, function=0):
    return {"kind": "call", "call": f"c{number}", "function": function}


def outcome(number, result="value", **more):
    return {"kind": "outcome", "call": f"c{number}", "result": result, **more}


@pytest.fixture
def writer(tmp_path):
    return Writer(tmp_path)


def keys(calls):
    return [call.key for call in calls.waiting]


def test_of_a_warm_job_the_calls_that_it_has_now(writer, tmp_path):
    files = JobFiles(tmp_path, "b000003", warm=True)
    assert files.read() == JobCalls()
    writer.line(function("fit"), call(1), function(), call(2, 1), call(3))
    writer.job({"kind": "hello"})
    calls = files.read()
    assert calls.waiting == (Call("c1", "fit"), Call("c2", ""), Call("c3", "fit"))
    assert (calls.left, calls.ended, calls.live) == (3, 0, True)
    writer.job(outcome(1, stdout=[0, 6], stderr=[0, None]), {"kind": "returned", "calls": ["c3"]})
    writer.line({"kind": "cancel", "call": "c4"}, call(3))
    calls = files.read()
    assert (keys(calls), calls.left, calls.ended) == (["c2", "c3"], 2, 1)
    line = tmp_path / "lines" / "b000003" / ATTEMPT
    assert calls.output == {"stdout": (line.with_suffix(".stdout"), 6), "stderr": (line.with_suffix(".stderr"), 0)}
    writer.job(outcome(2, "crashed"), outcome(3))
    calls = files.read()
    assert (calls.waiting, calls.ended, calls.output) == ((), 3, {})


def test_the_last_report_is_that_of_the_call_that_runs(writer, tmp_path):
    files = JobFiles(tmp_path, "b000003", warm=True)
    writer.line(function(), call(1), call(2))
    writer.job({"kind": "report", "call": "c1", "fraction": 0.5, "text": "half"}, {"kind": "report", "call": "c1"})
    assert files.read().progress == Progress(0.5, "half")
    writer.job(outcome(1))
    assert files.read().progress is None


def test_another_attempt_of_a_warm_job_is_given_its_calls_anew(writer, tmp_path):
    files = JobFiles(tmp_path, "b000003", warm=True)
    writer.line(function("fit"), call(1), call(2))
    writer.job(outcome(1, stdout=[0, 9]))
    assert keys(files.read()) == ["c2"]
    writer.line(function("fit"), call(5), attempt=LATER)
    writer.job({"kind": "hello"}, attempt=LATER)
    calls = files.read()
    assert (keys(calls), calls.output["stdout"][1], calls.ended) == (["c5"], 0, 0)


def test_an_outcome_may_be_read_before_its_call(writer, tmp_path):
    """The two files are not read at the same moment."""
    files = JobFiles(tmp_path, "b000003", warm=True)
    writer.job(outcome(1))
    assert files.read().waiting == ()
    writer.line(function(), call(1), call(2))
    assert keys(files.read()) == ["c2"]


def test_a_job_of_its_own_has_all_its_calls_from_the_start(writer, tmp_path):
    """If it does not stream, nobody knows which of them have ended."""
    writer.write("bundles/000/b000003.calls", {"kind": "bundle"}, function("fit"), call(1), call(2))
    calls = JobFiles(tmp_path, "b000003", warm=False).read()
    assert (keys(calls), calls.left, calls.live, calls.output) == (["c1", "c2"], 2, False, {})


def test_a_job_that_streams_makes_no_call_again_after_an_eviction(writer, tmp_path):
    files = JobFiles(tmp_path, "b000003", warm=False)
    writer.write("bundles/000/b000003.calls", {"kind": "bundle"}, function("fit"), call(1), call(2), call(3))
    writer.job(outcome(1, stdout=[0, 5]), outcome(2, "crashed"), folder="streams")
    assert keys(files.read()) == ["c2", "c3"]
    writer.job(outcome(1), {"kind": "hello"}, attempt=LATER, folder="streams")
    calls = files.read()
    assert (keys(calls), calls.ended, calls.live) == (["c2", "c3"], 1, True)
    assert calls.output["stdout"] == (tmp_path / "streams" / "b000003" / f"{LATER}.stdout", 0)


def test_what_a_job_writes_need_not_make_sense(writer, tmp_path, monkeypatch):
    """Nor need it be short."""
    monkeypatch.setattr(job_files, "MOST_CALLS", 2)
    files = JobFiles(tmp_path, "b000003", warm=True)
    writer.line(function("f\x1b[31m\n"), call(1, 9), call(2, -1), *map(call, range(3, 6)), {"kind": "call"})
    writer.job({"kind": ["x"]}, outcome(None), {"kind": "returned", "calls": [[]]}, {"kind": "returned"})
    with (tmp_path / "lines" / "b000003" / f"{ATTEMPT}.outcomes").open("ab") as file:
        file.write(b"no frame")
    calls = files.read()
    assert (calls.waiting, calls.left) == ((Call("c1", ""), Call("c2", "")), 5)
    assert JobFiles(tmp_path, "../../etc", warm=False).read() == JobCalls()
