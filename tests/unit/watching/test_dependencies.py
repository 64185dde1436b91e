"""Bundles wait for their parents, and the bundles of a cluster wait for each other."""

from __future__ import annotations

import gc
import itertools
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

import pytest

from condor_futures.calls.bundle import Bundle
from condor_futures.future import CondorFuture
from condor_futures.options.options import Options
from condor_futures.session.event_log import EventLog
from condor_futures.session.session import Session
from condor_futures.state_machine.states import Job
from condor_futures.watching.dependencies import Dependencies
from condor_futures.watching.watcher import Watcher


class AccessPoint:
    """Takes requests, and never answers."""

    def __init__(self):
        self.submitted = []

    def request(self, operation, _, *, items, **arguments):
        assert operation == "submit"
        self.submitted += [item["bundle"] for item in items]


@pytest.fixture
def access_point():
    return AccessPoint()


@pytest.fixture
def watcher(tmp_path, access_point):
    """The watcher is not started: the test's thread plays its part."""
    session = Session.create(tmp_path / "session")
    watcher = Watcher(
        session,
        access_point,
        EventLog(session.event_log),
        max_jobs=10,
        categories={},
        transfer="YES",
        afterwards=lambda: None,
        next_bundle=itertools.count().__next__,
    )
    yield watcher
    watcher._under_way.effects.log.close()


def bundle(watcher, number, after=(), cluster="k000000"):
    """Make a bundle like :meth:`attach`, with options of its own, even if they are equal to others."""
    key, call = f"b{number:06d}", f"c{number:06d}"
    future = CondorFuture(call, watcher.cancel)
    options = Options({}, spool=True, cluster=cluster)
    made = Bundle(key, watcher.session.bundle_directory(0), options, {call: future}, Job(key, True), after=after)
    future.bundle = made
    return made


def test_a_cluster_that_is_taken_up_is_submitted_as_a_whole(watcher, access_point):
    """Some of its parents have already ended, and others have not."""
    first, second = bundle(watcher, 0), bundle(watcher, 1, after=[Future()])
    alone = bundle(watcher, 2, cluster=None)
    watcher.resume({}, {}, [first, second, alone], {})
    watcher._under_way.effects.submissions.proceed(hurry=True)
    assert access_point.submitted == [alone.key]
    watcher._under_way.effects.submissions.under_way = ()
    watcher._under_way.dependencies._handed_down(second, {})
    watcher._under_way.effects.submissions.proceed(hurry=True)
    assert access_point.submitted == [alone.key, first.key, second.key]


@dataclass
class Waiting:
    """Records what becomes of the bundles."""

    ready: Callable
    forget: Callable = lambda *_: None


class Resolver:
    """Passes on no values."""

    def hand_down(self, bundle, then):
        then({})

    def fail(self, bundle, error, call=None):
        pass


@pytest.mark.parametrize("end", ["ready", "failed", "discarded", "cleared"])
def test_a_cluster_is_awaited_until_none_of_it_waits(watcher, end):
    ready, parents = [], [Future(), Future()]
    dependencies = Dependencies(Resolver(), lambda call: call(), Waiting(ready.append))
    bundles = [bundle(watcher, number, after=[parent]) for number, parent in enumerate(parents)]
    for one in bundles:
        dependencies.add(one)
    assert not dependencies.awaits("k000001")
    parents[0].set_result(None)
    dependencies.discard(bundles[0])  # a second time, which changes nothing
    assert (ready, dependencies.awaits("k000000")) == (bundles[:1], True)
    match end:
        case "ready":
            parents[1].set_result(None)
        case "failed":
            dependencies._handed_down(bundles[1], {"c000001": OSError()})
        case "discarded":
            dependencies.discard(bundles[1])
        case "cleared":
            dependencies.clear()
    assert not dependencies.awaits("k000000")
    assert dependencies.bundles() == []


def test_the_thread_that_ends_the_last_parent_hands_the_values_down(watcher):
    """The watcher hears of it afterwards. A parent that fails is the watcher's affair before that."""
    heard, posted, handed = [], [], []
    resolver = Resolver()
    resolver.hand_down = lambda one, then: (handed.append(threading.current_thread().name), then({}))
    resolver.fail_call = lambda one, call, cause: heard.append((call, type(cause)))
    dependencies = Dependencies(resolver, posted.append, Waiting(heard.append))
    one, parents = bundle(watcher, 0), [Future() for _ in range(20)]
    one.parents = {"c000000": {str(number): parent for number, parent in enumerate(parents)}}
    dependencies.add(one)

    def end(some):
        for parent in some:
            parent.set_exception(OSError()) if parent is parents[7] else parent.set_result(None)

    threads = [threading.Thread(target=end, args=(parents[k::4],), name=str(k)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(handed) == 1
    assert handed[0] in "0123"
    assert heard == []
    for call in posted:
        call()
    assert heard == [("c000000", OSError), one]


def test_only_the_calls_fail_that_take_a_value_which_cannot_be_had(watcher):
    """The other calls of the bundle run, if there are any."""
    ready, failed = [], []
    resolver = Resolver()
    resolver.fail = lambda one, error, call=None: failed.append((one.key, call))
    forget = lambda one, call: one.cancelled.add(call)  # noqa: E731
    dependencies = Dependencies(resolver, lambda call: call(), Waiting(ready.append, forget))
    bundles = [bundle(watcher, number) for number in range(2)]
    for one in bundles:
        one.parents = {call: {"x1": Future()} for call in one.futures}
        dependencies.add(one)
    bundles[0].cancelled.add("c000000")  # it does not fail again
    dependencies._handed_down(bundles[0], {"c000000": OSError()})
    dependencies._handed_down(bundles[1], {"c000007": OSError()})
    assert (failed, ready) == ([("b000001", "c000007")], bundles)


def test_bundles_that_come_after_the_same_wait_for_it_once(watcher):
    """Otherwise, a thousand after a thousand would be a million callbacks.

    A later bundle waits for the remaining parents.
    """
    ready, failed = [], []
    resolver = Resolver()
    resolver.fail_call = lambda one, call, cause: failed.append((one.key, type(cause)))
    forget = lambda one, call: one.cancelled.add(call)  # noqa: E731
    dependencies = Dependencies(resolver, lambda call: call(), Waiting(ready.append, forget))
    parents = (Future(), Future(), Future())
    bundles = [bundle(watcher, number, after=parents) for number in range(3)]
    for one in bundles[:2]:
        dependencies.add(one)
    assert [len(parent._done_callbacks) for parent in parents] == [1, 1, 1]
    parents[0].set_result(None)
    parents[1].set_exception(OSError())
    dependencies.add(bundles[2])
    assert ready == []
    parents[2].set_result(None)
    assert failed == [(one.key, OSError) for one in bundles]
    assert ready == bundles  # (the watcher has discarded them)
    alone = bundle(watcher, 3, after=(parents[0],))
    dependencies.add(alone)
    assert ready[-1] is alone


@pytest.mark.parametrize("kind", ["parents", "after"])
def test_a_parent_is_not_kept_by_who_waits_for_it(watcher, kind):
    """Otherwise, its value would stay in memory until the garbage collector runs."""
    dependencies = Dependencies(Resolver(), lambda call: call(), Waiting(lambda _: None))
    parent = Future()
    one = bundle(watcher, 0)
    setattr(one, kind, (parent,) if kind == "after" else {"c000000": {"x1": parent}})
    dependencies.add(one)
    parent.set_result("value")
    one.parents, one.after = {}, ()
    seen = weakref.ref(parent)
    gc.disable()
    try:
        del parent
        assert seen() is None
    finally:
        gc.enable()
