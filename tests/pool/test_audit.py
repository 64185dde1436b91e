"""The queue tells what the event log does not, and every call ends, whatever the access point loses."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from support import Pool, until

from condor_futures import CondorExecutor, JobLostError, JobRemovedError
from condor_futures.access_point import helper_process
from condor_futures.session.event_log import EventLog
from condor_futures.watching import queue_looks, watcher

pytestmark = pytest.mark.pool

#: Seconds within which every test here must end. They cover two looks at the queue, at the interval of these tests, and
#: the jobs.
BOUND = 90


@pytest.fixture(autouse=True)
def frequent_audits(monkeypatch):
    """Look at the queue every second instead of every 20 s."""
    monkeypatch.setattr(queue_looks, "AUDIT_INTERVAL", 1.0)
    monkeypatch.setattr(queue_looks, "SPOOLING", 5.0)  # 15 s


def call(n: int, made: Path, flag: Path) -> int:
    """Write a line to a file, and wait for the flag."""
    with (made / str(n)).open("a") as file:
        file.write("made\n")
    while not flag.exists():
        time.sleep(0.02)
    return n * n


class Calls:
    """Some calls that run until the flag exists."""

    def __init__(self, executor: CondorExecutor, directory: Path, count: int = 3) -> None:
        self.made, self.flag = directory / "made", directory / "flag"
        self.made.mkdir()
        self.futures = [executor.submit(call, n, self.made, self.flag) for n in range(count)]
        # The futures may not show that the calls run: the log may be silent.
        until(lambda: len(list(self.made.iterdir())) == count)

    def let_go(self) -> None:
        self.flag.touch()

    def check(self) -> None:
        """Check that all values are right, and that each call ran once."""
        self.let_go()
        assert [future.result(BOUND) for future in self.futures] == [n * n for n in range(len(self.futures))]
        assert {file.read_text() for file in self.made.iterdir()} == {"made\n"}


def remove(log: Path) -> None:
    log.unlink()


def empty(log: Path) -> None:
    os.truncate(log, 0)


def cut(log: Path) -> None:
    os.truncate(log, log.stat().st_size // 2)


def rotate(log: Path) -> None:
    log.rename(log.with_suffix(".old"))
    log.touch()


def spoil(log: Path) -> None:
    with log.open("ab") as file:
        file.write(b"garbage\n" * 10 + bytes(range(256)) + b"\n...\n005 (001.000.000")


@pytest.mark.parametrize("spool", [True, False], ids=["spooled", "unspooled"])
@pytest.mark.parametrize("harm", [remove, empty, cut, rotate, spoil])
def test_whatever_happens_to_the_event_log_calls_have_their_values(new_executor, tmp_path, harm, spool):
    """Running calls and later calls both have their values."""
    executor = new_executor(spool=spool)
    calls = Calls(executor, tmp_path)
    harm(executor._engine.session.event_log)
    calls.check()
    assert list(executor.map(pow, range(3), range(3))) == [1, 1, 4]


def test_a_log_that_shows_old_sizes_only_costs_time(new_executor, tmp_path, monkeypatch):
    """The log behaves as on a network file system: nothing new is visible at first, then everything at once, too late
    to be useful.
    """
    late = tmp_path / "late"
    late.touch()
    monkeypatch.setattr(watcher, "EventLog", lambda path: EventLog(late))
    executor = new_executor()
    calls = Calls(executor, tmp_path)
    calls.check()
    following = executor.submit(pow, 2, 5)
    late.write_bytes(executor._engine.session.event_log.read_bytes())
    assert following.result(BOUND) == 32
    assert [future.result() for future in calls.futures] == [0, 1, 4]


def test_a_job_that_leaves_without_an_event_fails_its_call(new_executor, pool, tmp_path, monkeypatch):
    """The history says how the job ended."""
    silent = tmp_path / "silent"
    silent.touch()
    monkeypatch.setattr(watcher, "EventLog", lambda path: EventLog(silent))
    executor = new_executor()
    calls = Calls(executor, tmp_path, 1)
    pool.run("condor_rm", until(lambda: calls.futures[0].job_id))
    assert isinstance(calls.futures[0].exception(BOUND), JobRemovedError)


def test_a_schedd_that_is_killed_costs_no_call(new_executor, pool, tmp_path):
    """The master starts another schedd, which finds the jobs again."""
    executor = new_executor()
    calls = Calls(executor, tmp_path)
    (schedd,) = pool.pids("condor_schedd")
    os.kill(schedd, signal.SIGKILL)
    more = executor.submit(pow, 2, 5)
    calls.check()
    assert more.result(BOUND) == 32


def test_a_schedd_that_is_away_for_long_costs_no_call(own_pool, tmp_path, caplog):
    """It loses neither the calls that it has nor those that are submitted when it is back."""
    with CondorExecutor(access_point="personal", warm=0) as executor:
        executor._engine.watcher.access_point.patience = 3.0  # 60 s by default
        calls = Calls(executor, tmp_path)
        own_pool.run("condor_off", "-daemon", "schedd", "-peaceful")
        until(lambda: not own_pool.pids("condor_schedd") or calls.let_go())
        late = [executor.submit(pow, n, 5) for n in range(3)]
        unwanted = executor.submit(pow, 3, 5)
        until(lambda: "jobs could not be submitted; retrying until it succeeds" in caplog.text)
        assert unwanted.cancel()
        assert [future.state for future in late] == ["pending"] * 3
        own_pool.run("condor_on", "-daemon", "schedd")
        calls.check()
        assert [future.result(BOUND) for future in late] == [0, 1, 32]
    assert own_pool.queue(executor) == []


def test_who_shuts_down_at_once_does_not_wait_for_a_schedd_that_is_away(own_pool, caplog):
    """The calls that were to be submitted are no longer wanted."""
    with CondorExecutor(access_point="personal", warm=0) as executor:
        executor._engine.watcher.access_point.patience = 1.0
        own_pool.run("condor_off", "-daemon", "schedd", "-fast")
        until(lambda: not own_pool.pids("condor_schedd"))
        late = executor.submit(pow, 2, 5)
        until(lambda: "could not be submitted" in caplog.text)
        executor.terminate_workers()
        assert isinstance(late.exception(), JobRemovedError)
    own_pool.run("condor_on", "-daemon", "schedd")


def wipe(pool: Pool) -> None:
    """Make the access point lose its queue, so that it counts its jobs from 1 again."""
    spool = pool.personal.directory / "spool"
    pool.personal.stop()
    for path in spool.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    pool.personal.start()


def test_a_queue_that_is_lost_fails_its_calls(own_pool, tmp_path):
    """Neither an event nor the history reports it."""
    with CondorExecutor(access_point="personal", warm=0) as executor:
        calls = Calls(executor, tmp_path)
        wipe(own_pool)
        for future in calls.futures:
            error = future.exception(BOUND)
            assert isinstance(error, JobLostError)
            assert "no event says why" in str(error)
        assert executor.submit(pow, 2, 5).result(BOUND) == 32


def test_job_ids_that_are_given_again_are_not_mixed_up(own_pool, tmp_path, monkeypatch):
    """New calls get the ids of lost jobs before the client notices the loss."""
    with CondorExecutor(access_point="personal", warm=0) as executor:
        calls = Calls(executor, tmp_path)
        monkeypatch.setattr(queue_looks, "AUDIT_INTERVAL", 1000.0)
        vars(executor._engine.watcher._under_way.effects.queue_looks)["_due"] = time.monotonic() + 1000
        wipe(own_pool)
        assert [executor.submit(pow, 2, n).result(BOUND) for n in range(3)] == [1, 2, 4]
        assert {type(future.exception(BOUND)) for future in calls.futures} == {JobLostError}


def test_an_access_point_that_is_rebooted_costs_no_call(own_pool, tmp_path):
    """Its jobs run again from the beginning."""
    with CondorExecutor(
        access_point="personal", warm=0, job_lease_duration=5
    ) as executor:  # otherwise it takes a minute
        calls = Calls(executor, tmp_path)
        idle = executor.with_options(rank="0").submit(pow, 2, 5)
        own_pool.personal.stop()
        own_pool.personal.start()
        calls.let_go()
        assert [future.result(BOUND) for future in calls.futures] == [0, 1, 4]
        assert idle.result(BOUND) == 32
        assert {file.read_text() for file in calls.made.iterdir()} <= {"made\n", "made\nmade\n"}


def test_a_lost_execution_point_is_waited_for_as_long_as_the_lease_says(new_executor, pool):
    """The lease is a personal pool's default, or the user's value."""
    executor = new_executor(requirements="false")
    futures = [executor.submit(pow, 2, 5), executor.with_options(job_lease_duration=77).submit(pow, 2, 5)]
    job_ids = [until(lambda future=future: future.job_id) for future in futures]
    leases = {f"{ad['ClusterId']}.{ad['ProcId']}": ad.get("JobLeaseDuration") for ad in pool.queue(executor)}
    executor.shutdown(cancel_futures=True)
    assert [leases[job_id] for job_id in job_ids] == [60, 77]


HELPER = """
import json, sys
from condor_futures.access_point.helper import serving


