"""Jobs that go on hold, or lose their slot or shadow: the executor does what its options say."""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from support import until

from condor_futures import (
    CondorExecutor,
    CondorFuture,
    HeldJob,
    JobHeldError,
    JobLostError,
    JobRemovedError,
    JobTimeLimitError,
)
from condor_futures.state_machine.states import Job

pytestmark = pytest.mark.pool


def made(file: Path, wait: str | None = None) -> int:
    """Write a line to *file*, wait until *wait* exists, and return the number of lines."""
    with file.open("a") as lines:
        lines.write(f"{os.getpid()}\n")
    while wait and not Path(wait).exists():
        time.sleep(0.02)
    return len(file.read_text().splitlines())


class Watched:
    """A call that runs until the test lets it continue. The test can see how often it began."""

    def __init__(self, directory: Path) -> None:
        self.file, self.go = directory / "made", directory / "go"
        self.call = functools.partial(made, self.file, str(self.go))
        self.futures: list[CondorFuture] = []

    def begun(self, times: int) -> None:
        """Wait until it has begun *times* times."""
        until(lambda: self.file.exists() and len(self.file.read_text().splitlines()) == times)

    def let_go(self) -> None:
        self.go.touch()

    def submit(self, executor: CondorExecutor) -> CondorFuture:
        self.futures.append(executor.submit(self.call))
        return self.futures[-1]


@pytest.fixture
def watched(tmp_path):
    watched = Watched(tmp_path)
    yield watched
    for future in watched.futures:  # a job on hold would keep its executor for ever
        future.cancel()


@pytest.fixture
def hold(pool):
    """Put a call's job on hold."""
    return lambda future: pool.run("condor_hold", "-reason", "because", "-subcode", "42", future.job_id)


@pytest.mark.parametrize("spool", [True, False])
def test_a_held_job_waits_for_whoever_releases_it(pool, executor, hold, watched, spool):
    """Until then, the future shows it as held, and the executor counts it."""
    future = watched.submit(executor.with_options(on_hold="wait", spool=spool))
    watched.begun(1)
    hold(future)
    until(lambda: future.state == "held")
    assert executor.counts()["held"] >= 1
    (job,) = [job for job in executor.jobs() if job.job_id == future.job_id]
    assert (job.state, job.hold_subcode) == ("held", 42)
    assert future.running()  # as the standard library sees it
    watched.let_go()
    pool.run("condor_release", future.job_id)
    assert future.result(60) == 2
    assert future.state == "done"


def test_a_held_job_is_released_and_in_the_end_failed(executor, hold, watched):
    """The option says two releases. The error is of the third hold, and counts the holds."""
    future = watched.submit(executor.with_options(on_hold=("release", 2)))
    for attempt in (1, 2, 3):
        watched.begun(attempt)
        hold(future)
    error = future.exception(60)
    assert isinstance(error, JobHeldError)
    assert (error.code, error.subcode) == (1, 42)
    assert "hold number 3" in str(error)


def test_a_held_job_that_is_released_gives_its_value(executor, hold, watched):
    future = watched.submit(executor.with_options(on_hold="release"))
    watched.begun(1)
    hold(future)
    watched.begun(2)
    watched.let_go()
    assert future.result(60) == 2


def test_the_users_function_decides(executor, hold, watched):
    """The function gets all information about each hold, and does not run in the watcher's thread."""
    asked, threads = [], set()

    def decide(job: HeldJob):
        asked.append(job)
        threads.add(threading.current_thread().name)
        return "release" if job.holds == 1 else "fail"

    future = watched.submit(executor.with_options(on_hold=decide))
    for attempt in (1, 2):
        watched.begun(attempt)
        hold(future)
    assert isinstance(future.exception(60), JobHeldError)
    first, second = asked
    assert first == HeldJob(future.job_id, 1, 42, first.reason, 1, os.uname().nodename)
    assert "because" in first.reason
    assert second.holds == 2
    assert threads == {"condor_futures resolver"}


@pytest.mark.parametrize(
    ("decide", "cause", "words"),
    [
        pytest.param(lambda job: 1 / 0, ZeroDivisionError, "on_hold raised ZeroDivisionError", id="raises"),
        pytest.param(lambda job: "relese", ValueError, "'relese'", id="says something else"),
    ],
)
def test_a_function_that_does_not_decide_fails_the_call(executor, hold, watched, decide, cause, words):
    """The call's error is the hold. The cause is the error of the function."""
    future = watched.submit(executor.with_options(on_hold=decide))
    watched.begun(1)
    hold(future)
    error = future.exception(60)
    assert isinstance(error, JobHeldError)
    assert isinstance(error.__cause__, cause)
    assert words in str(error)


