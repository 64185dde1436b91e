"""How long warm jobs stay, clients that come and go, and where warm jobs are not possible."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import until
from warm_calls import ask_the_proxy, job_of_the_call

from condor_futures import CondorExecutor, CondorFuturesError, JobRemovedError, sessions
from condor_futures.inspection import find_job, inspect_file

pytestmark = pytest.mark.pool


# What is seen of a session.


def test_calls_of_warm_jobs_are_counted_once_and_can_be_inspected(pool, warm, tmp_path):
    executor = warm(session=tmp_path / "session")
    futures = [executor.submit(pow, 2, number) for number in range(3)]
    waits = executor.submit(time.sleep, 600)
    never = executor.with_options(requirements="false").submit(abs, -1)
    assert [future.result(60) for future in futures] == [1, 2, 4]

    def counted() -> tuple[int, int]:
        [info] = [info for info in sessions(tmp_path) if info.directory == executor.session]
        return info.ended, info.calls

    assert counted() == (3, 5)
    for future in (waits, never):
        assert future.cancel()
    until(lambda: counted() == (3, 3))
    jobs = {future.job_id for future in futures}
    found = [inspect_file(file) for job in jobs for file in find_job(job, executor.session)]
    assert [one.distrust for one in found] == [None] * len(found)
    values = {outcome.key: outcome.value for one in found for outcome in one.outcomes}
    assert values == {future.key: future.result() for future in futures}
    calls = {call.key: (call.function, call.args) for one in found for call in one.calls}
    assert [calls[future.key] for future in futures] == [(pow, (2, number)) for number in range(3)]


# Their time.


def test_a_job_without_calls_leaves_after_a_while(pool, new_executor):
    executor = new_executor(warm=1.0)
    first = executor.submit(job_of_the_call).result(60)
    until(lambda: pool.queue(executor) == [])
    assert executor.submit(job_of_the_call).result(60) != first


def test_a_job_leaves_when_its_lifetime_is_over(pool, new_executor):
    executor = new_executor(warm=60.0, warm_lifetime=3.0, max_workers=1)
    jobs = []
    while len(set(jobs)) < 2:
        jobs.append(executor.submit(job_of_the_call).result(60))
    assert len(jobs) > 10


def test_shutdown_does_not_wait_for_warm_jobs(pool, warm):
    executor = warm()
    list(executor.map(abs, range(20)))
    executor.shutdown()
    assert pool.queue(executor) == []
    assert not list(Path(pool.run("condor_config_val", "SPOOL").strip()).glob("[0-9]*/*/cluster*"))


def test_free_jobs_make_room_for_others(pool, warm):
    """Otherwise calls with other options would wait for their slots."""
    # Not all cores: those of earlier tests stay claimed for 20 s.
    memory = int(pool.run("condor_config_val", "DETECTED_MEMORY")) * 2 // 3
    executor = warm(request_memory=memory)
    assert executor.submit(abs, -1).result(60) == 1
    began = time.monotonic()
    assert executor.with_options(request_memory=memory - 1, warm=0).submit(abs, -2).result(60) == 2
    assert time.monotonic() - began < 60  # the time for which the jobs would wait


# Clients come and go.

KILLED = """
import os, sys, time
from pathlib import Path
from condor_futures import CondorExecutor
def call(n, log):
    with open(log, "a") as file:
        file.write(f"{n}\\n")
    time.sleep(0.1 if n < 30 else 1)
    return n * 10
