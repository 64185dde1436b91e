"""Cancelling, shutting down, and the effect of a slow schedd, an interrupt, or the end of a script."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from support import session_constraint, until

from condor_futures import CondorExecutor, JobRemovedError, purge
from condor_futures.session.finding import sessions_directory

pytestmark = pytest.mark.pool


def test_cancelling_a_running_call_removes_its_job(pool, executor):
    """The future informs all waiters."""
    future = executor.submit(time.sleep, 300)
    until(future.running)
    assert future.cancel()
    assert future.cancelled()
    assert future.state == "cancelled"
    until(lambda: not [ad for ad in pool.queue(executor) if ad["JobStatus"] == 2])


def test_cancelling_what_is_not_submitted_yet_submits_nothing(pool, new_executor):
    """The call never reaches the queue."""
    executor = new_executor(max_workers=1)
    first, second = executor.submit(time.sleep, 300), executor.submit(pow, 2, 2)
    until(first.running)
    assert second.state == "pending"
    assert second.cancel()
    assert first.cancel()
    executor.shutdown()
    assert second.job_id is None


def test_cancelling_one_call_of_a_job_leaves_the_others(executor):
    """The job continues for the other calls."""
    chunk = next(executor._intake.submit_chunks(lambda n: time.sleep(0.5) or n, iter([(1,), (2,)]), 2, None))
    assert chunk[0].cancel()
    assert chunk[1].result() == 2


def test_cancelling_a_call_that_is_being_submitted_costs_no_other(pool, new_executor):
    """The access point is about to read the files of all the calls."""
    executor = new_executor()
    submissions = executor._engine.watcher._under_way.effects.submissions
    futures = [executor.submit(pow, n, 2) for n in range(60)]
    until(lambda: len(submissions.under_way) > 1, pause=0.001)
    cancelled = [future.cancel() for future in futures[len(submissions.under_way) // 2 :: 4]]
    assert any(cancelled)  # on a busy machine, some have ended by now
    assert [future.result(100) for future in futures if not future.cancelled()] == [
        n * n for n, future in enumerate(futures) if not future.cancelled()
    ]

    def left():
        for path in executor.session.rglob("*.calls"):
            with contextlib.suppress(FileNotFoundError):  # the job leaves while the test looks at it
                yield path.stat().st_size

    until(lambda: not any(left()))


def test_shutdown_finishes_the_work_and_refuses_more(pool, new_executor):
    """As in the standard library."""
    executor = new_executor()
    future = executor.submit(pow, 2, 10)
    executor.shutdown()
    assert future.done()
    assert future.result() == 1024
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(pow, 2, 2)
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.map(pow, [2], [2])


def test_shutdown_without_waiting_returns_and_the_work_goes_on(new_executor):
    """The futures are resolved later."""
    executor = new_executor()
    future = executor.submit(time.sleep, 0.5)
    executor.shutdown(wait=False)
    assert not future.done()
    assert future.result(60) is None


def test_shutdown_can_cancel_what_does_not_run(pool, new_executor):
    """Running calls are finished."""
    executor = new_executor(max_workers=1)
    first, second = executor.submit(time.sleep, 1), executor.submit(time.sleep, 300)
    until(first.running)
    executor.shutdown(cancel_futures=True)
    assert first.result() is None
    assert second.cancelled()


def test_terminate_workers_removes_what_runs(pool, new_executor):
    """The jobs are removed at once, and the futures fail."""
    executor = new_executor()
    future = executor.submit(time.sleep, 300)
    until(future.running)
    executor.terminate_workers()
    assert isinstance(future.exception(), JobRemovedError)


def test_an_executor_that_nobody_holds_finishes_its_work(pool, new_executor):
    """Its thread and helper process end."""
    from condor_futures import CondorExecutor

    executor = CondorExecutor(access_point="personal", warm=0)
    watcher = executor._engine.watcher
    constraint = session_constraint(executor)
    future = executor.submit(pow, 2, 5)
    del executor
    gc.collect()
    assert future.result(60) == 32
    until(lambda: not watcher._thread.is_alive())
    assert pool.ads("condor_q", constraint) == []


def test_results_are_not_kept_alive(executor):
    """Only the future holds a value, and nothing holds the future."""
    import weakref

    class Thing:
        pass

    future = executor.submit(Thing)
    value = weakref.ref(future.result())
    key = weakref.ref(future)
    del future
    until(lambda: gc.collect() is not None and value() is None and key() is None)


def test_an_ephemeral_session_goes_with_its_last_future(new_executor):
    """Until then, its files can be read."""
    from condor_futures import CondorExecutor

    executor = CondorExecutor(access_point="personal", warm=0)
    directory = executor.session
    future = executor.submit(print, "hello")
    executor.shutdown()
    del executor
    gc.collect()
    assert future.stdout() == "hello\n"
    del future
    until(lambda: gc.collect() is not None and not directory.exists())


def test_a_stopped_schedd_does_not_stop_the_client(pool, new_executor):
    """While the schedd is stopped, other threads run and submit() returns. All results arrive after it continues."""
    executor = new_executor()
    assert executor.submit(pow, 2, 2).result() == 4  # everything is warm
    pauses = []
    stop = threading.Event()

    def count():
        last = time.monotonic()
        while not stop.is_set():
            time.sleep(0.005)
            now = time.monotonic()
            pauses.append(now - last)
            last = now

    (schedd,) = pool.pids("condor_schedd")
    futures = [executor.submit(lambda n: time.sleep(0.5) or n, n) for n in range(20)]
    until(lambda: futures[0].job_id)
    counter = threading.Thread(target=count)
    counter.start()
    os.kill(schedd, signal.SIGSTOP)
    try:
        began = time.monotonic()
        more = [executor.submit(pow, n, 2) for n in range(5)]
        submitting = time.monotonic() - began
        time.sleep(6)
    finally:
        os.kill(schedd, signal.SIGCONT)
    assert [future.result(100) for future in futures] == list(range(20))
    assert [future.result(100) for future in more] == [n * n for n in range(5)]
    stop.set()
    counter.join()
    # This is no measurement of our code: the bindings hold the GIL as long as the schedd is stopped, which is 6 s.
    assert max(pauses) < 3
    assert submitting < 3


def test_a_callback_of_the_last_call_may_shut_down_too(new_executor):
    """The executor is already shutting down. Neither shutdown waits for the other."""
    executor = new_executor()
    with executor:
        executor.submit(time.sleep, 0.5).add_done_callback(lambda _: executor.shutdown(wait=False, cancel_futures=True))
    assert not executor._engine.watcher._thread.is_alive()


def test_a_call_that_forks_has_one_outcome(executor, tmp_path):
    """The copy of the process reports nothing, and runs none of the other calls of the job."""
    made = tmp_path / "made"

    def call(n):
        with made.open("a") as file:
            file.write(f"{n}\n")
        if n == 0 and os.fork() == 0:
            raise SystemExit(3)
        return n

    assert list(executor.map(call, range(3), chunksize=3)) == [0, 1, 2]
    assert made.read_text().split() == ["0", "1", "2"]


@contextlib.contextmanager
def client(pool, text):
    """A client in a process of its own, which is killed if it still runs at the end."""
    # The tests may run in the background of a shell, which lets processes ignore Ctrl-C.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    script = subprocess.Popen(
        [sys.executable, "-c", heard + textwrap.dedent(text)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with script:
        try:
            yield script
        finally:
            script.kill()


def test_a_script_that_ends_without_shutdown_has_its_results(pool):
    """Its callbacks run, and nothing is left."""
    text = """
        from condor_futures import CondorExecutor
        executor = CondorExecutor(access_point="personal", warm=0)
        print(executor._engine.session.id, flush=True)
        executor.submit(pow, 2, 10).add_done_callback(lambda future: print(future.result(), flush=True))
    """
    with client(pool, text) as script:
        out, err = script.communicate(timeout=100)
    assert script.returncode == 0, err
    session, value = out.split()
    assert value == "1024"
    assert pool.ads("condor_q", f'CondorFuturesSession == "{session}"') == []


@pytest.mark.parametrize(
    "body",
    # The last one is as if an earlier Ctrl-C had come just as result() took the lock of the future.
    ["wait()", "with executor: wait()", "with executor: wait(future._condition.acquire)"],
)
def test_an_interrupted_script_removes_its_jobs(pool, body):
    """Ctrl-C, with and without a with block."""
    text = """
        import time
        from condor_futures import CondorExecutor
        executor = CondorExecutor(access_point="personal", warm=0)
        print(executor._engine.session.id, flush=True)
        future = executor.submit(time.sleep, 300)
        def wait(first=lambda: None):
            while not future.running():
                time.sleep(0.02)
            first()
            print("running", flush=True)
            future.result()
        BODY
    """
    with client(pool, text.replace("BODY", body)) as script:
        session = script.stdout.readline().strip()
        assert script.stdout.readline().strip() == "running", script.communicate()[1]
        script.send_signal(signal.SIGINT)
        _, err = script.communicate(timeout=100)
    assert script.returncode != 0
    assert "KeyboardInterrupt" in err
    assert pool.ads("condor_q", f'CondorFuturesSession == "{session}"') == []


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("", "interrupted at the end of the program"),
        ("with executor: pass", "KeyboardInterrupt"),
        ("try:\n    with executor: pass\nexcept KeyboardInterrupt: print('caught')", "caught"),
    ],
    ids=["end", "with", "caught"],
)
def test_a_script_that_is_interrupted_while_it_waits_removes_its_jobs(pool, body, told):
    """The script waits at its end, or at the end of a with block. It then waits until the jobs are removed."""
    text = """
