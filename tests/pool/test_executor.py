"""The executor on a real pool: values, order, clusters, spooling, and cleanup."""

from __future__ import annotations

import itertools
import os
import pathlib
import threading
import time
from concurrent.futures import ALL_COMPLETED, as_completed, wait
from concurrent.futures import TimeoutError as WaitError

import numpy as np
import pytest
from support import until

from condor_futures import CondorExecutor, PayloadError, shell

pytestmark = pytest.mark.pool


@pytest.mark.parametrize("spool", [True, False])
def test_forty_calls_become_one_cluster_and_leave_nothing(pool, new_executor, spool):
    """The 40 calls of one map are one cluster. Each job is spooled on request.

    Afterwards, queue and spool are empty.
    """
    executor = new_executor(spool=spool)
    with executor:
        assert list(executor.map(pow, range(40), itertools.repeat(2))) == [n * n for n in range(40)]
    assert pool.queue(executor) == []
    ads = pool.history(executor, 40)
    assert len(ads) == 40
    assert len({ad["ClusterId"] for ad in ads}) == 1
    assert all(("StageInStart" in ad) is spool for ad in ads)
    assert {ad["JobStatus"] for ad in ads} == {4}, "they left as completed, not as removed"
    spool_directory = pathlib.Path(pool.run("condor_config_val", "SPOOL").strip())
    clusters = {str(ad["ClusterId"] % 10000) for ad in ads}
    assert not [path for path in spool_directory.iterdir() if path.name in clusters]


def test_a_site_that_materialises_jobs_late_does_not_keep_them_back(new_executor, monkeypatch):
    """Late materialization would apply by default to clusters of several jobs.

    Their input files would then not be spooled.
    """
    monkeypatch.setenv("_CONDOR_SUBMIT_FACTORY_JOBS_BY_DEFAULT", "true")
    assert list(new_executor().map(pow, range(2), [2, 2])) == [0, 1]


def test_calls_submitted_one_by_one_share_a_cluster(pool, new_executor):
    """A loop of submit() makes few clusters."""
    executor = new_executor()
    futures = [executor.submit(pow, n, 2) for n in range(30)]
    assert [future.result() for future in futures] == [n * n for n in range(30)]
    # One or two; more where the loop is interrupted by other programs for some milliseconds.
    assert len({future.job_id.split(".")[0] for future in futures}) <= 10


def test_a_chunk_of_calls_is_one_job(pool, new_executor):
    """chunksize=10 makes ten jobs of a hundred calls."""
    executor = new_executor()
    assert list(executor.map(pow, range(100), itertools.repeat(2), chunksize=10)) == [n * n for n in range(100)]
    executor.shutdown()
    assert len(pool.history(executor, 10)) == 10


def test_map_gives_results_in_order_and_lazily(executor):
    """The first result is available while a later call still runs."""
    results = executor.map(time.sleep, [0.01, 60], chunksize=1)
    assert next(results) is None
    results.close()  # cancels the sleeper


def test_map_times_out(executor):
    """A result that is not ready in time raises TimeoutError."""
    results = executor.map(time.sleep, [60], timeout=0.05)
    with pytest.raises(WaitError):
        next(results)


def test_map_with_a_buffersize_reads_ahead_only_so_far(executor):
    """map() accepts an endless iterable."""
    read = []

    def numbers():
        for n in itertools.count():
            read.append(n)
            yield n

    results = executor.map(abs, numbers(), buffersize=3)
    assert len(read) == 3
    assert [next(results) for _ in range(2)] == [0, 1]
    assert len(read) == 5
    results.close()


def test_chunksize_auto_fits_the_limit_of_jobs(pool, new_executor):
    """With two workers, a hundred calls make eight jobs."""
    executor = new_executor(max_workers=2)
    assert list(executor.map(abs, range(-100, 0), chunksize="auto")) == list(range(100, 0, -1))
    executor.shutdown()
    assert len(pool.history(executor, 8)) == 8


def test_chunksize_auto_fits_the_cores_of_the_pool(pool, new_executor):
    """Each core gets four jobs, although the queue could have many more."""
    executor = new_executor()
    assert list(executor.map(abs, range(200), chunksize="auto")) == list(range(200))
    executor.shutdown()
    assert len(pool.history(executor, 29)) == 29  # 32 jobs would have 6.25 calls each: so 7


def test_max_workers_limits_the_jobs_in_the_queue(pool, new_executor):
    """The queue never has more jobs, and all calls run."""
    executor = new_executor(max_workers=3)
    futures = [executor.submit(time.sleep, 0.2) for _ in range(9)]
    most = 0
    while not all(future.done() for future in futures):
        most = max(most, sum(ad["JobStatus"] != 4 for ad in pool.queue(executor)))
    assert 0 < most <= 3


