"""The result of map(): results in order, of calls that are submitted as they are needed."""

from __future__ import annotations

import gc
import itertools
import threading
import time
import weakref
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as WaitError

import pytest

from condor_futures.executor.map_results import argument_tuples, is_of_map, results
from condor_futures.future import CondorFuture


class Chunks:
    """Calls that are done as soon as they are submitted, unless the test says otherwise."""

    def __init__(self, *sizes, pending=()):
        self.sizes = sizes
        self.pending = pending
        self.futures = []

    def __iter__(self):
        for size in self.sizes:
            chunk = [CondorFuture(f"c{len(self.futures) + n}") for n in range(size)]
            for future in chunk:
                self.futures.append(future)
                if len(self.futures) - 1 not in self.pending:
                    future.resolve(len(self.futures) - 1, None)
            yield chunk


def test_results_are_in_order_over_all_chunks():
    chunks = Chunks(2, 1, 3)
    assert list(results(iter(chunks), None, None)) == [0, 1, 2, 3, 4, 5]


def test_results_come_in_order_whatever_ends_first():
    chunks = Chunks(1, 1, pending=[0])
    iterator = results(iter(chunks), None, None)
    chunks.futures[0].resolve("last", None)
    assert list(iterator) == ["last", 1]


def test_a_result_belongs_to_whoever_takes_it():
    class Value:
        pass

    chunks = Chunks(1, pending=[0])
    iterator = results(iter(chunks), None, None)
    chunks.futures[0].resolve(Value(), None)
    gone = weakref.ref(chunks.futures.pop().result(0))
    next(iterator)
    gc.collect()
    assert gone() is None


def test_without_a_buffersize_all_is_submitted_at_once():
    """The standard map() also submits before anyone asks for a result."""
    chunks = Chunks(1, 1, 1)
    iterator = results(iter(chunks), None, None)
    assert len(chunks.futures) == 3
    assert next(iterator) == 0


def test_so_many_chunks_are_ahead_of_what_was_taken():
    """One more chunk is submitted before map() waits for the results of the first."""
    chunks = Chunks(*[2] * 10)
    iterator = results(iter(chunks), 3, None)
    submitted = [len(chunks.futures)]
    for _ in range(4):
        next(iterator)
        submitted.append(len(chunks.futures))
    assert submitted == [6, 8, 8, 10, 10]


def test_closing_cancels_what_was_submitted():
    chunks = Chunks(2, 2, 2, pending=range(1, 6))
    iterator = results(iter(chunks), 2, None)
    assert next(iterator) == 0
    iterator.close()
    assert [future.cancelled() for future in chunks.futures] == [False, *[True] * 5]


def test_what_is_not_there_in_time_is_cancelled():
    """All later calls are cancelled too."""
    chunks = Chunks(1, 1, 1, pending=[1, 2])
    iterator = results(iter(chunks), None, time.monotonic() + 0.05)
    assert next(iterator) == 0
    with pytest.raises(WaitError):
        next(iterator)
    assert [future.cancelled() for future in chunks.futures] == [False, True, True]


