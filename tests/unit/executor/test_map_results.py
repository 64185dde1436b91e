"""The iterator of map(): in order, no further ahead than it may, and what is not taken is cancelled."""

from __future__ import annotations

import gc
import weakref
from collections import deque
from time import monotonic

import pytest

from condor_futures.executor.map_results import results
from condor_futures.future import CondorFuture


class Value:
    """Something that can be waited for to be collected."""


def futures(*values):
    made = []
    for number, value in enumerate(values):
        future = CondorFuture(f"c{number:06d}")
        if value is not None:
            future.resolve(value, None)
        made.append(future)
    return made


def test_results_come_in_order_whatever_ends_first():
    first, second = futures(None, 2)
    iterator = results(deque([[first], [second]]), iter([]), None)
    first.resolve(1, None)
    assert list(iterator) == [1, 2]


def test_another_chunk_is_submitted_for_each_that_is_begun():
    """Before its result is waited for."""
    submitted = []

    def chunks():
        for number in (3, 4):
            submitted.append(number)
            yield futures(number)

    iterator = results(deque([futures(1), futures(2)]), chunks(), None)
    assert submitted == []
    assert next(iterator) == 1
    assert submitted == [3]
    assert list(iterator) == [2, 3, 4]


def test_what_is_not_taken_is_cancelled():
    first, *rest = futures(1, None, None)
    iterator = results(deque([[first, rest[0]], [rest[1]]]), iter([]), None)
    assert next(iterator) == 1
    iterator.close()
    assert [future.cancelled() for future in rest] == [True, True]


def test_a_result_that_is_late_ends_the_iteration_and_cancels_the_rest():
    waits = futures(None, None)
    with pytest.raises(TimeoutError):
        list(results(deque([waits]), iter([]), monotonic()))
    assert all(future.cancelled() for future in waits)


def test_a_result_belongs_to_whoever_takes_it():
    value = Value()
    gone = weakref.ref(value)
    iterator = results(deque([futures(value)]), iter([]), None)
    del value
    next(iterator)
    gc.collect()
    assert gone() is None
