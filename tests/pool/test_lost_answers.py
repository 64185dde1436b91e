"""An answer of the access point is lost, or a waiting thread is interrupted: nothing runs twice or hangs."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest
from support import until

from condor_futures import AccessPointError, BrokenCondorExecutor, CondorExecutor
from condor_futures.access_point import helper_process
from condor_futures.access_point.location import Location
from condor_futures.access_point.requests import AccessPoint
from condor_futures.access_point.schedd import Schedd
from condor_futures.watching.under_way import UnderWay

pytestmark = pytest.mark.pool


@pytest.fixture
def helper(pool) -> Iterator[AccessPoint]:
    helper = AccessPoint(Location(environment=pool.environment))
    helper.connect()
    yield helper
    helper.close()


def submit(helper: AccessPoint, name: str, seconds: list[float], *, again: bool) -> int:
    """Submit one cluster of jobs that sleep, and return its number."""
    request = Schedd(helper).submit(
        description={
            "executable": "/bin/sleep",
            "transfer_executable": "false",
            "arguments": "$(seconds)",
            "MY.CondorFuturesBatch": f'"{name}"',
        },
        items=[{"seconds": str(each)} for each in seconds],
        spool=False,
        batch=f'CondorFuturesBatch == "{name}"',
        again=again,
    )
    return request.wait(60)["cluster"]


def test_jobs_that_have_left_the_queue_are_not_submitted_again(pool, helper):
    """The answer to their submission was lost. They are not spooled, so they left the queue as soon as they ended."""
    cluster = submit(helper, "lost-1", [0, 0], again=False)
    until(lambda: len(pool.ads("condor_history", f"ClusterId == {cluster}")) == 2)
    assert submit(helper, "lost-1", [0, 0], again=True) == cluster


def test_jobs_of_which_some_have_left_the_queue_are_not_submitted_again(pool, helper):
    """The jobs that still run are not removed either."""
    cluster = submit(helper, "lost-2", [0, 300], again=False)
    try:
        until(lambda: len(pool.ads("condor_history", f"ClusterId == {cluster}")) == 1)
        assert submit(helper, "lost-2", [0, 300], again=True) == cluster
        assert [ad["ProcId"] for ad in pool.ads("condor_q", f"ClusterId == {cluster} && JobStatus < 3")] == [1]
    finally:
        pool.run("condor_rm", str(cluster))


def test_jobs_that_never_got_there_are_submitted(pool, helper):
    cluster = submit(helper, "lost-3", [0], again=True)
    until(lambda: pool.ads("condor_history", f"ClusterId == {cluster}"))


HELPER = """
import json, sys
import htcondor2
from condor_futures.access_point.helper import serving


class Schedd:
    def __init__(self, schedd, failures):
        self.schedd, self.failures = schedd, failures

    def __getattr__(self, name):
        return getattr(self.schedd, name)

    def retrieve(self, jobs):
        if self.failures:
            raise htcondor2.HTCondorException(self.failures.pop())
        return self.schedd.retrieve(jobs)


class Performer(serving.Performer):
    failures = FAILURES

    def _locate(self):
        ad = super()._locate()
        self._schedd = Schedd(self._schedd, self.failures)
        return ad