import time
from condor_futures import CondorExecutor
executor = CondorExecutor(access_point="personal", warm=0)
watcher = executor._engine.watcher
print(watcher.session.id, flush=True)
future = executor.submit(time.sleep, 300)
while not future.running():
    time.sleep(0.02)
join = watcher.join

def told(*arguments):
    print("waiting", flush=True)
    return join(*arguments)

watcher.join = told
"""
    with client(pool, text + body) as script:
        session = script.stdout.readline().strip()
        assert script.stdout.readline().strip() == "waiting", script.communicate()[1]
        script.send_signal(signal.SIGINT)
        out, err = script.communicate(timeout=100)
    assert pool.ads("condor_q", f'CondorFuturesSession == "{session}"') == []
    assert "Exception ignored" not in err
    assert "caught" not in told or "caught" in out
    assert told == "caught" or told in err
    assert not (sessions_directory() / f"condor_futures-{session}").exists()


def test_an_interruption_of_something_else_removes_no_jobs(pool):
    """For example, a line at a prompt was interrupted, long before."""
    text = """
        import sys
        from condor_futures import CondorExecutor
        sys.last_value = KeyboardInterrupt()
        sys.last_type = KeyboardInterrupt
        executor = CondorExecutor(access_point="personal", warm=0)
        executor.submit(pow, 2, 10).add_done_callback(lambda future: print(future.result(), flush=True))
    """
    with client(pool, text) as script:
        out, err = script.communicate(timeout=100)
    assert out.split() == ["1024"], err


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_process_of_multiprocessing_that_ends_without_shutdown_has_its_results(pool, tmp_path, method):
    """Such a process ends differently from other programs, and leaves nothing either."""
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
        import multiprocessing, sys
        from condor_futures import CondorExecutor

        def main():
            executor = CondorExecutor(access_point="personal", warm=0)
            print(executor.session, flush=True)
            executor.submit(pow, 2, 10).add_done_callback(lambda future: print(future.result(), flush=True))

        if __name__ == "__main__":
            process = multiprocessing.get_context(sys.argv[1]).Process(target=main)
            process.start()
            process.join()
        """)
    )
    done = subprocess.run(
        [sys.executable, str(script), method], capture_output=True, text=True, timeout=100, check=False
    )
    session, value = done.stdout.split()
    assert value == "1024", done.stderr
    assert not Path(session).exists()


