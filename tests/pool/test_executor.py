"""The executor on a real pool: values, order, clusters, spooling, and nothing left behind."""

from __future__ import annotations

import itertools
import os
import pathlib
import threading
import time
from concurrent.futures import ALL_COMPLETED, as_completed, wait

import numpy as np
import pytest
from support import until

from condor_futures import CondorExecutor, PayloadError, shell

pytestmark = pytest.mark.pool


@pytest.mark.parametrize("spool", [True, False])
def test_a_hundred_calls_become_one_cluster_and_leave_nothing(pool, new_executor, spool):
    """100 calls of one map are one cluster; each job was spooled if asked for; queue and spool are empty afterwards."""
    executor = new_executor(spool=spool)
    with executor:
        assert list(executor.map(pow, range(100), itertools.repeat(2))) == [n * n for n in range(100)]
    assert pool.queue(executor) == []
    ads = pool.history(executor, 100)
    assert len(ads) == 100
    assert len({ad["ClusterId"] for ad in ads}) == 1
    assert all(("StageInStart" in ad) is spool for ad in ads)
    assert {ad["JobStatus"] for ad in ads} == {4}, "they left as completed, not as removed"
    spool_directory = pathlib.Path(pool.run("condor_config_val", "SPOOL").strip())
    clusters = {str(ad["ClusterId"] % 10000) for ad in ads}
    assert not [path for path in spool_directory.iterdir() if path.name in clusters]


def test_a_site_that_materialises_jobs_late_does_not_keep_them_back(new_executor, monkeypatch):
    """By default, which is for clusters of several jobs; then their input files would not be spooled."""
    monkeypatch.setenv("_CONDOR_SUBMIT_FACTORY_JOBS_BY_DEFAULT", "true")
    assert list(new_executor().map(pow, range(2), [2, 2])) == [0, 1]


def test_calls_submitted_one_by_one_share_a_cluster(pool, new_executor):
    """A loop of submit() becomes few clusters."""
    executor = new_executor()
    futures = [executor.submit(pow, n, 2) for n in range(30)]
    assert [future.result() for future in futures] == [n * n for n in range(30)]
    assert len({future.job_id.split(".")[0] for future in futures}) <= 3


def test_a_chunk_of_calls_is_one_job(pool, new_executor):
    """chunksize=10 makes ten jobs of a hundred calls."""
    executor = new_executor()
    assert list(executor.map(pow, range(100), itertools.repeat(2), chunksize=10)) == [n * n for n in range(100)]
    executor.shutdown()
    assert len(pool.history(executor, 10)) == 10


def test_map_gives_results_in_order_and_lazily(executor):
    """The first result can be taken while a later call still runs."""
    results = executor.map(time.sleep, [0.01, 60], chunksize=1)
    assert next(results) is None
    results.close()  # cancels the sleeper


def test_map_times_out(executor):
    """A result that is not there in time raises TimeoutError."""
    results = executor.map(time.sleep, [60], timeout=0.05)
    with pytest.raises(TimeoutError):
        next(results)


def test_map_with_a_buffersize_reads_ahead_only_so_far(executor):
    """An endless iterable can be mapped."""
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
    """With two workers, a hundred calls become eight jobs."""
    executor = new_executor(max_workers=2)
    assert list(executor.map(abs, range(-100, 0), chunksize="auto")) == list(range(100, 0, -1))
    executor.shutdown()
    assert len(pool.history(executor, 8)) == 8


def test_chunksize_auto_fits_the_cores_of_the_pool(pool, new_executor):
    """Four jobs for each, though many more may be in the queue."""
    executor = new_executor()
    assert list(executor.map(abs, range(200), chunksize="auto")) == list(range(200))
    executor.shutdown()
    assert len(pool.history(executor, 29)) == 29  # 32 would be 7 calls to a job, but for the last


def test_max_workers_limits_the_jobs_in_the_queue(pool, new_executor):
    """At no time are there more jobs in the queue, and all calls are made."""
    executor = new_executor(max_workers=3)
    futures = [executor.submit(time.sleep, 0.2) for _ in range(9)]
    most = 0
    while not all(future.done() for future in futures):
        most = max(most, sum(ad["JobStatus"] != 4 for ad in pool.queue(executor)))
    assert 0 < most <= 3


def test_closures_and_lambdas_and_large_values_travel(executor):
    """Anything that cloudpickle takes, both ways."""
    import numpy as np

    offset = 10
    array = np.arange(1_000_000.0)
    doubled = executor.submit(lambda values: 2 * values + offset, array)
    add = executor.submit(lambda x: lambda y: x + y, 1)
    np.testing.assert_array_equal(doubled.result(), 2 * array + 10)
    assert add.result()(2) == 3


def test_keywords_belong_to_the_users_function(executor):
    """Not even self and fn are taken."""
    assert executor.submit(dict, self=1, fn=2, timeout=3).result() == {"self": 1, "fn": 2, "timeout": 3}


