"""The futures of a session are found by key and by name."""

from __future__ import annotations

import pytest

from condor_futures.executor.session_futures import SessionFutures
from condor_futures.future import CondorFuture


def named(key, name):
    future = CondorFuture(key)
    future.name = name
    return future


def test_a_name_stands_for_the_last_call_that_has_it():
    futures = SessionFutures([named("c0", "fit"), CondorFuture("c1")])
    futures.add(again := named("c2", "fit"))
    assert futures["fit"] is again
    assert [future.name for future in futures.values()] == ["fit", None, "fit"]
    assert list(futures) == ["c0", "c1", "c2"]
    assert "fit" in futures
    assert len(futures) == 3


def test_a_key_is_not_hidden_by_a_name():
    futures = SessionFutures([first := CondorFuture("c0"), named("c1", "c0")])
    assert futures["c0"] is first


def test_what_is_not_there():
    futures = SessionFutures()
    assert futures.get("fit") is None
    with pytest.raises(KeyError):
        futures["fit"]


def test_calls_may_come_while_futures_are_listed():
    futures = SessionFutures([CondorFuture("c0")])
    for _ in futures:
        futures.add(CondorFuture("c1"))
    assert list(futures) == ["c0", "c1"]
