"""The engine that executors share: its owner, and the number of cores. Tests on a pool test the rest."""

from __future__ import annotations

import contextlib
import threading
from types import SimpleNamespace

import pytest

from condor_futures.errors import AccessPointError
from condor_futures.executor import at_exit
from condor_futures.executor.engine import Engine, Numbers, start_watcher
from condor_futures.options.categories import Categories
from condor_futures.ownership import WrongThreadError
from condor_futures.recovery.evidence import Unused
from condor_futures.session.session import Session


class Watcher:
    """Has a lock, and counts the queries for cores."""

    def __init__(self):
        self.lock = threading.RLock()
        self.queries = 0
        self.answer = 3
        self.broken = None
        self.session = SimpleNamespace()

    def start(self):
        pass

    def cancel(self, future):
        pass

    def close(self):
        pass

    def join(self):
        pass

    def cores(self, _timeout):
        self.queries += 1
        if self.answer is None:
            raise AccessPointError("the collector refuses")
        return self.answer


@pytest.fixture
def engine(tmp_path):
    return Engine(Session.create(tmp_path / "session"), Watcher(), 10, Categories(), Numbers())


@pytest.fixture
def started(engine):
    with contextlib.ExitStack() as undo:
        start_watcher(engine, undo)
    yield engine
    at_exit.forget(engine.watcher)


def test_the_thread_that_creates_it_may_change_it_before_the_start(engine):
    engine.futures = {}
    engine.count_from(Unused(bundles=2, calls=3, clusters=1))
    numbers = engine.numbers
    assert (next(numbers.calls), next(numbers.bundles), next(numbers.clusters)) == (3, 2, 1)


@pytest.mark.parametrize("attribute", ["shut_down", "_cores"])
def test_only_the_holder_of_its_lock_changes_it_after_the_start(started, attribute):
    with pytest.raises(WrongThreadError, match=rf"Engine\.{attribute}: it belongs to the holder of the engine's lock"):
        setattr(started, attribute, 1)
    with started.lock:
        setattr(started, attribute, 1)


@pytest.mark.parametrize("attribute", ["session", "numbers", "futures", "max_workers", "process"])
def test_nothing_else_changes_after_the_start(started, attribute):
    with started.lock, pytest.raises(WrongThreadError, match=rf"Engine\.{attribute} must not change"):
        setattr(started, attribute, getattr(started, attribute))


def test_the_cores_are_queried_once(started):
    assert [started.workers(), started.workers()] == [3, 3]
    assert started.watcher.queries == 1


@pytest.mark.parametrize(("answer", "workers"), [(None, 10), (0, 10), (50, 10)])
def test_without_a_known_smaller_number_of_cores_the_maximum_counts(started, answer, workers):
    started.watcher.answer = answer
    assert started.workers() == workers


def test_no_lock_is_held_during_the_query(started, monkeypatch):
    """Other threads submit meanwhile."""
    free = []

    def try_it():
        free.append(started.lock.acquire(blocking=False))
        if free[-1]:
            started.lock.release()

    def cores(_timeout):
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
        return 3

    monkeypatch.setattr(started.watcher, "cores", cores)
    assert started.workers() == 3
    assert free == [True]