def test_running_follows_the_execute_event(executor, tmp_path):
    """A future runs when its job executes, and not before."""
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
    """As with any other executor."""
    futures = [executor.submit(pow, n, 2) for n in range(5)]
    called = []
    futures[0].add_done_callback(called.append)
    assert {future.result() for future in as_completed(futures, timeout=60)} == {0, 1, 4, 9, 16}
    assert wait(futures, return_when=ALL_COMPLETED).not_done == set()
    until(lambda: called == [futures[0]])


def test_a_callback_may_submit(executor):
    """The next step of a chain can be submitted from the callback of the one before."""
    chained = threading.Event()
    results = []

    def second(future):
        follow = executor.submit(pow, future.result(), 2)
        follow.add_done_callback(lambda done: (results.append(done.result()), chained.set()))

    executor.submit(pow, 2, 3).add_done_callback(second)
    assert chained.wait(60)
    assert results == [64]


def test_output_is_the_calls_own(executor):
    """Of two calls in one job each has what it printed, and it can be read after the shutdown."""

    def speak(word):
        import sys

        print(word)
        print(word.upper(), file=sys.stderr)

    first, second = next(executor._intake.submit_chunks(speak, iter([("one",), ("two",)]), 2, None))
    assert (second.result(), first.result()) == (None, None)
    assert (first.stdout(), second.stdout()) == ("one\n", "two\n")
    assert (first.stderr(), second.stderr()) == ("ONE\n", "TWO\n")
    assert first.job_id == second.job_id


def test_the_initializer_runs_before_the_calls(new_executor):
    """Once per job."""

    def initialize(value):
        os.environ["INITIALIZED"] = value

    executor = new_executor(initializer=initialize, initargs=("yes",))
    assert executor.submit(lambda: os.environ["INITIALIZED"]).result() == "yes"


def test_a_fresh_process_after_so_many_calls(new_executor):
    """max_tasks_per_child=1 gives every call of a bundle its own process."""
    executor = new_executor(max_tasks_per_child=1)
    assert len(set(executor.map(lambda _: os.getpid(), range(3), chunksize=3))) == 3


def test_submit_commands_reach_the_job(pool, executor):
    """As keywords of the executor, and of executors derived from it."""
    derived = executor.with_options(request_memory=99, **{"MY.Flavour": '"vanilla"'})
    future = derived.submit(time.sleep, 30)
    (ad,) = until(lambda: future.job_id and pool.ads("condor_q", f"ClusterId == {future.job_id.split('.')[0]}"))
    assert (ad["RequestMemory"], ad["Flavour"]) == (99, "vanilla")
    assert future.cancel()


def test_an_unknown_submit_command_is_refused():
    """Before anything is started, and with the nearest known name."""
    with pytest.raises(TypeError, match="request_memory"):
        CondorExecutor(access_point="personal", request_memry="4GB")


def test_what_cannot_be_pickled_fails_its_own_future_at_once(executor):
    """The message has the path to the culprit; the executor goes on."""
    future = executor.submit(print, {"model": [1, threading.Lock()]})
    assert future.done()
    with pytest.raises(PayloadError, match=r"\['model'\]\[1\]"):
        future.result()
    assert executor.submit(pow, 2, 2).result() == 4


def test_a_session_directory_of_ones_own_is_kept(new_executor, tmp_path):
    """With the event log of all its jobs."""
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
    """What is called is nothing that can be, or a file is not there: the future has failed when it is returned."""
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
    """So it is not missed before they have ended."""
    made = tmp_path / "made.txt"
    first = executor.with_options(transfer_output_files="made.txt", transfer_output_remaps={"made.txt": made}).submit(
        lambda: pathlib.Path("made.txt").write_text("ape")
    )
    reads = executor.with_options(transfer_input_files=made)
    second = reads.submit(lambda _: pathlib.Path("made.txt").read_text(), first)
    third = reads.with_options(after=first).submit(lambda: pathlib.Path("made.txt").read_text())
    assert (second.result(100), third.result(100)) == ("ape", "ape")


def test_a_future_may_be_the_function(executor):
    """Its value is called."""
    assert executor.submit(executor.submit(lambda: abs), -4).result(100) == 4


def test_shell_without_a_command_is_refused(executor):
    """It would be called in the job, to return a callable there, and nothing would have run."""
    for submit in (
        lambda: executor.submit(shell, "ls"),
        lambda: executor.map(shell, ["ls"]),
        lambda: executor.submit_cluster(shell, "ls", count=2),
    ):
        with pytest.raises(TypeError, match=r"submit\(shell\('ls -l'\)\), not submit\(shell, 'ls -l'\)"):
            submit()


def test_results_are_nothing_to_come_after(executor):
    """It is said at once, while the calls of map() may run for hours; and none of the results is taken."""
    results = executor.map(abs, [-4])
    with pytest.raises(TypeError, match=r"after must be futures, and map\(\) gives results"):
        executor.with_options(after=results)
    assert list(results) == [4]


def test_counts_may_be_of_numpy(new_executor):
    """As the standard library takes them."""
    executor = new_executor(max_workers=np.int64(3))
    assert list(executor.map(abs, [-1, -2, -3], chunksize=np.int32(2), buffersize=np.int8(1))) == [1, 2, 3]
    assert [future.result() for future in executor.submit_cluster(abs, -1, count=np.uint8(2))] == [1, 1]