def test_closures_and_lambdas_and_large_values_travel(executor):
    """Everything that cloudpickle accepts travels in both directions."""
    import numpy as np

    offset = 10
    array = np.arange(1_000_000.0)
    doubled = executor.submit(lambda values: 2 * values + offset, array)
    add = executor.submit(lambda x: lambda y: x + y, 1)
    np.testing.assert_array_equal(doubled.result(), 2 * array + 10)
    assert add.result()(2) == 3


def test_keywords_belong_to_the_users_function(executor):
    """Even the names self and fn are free."""
    assert executor.submit(dict, self=1, fn=2, timeout=3).result() == {"self": 1, "fn": 2, "timeout": 3}


def test_running_follows_the_execute_event(executor, tmp_path):
    """A future is running while its job executes, and not before."""
    go = tmp_path / "go"

    def wait_for(path):
        while not path.exists():
            time.sleep(0.02)
        return os.getpid()

    future = executor.submit(wait_for, go)
    until(future.running)
    assert future.state == "running"
    assert not future.done()
    go.touch()
    assert future.result() != os.getpid()
    assert future.state == "done"


def test_wait_as_completed_and_callbacks_work(executor):
    """They work as with any other executor."""
    futures = [executor.submit(pow, n, 2) for n in range(5)]
    called = []
    futures[0].add_done_callback(called.append)
    assert {future.result() for future in as_completed(futures, timeout=60)} == {0, 1, 4, 9, 16}
    assert wait(futures, return_when=ALL_COMPLETED).not_done == set()
    until(lambda: called == [futures[0]])


def test_a_callback_may_submit(executor):
    """A callback of one step of a chain may submit the next."""
    chained = threading.Event()
    results = []

    def second(future):
        follow = executor.submit(pow, future.result(), 2)
        follow.add_done_callback(lambda done: (results.append(done.result()), chained.set()))

    executor.submit(pow, 2, 3).add_done_callback(second)
    assert chained.wait(60)
    assert results == [64]


def test_output_is_the_calls_own(executor):
    """Each of two calls in one job has its own output, which is still available after the shutdown."""

    def speak(word):
        import sys

        print(word)
        print(word.upper(), file=sys.stderr)

    first, second = next(executor._intake.submit_chunks(speak, iter([("one",), ("two",)]), 2, None))
    assert (second.result(), first.result()) == (None, None)
    assert (first.stdout(), second.stdout()) == ("one\n", "two\n")
    assert ["".join(future.tail()) for future in (first, second)] == ["one\n", "two\n"]
    assert (first.stderr(), second.stderr()) == ("ONE\n", "TWO\n")
    assert first.job_id == second.job_id


def test_the_initializer_runs_before_the_calls(new_executor):
    """The initializer runs once per job."""

    def initialize(value):
        os.environ["INITIALIZED"] = value

    executor = new_executor(initializer=initialize, initargs=("yes",))
    assert executor.submit(lambda: os.environ["INITIALIZED"]).result() == "yes"


def test_a_fresh_process_after_so_many_calls(new_executor):
    """max_tasks_per_child=1 gives every call of a bundle its own process."""
    executor = new_executor(max_tasks_per_child=1)
    assert len(set(executor.map(lambda _: os.getpid(), range(3), chunksize=3))) == 3


def test_submit_commands_reach_the_job(pool, executor):
    """They are keywords of the executor, or of executors derived from it."""
    derived = executor.with_options(request_memory=99, **{"MY.Flavour": '"vanilla"'})
    future = derived.submit(time.sleep, 30)
    (ad,) = until(lambda: future.job_id and pool.ads("condor_q", f"ClusterId == {future.job_id.split('.')[0]}"))
    assert (ad["RequestMemory"], ad["Flavour"]) == (99, "vanilla")
    assert future.cancel()


def test_an_unknown_submit_command_is_refused():
    """The error comes before anything starts, and names the nearest known command."""
    with pytest.raises(TypeError, match="request_memory"):
        CondorExecutor(access_point="personal", request_memry="4GB")


def test_what_cannot_be_pickled_fails_its_own_future_at_once(executor):
    """The message has the path to the culprit. The executor continues."""
    future = executor.submit(print, {"model": [1, threading.Lock()]})
    assert future.done()
    with pytest.raises(PayloadError, match=r"\['model'\]\[1\]"):
        future.result()
    assert executor.submit(pow, 2, 2).result() == 4


