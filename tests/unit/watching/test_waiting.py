"""Calls that wait leave in their order, one by one or all of a file, and come back before all others."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from condor_futures.future import CondorFuture
from condor_futures.watching.waiting import Storage, Waiting


@pytest.fixture
def waiting():
    return Waiting()


def store(waiting, *keys, storage=None):
    storage = storage or Storage(None, SimpleNamespace(), None)
    storage.add({key: CondorFuture(key) for key in keys})
    waiting.add(storage, len(keys))
    return storage


def keys(calls):
    return [call.key for call in calls]


def test_calls_are_taken_in_the_order_in_which_they_came(waiting):
    """Also from a file that gets more calls after those of another one."""
    first = store(waiting, "a", "b")
    store(waiting, "d")
    store(waiting, "c", storage=first)
    assert len(waiting) == 4
    assert keys(waiting.take(3)) == ["a", "b", "c"]
    assert keys(waiting.take(3)) == ["d"]
    assert (len(waiting), waiting.take(1)) == (0, [])


def test_calls_that_a_job_gave_back_come_first(waiting):
    storage = store(waiting, "a", "b", "c", "d")
    taken = waiting.take(3)
    waiting.put_back(taken[2:])
    waiting.put_back(taken[:2])
    assert (len(waiting), list(waiting.storages())) == (4, [storage])
    assert keys(waiting.take(9)) == ["a", "b", "c", "d"]


def test_any_call_can_be_removed(waiting):
    storage = store(waiting, "a", "b", "c")
    waiting.put_back(waiting.take(1))
    for key in "ac":
        call = waiting.remove(storage, key)
        assert (call.key, call.future.key, call.storage) == (key, key, storage)
        assert waiting.remove(storage, key) is None
    assert keys(waiting.take(9)) == ["b"]
    assert len(waiting) == 0


def test_the_calls_of_one_file_can_be_taken(waiting):
    """Those that a job gave back are among them."""
    one, other = store(waiting, "a", "b", "c"), store(waiting, "x", "y")
    taken = waiting.take(4)
    waiting.put_back(taken[1:])
    assert keys(waiting.take_all(one)) == ["b", "c"]
    assert (len(waiting), list(waiting.storages())) == (2, [other])
    assert keys(waiting.take_all(other)) == ["x", "y"]
    assert (len(waiting), list(waiting.storages())) == (0, [])


def test_a_future_of_a_call_that_waits_is_kept_once(waiting):
    """A file keeps no futures of calls that were given to a job."""
    storage = store(waiting, *(f"c{n}" for n in range(1000)))
    for n in range(1000):
        [call] = waiting.take(1)
        assert call.key == f"c{n}"
    assert (storage.waiting, storage.unfinished) == ({}, 1000)
