"""The result of a DAG's map(): an iterator, and an argument of other calls."""

from __future__ import annotations

import pickle
import time
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as WaitError

import pytest

from condor_futures.dag.results import Results
from condor_futures.future import CondorFuture


@pytest.fixture
def futures():
    return [CondorFuture(f"c{n:06d}") for n in range(3)]


def test_results_come_in_order(futures):
    for number, future in enumerate(reversed(futures)):
        future.resolve(number, None)
    results = Results(futures, None)
    assert (next(results), list(results)) == (2, [1, 0])
    assert results.futures == futures


def test_the_time_is_counted_from_when_the_first_is_asked_for(futures):
    """The DAG may run much later. After a timeout, the same result can be requested again."""
    results = Results(futures, 0.2)
    time.sleep(0.3)
    futures[0].resolve("in time", None)
    assert next(results) == "in time"
    with pytest.raises(WaitError):
        next(results)
    futures[1].resolve("late", None)
    assert next(results) == "late"


def test_results_as_the_calls_end(futures):
    """Each once, and none is lost by a timeout."""
    results = Results(futures, 0.2, ordered=False)
    futures[2].resolve("first", None)
    assert next(results) == "first"
    with pytest.raises(WaitError):
        next(results)
    futures[0].resolve("second", None)
    assert next(results) == "second"
    futures[1].resolve(None, ValueError("third"))
    with pytest.raises(ValueError, match="third"):
        next(results)
    assert list(results) == []


@pytest.mark.parametrize("ordered", [True, False])
def test_exceptions_in_the_place_of_results(futures, ordered):
    futures[0].resolve(0, None)
    futures[1].resolve(None, ValueError("1"))
    futures[2].cancel()
    results = list(Results(futures, None, ordered=ordered, return_exceptions=True))
    assert [type(result) for result in results] == [int, ValueError, CancelledError]


def test_as_an_argument_it_is_a_list():
    """The list has futures, which the pickler replaces by their values."""
    assert pickle.loads(pickle.dumps(Results([], None))) == []
    futures = [CondorFuture("c000000")]
    assert Results(futures, None).__reduce__() == (list, (futures,))
