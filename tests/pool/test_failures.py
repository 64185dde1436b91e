"""Each way in which a job can fail has an error of its own, which only one future raises."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from support import until

from condor_futures import (
    AccessPointError,
    BrokenCondorExecutor,
    CondorExecutor,
    JobCrashedError,
    JobHeldError,
    JobRemovedError,
    OutcomeError,
    RemoteExceptionError,
    RemoteTraceback,
)
from condor_futures.execution_point import packing

pytestmark = pytest.mark.pool


def test_an_exception_comes_back_as_itself_with_the_remote_traceback(executor):
    """The cause has the lines of the traceback, the job and the host."""
    future = executor.submit(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError) as caught:
        future.result()
    cause = caught.value.__cause__
    assert isinstance(cause, RemoteTraceback)
    assert "ZeroDivisionError" in cause.text
    assert "<lambda>" in cause.text
    assert cause.job_id == future.job_id
    assert cause.host == os.uname().nodename
    assert future.job_id in str(cause)


def test_a_remote_traceback_names_file_and_line(executor):
    """The function may also travel by value."""

    def fail():
        raise ValueError("far away")

    cause = executor.submit(fail).exception().__cause__
    line = fail.__code__.co_firstlineno + 1
    assert f'File "{__file__}", line {line}, in fail\n' in str(cause)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exceptions have notes from Python 3.11 on")
def test_what_a_function_cannot_import_there_is_told(executor, tmp_path, monkeypatch):
    """The error says how to send the module along, if its name is found out only there."""
    (tmp_path / "beside_it.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    error = executor.submit(importlib.import_module, "beside_it").exception()
    assert type(error) is ModuleNotFoundError
    assert error.__notes__[0].startswith("ship=['auto', 'beside_it'] sends this module")


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt("stop"), GeneratorExit()])
def test_exceptions_that_are_not_errors_are_outcomes_too(executor, error):
    """The standard library's executors do the same."""

    def leave():
        raise error

    assert isinstance(executor.submit(leave).exception(), type(error))


def test_an_exception_that_cannot_be_pickled_keeps_its_text(executor):
    """The error names its class and keeps its traceback."""

    def fail():
        class UnpicklableError(Exception):
            def __reduce__(self):
                raise TypeError("never")

        raise UnpicklableError("the text")

    error = executor.submit(fail).exception()
    assert isinstance(error, RemoteExceptionError)
    assert "the text" in str(error)
    assert "UnpicklableError" in error.type_name
    assert isinstance(error.__cause__, RemoteTraceback)


def test_a_value_that_cannot_be_pickled_is_its_calls_failure(executor):
    """The future raises the pickling error. The executor continues."""
    error = executor.submit(threading.Lock).exception()
    assert isinstance(error, TypeError)
    assert "lock" in str(error)
    assert executor.submit(pow, 2, 2).result() == 4


def test_a_value_that_cannot_be_unpickled_here_is_an_outcome_error(executor):
    """The cause is the original error."""
    client = os.getpid()

    class Trap:
        def __reduce__(self):
            return (eval, (f"1 if __import__('os').getpid() != {client} else nonsense",))

    def trap():
        return Trap()

    error = executor.submit(trap).exception()
    assert isinstance(error, OutcomeError)
    assert isinstance(error.__cause__, NameError)


def test_a_crash_names_the_signal_and_costs_only_its_call(executor):
    """The other calls of the same job return their values."""

    def sometimes(n):
        if n == 1:
            print("about to die", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        return n

    chunks = list(executor._intake.submit_chunks(sometimes, iter([(0,), (1,), (2,)]), 3, None))
    first, crashed, last = chunks[0]
    error = crashed.exception()
    assert isinstance(error, JobCrashedError)
    assert error.signal == signal.SIGKILL
    assert "SIGKILL" in str(error)
    assert error.job_id == crashed.job_id
    assert "about to die" in error.stderr_tail
    assert (first.result(), last.result()) == (0, 2)
    assert executor.submit(pow, 2, 2).result() == 4


def test_leaving_the_interpreter_is_a_crash_with_its_exit_status(executor):
    """It is a crash even with exit status 0."""
    for status in (0, 7):
        error = executor.submit(os._exit, status).exception()
        assert isinstance(error, JobCrashedError)
        assert error.exit_status == status


def test_a_job_killed_as_a_whole_is_a_crash(pool, executor, tmp_path):
    """If the supervisor itself is killed, there is no outcome, but an error."""

    def kill_the_supervisor():
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)

    error = executor.submit(kill_the_supervisor).exception(60)
    assert isinstance(error, JobCrashedError)
    assert error.signal == signal.SIGKILL


