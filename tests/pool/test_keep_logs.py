"""Output, error and log of each job, kept in the user's directory."""

from __future__ import annotations

import gc
import os
import sys
import time
from concurrent.futures import CancelledError

import pytest
from support import until

from condor_futures import CondorExecutor, CondorFuturesError, JobHeldError, JobRemovedError, wait

pytestmark = pytest.mark.pool


def speak(number):
    print("out", number)
    print("err", number, file=sys.stderr)
    return number


def names(directory):
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.parametrize("spool", [True, False], ids=["spooled", "not spooled"])
def test_each_job_has_its_three_files(new_executor, tmp_path, spool):
    """The names have the job's number. The files are complete when the future is done.

    The executor makes the directory.
    """
    logs = tmp_path / "some" / "logs"
    executor = new_executor(spool=spool, keep_logs=logs)
    futures = [executor.submit(speak, number) for number in range(3)]
    for number, future in enumerate(futures):
        assert future.result() == number
        base = logs / future.job_id
        assert base.with_name(f"{future.job_id}.out").read_text() == f"out {number}\n"
        assert base.with_name(f"{future.job_id}.err").read_text() == f"err {number}\n"
        log = base.with_name(f"{future.job_id}.log").read_text()
        cluster, proc = map(int, future.job_id.split("."))
        assert log.startswith(f"000 ({cluster:03d}.{proc:03d}.000)")
        assert "Job terminated" in log
        assert log.rstrip().endswith("...")
    assert len(names(logs)) == 9


def test_files_stay_after_the_session(pool, tmp_path):
    executor = CondorExecutor(access_point="personal", warm=0, keep_logs=tmp_path)
    future = executor.submit(speak, 1)
    wait([future])
    job_id, session = future.job_id, executor.session
    executor.shutdown()
    del executor, future
    # Again, in case another thread is collecting: then gc.collect() does nothing.
    until(lambda: gc.collect() >= 0 and not session.exists(), timeout=20)
    assert names(tmp_path) == [f"{job_id}.err", f"{job_id}.log", f"{job_id}.out"]


def test_calls_that_fail_leave_their_files_too(new_executor, tmp_path):
    """One call raises, and another kills its Python."""
    executor = new_executor(keep_logs=tmp_path)
    raised, crashed = executor.submit(speak), executor.submit(os.abort)
    for future in (raised, crashed):
        assert future.exception() is not None
        log = tmp_path / f"{future.job_id}.log"
        assert "Job terminated" in log.read_text()
    assert "Fatal Python error: Aborted" in (tmp_path / f"{crashed.job_id}.err").read_text()


@pytest.mark.parametrize("spool", [True, False], ids=["spooled", "not spooled"])
@pytest.mark.parametrize(
    ("command", "error", "event"),
    [("condor_hold", JobHeldError, "Job was held"), ("condor_rm", JobRemovedError, "Job was aborted")],
)
def test_job_that_is_held_or_removed_leaves_its_log(new_executor, pool, tmp_path, spool, command, error, event):
    """The log has the events until then, although nothing of a spooled job is retrieved."""
    executor = new_executor(spool=spool, keep_logs=tmp_path)
    future = executor.submit(time.sleep, 300)
    until(future.running)
    pool.run(command, future.job_id)
    assert isinstance(future.exception(), error)
    log = (tmp_path / f"{future.job_id}.log").read_text()
    assert event in log
    assert "Job submitted" in log


def test_derived_executors_keep_their_own(new_executor, tmp_path):
    """A derived executor may inherit the option, change it, or turn it off."""
    executor = new_executor(keep_logs=tmp_path / "a")
    other = executor.with_options(keep_logs=tmp_path / "b")
    none = executor.with_options(keep_logs=False)
    futures = [each.submit(speak, 1) for each in (executor, executor.with_options(priority=1), other, none)]
    wait(futures)
    kept = {name: {path.name.rpartition(".")[0] for path in (tmp_path / name).iterdir()} for name in "ab"}
    assert kept == {"a": {futures[0].job_id, futures[1].job_id}, "b": {futures[2].job_id}}


def test_directory_that_cannot_be_is_refused_at_once(new_executor, executor, tmp_path):
    """The error comes before anything is submitted."""
    (tmp_path / "file").touch()
    with pytest.raises(CondorFuturesError, match=r"keep_logs: the directory .* cannot be created: "):
        executor.with_options(keep_logs=tmp_path / "file")
    with pytest.raises(TypeError, match="keep_logs must be a directory, as str or Path, not 3"):
        new_executor(keep_logs=3)


def test_full_disk_is_no_reason_to_fail_a_call(new_executor, tmp_path, caplog):
    """The package's log has a warning about the files that could not be kept."""
    executor = new_executor(keep_logs=tmp_path)
    executor.submit(speak, 1).result()
    future = executor.submit(speak, 2)
    until(lambda: future.job_id)
    (tmp_path / f"{future.job_id}.out").mkdir()
    assert future.result() == 2
    assert f"cannot keep the stdout of the job {future.job_id}" in caplog.text


def test_cancelled_call_leaves_nothing(new_executor, tmp_path):
    """Nobody needs the files any more."""
    executor = new_executor(keep_logs=tmp_path)
    future = executor.submit(time.sleep, 300)
    until(future.running)
    future.cancel()
    with pytest.raises(CancelledError):
        future.result()
    executor.shutdown()
    assert names(tmp_path) == []
