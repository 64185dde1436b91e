"""The end of a watcher: its time, what remains, and what fails."""

from __future__ import annotations

import queue
from types import SimpleNamespace

import pytest

from condor_futures.errors import AccessPointError, BrokenCondorExecutor, CondorFuturesError
from condor_futures.watching.ending import Ending


class Scene:
    """Replaces everything that ends with a watcher."""

    def __init__(self):
        self.done: list[str] = []
        self.failed: list = []
        self.waiting: list = []
        self.bundles = ["b000000"]
        self.over = self.quiet = False
        self.emptied = True
        self.inbox = queue.SimpleQueue()
        self.session = SimpleNamespace(
            id="s", kept=False, directory="/sessions/s", leave=self.doing("leave"), finish=self.doing("finish")
        )
        resolver = SimpleNamespace(fail=lambda *failed: self.failed.append(failed), close=self.doing("close resolver"))
        under_way = SimpleNamespace(
            bundles=lambda: self.bundles,
            unwant=lambda bundle: self.done.append(f"unwant {bundle}"),
            give_up=lambda error: self.done.append(f"give up: {error}"),
            effects=SimpleNamespace(
                removals=SimpleNamespace(empty_the_queue=self.empty_the_queue),
                log=SimpleNamespace(close=self.doing("close log")),
                streams=SimpleNamespace(close=self.doing("close streams")),
                stacks=SimpleNamespace(close=self.doing("close stacks")),
                fleets=SimpleNamespace(
                    hand_all=self.doing("hand out"),
                    fail_waiting=lambda error, *, keep_calls=False: self.waiting.append((error(None), keep_calls)),
                    close=self.doing("close lines"),
                ),
            ),
        )
        access_point = SimpleNamespace(close=self.doing("close helper"))
        self.ending = Ending(
            self.session, access_point, resolver, self.asked(under_way), self.inbox, self.doing("afterwards")
        )

    def asked(self, under_way):
        """*over* and *quiet* are those of the scene at the time."""
        scene = self

        class UnderWay:
            over = property(lambda _: scene.over)
            quiet = property(lambda _: scene.quiet)

            def __getattr__(self, name):
                return getattr(under_way, name)

        return UnderWay()

    def doing(self, what):
        return lambda: self.done.append(what)

    def empty_the_queue(self):
        self.done.append("empty the queue")
        if not self.emptied:
            raise AccessPointError("it is away")


@pytest.fixture
def scene():
    return Scene()


HELPERS = ["close stacks", "close helper", "close resolver", "close log", "close lines", "close streams"]


def test_it_is_time_when_all_is_done_and_nothing_comes_any_more(scene):
    scene.over = True
    assert not scene.ending.due
    scene.ending.close()
    assert scene.ending.due
    scene.over = False
    assert not scene.ending.due


def test_a_client_that_leaves_waits_for_what_was_begun_only(scene):
    scene.ending.detach()
    assert not scene.ending.due
    scene.quiet = True
    assert scene.ending.due


def test_nothing_stays_behind(scene):
    """The order matters: the queue needs the helper, and all of them need the session."""
    scene.ending.close()
    scene.bundles = []
    scene.ending.clean_up()
    assert scene.done == ["empty the queue", *HELPERS, "finish", "afterwards"]
    assert scene.failed == []


def test_a_client_that_leaves_lets_the_jobs_be(scene):
    """The futures are of no further use."""
    scene.ending.detach()
    scene.ending.clean_up()
    assert scene.done == ["hand out", *HELPERS, "leave", "afterwards"]
    [(bundle, error)] = scene.failed
    assert (bundle, "attach() returns this call again" in str(error)) == ("b000000", True)
    assert scene.waiting == [(error, True)]


def test_jobs_that_may_be_left_are_told_of(scene, caplog):
    """Their session stays, so that they can be removed later."""
    scene.emptied = False
    scene.ending.clean_up()
    assert scene.done == ["empty the queue", *HELPERS, "leave", "afterwards"]
    assert "jobs of session s may be left in the queue: it is away; `condor-futures purge s` removes" in caplog.text
    assert caplog.records[0].name == "condor_futures.watcher"


def test_an_initializer_that_failed_breaks_the_executor_once(scene):
    first, second = BrokenCondorExecutor("first"), BrokenCondorExecutor("second")
    scene.ending.initializer_failed(first)
    scene.ending.initializer_failed(second)
    assert scene.ending.broken is first
    assert scene.failed == [("b000000", first)]
    assert scene.done == ["unwant b000000"]
    assert scene.waiting == [(first, False)]


@pytest.mark.parametrize("kept", [False, True])
def test_what_breaks_the_watcher_fails_all_calls(scene, kept):
    """Calls on the way to it fail too. A client can attach to a session that is kept."""
    scene.session.kept = kept
    scene.inbox.put(lambda: scene.done.append(f"broken by {scene.ending.broken}"))
    scene.ending.break_off(ValueError("out of order"), CondorFuturesError("it failed"))
    more = "; attach('/sessions/s') resumes the session" if kept else ""
    assert scene.done == [f"give up: it failed{more}", "broken by out of order"]
    scene.done.clear()
    scene.ending.clean_up()
    assert scene.done == [*([] if kept else ["empty the queue"]), *HELPERS, "leave" if kept else "finish", "afterwards"]