def test_periodic_release_has_its_effect_where_holds_are_waited_out(pool, executor, watched):
    """HTCondor's own command decides when and how often to release."""
    patient = executor.with_options(
        on_hold="wait", periodic_hold="JobStatus == 2 && NumShadowStarts == 1", periodic_release="NumShadowStarts == 1"
    )
    future = watched.submit(patient)
    until(lambda: [ad.get("NumShadowStarts") for ad in pool.queue(executor) if ad["JobStatus"] == 2] == [2])
    assert patient._engine.watcher._under_way.bundles()[0].job.holds == 1
    watched.let_go()
    assert future.result(60) >= 1


def test_a_job_that_is_held_for_memory_gets_more(pool, executor, watched):
    """The memory doubles each time, up to the limit, until it is enough."""
    hungry = executor.with_options(
        request_memory="64MB",
        memory_max="192MB",
        periodic_hold="JobStatus == 2 && RequestMemory < 150",
        periodic_hold_reason='"it uses more memory than it asked for"',
    )
    future = watched.submit(hungry)
    until(lambda: [ad["RequestMemory"] for ad in pool.queue(executor) if ad["JobStatus"] == 2] == [192])
    watched.let_go()
    assert future.result(60) >= 1


def test_a_job_that_needs_more_memory_than_there_is_to_be_fails(executor):
    """The hold is real here. The error names the request and the limit."""
    hungry = executor.with_options(
        request_memory=100, memory_max=100, periodic_hold="MemoryUsage > RequestMemory", periodic_hold_subcode=102
    )

    def eat():
        food = bytearray(150 << 20)
        time.sleep(60)
        return len(food)

    error = hungry.submit(eat).exception(100)
    assert isinstance(error, JobHeldError)
    assert (error.code, error.subcode) == (3, 102)
    assert "it asked for 100 MiB, and memory_max is 100 MiB" in str(error)


def test_a_call_that_takes_too_long_is_an_error_of_its_own(executor):
    """The error names the limit, and there is no retry."""
    limited = executor.with_options(allowed_execute_duration=1, on_hold="release")
    error = limited.submit(time.sleep, 60).exception(60)
    assert isinstance(error, JobTimeLimitError)
    assert (error.code, "allowed_execute_duration=1 allows" in str(error)) == (47, True)


def test_the_whole_job_may_be_limited_too(executor):
    """The limit includes the transfer of its files."""
    error = executor.with_options(allowed_job_duration=1).submit(time.sleep, 60).exception(60)
    assert isinstance(error, JobTimeLimitError)
    assert (error.code, "allowed_job_duration=1 allows" in str(error)) == (46, True)


def test_a_held_job_can_be_removed_and_cancelled(pool, executor, hold, watched):
    """A removal by another program is an error. A cancellation is not."""
    patient = executor.with_options(on_hold="wait")
    removed, cancelled = watched.submit(patient), watched.submit(patient)
    watched.begun(2)
    hold(removed)
    hold(cancelled)
    until(lambda: removed.state == cancelled.state == "held")
    pool.run("condor_rm", removed.job_id)
    assert isinstance(removed.exception(60), JobRemovedError)
    assert cancelled.cancel()
    until(lambda: cancelled.job_id not in [job.job_id for job in executor.jobs()])


def test_a_shutdown_waits_for_held_jobs_unless_it_cancels(new_executor, pool, hold, watched):
    """Shutdown also waits for jobs that are idle for lack of a slot."""
    waits, gives_up = new_executor(on_hold="wait"), new_executor(on_hold="wait")
    kept, dropped = watched.submit(waits), watched.submit(gives_up)
    watched.begun(2)
    hold(kept)
    hold(dropped)
    until(lambda: kept.state == dropped.state == "held")
    gives_up.shutdown(cancel_futures=True)
    assert dropped.cancelled()
    waits.shutdown(wait=False)
    assert not waits._engine.watcher.join(1)
    watched.let_go()
    pool.run("condor_release", kept.job_id)
    assert kept.result(60) == 3


def test_held_jobs_are_removed_when_the_executor_is_terminated(new_executor, hold, watched):
    executor = new_executor(on_hold="wait")
    future = watched.submit(executor)
    watched.begun(1)
    hold(future)
    until(lambda: future.state == "held")
    executor.terminate_workers()
    assert isinstance(future.exception(), JobRemovedError)


# Lost slots, starters and shadows.


@pytest.mark.parametrize("how", [[], ["-fast"]], ids=["soft", "fast"])
def test_an_evicted_job_is_idle_and_runs_again(pool, executor, watched, how):
    """It has one value, that of the completed attempt."""
    future = watched.submit(executor.with_options(requirements="NumJobStarts =!= 1"))
    watched.begun(1)
    pool.run("condor_vacate_job", *how, future.job_id)
    until(lambda: future.state == "idle")  # its requirements keep it from running again
    pool.run("condor_qedit", future.job_id, "Requirements", "true")
    watched.begun(2)
    assert future.state == "running"
    watched.let_go()
    assert future.result(60) == 2


