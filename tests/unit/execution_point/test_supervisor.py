"""Calls that kill their Python, evictions, and Pythons of other versions."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sandbox import (
    BUNDLE,
    PYTHON,
    kill_itself,
    kill_the_group,
    note_and,
    noted,
    read_null,
    traces,
)

from condor_futures.calls import calls_file
from condor_futures.errors import (
    JobCrashedError,
    PythonMismatchError,
)
from condor_futures.execution_point.bundle import CRASHED, NAMED
from condor_futures.execution_point.forking import PASSED_ON

pytestmark = pytest.mark.usefixtures("by_value")


@pytest.fixture
def job(any_job):
    return any_job


# Calls that kill their Python.


def test_call_that_leaves_with_status_zero_is_a_crash(job):
    """os._exit(0) returns no value, and nobody waits for one."""
    [error] = job.run((os._exit, 0))
    assert isinstance(error, JobCrashedError)
    assert (error.exit_status, error.signal) == (0, None)
    assert job.status == CRASHED


def test_call_that_leaves_with_a_status(job):
    [error] = job.run((os._exit, 77))
    assert isinstance(error, JobCrashedError)
    assert (error.exit_status, error.signal, error.job_id) == (77, None, "7.0")
    assert "77" in str(error)
    assert job.status == CRASHED


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT, signal.SIGTERM], ids=lambda number: number.name)
def test_call_that_is_killed(job, number):
    """The error has the signal, and the job ends normally with all its files."""
    [error] = job.run((kill_itself, number))
    assert isinstance(error, JobCrashedError)
    assert (error.exit_status, error.signal) == (None, number)
    assert number.name in str(error)
    assert job.status == CRASHED


def test_segmentation_fault_leaves_the_python_stack(job):
    [error] = job.run((read_null,))
    assert error.signal == signal.SIGSEGV
    assert "Segmentation fault" in job.stderr
    assert "in read_null" in job.stderr


@pytest.mark.parametrize(
    "crash",
    [
        pytest.param((kill_itself, signal.SIGKILL), id="SIGKILL"),
        pytest.param((kill_the_group, signal.SIGKILL), id="SIGKILL to the process group"),
        pytest.param((kill_the_group, signal.SIGTERM), id="SIGTERM to the process group"),
        pytest.param((os._exit, 0), id="os._exit(0)"),
        pytest.param((os._exit, 3), id="os._exit(3)"),
        pytest.param((read_null,), id="segmentation fault"),
    ],
)
def test_crash_in_a_bundle_costs_one_call(job, crash):
    """Earlier and later calls have their values, and every call ran exactly once."""
    results = job.run(noted("a"), noted("b"), noted("c", *crash), noted("d"), noted("e"))
    assert [isinstance(result, JobCrashedError) for result in results] == [False, False, True, False, False]
    assert traces(job) == ["a", "b", "c", "d", "e"]
    assert job.status == CRASHED


def test_every_call_may_crash(job):
    results = job.run(*[noted(word, os._exit, number) for number, word in enumerate("abc")])
    assert [result.exit_status for result in results] == [0, 1, 2]
    assert traces(job) == ["a", "b", "c"]


def test_initializer_runs_again_in_a_new_process(job):
    """After a crash, the rest of the bundle has a fresh process, which is initialized like the first."""
    results = job.run(
        (os._exit, 1), (os.environ.get, "NUMBER"), initializer=(note_and, "traces", "init", os.putenv, "A", "B")
    )
    assert isinstance(results[0], JobCrashedError)
    assert traces(job) == ["init", "init"]


def test_initializer_that_crashes_fails_all_calls(job):
    """It would crash again, so it does not run once per call."""
    results = job.run(noted("call"), noted("call"), initializer=noted("init", os._exit, 5))
    assert [(type(result), result.exit_status) for result in results] == [(JobCrashedError, 5)] * 2
    assert "in the initializer" in str(results[0])
    assert traces(job) == ["init"]


# The choice of Python.


@pytest.fixture
def from_the_future(monkeypatch):
    """The client has Python 3.99."""
    monkeypatch.setattr(calls_file, "PythonVersion", "3.99")


HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.mark.usefixtures("from_the_future")
def test_other_python_is_refused(job):
    """No call runs. The error names both versions, the interpreter and the host."""
    job.write(noted("call"), noted("call"))
    assert job.finish(PATH=str(job.path)) == 0
    for error in job.results():
        assert isinstance(error, PythonMismatchError)
        for part in (HERE, "3.99", PYTHON, os.uname().nodename):
            assert part in str(error)
    assert len(job.results()) == 2
    assert not (job.path / "traces").exists()


def fake_python(job, name: str, *lines: str) -> None:
    directory = job.path / "bin"
    directory.mkdir()
    (directory / name).write_text("\n".join(["#!/bin/sh", *lines, ""]))
    (directory / name).chmod(0o755)


@pytest.mark.usefixtures("from_the_future")
def test_python_that_is_not_what_its_name_says_is_tried_once(job):
    """A program named python3.99 gets the job.

    It is another Python, so it reports the mismatch and does not search further.
    """
    fake_python(job, "python3.99", f'echo tried >> "{job.path}/traces"', f'exec "{PYTHON}" "$@"')
    job.write((pow, 2, 2))
    assert job.finish(PATH=f"{job.path}/bin:{os.defpath}") == 0
    [error] = job.results()
    assert isinstance(error, PythonMismatchError)
    assert traces(job) == ["tried"]


def other_pythons() -> list[str]:
    """Interpreters on PATH of other versions than this one, down to 3.6."""
    found = []
    for minor in range(6, 20):
        path = shutil.which(f"python3.{minor}")
        if path and minor != sys.version_info[1]:
            printed = subprocess.run(
                [path, "-c", "import sys; print(sys.executable)"], capture_output=True, text=True, check=False
            )
            if printed.returncode == 0:
                found.append(printed.stdout.strip())
    return found


OTHERS = other_pythons() or [pytest.param("", marks=pytest.mark.skip(reason="no other Python on PATH"))]


@pytest.mark.parametrize("other", OTHERS, ids=lambda path: Path(path).name)
def test_python_of_the_client_is_looked_for(job, other):
    """If another Python starts the runner, the runner switches to the right one, with an unchanged environment."""
    fake_python(job, f"python{HERE}", f'exec "{PYTHON}" "$@"')
    job.install([other])
    job.write((pow, 2, 2), (sorted, [3, 1]), (os.environ.get, "CONDOR_FUTURES_PYTHON"))
    assert job.finish(PATH=f"{job.path}/bin:{os.defpath}") == 0
    assert job.results() == [4, [1, 3], None]


@pytest.mark.parametrize("other", OTHERS, ids=lambda path: Path(path).name)
def test_other_python_can_still_say_so(job, other):
    """For any old or new version, the mismatch is an outcome, not a SyntaxError on standard error."""
    job.install([other])
    job.write((pow, 2, 2))
    assert job.finish(PATH=str(job.path)) == 0
    [error] = job.results()
    assert isinstance(error, PythonMismatchError)
    assert HERE in str(error)
    assert job.stderr == ""


def test_calls_are_made_in_the_scratch_directory_if_it_is_another(job):
    """If a job starts in its spool directory, temporary files of its calls do not stay there."""
    (job.path / "scratch").mkdir()
    job.write((os.getcwd,), scratch=True)
    job.finish(_CONDOR_SCRATCH_DIR=str(job.path / "scratch"))
    assert job.results() == [str(job.path / "scratch")]


def test_files_that_came_in_a_directory_because_of_their_names_are_taken_out(job):
    """Where the job runs in its spool directory, an attempt may have been stopped in the middle of that."""
    place = job.path / f"{NAMED}1"
    (place / "c d").mkdir(parents=True)
    (place / "a b").touch()
    (job.path / "c d").mkdir()
    (job.path / "c d/e").touch()
    job.write((os.listdir,))
    job.finish()
    [names] = job.results()
    assert {"a b", "c d"} <= set(names)
    assert not (place / "a b").exists()


# The end of a job.


def test_sigterm_ends_the_call_and_the_job(job):
    """HTCondor evicts a job like this, and runs it again elsewhere.

    Completed calls are kept; the running call has no outcome.
    """
    os.mkfifo(job.path / "started")

    def wait():
        Path("started").write_text(str(os.getpid()))
        threading.Event().wait()

    job.write((pow, 2, 2), (wait,), (pow, 3, 3))
    with job.start() as process:
        pid = int((job.path / "started").read_text())
        assert pid != process.pid
        process.terminate()
        assert process.wait() == -signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert job.results() == [4]


def stopped(job, call, number: int, **options) -> list:
    """Start *call* between two others, send *number* to the job when it has begun; return the outcomes."""
    os.mkfifo(job.path / "started")
    job.write((pow, 2, 2), (call,), noted("later"), **options)
    with job.start() as process:
        (job.path / "started").read_text()
        process.send_signal(number)
        assert process.wait(60) == -number
    assert not (job.path / "traces").exists()
    return job.results()


def begin():
    """Tell :func:`stopped` that the call has begun."""
    Path("started").write_text("x")


@pytest.mark.parametrize("number", PASSED_ON, ids=lambda number: signal.Signals(number).name)
def test_every_signal_that_stops_a_job_ends_a_call_without_a_handler(job, number):
    """KeyboardInterrupt, which SIGINT raises, is no outcome either."""

    def wait():
        begin()
        threading.Event().wait()

    assert stopped(job, wait, number) == [4]
    assert ("KeyboardInterrupt" in job.stderr) is False


def test_a_signal_stops_the_job_at_any_moment(job):
    """A signal that came just before the supervisor waited for its child was noticed only when the child ended."""
    for moment in range(0, 120, 3):
        job.write((time.sleep, 3600))
        with job.start() as process:
            time.sleep(moment / 1000)
            process.terminate()
            assert process.wait(60) == -signal.SIGTERM
        assert job.results() == []


@pytest.mark.parametrize(
    ("number", "ending"),
    [
        (signal.SIGTERM, "exit"),
        (signal.SIGTERM, "os.kill"),
        (signal.SIGUSR1, "_exit"),
        (signal.SIGINT, "raise"),
    ],
)
def test_a_handler_of_the_call_saves_its_work_and_ends_it(job, number, ending):
    """However it ends the call, there is no outcome, and the job ends by the signal."""

    def save(number, frame):
        time.sleep(0.2)  # the supervisor waits
        Path("saved").write_text(str(number))
        if ending == "exit":
            sys.exit(85)
        if ending == "_exit":
            os._exit(85)
        if ending == "raise":
            raise RuntimeError("stopped")
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def wait():
        signal.signal(number, save)
        begin()
        threading.Event().wait()

    assert stopped(job, wait, number) == [4]
    assert int((job.path / "saved").read_text()) == number


def test_a_call_that_catches_the_interrupt_saves_its_work(job):
    """As a program does that is stopped with Ctrl-C."""

    def wait():
        try:
            begin()
            threading.Event().wait()
        except KeyboardInterrupt:
            Path("saved").touch()
            raise

    assert stopped(job, wait, signal.SIGINT) == [4]
    assert (job.path / "saved").exists()


def test_a_call_that_returns_after_the_signal_has_its_value(job):
    """But no other call begins."""

    def finish():
        stop = []
        signal.signal(signal.SIGUSR2, lambda *_: stop.append(1))
        begin()
        while not stop:
            time.sleep(0.01)
        return "finished"

    assert stopped(job, finish, signal.SIGUSR2) == [4, "finished"]


def test_an_initializer_that_is_stopped_has_not_failed(job):
    """The job runs again, and so does the initializer."""

    def initialize():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        begin()
        threading.Event().wait()

    os.mkfifo(job.path / "started")
    job.write((pow, 2, 2), initializer=(initialize,))
    with job.start() as process:
        (job.path / "started").read_text()
        process.terminate()
        assert process.wait(60) == -signal.SIGTERM
    assert job.results() == []


def test_the_next_process_of_a_job_is_told_too(job):
    """After a crash another process makes the calls."""

    def wait():
        signal.signal(signal.SIGHUP, lambda *_: (Path("saved").touch(), sys.exit(0)))
        begin()
        threading.Event().wait()

    os.mkfifo(job.path / "started")
    job.write((os._exit, 1), (wait,))
    with job.start() as process:
        (job.path / "started").read_text()
        process.send_signal(signal.SIGHUP)
        assert process.wait(60) == -signal.SIGHUP
    assert (job.path / "saved").exists()
    assert len(job.results()) == 1


def test_nothing_is_left_in_the_sandbox(job):
    """HTCondor would transfer unexpected files of a job that lists none."""
    job.run((pow, 2, 2), (os._exit, 1))
    assert {path.name for path in job.path.iterdir()} == {
        "runner",
        "stdout",
        "stderr",
        f"{BUNDLE}.calls",
        f"{BUNDLE}.outcomes",
    }