def test_an_exception_ends_it():
    chunks = Chunks(1, 1, pending=[0, 1])
    iterator = results(iter(chunks), None, None)
    chunks.futures[0].resolve(None, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        next(iterator)
    assert chunks.futures[1].cancelled()
    assert list(iterator) == []


def test_it_is_known_without_a_look_into_it():
    """A look would wait for its first result."""
    chunks = Chunks(1, pending=[0])
    assert is_of_map(results(iter(chunks), None, None))
    assert is_of_map(results(iter(Chunks()), None, None, ordered=False))
    assert not any(map(is_of_map, [iter(chunks), iter(()), [], None, CondorFuture("c0")]))


def test_results_come_as_the_calls_end():
    chunks = Chunks(2, 2, pending=range(4))
    iterator = results(iter(chunks), None, None, ordered=False)
    for number in (3, 0, 2, 1):
        chunks.futures[number].resolve(number, None)
        assert next(iterator) == number
    assert list(iterator) == []


def test_a_result_wakes_the_thread_that_waits_for_any():
    chunks = Chunks(2, pending=[0, 1])
    iterator = results(iter(chunks), None, None, ordered=False)
    threading.Timer(0.02, chunks.futures[1].resolve, ["second", None]).start()
    assert next(iterator) == "second"


def test_without_order_so_many_chunks_have_results_that_were_not_taken():
    """A slow call keeps its own chunk, and the others go on."""
    chunks = Chunks(*[2] * 10, pending=[0])
    iterator = results(iter(chunks), 2, None, ordered=False)
    submitted = [len(chunks.futures)]
    for _ in range(19):
        next(iterator)
        submitted.append(len(chunks.futures))
    assert submitted[:7] == [4, 4, 4, 6, 6, 8, 8]
    assert submitted[-1] == 20
    chunks.futures[0].resolve("slow", None)
    assert list(iterator) == ["slow"]


def test_without_order_closing_cancels_what_was_submitted():
    chunks = Chunks(2, 2, 2, pending=[0, 2, 3])
    iterator = results(iter(chunks), 2, None, ordered=False)
    assert next(iterator) == 1
    iterator.close()
    assert [future.cancelled() for future in chunks.futures] == [True, False, True, True]


def test_without_order_a_result_belongs_to_whoever_takes_it():
    class Value:
        pass

    chunks = Chunks(2, pending=[0, 1])
    iterator = results(iter(chunks), None, None, ordered=False)
    chunks.futures[1].resolve(Value(), None)
    gone = weakref.ref(chunks.futures.pop().result(0))
    next(iterator)
    assert gone() is None


def test_without_order_nothing_outlives_the_iterator():
    chunks = Chunks(2, pending=[0, 1])
    iterator = results(iter(chunks), None, time.monotonic(), ordered=False)
    with pytest.raises(WaitError):
        next(iterator)
    gone = [weakref.ref(future) for future in chunks.futures]
    gc.disable()
    try:
        chunks.futures.clear()
        assert [future() for future in gone] == [None, None]
    finally:
        gc.enable()


def test_without_order_an_exception_ends_it():
    chunks = Chunks(2, 1, pending=range(3))
    iterator = results(iter(chunks), None, None, ordered=False)
    chunks.futures[2].resolve(None, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        next(iterator)
    assert [future.cancelled() for future in chunks.futures] == [True, True, False]


@pytest.mark.parametrize("ordered", [True, False])
def test_exceptions_are_returned_on_request(ordered):
    chunks = Chunks(2, 2, pending=[1, 2])
    iterator = results(iter(chunks), None, None, ordered=ordered, return_exceptions=True)
    chunks.futures[1].resolve(None, ZeroDivisionError("division"))
    chunks.futures[2].cancel()
    found = sorted(map(repr, iterator))
    assert found == sorted(["0", repr(ZeroDivisionError("division")), repr(CancelledError()), "3"])


@pytest.mark.parametrize("ordered", [True, False])
def test_a_wait_that_is_over_is_no_exception_of_a_call(ordered):
    """But the TimeoutError of a call is."""
    chunks = Chunks(1, 1, pending=[0, 1])
    iterator = results(iter(chunks), None, time.monotonic() + 0.05, ordered=ordered, return_exceptions=True)
    chunks.futures[0].resolve(None, TimeoutError("of the call"))
    assert str(next(iterator)) == "of the call"
    with pytest.raises(WaitError):
        next(iterator)
    assert chunks.futures[1].cancelled()


def test_arguments_are_read_as_they_are_needed():
    tuples = argument_tuples((n, n + 1) for n in itertools.count())
    assert list(itertools.islice(tuples, 2)) == [(0, 1), (1, 2)]
