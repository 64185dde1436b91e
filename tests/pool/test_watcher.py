"""What the watcher does for calls besides following jobs: it waits, counts, fails, and survives its helper process."""

from __future__ import annotations

import os
import signal
import time

import pytest
from support import until

from condor_futures import BrokenCondorExecutor, CondorExecutor, CondorFuturesError
from condor_futures.ownership import WrongThreadError
from condor_futures.watching import submissions

pytestmark = pytest.mark.pool

MILLISECONDS = "the test has to notice a request within the milliseconds until its answer"


def helper(executor):
    """The helper process."""
    return executor._engine.watcher.access_point._process.pid


def await_request(executor, operation):
    """Wait until the helper has been asked for an operation, and has not answered yet."""
    requests = executor._engine.watcher.access_point._requests
    until(lambda: any(r.operation == operation and r.sent_to for r in list(requests.values())), pause=0.0)


def await_jobs(executor):
    """Return a function that waits until the schedd has taken jobs.

    The schedd writes them to the log before it answers the submission.
    """
    log = executor.session / "event_log"
    size = log.stat().st_size
    return lambda: until(lambda: log.stat().st_size > size, pause=0.0)


@pytest.mark.load_dependent(MILLISECONDS)
@pytest.mark.parametrize("spool", [True, False])
def test_a_helper_that_is_killed_while_it_submits_loses_and_doubles_nothing(pool, new_executor, tmp_path, spool):
    """The schedd may not have heard of the jobs yet, or may already have them."""
    executor = new_executor(spool=spool)
    made = tmp_path / "made"

    def call(n):
        with made.open("a") as file:
            file.write(f"{n}\n")
        return n

    number = 0
    for heard in (False, True, False, True, True):
        taken = await_jobs(executor)
        futures = [executor.submit(call, n) for n in range(number, number + 20)]
        await_request(executor, "submit")
        if heard:
            taken()
        os.kill(helper(executor), signal.SIGKILL)
        assert [future.result(60) for future in futures] == list(range(number, number + 20))
        number += 20
    executor.shutdown()
    assert sum(ad["JobStatus"] == 4 for ad in pool.history(executor, number)) == number
    assert sorted(map(int, made.read_text().split())) == list(range(number))


@pytest.mark.load_dependent(MILLISECONDS)
def test_a_helper_that_is_killed_while_it_retrieves_loses_nothing(new_executor):
    """The next helper retrieves the outcomes."""
    executor = new_executor()
    for _ in range(3):
        futures = [executor.submit(pow, n, 2) for n in range(20)]
        await_request(executor, "retrieve")
        os.kill(helper(executor), signal.SIGKILL)
        assert [future.result(60) for future in futures] == [n * n for n in range(20)]


@pytest.mark.load_dependent(MILLISECONDS)
def test_a_helper_that_is_killed_while_it_removes_leaves_no_job(pool, new_executor):
    """Cancelled jobs are not forgotten."""
    executor = new_executor()
    futures = [executor.submit(time.sleep, 300) for _ in range(3)]
    until(lambda: all(future.running() for future in futures))
    os.kill(helper(executor), signal.SIGSTOP)  # so that the request is under way until the helper is killed
    for future in futures:
        assert future.cancel()
    await_request(executor, "remove")
    os.kill(helper(executor), signal.SIGKILL)
    until(lambda: not [ad for ad in pool.queue(executor) if ad["JobStatus"] == 2])


def test_a_full_queue_is_not_waited_for_busily(new_executor, monkeypatch):
    """While more calls wait than jobs are allowed, the watcher looks at the log as rarely as without them."""
    executor = new_executor(max_workers=1)
    running, *pending = [executor.submit(time.sleep, 300) for _ in range(4)]
    until(running.running)
    log = executor._engine.watcher._under_way.effects.log
    looks = []
    read = log.read
    monkeypatch.setattr(log, "read", lambda: looks.append(time.monotonic()) or read())
    # The pauses grow to a quarter of a second. A busy watcher takes five milliseconds each time.
    until(lambda: len(looks) > 3 and min(b - a for a, b in zip(looks[-4:], looks[-3:], strict=False)) > 0.05)
    assert all(future.state == "pending" for future in pending)
    for future in [running, *pending]:
        future.cancel()


def test_counts_add_up_at_every_moment(new_executor):
    """Calls may wait for others, be in the queue, be on their way back, or be cancelled or failed."""
    executor = new_executor(max_workers=6)

    def work(n):
        if n % 5 == 0:
            raise ValueError(n)
        return n

    futures = [executor.submit(work, n) for n in range(20)]
    futures += [executor.submit(work, future) for future in futures[:5]]
    futures += next(executor._intake.submit_chunks(work, ((n,) for n in range(20)), 20, None))
    totals = {sum(executor.counts().values())}
    while not all(future.done() for future in futures):
        totals.add(sum(executor.counts().values()))
        if any(future.done() for future in futures):
            futures[19].cancel()
            futures[10].cancel()
    assert totals == {len(futures)}
    how = [future.state for future in futures]
    counts = executor.counts()
    assert {state: counts[state] for state in set(how)} == {state: how.count(state) for state in set(how)}


def test_what_fails_in_the_watcher_fails_the_calls(new_executor, monkeypatch, caplog):
    """It fails the calls that were to be submitted, and later ones. The executor still ends."""
    executor = new_executor()
    assert executor.submit(pow, 2, 2).result(60) == 4

    def describe(*_, **__):
        raise ValueError("cannot be described")

    monkeypatch.setattr(submissions, "describe", describe)
    error = executor.submit(pow, 2, 2).exception(60)
    assert isinstance(error, CondorFuturesError)
    assert "cannot be described" in str(error)
    assert isinstance(error.__cause__, ValueError)
    assert "cannot be described" in caplog.text
    with pytest.raises(BrokenCondorExecutor, match="cannot be described"):
        executor.submit(pow, 2, 2)


def test_what_fails_in_the_watcher_leaves_a_session_that_is_kept(pool, new_executor, monkeypatch, tmp_path):
    """Its jobs continue. A client that attaches gets their results."""
    executor = new_executor(session=tmp_path / "session")

    def wait_for_it(flag=tmp_path / "flag"):
        while not flag.exists():
            time.sleep(0.02)
        return 7

    future = executor.submit(wait_for_it)
    until(future.running)

    def proceed(*_, **__):
        raise ValueError("out of order")

    monkeypatch.setitem(vars(executor._engine.watcher._under_way.effects.releases), "proceed", proceed)
    with pytest.raises(CondorFuturesError, match=r"out of order; attach\('.*/session'\) resumes the session"):
        future.result(60)
    executor.shutdown()
    (tmp_path / "flag").touch()
    with CondorExecutor.attach(tmp_path / "session") as attached:
        (again,) = attached.futures.values()
        assert again.result(60) == 7
    assert pool.queue(attached) == []


def test_a_thread_that_does_not_own_a_bundle_cannot_change_it(new_executor):
    """The tests check that the watcher's thread owns the state of a job, and the resolver's thread the results of its
    calls.
    """
    executor = new_executor()
    future = executor.submit(time.sleep, 300)
    until(future.running)
    bundle = future.bundle
    with pytest.raises(WrongThreadError, match=r"must not change Bundle\.job: it belongs to the watcher's thread"):
        bundle.job = bundle.job
    with pytest.raises(WrongThreadError, match=r"must not change Bundle\.futures: it belongs to the resolver's thread"):
        bundle.futures = {}
    with pytest.raises(WrongThreadError, match="must not change LiveJobs by clear"):
        executor._engine.watcher._under_way.effects.jobs.clear()
    assert future.cancel()