def test_a_session_directory_of_ones_own_is_kept(new_executor, tmp_path):
    """The directory has the event log of all its jobs."""
    executor = new_executor(session=tmp_path / "session")
    assert executor.submit(pow, 2, 2).result() == 4
    executor.shutdown()
    assert "Job terminated" in (tmp_path / "session" / "event_log").read_text()


def test_two_executors_do_not_mix(new_executor):
    """Each gets its own results."""
    one, other = new_executor(), new_executor()
    futures = [(n, e.submit(pow, n, k)) for n in range(5) for e, k in ((one, 1), (other, 2))]
    assert [future.result() for _, future in futures] == [n**k for n in range(5) for k in (1, 2)]


def test_submitting_from_many_threads(executor):
    """Each thread gets its own results."""
    results = {}

    def work(n):
        results[n] = [executor.submit(pow, n, k).result() for k in (1, 2)]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert results == {n: [n, n * n] for n in range(8)}


def test_what_cannot_be_made_is_told_without_a_job(executor, tmp_path):
    """The function cannot be called, or a file does not exist. The future has failed when submit() returns it."""
    lacking = executor.with_options(transfer_input_files=tmp_path / "missing")
    before = executor.counts()["failed"]
    futures = [
        executor.submit("ls -l"),
        executor.submit(None),
        lacking.submit(print),
        *lacking.submit_cluster(print, count=2),
    ]
    kinds = [TypeError, TypeError, *[FileNotFoundError] * 3]
    assert [(future.done(), future.job_id, type(future.exception(0))) for future in futures] == [
        (True, None, kind) for kind in kinds
    ]
    assert futures[2].exception().filename == str(tmp_path / "missing")
    assert executor.counts()["failed"] == before + 5


def test_a_file_may_be_made_by_the_calls_before(executor, tmp_path):
    """The executor therefore does not require the file before they have ended."""
    made = tmp_path / "made.txt"
    first = executor.with_options(transfer_output_files="made.txt", transfer_output_remaps={"made.txt": made}).submit(
        lambda: pathlib.Path("made.txt").write_text("ape")
    )
    reads = executor.with_options(transfer_input_files=made)
    second = reads.submit(lambda _: pathlib.Path("made.txt").read_text(), first)
    third = reads.with_options(after=first).submit(lambda: pathlib.Path("made.txt").read_text())
    assert (second.result(100), third.result(100)) == ("ape", "ape")


def test_a_future_may_be_the_function(executor):
    """The call uses the future's value as its function."""
    assert executor.submit(executor.submit(lambda: abs), -4).result(100) == 4


def test_shell_without_a_command_is_refused(executor):
    """The job would call shell, which returns a callable, and no command would run."""
    for submit in (
        lambda: executor.submit(shell, "ls"),
        lambda: executor.map(shell, ["ls"]),
        lambda: executor.submit_cluster(shell, "ls", count=2),
    ):
        with pytest.raises(TypeError, match=r"submit\(shell\('ls -l'\)\), not submit\(shell, 'ls -l'\)"):
            submit()


def test_results_are_nothing_to_come_after(executor):
    """The error comes at once, while the calls of map() may run for hours. It takes none of their results."""
    results = executor.map(abs, [-4])
    with pytest.raises(TypeError, match=r"after must be futures, but map\(\) returns results"):
        executor.with_options(after=results)
    assert list(results) == [4]


def test_counts_may_be_of_numpy(new_executor):
    """The standard library accepts them too."""
    executor = new_executor(max_workers=np.int64(3))
    assert list(executor.map(abs, [-1, -2, -3], chunksize=np.int32(2), buffersize=np.int8(1))) == [1, 2, 3]
    assert [future.result() for future in executor.submit_cluster(abs, -1, count=np.uint8(2))] == [1, 1]


@pytest.mark.parametrize(("warm", "buffersize"), [(0, None), (20, None), (20, 3)])
def test_results_come_as_the_calls_end(new_executor, warm, buffersize):
    """The first call ends last. Exceptions come among the results."""
    executor = new_executor(warm=warm)

    def wait_and_invert(n, path):
        if n == 1:
            deadline = time.monotonic() + 60
            while not pathlib.Path(path).exists() and time.monotonic() < deadline:
                time.sleep(0.02)
        return 1 / n

    go_on = executor.session / "go_on"
    arguments = [(n, str(go_on)) for n in (1, 2, 0, 4)]
    results = executor.starmap(wait_and_invert, arguments, buffersize=buffersize, ordered=False, return_exceptions=True)
    others = [next(results) for _ in range(3)]
    go_on.touch()
    assert sorted(map(str, others)) == ["0.25", "0.5", "division by zero"]
    assert list(results) == [1.0]