executor = CondorExecutor(access_point="personal", warm=60, session=sys.argv[1])
futures = [executor.submit(call, n, sys.argv[2]) for n in range(40)]
while sum(future.done() for future in futures) < int(sys.argv[3]):
    time.sleep(0.01)
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("after", [0, 33])
def test_a_killed_client_loses_nothing_and_nothing_is_made_again(pool, gate, tmp_path, after):
    session = tmp_path / "session"
    gate.begun.touch()
    gate.begun.chmod(0o666)
    command = [sys.executable, "-c", KILLED, session, gate.begun, str(after)]
    subprocess.run(command, check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    with CondorExecutor.attach(session) as executor:
        assert [future.result(90) for future in executor.futures.values()] == [n * 10 for n in range(40)]
        assert executor.counts() == {"done": 40}
    assert sorted(gate.numbers()) == list(range(40))
    assert pool.queue(executor) == []


def test_a_session_is_left_and_calls_that_wait_are_made(pool, warm, gate, tmp_path):
    executor = CondorExecutor(access_point="personal", warm=60.0, max_workers=2, session=tmp_path / "session")
    executor.submit(abs, 1).result(60)
    futures = [executor.submit(gate.call, number) for number in range(10)]
    gate.wait_for(1)
    executor.detach()
    assert all(isinstance(future.exception(), CondorFuturesError) for future in futures)
    gate.open()
    gate.wait_for(10)
    with CondorExecutor.attach(tmp_path / "session") as executor:
        values = [executor.futures[future.key].result(60) for future in futures]
        assert values == list(range(10))
        more = executor.with_options(warm=60.0).submit(job_of_the_call)
        assert more.result(60)
    assert sorted(gate.numbers()) == list(range(10))


def test_a_client_that_attaches_goes_on_with_a_job_that_was_evicted_before(pool, gate, tmp_path):
    """It reads of the eviction in the log, and hears the attempt that came after it."""
    options = {"access_point": "personal", "max_workers": 1, "warm": 5.0}
    executor = CondorExecutor(**options, session=tmp_path / "session")
    future = executor.submit(gate.call, 7)
    gate.wait_for(1)
    pool.run("condor_vacate_job", future.job_id)
    gate.wait_for(2)
    job_id = future.job_id
    executor.detach()
    with CondorExecutor.attach(tmp_path / "session", max_workers=1) as executor:
        [future] = executor.futures.values()
        gate.open()
        assert future.result(60) == 7
        assert future.job_id == job_id
    assert gate.numbers() == [7, 7]


def test_a_call_that_failed_with_its_job_stays_failed(pool, gate, tmp_path):
    """The next client has the same error, and does not have the call made again."""
    executor = CondorExecutor(access_point="personal", warm=60.0, session=tmp_path / "session")
    future = executor.submit(gate.call, 7)
    gate.wait_for(1)
    pool.run("condor_rm", future.job_id)
    error = future.exception(60)
    assert isinstance(error, JobRemovedError)
    executor.detach()
    gate.open()
    with CondorExecutor.attach(tmp_path / "session") as executor:
        again = executor.futures[future.key].exception(60)
    assert (type(again), again.args, again.job_id) == (JobRemovedError, error.args, error.job_id)
    assert gate.numbers() == [7]


def test_values_of_an_earlier_client_are_arguments(pool, tmp_path):
    executor = CondorExecutor(access_point="personal", warm=60.0, session=tmp_path / "session")
    first = executor.submit(pow, 2, 5)
    first.result(60)
    executor.detach()
    with CondorExecutor.attach(tmp_path / "session", warm=60.0) as executor:
        old = executor.futures[first.key]
        assert executor.submit(abs, old).result(60) == 32
        assert executor.with_options(warm=0).submit(abs, old).result(60) == 32
        assert old.stdout() == ""


# What a job may do at the access point.


@pytest.mark.parametrize("spool", [True, False])
def test_a_job_may_use_its_own_files_only(warm, spool):
    executor = warm(spool=spool, max_workers=1)
    call = executor.submit(ask_the_proxy)
    call.result(60)
    session = executor.session
    own = next((session / "lines").glob("b*/*.outcomes"))
    (session / "lines/link").symlink_to("/etc")
    others = [
        "/etc/hostname",
        session / "session.json",
        own.parent.parent / "link/hostname",
        own.parent / "../../session.json",
    ]
    opened, *refused = executor.submit(ask_the_proxy, *(f"open {path} r 0" for path in (own, *others))).result(60)
    assert opened >= 0
    assert all(code < 0 for code in refused)


def test_a_call_cannot_lift_the_limits_of_its_job(pool, warm):
    """Not for the next start of the job either, for which HTCondor would read them again."""
    executor = warm(max_workers=1)
    requests = ['set_job_attr LimitDirectoryAccess "*"', "ulog words"]
    assert all(code < 0 for code in executor.submit(ask_the_proxy, *requests).result(60))
    (ad,) = pool.queue(executor)
    assert str(executor.session / "lines") in ad["LimitDirectoryAccess"]
    assert "words" not in (executor.session / "event_log").read_text()


# Where they cannot be.


@pytest.mark.parametrize("own_pool", [{"ENABLE_CHIRP_IO": "false"}], indirect=True, ids=[""])
def test_without_chirp_each_call_has_a_job(own_pool, caplog):
    for spool in (True, False):
        caplog.clear()
        with CondorExecutor(access_point="personal", warm=60.0, spool=spool) as executor:
            with caplog.at_level(logging.WARNING):
                jobs = list(executor.map(job_of_the_call, [executor.share([3, 5])] * 8, chunksize=2))
            assert [len(set(jobs[n : n + 2])) for n in range(0, 8, 2)] == [1, 1, 1, 1]
            assert len(set(jobs)) == 4
            assert executor.submit(sum, executor.share([3, 5])).result(60) == 8
            assert "warm jobs are not possible" in caplog.text
            assert list(executor.map(pow, range(8), [2] * 8, chunksize=4)) == [n**2 for n in range(8)]
        assert own_pool.queue(executor) == []
