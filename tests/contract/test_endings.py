"""Shutdown, termination, fork and the end of the interpreter, while other threads still submit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import wait

import pytest
from support import until

from condor_futures import JobRemovedError

pytestmark = pytest.mark.pool


def run(text, *, timeout=60):
    """Return what a script prints. If it takes too long, its whole process group is killed."""
    script = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(text)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with script:
        try:
            return (*script.communicate(timeout=timeout), script.returncode)
        finally:
            if script.poll() is None:
                os.killpg(script.pid, signal.SIGKILL)


def test_what_a_submit_gave_before_a_shutdown_is_done_after_it(new_executor):
    """Calls that other threads submit meanwhile are either refused or completed."""
    executor = new_executor()
    futures = []
    refused = []

    def submit():
        try:
            for n in range(200):
                futures.append(executor.submit(pow, n, 1))
                time.sleep(0.001)
        except RuntimeError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=submit) for _ in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: len(futures) >= 20)
    executor.shutdown(cancel_futures=True)
    for thread in threads:
        thread.join(60)
    assert refused == ["cannot schedule new futures after shutdown"] * 3
    assert all(future.done() for future in futures)


def test_callbacks_submit_from_each_others_threads(new_executor):
    """Each result leads to another call, until there are enough."""
    executor = new_executor()
    enough = threading.Event()
    lock = threading.Lock()
    results = []

    def beget(future):
        with lock:
            results.append(future.result())
            if len(results) >= 24:
                enough.set()
                return
        executor.submit(abs, future.result() - 8).add_done_callback(beget)

    for n in range(8):
        executor.submit(abs, n).add_done_callback(beget)
    assert enough.wait(60)


@pytest.mark.parametrize("method", ["terminate_workers", "kill_workers"])
def test_terminating_ends_every_call_and_the_executor(new_executor, method):
    """Running calls, calls in the queue and calls that wait for room in it all end. A second time has no effect."""
    executor = new_executor(max_workers=3)
    running = [executor.submit(time.sleep, 300) for _ in range(2)]
    until(lambda: all(future.running() for future in running))
    idle = executor.with_options(requirements="false").submit(pow, 2, 2)
    until(lambda: idle.state == "idle")
    pending = [executor.submit(pow, 2, n) for n in range(3)]
    assert getattr(executor, method)() is None
    for future in [*running, idle, *pending]:
        assert future.cancelled() or isinstance(future.exception(60), JobRemovedError)
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(pow, 2, 2)
    getattr(executor, method)()
    executor.shutdown()


def test_two_threads_may_shut_down(new_executor):
    """Both shutdowns return when the work is done."""
    executor = new_executor()
    future = executor.submit(time.sleep, 1)
    done = []
    threads = [threading.Thread(target=lambda: (executor.shutdown(), done.append(future.done()))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert done == [True, True]


def test_with_ends_what_it_began_when_its_body_raises(new_executor):
    """The work is done when the exception arrives, as in the standard library."""
    futures = []

    def body():
        with new_executor() as executor:
            futures.append(executor.submit(time.sleep, 0.5))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        body()
    assert futures[0].result(0) is None


def test_cancelling_pending_calls_leaves_what_runs(new_executor):
    """After shutdown(wait=False), the caller waits for the calls with wait()."""
    executor = new_executor(max_workers=1)
    futures = [executor.submit(time.sleep, 1) for _ in range(4)]
    until(futures[0].running)
    executor.shutdown(wait=False, cancel_futures=True)
    assert not wait(futures, 60).not_done
    assert [future.cancelled() for future in futures] == [False, True, True, True]


FORKING = """
    import os, sys
    from condor_futures import CondorExecutor
    executor = CondorExecutor(access_point="personal", warm=0)
    print(executor.submit(pow, 2, 2).result(), flush=True)
    if os.fork() == 0:
        for use in (lambda: executor.submit(pow, 2, 3), lambda: executor.map(abs, [1])):
            try:
                use()
            except RuntimeError as error:
                print(type(error).__name__, flush=True)
        LEAVE
    os.wait()
    print(executor.submit(pow, 2, 4).result(60), flush=True)
    executor.shutdown()
    print("over")
"""


@pytest.mark.parametrize("leave", ["os._exit(0)", "sys.exit()", "executor.shutdown(); sys.exit()"])
def test_a_forked_process_cannot_use_the_executor_nor_harm_it(pool, leave):
    """The child lacks the threads, so a call would never end. It raises RuntimeError, and the parent continues."""
    out, err, status = run(FORKING.replace("LEAVE", leave))
    assert out.split() == ["4", "RuntimeError", "RuntimeError", "16", "over"], err
    assert status == 0


def test_nothing_is_submitted_at_the_end_of_the_interpreter(pool):
    """A function that atexit calls after the executor has ended gets an error."""
    out, err, status = run("""
        import atexit
        @atexit.register
        def last():
            try:
                executor.submit(pow, 2, 2)
            except RuntimeError as error:
                print(error)
            try:
                executor.map(pow, [2], [2])
            except RuntimeError as error:
                print(error)
        from condor_futures import CondorExecutor
        executor = CondorExecutor(access_point="personal", warm=0)
        print(executor.submit(pow, 2, 3).result())
    """)
    first, *errors = out.splitlines()
    assert first == "8"
    assert len(errors) == 2, err
    assert all("cannot schedule new futures after" in error for error in errors)
    assert status == 0


def test_an_executor_that_was_not_waited_for_does_not_keep_the_interpreter(pool):
    """After shutdown(wait=False, cancel_futures=True) without running calls, a script ends."""
    out, err, status = run("""
        from concurrent.futures import wait
        from condor_futures import CondorExecutor
        executor = CondorExecutor(access_point="personal", warm=0, requirements="false")
        future = executor.submit(pow, 2, 3)
        executor.shutdown(wait=False, cancel_futures=True)
        wait([future], 30)
        print(future.cancelled())
    """)
    assert out.split() == ["True"], err
    assert (err, status) == ("", 0)
