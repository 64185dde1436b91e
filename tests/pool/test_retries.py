"""HTCondor runs a job again if a call crashed or raised an exception of the user's choice. No other call runs again."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from condor_futures import JobCrashedError, JobHeldError, RemoteTraceback

pytestmark = pytest.mark.pool


class Flaky:
    """A call that writes a line each time it runs, and misbehaves at its first attempts."""

    def __init__(self, directory: Path, trouble) -> None:
        self.directory = directory
        self.trouble = trouble

    def __call__(self, n: int) -> int:
        with (self.directory / f"made-{n}").open("a") as file:
            file.write("x\n")
        self.trouble(n, self.times(n))
        return n * n

    def times(self, n: int) -> int:
        return len((self.directory / f"made-{n}").read_text().split())


def bundle(executor, call, count):
    """Return the futures of one job's calls."""
    ((*futures,),) = executor._intake.submit_chunks(call, iter([(n,) for n in range(count)]), count, None)
    return futures


@pytest.mark.parametrize("spool", [True, False])
@pytest.mark.parametrize("how", ["signal", "status"])
def test_a_crash_costs_only_the_call_that_crashed(executor, tmp_path, how, spool):
    """The job's second attempt runs it again. The other calls of the job keep their values."""

    def trouble(n, times):
        if n == 1 and times == 1:
            os.kill(os.getpid(), signal.SIGKILL) if how == "signal" else os._exit(7)

    call = Flaky(tmp_path, trouble)
    futures = bundle(executor.with_options(max_retries=2, spool=spool), call, 4)
    assert [future.result(100) for future in futures] == [0, 1, 4, 9]
    assert [call.times(n) for n in range(4)] == [1, 2, 1, 1]


def test_a_call_that_always_crashes_has_its_attempts(executor, tmp_path):
    """The crash is its error then. The other calls still have their values."""
    call = Flaky(tmp_path, lambda n, times: os._exit(7) if n == 0 else None)
    crashed, well = bundle(executor.with_options(max_retries=2), call, 2)
    error = crashed.exception(100)
    assert isinstance(error, JobCrashedError)
    assert error.exit_status == 7
    assert well.result() == 1
    assert (call.times(0), call.times(1)) == (3, 1)


def test_a_job_that_is_killed_as_a_whole_is_tried_again(executor, tmp_path):
    """Outcomes reported until then are kept too."""

    def trouble(n, times):
        if n == 1 and times == 1:
            os.kill(os.getppid(), signal.SIGKILL)
            signal.pause()

    call = Flaky(tmp_path, trouble)
    futures = bundle(executor.with_options(max_retries=1), call, 3)
    assert [future.result(100) for future in futures] == [0, 1, 4]
    assert [call.times(n) for n in range(3)] == [1, 2, 1]


@pytest.mark.parametrize("spool", [True, False])
def test_a_call_that_raises_what_is_to_be_retried_is_made_again(executor, tmp_path, spool):
    """A subclass of the exception counts too. No other call runs again."""

    def trouble(n, times):
        if n == 0 and times == 1:
            raise ConnectionResetError("the first time")
        if n == 1:
            raise ValueError("no luck")

    call = Flaky(tmp_path, trouble)
    careful = executor.with_options(max_retries=3, retry_exceptions=[OSError, EOFError], spool=spool)
    again, wrong, well = bundle(careful, call, 3)
    assert (again.result(100), well.result(100)) == (0, 4)
    assert isinstance(wrong.exception(), ValueError)
    assert [call.times(n) for n in range(3)] == [2, 1, 1]
    assert again.state == "done"


def test_the_last_attempts_exception_is_the_outcome(executor, tmp_path):
    """It has its own traceback. There were as many attempts as max_retries allows."""

    def trouble(n, times):
        raise OSError(f"attempt {times}")

    call = Flaky(tmp_path, trouble)
    future = executor.with_options(max_retries=2, retry_exceptions=OSError).submit(call, 0)
    error = future.exception(100)
    assert isinstance(error, OSError)
    assert str(error) == "attempt 3"
    assert isinstance(error.__cause__, RemoteTraceback)
    assert call.times(0) == 3


def test_exceptions_of_the_users_own_are_retried(executor, tmp_path):
    """They travel by value, separately from the function that raises them, and are the same class in the job."""

    class DetectorError(Exception):
        pass

    def trouble(n, times):
        if times < 2:
            raise DetectorError

    call = Flaky(tmp_path, trouble)
    assert executor.with_options(max_retries=1, retry_exceptions=DetectorError).submit(call, 3).result(100) == 9
    assert call.times(3) == 2


def test_crashes_and_exceptions_in_one_job(executor, tmp_path):
    """Each call has its own attempts, and is counted separately."""

    def trouble(n, times):
        if n == 0 and times < 3:
            os._exit(1)
        if n == 2 and times < 2:
            raise OSError

    call = Flaky(tmp_path, trouble)
    futures = bundle(executor.with_options(max_retries=3, retry_exceptions=OSError), call, 3)
    assert [future.result(100) for future in futures] == [0, 1, 4]
    assert Counter({n: call.times(n) for n in range(3)}) == {0: 3, 1: 1, 2: 2}


@pytest.mark.parametrize("name", ["on_exit_remove", "MY.OnExitRemove"])
def test_on_exit_remove_decides_by_the_runners_status(executor, tmp_path, name):
    """A crash is status 3, whatever the call exits with. The other calls are not made again, nor is one that raised."""

    def trouble(n, times):
        if n == 0 and times < 3:
            os._exit(7)
        if n == 1:
            raise ValueError("no luck")

    call = Flaky(tmp_path, trouble)
    crashed, wrong, well = bundle(executor.with_options(**{name: "ExitCode =!= 3"}), call, 3)
    assert (crashed.result(100), well.result(100)) == (0, 4)
    assert isinstance(wrong.exception(), ValueError)
    assert [call.times(n) for n in range(3)] == [3, 1, 1]


def test_on_exit_hold_holds_a_job_that_crashed(executor):
    """A job that succeeded is not held."""
    strict = executor.with_options(on_exit_hold="ExitCode == 3", on_exit_hold_reason='strcat("status ", ExitCode)')
    crashed, well = strict.submit(os._exit, 7), strict.submit(pow, 2, 3)
    error = crashed.exception(100)
    assert isinstance(error, JobHeldError)
    assert (error.code, error.reason) == (3, "status 3")
    assert well.result(100) == 8


def test_what_cannot_be_retried_is_refused_at_once(executor):
    """The error says what to do."""
    with pytest.raises(ValueError, match="retry_exceptions also needs max_retries"):
        executor.with_options(retry_exceptions=OSError)
    careful = executor.with_options(max_retries=1, retry_exceptions=OSError)
    with pytest.raises(ValueError, match="retry_exceptions also needs max_retries"):
        careful.with_options(max_retries=None)
    careful.with_options(max_retries=None, retry_exceptions=())
    for wrong in ("OSError", (OSError, 3), [OSError, "KeyError"], int):
        with pytest.raises(TypeError, match="retry_exceptions must be one or more exception classes"):
            careful.with_options(retry_exceptions=wrong)
