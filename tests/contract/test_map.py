"""map(): what it reads and when, what it cancels, what it does not keep, and buffersize as in Python 3.14."""

from __future__ import annotations

import gc
import itertools
import sys
import threading
import time
import weakref
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures import TimeoutError as WaitError
from multiprocessing import get_context

import pytest
from support import until

pytestmark = pytest.mark.pool


class Reader:
    """Counts how many items of an endless iterable were read."""

    def __init__(self):
        self.count = 0

    def __iter__(self):
        for n in itertools.count():
            self.count += 1
            yield n


def under_way(executor):
    """Return how many calls have not ended."""
    counts = executor.counts()
    return sum(counts[state] for state in ("pending", "idle", "running", "completed"))


def test_without_a_buffersize_all_is_read_at_once(executor):
    """map() reads all iterables and submits all calls before anyone asks for the first result."""
    read = []
    results = executor.map(pow, (read.append(n) or n for n in range(4)), itertools.repeat(2))
    assert read == [0, 1, 2, 3]
    assert list(results) == [0, 1, 4, 9]


def test_map_ends_with_its_shortest_iterable(executor):
    """With no iterable, or with an empty one, there are no calls."""
    assert list(executor.map(pow, [2, 3, 4], [5, 6])) == [32, 729]
    assert list(executor.map(pow, [], [1])) == []
    assert list(executor.map(abs)) == []
    assert list(executor.map(abs, buffersize=2)) == []


@pytest.mark.parametrize("buffersize", [1, 2, 5, 10])
def test_a_buffersize_changes_no_result(executor, buffersize):
    """The buffersize may be below, at or above the number of calls."""
    assert list(executor.map(pow, range(5), [2] * 5, buffersize=buffersize)) == [0, 1, 4, 9, 16]


def test_a_full_buffer_reads_no_more(executor):
    """Finished calls count until their results are taken."""
    reader = Reader()
    results = executor.map(abs, reader, buffersize=3)
    until(lambda: under_way(executor) == 0)
    assert reader.count == 3
    results.close()


def test_the_next_call_is_submitted_before_a_result_is_waited_for(executor, tmp_path):
    """So the number of calls under way always equals the size of the buffer."""
    go = tmp_path / "go"

    def wait_for(path, n):
        while not path.exists():
            time.sleep(0.02)
        return n

    reader = Reader()
    results = executor.map(wait_for, itertools.repeat(go), reader, buffersize=1)
    taken = []
    taker = threading.Thread(target=lambda: taken.append(next(results)))
    taker.start()
    try:
        until(lambda: reader.count == 2)
        assert taken == []
    finally:
        go.touch()
        taker.join(60)
    assert taken == [0]
    results.close()


def test_the_buffer_counts_chunks(executor):
    """map() submits a new chunk when it begins to return the results of one, not at each result."""
    reader = Reader()
    results = executor.map(abs, reader, chunksize=5, buffersize=2)
    assert reader.count == 10
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert reader.count == 15
    assert next(results) == 5
    assert reader.count == 20
    results.close()


def order(executor, count, **options):
    """Return the reads and the results of map(), in order."""
    events = []
    numbers = (events.append(f"{n} is read") or n for n in range(count))
    events.extend(f"{result} is given" for result in executor.map(abs, numbers, **options))
    return events


@pytest.mark.parametrize("spool", [True, False])
def test_reading_and_giving_alternate(executor, spool):
    """map() reads one item before it returns each result, until there are no more. Python 3.14's own executors do the
    same.
    """
    executor = executor.with_options(spool=spool)
    assert order(executor, 4, buffersize=2) == [
        "0 is read", "1 is read",
        "2 is read", "0 is given",
        "3 is read", "1 is given", "2 is given", "3 is given",
    ]  # fmt: skip
    assert order(executor, 5, buffersize=1, chunksize=2) == [
        "0 is read", "1 is read",
        "2 is read", "3 is read", "0 is given", "1 is given",
        "4 is read", "2 is given", "3 is given", "4 is given",
    ]  # fmt: skip


