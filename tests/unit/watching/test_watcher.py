"""The watcher with an access point whose behaviour no real one could show at a given moment."""

from __future__ import annotations

import itertools
import queue
import threading

import pytest
from support import until

from condor_futures import BrokenCondorExecutor, CondorFuturesError, JobError
from condor_futures.access_point.requests import AwayError
from condor_futures.calls.bundle import Bundle
from condor_futures.executor.engine import Engine, Numbers
from condor_futures.future import CondorFuture
from condor_futures.options.categories import Categories
from condor_futures.options.options import Options
from condor_futures.session.event_log import EventLog
from condor_futures.session.session import Session
from condor_futures.state_machine.states import Job, State, Terminated
from condor_futures.watching.watcher import Watcher


class AccessPoint:
    """Keeps the requests until the test answers them."""

    def __init__(self) -> None:
        self.asked = []

    def request(self, operation, answer, **arguments):
        self.asked.append((operation, answer, arguments))

    def ask(self, *_, **__):
        return []

    def close(self):
        pass


class Scene:
    """A watcher whose thread is the test's own."""

    def __init__(self) -> None:
        self.access_point = AccessPoint()
        self.session = Session.create()
        self.watcher = Watcher(
            self.session,
            self.access_point,
            EventLog(self.session.event_log),
            max_jobs=10,
            categories={},
            transfer="YES",
            afterwards=lambda: None,
            next_bundle=itertools.count().__next__,
        )
        self.watcher._resolver.start()

    def receive(self):
        try:
            while True:
                self.watcher._inbox.get_nowait()()
        except queue.Empty:
            self.watcher._under_way.effects.submissions.proceed(hurry=True)

    def bundle(self, number):
        """A bundle of one call."""
        key = Session.bundle_key(number)
        future = CondorFuture(Session.call_key(number), self.watcher.cancel)
        directory = self.session.bundle_directory(number)
        bundle = Bundle(key, directory, Options({}, spool=True), {future.key: future}, Job(key, spooled=True))
        bundle.path("calls").touch()
        future.bundle = bundle
        return bundle

    def submit(self, number, job_id):
        """A bundle of one call, in the queue."""
        bundle = self.bundle(number)
        [future] = bundle.futures.values()
        self.watcher.add([bundle], complete=True)
        self.receive()
        cluster, proc = map(int, job_id.split("."))
        self.answer("submit", {"cluster": cluster, "first": proc, "warnings": []})
        return future, bundle

    def answer(self, operation, result):
        index = next(index for index, (asked, *_) in enumerate(self.access_point.asked) if asked == operation)
        _, answer, arguments = self.access_point.asked.pop(index)
        answer(result, None)
        self.receive()
        return arguments

    def close(self):
        self.watcher._resolver.close()
        self.watcher._under_way.effects.log.close()
        self.session.finish()


@pytest.fixture
def scene():
    scene = Scene()
    yield scene
    scene.close()


@pytest.mark.parametrize("asked", [False, True], ids=["waits for its retrieval", "is being retrieved"])
def test_id_of_an_ended_job_that_is_given_again(scene, asked):
    """The schedd has lost its queue: the call of the ended job fails, and the new job is no one else's."""
    old, ended = scene.submit(0, "1.0")
    scene.watcher._under_way.effects.jobs.handle(Terminated("1.0", exit_status=0))
    assert ended.job.state is State.COMPLETED
    if asked:
        scene.watcher._under_way.effects.retrievals.proceed(under_way=1)
    new, bundle = scene.submit(1, "1.0")
    if asked:
        scene.answer("retrieve", {"failed": {"1.0": "no such job"}, "no_room": {}})
    until(old.done)
    assert isinstance(old.exception(), JobError)
    scene.watcher._under_way.effects.retrievals.proceed(under_way=1)
    assert scene.access_point.asked == [], "the other job is neither retrieved nor removed"
    scene.watcher._under_way.effects.jobs.handle(Terminated("1.0", exit_status=0))
    assert bundle.job.state is State.COMPLETED
    scene.watcher._under_way.effects.retrievals.proceed(under_way=1)
    assert scene.answer("retrieve", {"failed": {}, "no_room": {}}) == {"jobs": ["1.0"]}
    until(new.done)
    assert not scene.watcher._under_way.bundles()


def test_call_that_comes_while_the_watcher_breaks_ends(scene, monkeypatch):
    """Calls accepted before the failure is known fail too. Later calls are refused."""
    engine = Engine(scene.session, scene.watcher, 10, Categories(), Numbers())
    bundle = scene.bundle(0)
    [future] = bundle.futures.values()
    failure = CondorFuturesError("it broke")
    breaks = threading.Thread(target=scene.watcher._ending.break_off, args=(failure, failure))
    add = scene.watcher.add

    def add_late(*args, **options):
        breaks.start()
        breaks.join(0.1)
        add(*args, **options)

    monkeypatch.setattr(scene.watcher, "add", add_late)
    engine.add([bundle])
    breaks.join()
    assert future.exception(10) is failure
    with pytest.raises(BrokenCondorExecutor, match="it broke"):
        engine.add([scene.bundle(1)])


def leaves_at_once_when_away(scene):
    """The last requests have no answer. A client normally waits for them, but not when it leaves."""
    assert not scene.watcher._under_way.quiet
    _, answer, _ = scene.access_point.asked.pop()
    answer(None, AwayError("no answer"))
    scene.receive()
    assert scene.watcher._under_way.quiet
    assert not scene.watcher._under_way.over


def test_client_that_leaves_does_not_wait_for_an_access_point_that_is_away(scene):
    """A client that attaches later retrieves the available outcomes."""
    _, bundle = scene.submit(0, "1.0")
    scene.watcher._under_way.effects.jobs.handle(Terminated("1.0", exit_status=0))
    scene.watcher._under_way.effects.retrievals.proceed(under_way=1)
    leaves_at_once_when_away(scene)
    assert bundle.job.state is State.COMPLETED


def test_client_that_leaves_does_not_wait_for_a_submission_either(scene):
    """A client that attaches finds out whether the access point has accepted it."""
    scene.submit(0, "1.0")
    bundle = scene.bundle(1)
    scene.watcher._under_way.effects.submissions.add([bundle], complete=True)
    scene.watcher._under_way.effects.submissions.proceed(hurry=True)
    leaves_at_once_when_away(scene)


def test_the_end_of_a_program_tells_what_it_waits_for(scene, monkeypatch, caplog):
    scene.submit(0, "1.0")
    ended = iter([False, True])
    monkeypatch.setattr(scene.watcher, "join", lambda timeout=None: next(ended))
    scene.watcher.join_at_exit()
    assert f"waits for calls of the session {scene.session.id} (1 idle); Ctrl-C removes their jobs" in caplog.text
    assert next(ended, None) is None


def test_the_end_of_a_program_that_takes_no_time_says_nothing(scene, monkeypatch, caplog):
    scene.submit(0, "1.0")
    monkeypatch.setattr(scene.watcher, "join", lambda timeout=None: True)
    scene.watcher.join_at_exit()
    assert caplog.text == ""


def test_a_client_that_attaches_learns_from_jobs_that_have_ended_since(scene):
    learned = []
    scene.watcher._under_way.effects.requests.ended = lambda bundle, cause: learned.append((bundle, cause))
    bundle, cause = scene.bundle(0), Terminated("1.0", exit_status=0)
    scene.watcher.resume({bundle: cause}, {}, [], {})
    assert learned == [(bundle, cause)]
