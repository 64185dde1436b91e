"""A job that is not warm writes each outcome to the access point as its call ends, if there is a line."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest
from chirp_proxy import ChirpProxy
from sandbox import SECRET, SESSION, Sandbox, fail, noted, traces
from support import until

from condor_futures.calls.lines import find_streamed
from condor_futures.execution_point import streaming
from condor_futures.files.attempts import find_attempts
from condor_futures.watching.connections import Connection

pytestmark = pytest.mark.usefixtures("by_value")

NO_SPACE = -6


class Session:
    id, secret = SESSION, SECRET


@pytest.fixture
def proxy(tmp_path):
    (tmp_path / "line").mkdir()
    with closing(ChirpProxy(tmp_path / "line")) as made:
        yield made


@pytest.fixture
def job(tmp_path, proxy):
    (tmp_path / "job").mkdir()
    (tmp_path / "config").write_text(proxy.config)
    return Sandbox(tmp_path / "job", tmp_path / "line", _CONDOR_CHIRP_CONFIG=str(tmp_path / "config"))


def streamed(job) -> list[str]:
    return sorted(find_streamed(job.line, Session, ["c000000", "c000001", "c000002"]))


def wait_for(path: str) -> None:
    while not Path(path).exists():
        time.sleep(0.01)


@pytest.fixture
def gate(tmp_path):
    return tmp_path / "gate"


def test_an_outcome_is_there_while_the_next_call_is_made(job, gate):
    job.write((pow, 2, 5), (wait_for, str(gate)))
    with job.start() as process:
        until(lambda: streamed(job) == ["c000000"])
        assert process.poll() is None
        gate.touch()
        assert process.wait(30) == 0
    assert job.results() == [32, None], "they are also in the file that HTCondor transfers"
    assert streamed(job) == ["c000000", "c000001"]


def test_output_and_exceptions_come_too(job):
    job.run((print, "one"), (fail, "two"))
    [name] = find_attempts(job.line)
    assert (job.line / f"{name}.stdout").read_text() == "one\n"
    assert streamed(job) == ["c000000", "c000001"]


def test_a_crash_is_not_final(job):
    """HTCondor may run the job again because of it."""
    job.run((pow, 2, 5), (exit_now, 5))
    assert streamed(job) == ["c000000"]
    assert job.status == 3


def exit_now(status):
    import os

    os._exit(status)


def test_the_next_attempt_makes_only_what_has_no_outcome(job, tmp_path):
    """HTCondor ran the job on another machine: nothing is left of the first attempt but what it had written."""
    for attempt in range(3):
        path = tmp_path / f"job{attempt}"
        path.mkdir()
        again = Sandbox(path, job.line, **job.environment)
        made = [noted("one"), noted("two", fail, "two"), noted("three", exit_now, 5)]
        again.write(*made)
        again.finish()
        assert traces(again) == (["one", "two", "three"] if attempt == 0 else ["three"])
    assert find_attempts(job.line) == ["0000000000000000", "0000000000000001", "0000000000000002"]


def test_a_large_value_is_passed_over_by_the_next_attempt(job, tmp_path):
    job.run((bytes, 3 * streaming.PIECE), (pow, 2, 5))
    (tmp_path / "again").mkdir()
    again = Sandbox(tmp_path / "again", job.line, **job.environment)
    again.write(noted("one"), noted("two"))
    again.finish()
    assert not (again.path / "traces").exists()


def test_an_outcome_that_was_torn_is_none(job, tmp_path):
    job.run((pow, 2, 5), (pow, 2, 6))
    path = job.line / f"{find_attempts(job.line)[0]}.outcomes"
    [first, second] = find_streamed(job.line, Session, ["c000000", "c000001"]).values()
    path.write_bytes(path.read_bytes()[: second[1] + 40])
    (tmp_path / "again").mkdir()
    again = Sandbox(tmp_path / "again", job.line, **job.environment)
    again.write(noted("one"), noted("two"))
    again.finish()
    assert traces(again) == ["two"]
    assert first[1] < second[1]


def test_a_cancelled_call_ends_and_the_others_are_made(job, gate):
    job.write((time.sleep, 60), (pow, 2, 5), (pow, 2, 6))
    with job.start() as process:
        until(lambda: find_attempts(job.line))
        [name] = find_attempts(job.line)
        with closing(Connection(job.line, name, SECRET, 0)) as connection:
            for call in ("c000000", "c000002"):
                connection.say(kind="cancel", call=call)
            assert connection.send()
            assert process.wait(30) == 0
    assert job.results() == [32]


def test_a_full_disk_of_the_access_point_costs_nothing(job, proxy):
    proxy.refuse(NO_SPACE, 1000, "pwrite")
    assert job.run((pow, 2, 5), (pow, 2, 6)) == [32, 64]
    assert (job.status, streamed(job), job.stderr) == (0, [], "")


def test_a_directory_that_the_job_may_not_use_costs_nothing(job, proxy):
    proxy.refuse(-2, 1000, "open")
    assert job.run((pow, 2, 5), (print, "one")) == [32, None]
    assert (job.status, streamed(job), job.stdout) == (0, [], "one\n")


def test_values_that_the_line_does_not_take_come_as_a_file(job, proxy):
    """They are not kept in memory for it."""
    proxy.refuse(NO_SPACE, 1000, "pwrite")
    assert job.run(*[(bytes, 30 << 20)] * 4) == [bytes(30 << 20)] * 4
    assert streamed(job) == []


def test_a_line_that_breaks_is_used_again(job, proxy, gate, tmp_path):
    end = tmp_path / "end"
    job.write((pow, 2, 5), (wait_for, str(gate)), (wait_for, str(end)))
    with job.start() as process:
        until(lambda: streamed(job) == ["c000000"])
        proxy.close_connections()
        proxy.new_shadow()
        gate.touch()
        until(lambda: streamed(job) == ["c000000", "c000001"])
        end.touch()
        assert process.wait(30) == 0
    assert job.results() == [32, None, None]


def test_the_stack_of_a_call(job, gate):
    begun = gate.with_name("begun")
    job.write((pow, 2, 5), (begin_and_wait_for, str(begun), str(gate)), (pow, 2, 6))
    with job.start() as process:
        until(begun.exists)
        connection = Connection(job.line, find_attempts(job.line)[-1], SECRET, 0, frames=3)
        for call in ("c000000", "c000001", "c000002"):
            connection.say(kind="stack", call=call)
        connection.send()
        frames = []
        until(lambda: frames.extend(header for header, _ in connection.read()) or len(told(frames)) == 3)
        connection.close()
        assert {call: frame.get("refused") for call, frame in told(frames).items()} == {
            "c000000": "ended",
            "c000001": None,
            "c000002": "waits",
        }
        assert "in begin_and_wait_for\n" in told(frames)["c000001"]["text"]
        gate.touch()
        assert process.wait(30) == 0
    assert job.results() == [32, None, 64]


def begin_and_wait_for(begun: str, path: str) -> None:
    from pathlib import Path

    Path(begun).touch()
    while not Path(path).exists():
        time.sleep(0.01)


def told(frames):
    return {header["call"]: header for header in frames if header["kind"] == "stack"}