@pytest.mark.skipif(sys.version_info < (3, 14), reason="Python has buffersize from 3.14 on")
@pytest.mark.parametrize("buffersize", [1, 2, 3, 6, 7])
@pytest.mark.parametrize("chunksize", [1, 2, 4])
def test_the_order_is_the_standard_librarys(executor, buffersize, chunksize):
    """All combinations of sizes have the same order."""
    options = {"buffersize": buffersize, "chunksize": chunksize}
    with ProcessPoolExecutor(1, mp_context=get_context("forkserver")) as processes:
        expected = order(processes, 6, **options)
    assert order(executor, 6, **options) == expected
    if chunksize == 1:
        with ThreadPoolExecutor(1) as threads:
            assert order(threads, 6, buffersize=buffersize) == expected


class Counted:
    """Counts the instances that exist at the same time."""

    alive = most = 0

    def __init__(self, n):
        self.n = n
        Counted.alive += 1
        Counted.most = max(Counted.most, Counted.alive)

    def __del__(self):
        Counted.alive -= 1

    def __reduce__(self):
        return int, (self.n,)  # the job gets a number, so that only the client's instances count


@pytest.mark.parametrize(("count", "buffersize"), [(5_000, None), (20_000, 2)])
def test_many_arguments_are_not_held_all_at_once(executor, monkeypatch, count, buffersize):
    """They come from a generator.

    Submitted arguments are on disk. The client holds the chunk that it reads, and maybe the previous one.
    """
    monkeypatch.setattr(Counted, "most", 0)
    chunksize = count // 10
    results = executor.map(abs, map(Counted, range(count)), chunksize=chunksize, buffersize=buffersize)
    assert sum(results) == sum(range(count))
    assert Counted.most <= 2 * chunksize


def test_a_buffered_map_submits_nothing_after_the_shutdown(new_executor):
    """map() raises like submit(); it does not end as if there were no more calls."""
    executor = new_executor()
    results = executor.map(abs, Reader(), buffersize=2)
    executor.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        list(results)


def test_whoever_gives_up_the_results_gives_up_the_calls(new_executor):
    """Closing the iterator, a timeout and an exception of a call each cancel the remaining calls."""
    executor = new_executor()

    def sleep(seconds):
        return time.sleep(seconds) if seconds else 1 / 0

    closed = executor.map(sleep, [0.01, 300, 300])
    failed = executor.map(sleep, [0, 300, 300])
    late = executor.map(sleep, [300, 300], timeout=0)
    assert next(closed) is None
    closed.close()
    with pytest.raises(ZeroDivisionError):
        next(failed)
    with pytest.raises(WaitError):
        next(late)
    until(lambda: under_way(executor) == 0)
    for results in (closed, failed, late):
        assert list(results) == []


def test_a_timeout_counts_from_the_call_of_map(executor):
    """map() returns results that are ready in time, however late they are taken."""
    results = executor.map(abs, [-1, -2], timeout=60)
    until(lambda: under_way(executor) == 0)
    assert list(results) == [1, 2]


@pytest.mark.parametrize("buffersize", [None, 1, 2])
def test_map_keeps_neither_arguments_nor_results(executor, buffersize):
    """They are free even while the iterator exists."""

    class Thing:
        pass

    alive = weakref.WeakSet()

    def things():
        for _ in range(3):
            thing = Thing()
            alive.add(thing)
            yield thing

    results = executor.map(lambda thing: thing, things(), buffersize=buffersize)
    for result in results:
        alive.add(result)
        del result
    until(lambda: gc.collect() is not None and not alive)
    assert list(results) == []


def test_a_result_belongs_to_whoever_took_it(executor):
    """The iterator does not keep the result until someone asks for the next one."""

    class Thing:
        pass

    for thing in executor.map(lambda _: Thing(), range(3)):
        taken = weakref.ref(thing)
        del thing
        gc.collect()
        until(lambda: taken() is None)  # noqa: B023 - the thread that told of it may be about to let go


def test_an_exception_is_not_kept_alive_by_its_traceback(executor):
    """The caller that catches the exception has the last reference to it."""

    class GoneError(Exception):
        pass

    def fail(_):
        raise GoneError

    results = executor.map(fail, [1])
    try:
        next(results)
    except Exception as error:
        gone = weakref.ref(error)
    until(lambda: gone() is None)
