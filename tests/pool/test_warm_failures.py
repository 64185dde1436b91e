"""Warm jobs whose calls or daemons fail, and calls of warm jobs that are cancelled."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from concurrent.futures import as_completed, wait

import psutil
import pytest
from support import until
from warm_calls import job_of_the_call

from condor_futures import (
    BrokenCondorExecutor,
    JobCrashedError,
    JobHeldError,
    JobRemovedError,
)

pytestmark = pytest.mark.pool


# Failures.


@pytest.mark.parametrize("spool", [True, False])
def test_a_call_that_raises_fails_alone(warm, spool):
    executor = warm(spool=spool)
    futures = [executor.submit(lambda n: 1 // n, number) for number in (1, 0, -1)]
    assert futures[0].result(60) == 1
    assert isinstance(futures[1].exception(60), ZeroDivisionError)
    assert futures[2].result(60) == -1


def test_a_call_that_kills_its_process_fails_alone(warm):
    executor = warm(max_workers=1)
    before = executor.submit(job_of_the_call)
    crashes = [executor.submit(os._exit, 3), executor.submit(lambda: os.kill(os.getpid(), signal.SIGKILL))]
    after = [executor.submit(job_of_the_call) for _ in range(5)]
    assert crashes[0].exception(60).exit_status == 3
    assert crashes[1].exception(60).signal == signal.SIGKILL
    assert all(isinstance(call.exception(), JobCrashedError) for call in crashes)
    assert {call.result(60) for call in (before, *after)} == {before.result()}


def test_a_chunk_with_a_call_that_kills_its_process(warm):
    results = [warm().submit(lambda: None)]
    executor = warm()
    futures = [executor.submit(lambda n: os._exit(n) if n == 50 else n, number) for number in range(100)]
    failed = [future for future in as_completed(futures, 60) if future.exception() is not None]
    assert failed == [futures[50]]
    results[0].result(60)


def test_an_initializer_that_kills_its_process_breaks_the_executor(warm):
    """As in ProcessPoolExecutor; otherwise each of the calls would cost the start of a process."""
    executor = warm(initializer=os._exit, initargs=(7,), max_workers=1)
    futures = [executor.submit(abs, -n) for n in range(100)]
    kinds = [type(future.exception(60)) for future in futures]
    assert 0 < kinds.count(JobCrashedError) < 10
    assert kinds.count(BrokenCondorExecutor) == 100 - kinds.count(JobCrashedError)
    with pytest.raises(BrokenCondorExecutor, match=r"crashed 3 times in a row; .* exited with status 7 in the init"):
        executor.submit(abs, -1)


def test_a_removed_job_takes_the_call_that_it_makes(pool, warm, gate):
    executor = warm(max_workers=1)
    executor.submit(pow, 2, 2).result(60)
    taken, *others = [executor.submit(gate.call, number) for number in range(4)]
    gate.wait_for(1)
    pool.run("condor_rm", taken.job_id)
    assert isinstance(taken.exception(60), JobRemovedError)
    gate.open()
    assert [other.result(60) for other in others] == [1, 2, 3]


def test_a_held_job_takes_the_call_that_it_makes(pool, warm, gate):
    executor = warm(max_workers=1)
    taken, *others = [executor.submit(gate.call, number) for number in range(3)]
    gate.wait_for(1)
    pool.run("condor_hold", taken.job_id)
    assert isinstance(taken.exception(60), JobHeldError)
    gate.open()
    assert [other.result(60) for other in others] == [1, 2]


def test_jobs_that_never_run_fail_a_call_each(pool, warm):
    executor = warm(requirements="false", max_workers=3)
    futures = [executor.submit(pow, 2, number) for number in range(3)]
    until(lambda: len(pool.queue(executor)) == 3)
    for ad in pool.queue(executor):
        pool.run("condor_rm", f"{ad['ClusterId']}.{ad['ProcId']}")
    assert isinstance(futures[0].exception(60), JobRemovedError)
    executor.shutdown(cancel_futures=True)


@pytest.mark.parametrize("how", [[], ["-fast"]], ids=["soft", "fast"])
def test_an_eviction_costs_the_calls_under_way_only(pool, warm, gate, how):
    executor = warm(max_workers=1)
    done = [executor.submit(gate.call, -number) for number in range(1, 4)]
    gate.open()
    wait(done, 60)
    gate.flag.unlink()
    future = executor.submit(gate.call, 7)
    gate.wait_for(4)
    pool.run("condor_vacate_job", *how, future.job_id)
    gate.wait_for(5)
    gate.open()
    assert future.result(60) == 7
    assert sorted(gate.numbers()) == [-3, -2, -1, 7, 7]


@pytest.mark.parametrize("daemon", ["condor_starter", "condor_shadow"])
def test_a_killed_daemon_costs_the_calls_under_way_only(pool, warm, gate, daemon):
    executor = warm(max_workers=1)
    assert [executor.submit(pow, number, 2).result(60) for number in range(3)] == [0, 1, 4]
    future = executor.submit(gate.call, 7)
    gate.wait_for(1)
    (victim,) = pool.pids(daemon)
    os.kill(victim, signal.SIGKILL)
    gate.wait_for(2)
    gate.open()
    assert future.result(60) == 7
    assert executor.submit(pow, 2, 2).result(60) == 4
    assert executor.counts() == {"done": 5}


def test_a_job_that_loses_its_schedd_and_its_shadow_goes_on(pool, warm, gate):
    """The new shadow has not the files open that the old one had."""
    executor = warm(max_workers=1)
    executor.submit(pow, 2, 2).result(60)
    future = executor.submit(gate.call, 7)
    gate.wait_for(1)
    ((shadow,), (schedd,)) = pool.pids("condor_shadow"), pool.pids("condor_schedd")
    for victim in (schedd, shadow):
        os.kill(victim, signal.SIGKILL)
    until(lambda: "Job reconnected to" in (executor.session / "event_log").read_text())
    gate.open()
    assert future.result(60) == 7
    assert executor.submit(pow, 2, 3).result(60) == 8
    assert gate.numbers() == [7]


def test_a_shadow_that_stands_still_loses_nothing(pool, warm):
    executor = warm(max_workers=1)
    executor.submit(pow, 2, 2).result(60)
    (shadow,) = pool.pids("condor_shadow")
    os.kill(shadow, signal.SIGSTOP)
    try:
        futures = [executor.submit(pow, number, 2) for number in range(50)]
        time.sleep(3)
        assert not any(future.done() for future in futures)
    finally:
        os.kill(shadow, signal.SIGCONT)
    assert [future.result(60) for future in futures] == [number**2 for number in range(50)]


# Cancelling.


def test_cancelling_a_running_call_ends_its_process_and_not_the_job(warm, gate):
    executor = warm(max_workers=1)
    job = executor.submit(job_of_the_call).result(60)

    def work() -> None:
        child = subprocess.Popen(["sleep", "600"])
        with gate.begun.open("a") as file:
            file.write(f"{os.getpid()}\n{child.pid}\n")
        child.wait()

    future = executor.submit(work)
    gate.wait_for(2)
    pids = gate.numbers()
    assert future.cancel()
    until(lambda: not any(psutil.pid_exists(one) for one in pids))
    assert executor.submit(job_of_the_call).result(60) == job
    assert executor.counts() == {"done": 2, "cancelled": 1}


def test_a_cancelled_call_that_waits_is_not_made(warm, gate):
    executor = warm(max_workers=1)
    first, second, third = [executor.submit(gate.call, number) for number in range(3)]
    gate.wait_for(1)
    assert second.cancel()
    gate.open()
    assert [first.result(60), third.result(60)] == [0, 2]
    assert gate.numbers() == [0, 2]


@pytest.mark.load_dependent("the job has a second to read what it was given, and which calls were cancelled")
def test_cancelling_calls_that_a_job_was_given_ahead(warm, gate):
    """The calls before and after them are made, once each."""
    executor = warm(max_workers=1)
    list(executor.map(abs, range(100)))
    blocker = executor.submit(gate.call, -1)
    gate.wait_for(1)
    futures = [executor.submit(gate.call, number) for number in range(20)]
    time.sleep(1)  # so that the job has them
    for future in futures[::2]:
        assert future.cancel()
    time.sleep(1)  # a call that begins before the job has read of it is made
    gate.open()
    assert [future.result(60) for future in futures[1::2]] == list(range(1, 20, 2))
    assert blocker.result(60) == -1
    assert sorted(gate.numbers()) == [-1, *range(1, 20, 2)]


def test_shutdown_with_cancel_futures_makes_what_runs(warm, gate):
    executor = warm(max_workers=1)
    futures = [executor.submit(gate.call, number) for number in range(5)]
    gate.wait_for(1)
    threading.Timer(0.5, gate.open).start()
    executor.shutdown(cancel_futures=True)
    assert futures[0].result() == 0
    assert all(future.cancelled() for future in futures[1:])
    assert gate.numbers() == [0]


def test_terminate_workers_fails_what_runs_and_what_waits(warm, gate):
    executor = warm(max_workers=1)
    futures = [executor.submit(gate.call, number) for number in range(5)]
    gate.wait_for(1)
    executor.terminate_workers()
    assert all(isinstance(future.exception(), JobRemovedError) for future in futures)