sys.path[:] = json.loads(sys.stdin.readline())
serving.serve(Performer)
"""


@pytest.mark.parametrize(
    "failures",
    [
        pytest.param(["Failed to connect"] * 2, id="away"),
        pytest.param(["Error: writing to file b000000.outcomes: (errno 28) No space left on device"] * 3, id="full"),
    ],
)
def test_a_retrieval_that_fails_for_now_costs_no_outcome(new_executor, tmp_path, monkeypatch, failures):
    """The schedd goes away but answers in between, so that the client does not notice; or the disk here is full."""
    (tmp_path / "helper.py").write_text(HELPER.replace("FAILURES", repr(failures)))
    monkeypatch.setattr(helper_process, "_HELPER", tmp_path / "helper.py")
    assert new_executor().submit(pow, 2, 10).result(60) == 1024


@pytest.fixture
def no_memory(monkeypatch):
    """Return a function after which the start of a helper process fails *times* times."""
    monkeypatch.setattr(AccessPoint, "PAUSE", 0.01)
    start = subprocess.Popen

    def make(times):
        refused = []

        def popen(command, *args, **options):
            if str(helper_process._HELPER) in command and len(refused) < times:
                refused.append(command)
                raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
            return start(command, *args, **options)

        monkeypatch.setattr(helper_process.subprocess, "Popen", popen)

    return make


def wait_for(flag):
    while not flag.exists():
        time.sleep(0.05)
    return "value"


def lose_helper(executor):
    """Kill the helper process, as the kernel does when memory is short."""
    access_point = executor._engine.watcher.access_point
    os.kill(access_point._process.pid, signal.SIGKILL)
    return access_point


@pytest.mark.parametrize("log_speaks", [True, False])
def test_a_helper_that_cannot_be_started_for_a_while_costs_no_call(
    new_executor, no_memory, tmp_path, monkeypatch, log_speaks
):
    """Jobs that only the queue reports on are not lost either."""
    executor = new_executor()
    if not log_speaks:
        monkeypatch.setattr(executor._engine.watcher._under_way.effects.log, "read", list)
    future = executor.submit(wait_for, tmp_path / "flag")
    until(lambda: future.state == "running")
    no_memory(3)
    lose_helper(executor)
    (tmp_path / "flag").touch()
    assert future.result(60) == "value"
    assert executor.submit(pow, 2, 3).result(60) == 8


@pytest.mark.parametrize("log_speaks", [True, False])
def test_calls_whose_access_point_cannot_be_spoken_with_any_more_end(new_executor, no_memory, tmp_path, log_speaks):
    """The executor refuses further calls. The jobs continue, and a client that attaches later has their values."""
    executor = new_executor(session=tmp_path / "session")
    with pytest.MonkeyPatch.context() as patch:
        if not log_speaks:
            patch.setattr(executor._engine.watcher._under_way.effects.log, "read", list)
        future = executor.submit(wait_for, tmp_path / "flag")
        until(lambda: future.state == "running")
        no_memory(100)
        lose_helper(executor)
        error = future.exception(30)
        assert isinstance(error, AccessPointError)
        assert str(error).startswith("the helper process for ")
        assert "cannot be started: [Errno 12] Cannot allocate memory; its jobs may still be in the queue" in str(error)
        with pytest.raises(BrokenCondorExecutor, match=r"the helper process for .* cannot be started"):
            executor.submit(pow, 2, 3)
        executor.shutdown()
    no_memory(0)
    with CondorExecutor.attach(tmp_path / "session") as again:
        (tmp_path / "flag").touch()
        assert [found.result(60) for found in again.futures.values()] == ["value"]


def test_calls_that_need_no_retrieval_have_their_values_without_the_access_point(new_executor, no_memory, tmp_path):
    """The event log says when they have ended. Later submissions fail."""
    executor = new_executor(spool=False)
    future = executor.submit(wait_for, tmp_path / "flag")
    until(lambda: future.state == "running")
    no_memory(100)
    access_point = lose_helper(executor)
    until(lambda: not access_point.usable)
    (tmp_path / "flag").touch()
    assert future.result(60) == "value"
    with pytest.raises(AccessPointError, match=r"the helper process for .* cannot be started"):
        executor.submit(pow, 2, 3).result(60)


def test_a_dag_goes_on_without_the_access_point(new_dag, no_memory, tmp_path):
    """DAGMan runs the DAG, and writes its results."""
    dag = new_dag()
    first = dag.submit(wait_for, tmp_path / "flag")
    second = dag.submit(str.upper, first)
    dag.run()
    until(first.running)
    no_memory(100)
    access_point = dag._driver._run._access_point
    os.kill(access_point._process.pid, signal.SIGKILL)
    until(lambda: not access_point.usable)
    (tmp_path / "flag").touch()
    assert second.result(100) == "VALUE"
    no_memory(0)


def test_ctrl_c_in_a_shutdown_that_cancels_strands_no_future(new_executor):
    """The interrupt arrives in a done callback of one of the cancelled calls. The others are cancelled all the same."""
    executor = new_executor().with_options(requirements="false")
    futures = [executor.submit(pow, 2, n) for n in range(3)]
    until(lambda: all(future.state == "idle" for future in futures))

    def interrupt(_):
        raise KeyboardInterrupt

    futures[0].add_done_callback(interrupt)
    with pytest.raises(KeyboardInterrupt):
        executor.shutdown(cancel_futures=True)
    until(lambda: all(future.cancelled() for future in futures))


def test_ctrl_c_before_the_calls_are_withdrawn_strands_no_future(new_executor, monkeypatch):
    """The interrupt arrives while the client waits for the watcher's answer."""
    from condor_futures.watching import watcher

    executor = new_executor().with_options(requirements="false")
    futures = [executor.submit(pow, 2, n) for n in range(3)]
    until(lambda: all(future.state == "idle" for future in futures))

    asked = threading.Event()
    withdraw = UnderWay.withdraw_pending

    def answer_late(self):
        asked.wait(60)
        return withdraw(self)

    def interrupt(*_):
        asked.set()
        raise KeyboardInterrupt

    monkeypatch.setattr(UnderWay, "withdraw_pending", answer_late)
    monkeypatch.setattr(watcher, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        executor.shutdown(cancel_futures=True)
    until(lambda: all(future.cancelled() for future in futures))