class Schedd:
    times = 0

    def __init__(self, schedd):
        self.schedd = schedd

    def __getattr__(self, name):
        return getattr(self.schedd, name)

    def spool(self, result):
        Schedd.times += 1
        if Schedd.times > 1:
            self.schedd.spool(result)


class Performer(serving.Performer):
    def _locate(self):
        ad = super()._locate()
        self._schedd = Schedd(self._schedd)
        return ad


sys.path[:] = json.loads(sys.stdin.readline())
serving.serve(Performer)
"""


def test_jobs_whose_input_is_lost_are_submitted_again(new_executor, pool, tmp_path, monkeypatch):
    """A schedd killed in the second between the arrival of the files and its record of it leaves such jobs: on hold for
    ever.
    """
    monkeypatch.setattr(queue_looks, "SPOOLING", 2.0)  # 15 s by default
    (tmp_path / "helper.py").write_text(HELPER)
    monkeypatch.setattr(helper_process, "_HELPER", tmp_path / "helper.py")
    executor = new_executor()
    futures = [executor.submit(pow, n, 2) for n in range(3)]
    assert [future.result(BOUND) for future in futures] == [0, 1, 4]
    assert executor.counts() == {"done": 3}
    until(lambda: pool.queue(executor) == [])


def test_a_helper_that_is_killed_costs_no_call(new_executor, tmp_path):
    """It may be doing anything. The client gives up only a request that has killed three helpers."""
    executor = new_executor()
    access_point = executor._engine.watcher.access_point
    for n in range(4):
        futures = [executor.submit(pow, n, 2), executor.with_options(spool=False).submit(pow, n, 3)]
        # Both may already have an answer if the helper has nothing else to do.
        until(lambda futures=futures: access_point._requests or all(f.done() for f in futures), pause=0.001)
        helper = access_point._process
        helper.kill()
        assert [future.result(BOUND) for future in futures] == [n**2, n**3]
        until(lambda helper=helper: access_point._process is not helper)


@pytest.mark.parametrize("own_pool", [{"ALIVE_INTERVAL": "2"}], indirect=True, ids=[""])
def test_slots_that_a_killed_schedd_had_claimed_are_given_up(pool, own_pool, tmp_path):
    """The killed schedd kept the claims for its next jobs. The new schedd would wait half an hour for these slots.

    It waits for six of the intervals, or for the lease of the last job: a minute in a personal pool.
    """
    assert pool.run("condor_config_val", "ALIVE_INTERVAL", "JOB_DEFAULT_LEASE_DURATION").split() == ["10", "60"]
    with CondorExecutor(access_point="personal", warm=0, job_lease_duration=12) as executor:
        calls = Calls(executor, tmp_path, 4)
        calls.let_go()
        assert [future.result(BOUND) for future in calls.futures] == [0, 1, 4, 9]
        (schedd,) = own_pool.pids("condor_schedd")
        os.kill(schedd, signal.SIGKILL)
        assert executor.submit(pow, 2, 3).result(BOUND) == 8
