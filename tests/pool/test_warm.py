"""Warm jobs: calls go to a job that runs already, and each promise of the executor holds for them too."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time

import pytest
from rich.console import Console
from support import until
from warm_calls import job_of_the_call, pid

from condor_futures import (
    BrokenCondorExecutor,
    Progress,
    report,
    shell,
)
from condor_futures.progress import progress

pytestmark = pytest.mark.pool


# What they are for.


@pytest.mark.parametrize("spool", [True, False])
def test_calls_one_after_another_are_made_by_one_job(warm, spool):
    executor = warm(spool=spool)
    futures = []
    for number in range(20):
        futures.append(executor.submit(pow, number, 2))
        assert futures[-1].result(60) == number**2
    assert {future.job_id for future in futures} == {futures[0].job_id}
    assert futures[0].job_id is not None
    assert executor.counts() == {"done": 20}


def test_the_queue_has_no_more_jobs_than_calls_or_cores(pool, warm, gate):
    executor = warm()
    futures = [executor.submit(gate.call, number) for number in range(30)]
    gate.wait_for(8)  # the pool's slots
    assert len(pool.queue(executor)) <= 16
    gate.open()
    assert [future.result(60) for future in futures] == list(range(30))


def test_warm_jobs_are_told_from_others(warm, gate):
    executor = warm(max_workers=3)
    own_job = executor.with_options(warm=0)
    assert executor.why_not_warm is None
    assert own_job.why_not_warm == "warm is 0"
    assert executor.with_options(category="one").why_not_warm == "a category limits the number of jobs"
    futures = [executor.submit(gate.call), own_job.submit(gate.call)]
    gate.wait_for(2)
    assert {job.job_id: (job.warm, job.calls) for job in executor.jobs()} == {
        futures[0].job_id: (True, 0),
        futures[1].job_id: (False, 1),
    }


def test_values_of_a_chunk_arrive_as_its_calls_end(warm, gate):
    executor = warm()
    results = executor.map(lambda n: gate.call(n) if n else n, range(3), chunksize=3)
    assert next(results) == 0
    gate.open()
    assert list(results) == [1, 2]


def test_a_chunk_of_a_size_that_the_user_has_chosen_is_made_by_one_process(warm):
    """Also if its calls take long, and other jobs have nothing to do."""
    executor = warm(max_workers=4)
    made = list(executor.map(pid_after, [0.2] * 12, chunksize=3))
    assert all(len(set(made[start : start + 3])) == 1 for start in range(0, 12, 3))
    assert len(set(made)) > 1


def pid_after(seconds):
    time.sleep(seconds)
    return os.getpid()


def test_a_call_does_not_wait_behind_a_long_one(warm, gate):
    """A job that was given several short calls gives them back when one of them takes long."""
    executor = warm(max_workers=2)
    assert list(executor.map(pow, range(200), [2] * 200)) == [n**2 for n in range(200)]
    calls = [executor.submit(gate.call, 1), *(executor.submit(pow, n, 2) for n in range(100))]
    assert [call.result(60) for call in calls[1:]] == [n**2 for n in range(100)]
    gate.open()
    assert calls[0].result(60) == 1


def test_long_calls_after_short_ones_have_a_job_each(warm, gate):
    """Although one job was enough for the short ones, and was given several of the long ones at once."""
    executor = warm(max_workers=4)
    for number in range(100):
        assert executor.submit(abs, -number).result(60) == number
    futures = [executor.submit(gate.call, number) for number in range(4)]
    gate.wait_for(4)
    gate.open()
    assert [future.result(60) for future in futures] == list(range(4))


@pytest.mark.parametrize("spool", [True, False])
def test_large_arguments_and_values(warm, spool):
    executor = warm(spool=spool)
    data = [bytes([number]) * (7 << 20) for number in range(5)]
    assert list(executor.map(lambda part: part[::-1], data)) == data


def test_futures_are_arguments_of_warm_calls_and_of_others(warm):
    executor = warm()
    own_job = executor.with_options(warm=0)
    first = executor.submit(pow, 2, 5)
    second = own_job.submit(lambda number: number + 1, first)
    third = executor.submit(lambda *numbers: sum(numbers), first, second)
    fourth = executor.with_options(after=[third]).submit(pow, 3, 2)
    assert [future.result(60) for future in (first, second, third, fourth)] == [32, 33, 65, 9]
    assert own_job.submit(job_of_the_call).result(60) != executor.submit(job_of_the_call).result(60)


def test_a_call_that_depends_on_a_failed_one_fails(warm):
    executor = warm()
    failed = executor.submit(lambda: 1 / 0)
    assert isinstance(executor.submit(abs, failed).exception(60).__cause__, ZeroDivisionError)
    assert executor.submit(abs, -1).result(60) == 1


def test_jobs_with_other_options_are_others(warm):
    executor = warm()
    small, large = executor, executor.with_options(request_memory=200)
    jobs = {small.submit(job_of_the_call).result(60), large.submit(job_of_the_call).result(60)}
    assert len(jobs) == 2
    assert small.submit(job_of_the_call).result(60) != large.submit(job_of_the_call).result(60)


@pytest.mark.parametrize(
    "options",
    [
        {"max_retries": 2},
        {"transfer_output_files": ""},
        {"allowed_job_duration": 600},
        {"on_hold": "release"},
        {"category": "one"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_options_that_concern_a_job_have_a_job_for_each_call(warm, options):
    executor = warm().with_options(**options)
    jobs = [executor.submit(job_of_the_call).result(60) for _ in range(2)]
    assert (jobs[0] == jobs[1]) == (options == {"transfer_output_files": ""})


def test_a_cluster_has_a_job_for_each_call(warm):
    executor = warm()
    assert len({future.result(60) for future in executor.submit_cluster(job_of_the_call, count=3)}) == 3


# Processes.


def test_the_initializer_runs_once_in_each_process(warm, tmp_path):
    log = tmp_path / "log"
    log.touch()
    for path in (log, *tmp_path.parents[:3]):
        path.chmod(path.stat().st_mode | 0o077 if path == log else path.stat().st_mode | 0o011)

    def note() -> None:
        with log.open("a") as file:
            file.write("x")

    executor = warm(initializer=note, max_workers=1)
    assert len({executor.submit(pid).result(60) for _ in range(5)}) == 1
    assert log.read_text() == "x"


def test_an_initializer_that_raises_breaks_the_executor(warm):
    executor = warm(initializer=lambda: 1 / 0)
    futures = [executor.submit(abs, -number) for number in range(3)]
    for future in futures:
        assert isinstance(future.exception(60), BrokenCondorExecutor)
    with pytest.raises(BrokenCondorExecutor):
        executor.submit(abs, 1)


def test_max_tasks_per_child_counts_calls(warm):
    executor = warm(max_tasks_per_child=2, max_workers=1)
    pids = [executor.submit(pid).result(60) for _ in range(6)]
    assert pids[0] == pids[1] != pids[2] == pids[3] != pids[4] == pids[5]


def test_what_a_call_changes_in_its_process_is_there_for_the_next(warm):
    """As in a ProcessPoolExecutor."""
    executor = warm(max_workers=1)

    def count() -> int:
        import builtins

        builtins.calls_so_far = getattr(builtins, "calls_so_far", 0) + 1
        return builtins.calls_so_far

    assert [executor.submit(count).result(60) for _ in range(3)] == [1, 2, 3]


# What calls write.


@pytest.mark.parametrize("spool", [True, False])
def test_the_output_of_a_call_is_there_when_it_ends(warm, spool):
    executor = warm(spool=spool, max_workers=1)
    futures = [executor.submit(print, f"line {number}") for number in range(5)]
    for number, future in enumerate(futures):
        future.result(60)
        assert future.stdout() == f"line {number}\n"
    command = executor.submit(shell("echo wrong >&2; false"))
    assert command.exception(60).stderr == "wrong\n"
    assert command.stderr() == "wrong\n"
    executor.shutdown()
    assert [future.stdout() for future in futures] == [f"line {number}\n" for number in range(5)]


def test_the_output_of_a_running_call_is_live(warm, gate):
    executor = warm(max_workers=1)
    executor.submit(print, "before").result(60)

    def work() -> int:
        print("begun", flush=True)
        return gate.call(1)

    future = executor.submit(work)
    tail = future.tail()
    assert next(tail) == "begun\n"
    assert future.stdout() == "begun\n"
    assert not future.done()
    gate.open()
    assert list(tail) == []
    assert future.result(0) == 1


def test_a_call_reports_how_far_it_has_got(warm, gate):
    executor = warm(max_workers=1)

    def work() -> int:
        report(0.25, "a quarter\x1b[31m of it")
        return gate.call(1)

    future = executor.submit(work)
    assert future.progress is None
    until(lambda: future.progress is not None)
    assert future.progress == Progress(0.25, "a quarter [31m of it")
    assert executor.reports() == {future.key: future.progress}
    assert [job.progress for job in executor.jobs()] == [future.progress]
    status = [sys.executable, "-m", "condor_futures.cli", "status", "--session", executor._engine.session.id]
    environment = {**os.environ, "COLUMNS": "200"}
    assert "25% a quarter [31m of it" in subprocess.check_output(status, text=True, env=environment)
    [job] = json.loads(subprocess.check_output([*status, "--json"], env=environment))
    assert job["progress"] == {"fraction": 0.25, "text": "a quarter [31m of it"}
    line = io.StringIO()
    with progress(executor, console=Console(file=line, width=200)):
        pass
    assert "running 1   held 0   reported 25%, a quarter [31m of it" in line.getvalue()
    gate.open()
    assert future.result(60) == 1
    later = executor.submit(lambda: [report(n / 1000) for n in range(1000)] and None)
    later.result(60)
    assert executor.reports() == {}
    assert later.progress is None or later.progress.fraction < 1
    assert executor.with_options(warm=0).submit(report, 0.5).result(60) is None