def test_signals_that_stop_a_job_reach_the_handler_of_the_call(pool, executor, warm, open_directory):
    """The handler saves its work and ends the call, also before a hold, and in a warm job."""

    def work(name, *numbers):
        saved = open_directory / name
        if saved.exists():
            return saved.read_text()

        def save(number, frame):
            saved.write_text(signal.Signals(number).name)
            sys.exit(85)

        for number in numbers:
            signal.signal(number, save)
        (open_directory / f"{name}.begun").touch()
        time.sleep(600)

    everything = signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGINT
    cases = {
        "default": (executor, "SIGTERM"),
        "kill_sig": (executor.with_options(kill_sig="SIGUSR1"), "SIGUSR1"),
        "warm": (warm(kill_sig="SIGUSR2"), "SIGUSR2"),
        # HTCondor uses remove_kill_sig for every end, and hold_kill_sig for none.
        "both": (executor.with_options(kill_sig="SIGUSR1", remove_kill_sig="SIGUSR2"), "SIGUSR2"),
        "hold": (executor.with_options(on_hold="release", kill_sig="SIGUSR2", hold_kill_sig="SIGHUP"), "SIGUSR2"),
        "remove": (executor.with_options(remove_kill_sig="SIGINT"), "SIGINT"),
    }
    futures = {name: its.submit(work, name, *everything) for name, (its, _) in cases.items()}
    until(lambda: all((open_directory / f"{name}.begun").exists() for name in futures))
    pool.run("condor_vacate_job", *(futures[name].job_id for name in ("default", "kill_sig", "warm", "both")))
    pool.run("condor_hold", futures["hold"].job_id)
    pool.run("condor_rm", futures["remove"].job_id)
    assert isinstance(futures.pop("remove").exception(60), JobRemovedError)
    assert {name: future.result(100) for name, future in futures.items()} == {
        name: number for name, (_, number) in cases.items() if name != "remove"
    }
    until(lambda: (open_directory / "remove").exists() and (open_directory / "remove").read_text() == "SIGINT")


def test_a_call_that_ignores_the_signal_is_killed_when_its_time_is_over(pool, executor, warm, open_directory):
    """Without the limit, it would keep the slot for ten minutes."""

    def stay(name):
        begun = open_directory / name
        if begun.exists():
            return "again"
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        begun.touch()
        time.sleep(600)

    limited = {
        "job_max_vacate_time": executor.with_options(job_max_vacate_time=1),
        "kill_sig_timeout": executor.with_options(kill_sig_timeout=1),
        "warm": warm(job_max_vacate_time=1),
    }
    futures = [its.submit(stay, name) for name, its in limited.items()]
    until(lambda: all((open_directory / name).exists() for name in limited))
    pool.run("condor_vacate_job", *(future.job_id for future in futures))
    assert [future.result(100) for future in futures] == ["again"] * 3


@pytest.mark.parametrize("daemon", ["condor_starter", "condor_shadow"])
def test_a_job_whose_daemon_is_killed_runs_again_and_gives_one_value(pool, new_executor, watched, daemon):
    """HTCondor restarts the job. The interrupted attempt does not count."""
    executor = new_executor()
    future = watched.submit(executor)
    watched.begun(1)
    (pid,) = pool.pids(daemon)
    os.kill(pid, signal.SIGKILL)
    watched.begun(2)
    watched.let_go()
    assert future.result(60) == 2
    assert executor.counts() == {"done": 1}


@pytest.mark.load_dependent("the next schedd has to find the job within its lease of a minute")
def test_a_job_that_loses_its_schedd_and_its_shadow_goes_on(pool, new_executor, watched):
    """The schedd reconnects to the job, and the call does not run again."""
    executor = new_executor()
    future = watched.submit(executor)
    watched.begun(1)
    ((shadow,), (schedd,)) = pool.pids("condor_shadow"), pool.pids("condor_schedd")
    for pid in (schedd, shadow):  # the schedd first, so that it does not restart the job
        os.kill(pid, signal.SIGKILL)
    until(lambda: "Job reconnected to" in (executor.session / "event_log").read_text())
    assert future.state == "running"
    watched.let_go()
    assert future.result(60) == 1


def broken(pool, future, attribute, value):
    """An idle job that matches a slot but cannot run, because one of its attributes makes no sense."""
    until(lambda: future.state == "idle")
    pool.run("condor_qedit", future.job_id, attribute, value)
    pool.run("condor_qedit", future.job_id, "Requirements", "true")


def test_a_job_that_never_runs_and_is_never_held_is_given_up(pool, executor, monkeypatch):
    """Its shadow fails repeatedly without any event, or its starter fails with an eviction each time."""
    monkeypatch.setattr(Job, "FALSE_STARTS_LIMIT", 5)  # 20
    never = executor.with_options(requirements="false", spool=False)
    silent, told = never.submit(pow, 2, 2), never.submit(pow, 2, 2)
    broken(pool, silent, "Iwd", "undefined")
    broken(pool, told, "ShouldTransferFiles", '"SOMETIMES"')
    error = silent.exception(110)
    assert isinstance(error, JobLostError)
    assert "the job never ran" in str(error)
    error = told.exception(110)
    assert isinstance(error, JobLostError)
    assert "repeatedly" in str(error)