def test_a_process_of_multiprocessing_may_leave_its_session(pool):
    """Another client can attach to the session, although the executor still existed at the exit."""
    text = """
        import multiprocessing
        from condor_futures import CondorExecutor

        def main():
            global executor
            executor = CondorExecutor(access_point="personal", warm=0)
            executor.submit(pow, 2, 10)
            print(executor.detach(), flush=True)

        process = multiprocessing.get_context("fork").Process(target=main)
        process.start()
        process.join()
    """
    with client(pool, text) as script:
        out, err = script.communicate(timeout=100)
    with CondorExecutor.attach(out.strip()) as executor:
        assert [future.result() for future in executor.futures.values()] == [1024], err


def test_a_second_ctrl_c_ends_a_program_whose_jobs_cannot_be_removed(pool):
    """Its session stays, with which the jobs can be removed later."""
    text = """
        import time
        from condor_futures import CondorExecutor
        with CondorExecutor(access_point="personal", warm=0) as executor:
            print(executor._engine.session.id, executor._engine.watcher.access_point._process.pid, flush=True)
            future = executor.submit(time.sleep, 300)
            while not future.running():
                time.sleep(0.02)
            print("running", flush=True)
            while True:  # (one long sleep might begin after the signal has come, and not hear of it)
                time.sleep(0.05)
    """
    with client(pool, text) as script:
        session, helper = script.stdout.readline().split()
        assert script.stdout.readline().strip() == "running"
        os.kill(int(helper), signal.SIGSTOP)
        try:
            script.send_signal(signal.SIGINT)
            assert "waiting for its jobs to be removed" in script.stderr.readline()
            script.send_signal(signal.SIGINT)
            script.wait(60)
        finally:
            os.kill(int(helper), signal.SIGKILL)
        _, err = script.communicate(timeout=100)
    assert f"`condor-futures purge {session}` removes them" in err
    assert err.count("KeyboardInterrupt\n") == 1
    assert purge(session) == 1


def test_an_executor_that_is_shut_down_in_a_forked_child_does_not_hang(executor):
    """The child does not have its threads."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            executor.shutdown(cancel_futures=True)
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert executor.submit(pow, 2, 2).result() == 4


def test_a_schedd_is_found_whose_address_files_are_empty(own_pool):
    """It started on a full disk, and does not write these files again when there is room."""
    names = own_pool.run("condor_config_val", "SCHEDD_ADDRESS_FILE", "SCHEDD_SUPER_ADDRESS_FILE").splitlines()
    emptied = [path for path in map(Path, names) if path.exists()]
    assert emptied
    for path in emptied:
        os.truncate(path, 0)
    with CondorExecutor(access_point="personal") as executor:
        assert executor.submit(abs, -1).result(60) == 1
    assert all(path.stat().st_size == 0 for path in emptied)
    assert own_pool.personal.status().slots == 4