def test_a_hold_and_a_removal_from_outside_are_errors_of_their_own(pool, executor):
    """The errors have HTCondor's code and words."""
    held, removed = executor.submit(time.sleep, 300), executor.submit(time.sleep, 300)
    until(lambda: held.running() and removed.running())
    pool.run("condor_hold", "-reason", "because", "-subcode", "42", held.job_id)
    error = held.exception(60)
    assert isinstance(error, JobHeldError)
    assert (error.code, error.subcode, error.job_id) == (1, 42, held.job_id)
    assert "because" in error.reason
    pool.run("condor_rm", removed.job_id)
    error = removed.exception(60)
    assert isinstance(error, JobRemovedError)
    assert error.job_id == removed.job_id
    assert "condor_rm" in error.reason
    until(lambda: not [ad for ad in pool.queue(executor) if ad["JobStatus"] != 4])


def test_an_idle_job_that_is_removed_is_an_error_too(pool, executor):
    """The job may never have run."""
    future = executor.with_options(requirements="false").submit(pow, 2, 2)
    until(lambda: future.state == "idle")
    pool.run("condor_rm", future.job_id)
    assert isinstance(future.exception(60), JobRemovedError)


def test_a_refused_submission_fails_its_futures_and_no_others(executor):
    """The error has HTCondor's own words."""
    error = executor.with_options(priority="high").submit(pow, 2, 2).exception(60)
    assert isinstance(error, AccessPointError)
    assert "priority=high is invalid" in str(error)
    assert executor.submit(pow, 2, 2).result() == 4


def test_an_initializer_that_raises_breaks_the_executor(new_executor):
    """Calls under way fail, and the executor accepts no more."""

    def fail():
        raise ValueError("no detector")

    executor = new_executor(initializer=fail)
    futures = [executor.submit(pow, n, 2) for n in range(3)]
    for future in futures:
        error = future.exception(60)
        assert isinstance(error, BrokenCondorExecutor)
        assert "no detector" in str(error)
    with pytest.raises(BrokenCondorExecutor):
        until(lambda: executor.submit(pow, 2, 2) and False)


def test_no_python_on_the_execution_point_is_said(new_executor, monkeypatch):
    """The error has the job's own words."""
    monkeypatch.setattr(packing, "PYTHONS", ["/nowhere/python"])
    error = new_executor().submit(pow, 2, 2).exception(60)
    assert isinstance(error, JobCrashedError)
    assert error.exit_status == 127
    assert "no Python on this execution point" in str(error)


def test_another_python_on_the_execution_point_is_named(new_executor, monkeypatch):
    """The message has both versions."""
    from condor_futures import PythonMismatchError
    from condor_futures.calls import calls_file

    monkeypatch.setattr(calls_file, "PythonVersion", "3.99")
    error = new_executor().submit(pow, 2, 2).exception(60)
    assert isinstance(error, PythonMismatchError)
    assert "3.99" in str(error)
    assert f"{sys.version_info[0]}.{sys.version_info[1]}" in str(error)


def test_no_schedd_is_an_error_at_once(monkeypatch, tmp_path, release):
    """The message is one sentence, which says how to get a personal pool."""
    config = tmp_path / "condor_config"
    config.write_text(f"LOCAL_DIR = {tmp_path}\nCONDOR_HOST = 127.0.0.1:9\nSCHEDD_ADDRESS_FILE = {tmp_path}/none\n")
    monkeypatch.setenv("CONDOR_CONFIG", str(config))
    with pytest.raises(AccessPointError, match="access_point='personal'"):
        CondorExecutor()


def test_a_tampered_outcome_is_refused(new_executor, monkeypatch):
    """It fails only its own future."""
    from condor_futures.resolving import resolver

    executor = new_executor()
    read = resolver.read_outcomes
    tampered = []

    def tamper(path, **options):
        if not tampered:
            tampered.append(path)
            data = bytearray(path.read_bytes())
            data[-40] ^= 1
            path.write_bytes(data)
        return read(path, **options)

    monkeypatch.setattr(resolver, "read_outcomes", tamper)
    error = executor.submit(pow, 2, 2).exception(60)
    assert isinstance(error, OutcomeError)
    assert "altered" in str(error)
    assert executor.submit(pow, 2, 2).result() == 4


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exceptions have notes from Python 3.11 on")
def test_a_file_that_only_the_client_has_is_told(executor, tmp_path, monkeypatch):
    """The note says how to send the file, and this works."""

    def count(name):
        return len(Path(name).read_text())

    monkeypatch.chdir(tmp_path)
    (tmp_path / "stars.csv").write_text("Vega")
    sent = executor.with_options(transfer_input_files=["stars.csv"]).submit(count, "stars.csv")
    error = executor.submit(count, "stars.csv").exception()
    assert isinstance(error, FileNotFoundError)
    assert "executor.with_options(transfer_input_files=['stars.csv'])" in error.__notes__[0]
    assert sent.result() == 4
