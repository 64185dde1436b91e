"""Bundles under way, and what becomes of unwanted ones, without a thread and an access point."""

from __future__ import annotations

import itertools
from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from condor_futures.calls.bundle import Bundle
from condor_futures.errors import CondorFuturesError, JobRemovedError
from condor_futures.future import CondorFuture
from condor_futures.options.options import Options
from condor_futures.state_machine.states import Executing, Held, HoldPolicy, Job, Released, State, Terminated
from condor_futures.watching.under_way import UnderWay


class Scene:
    """Replaces access point, log and resolver."""

    def __init__(self, directory):
        self.directory = directory
        self.requests: list = []
        self.failed: list = []
        self.usable = True
        session = SimpleNamespace(
            id="s",
            constraint="true",
            runner_with=lambda _: directory / "runner",
            bundles=directory,
            event_log=directory / "event_log",
        )
        self.under_way = UnderWay(
            session,
            self,
            self,
            self,
            lambda call: call(),
            max_jobs=10,
            categories={},
            transfer="YES",
            next_bundle=itertools.count().__next__,
            warm=False,
        )

    def request(self, operation, answer, **arguments):
        self.requests.append((operation, arguments, answer))

    def read(self):
        return []

    def report(self, bundle, report):
        pass

    def fail(self, bundle, error, call=None):
        self.failed.append((bundle.key, error))

    def bundle(self, number, **arguments):
        key, calls = f"b{number:06d}", [f"c{number:06d}", f"d{number:06d}"]
        futures = {call: CondorFuture(call) for call in calls}
        made = Bundle(key, self.directory, Options({}, spool=True), futures, Job(key, spooled=True), **arguments)
        made.path("calls").touch()
        return made

    def pending(self, number):
        """A bundle that waits to be submitted."""
        bundle = self.bundle(number)
        self.under_way.add([bundle], complete=True)
        return bundle

    def submit(self, number, job_id):
        """A bundle whose job is in the queue."""
        bundle = self.pending(number)
        self.under_way.effects.submissions.proceed(hurry=True)
        cluster, proc = map(int, job_id.split("."))
        self.requests.pop()[2]({"cluster": cluster, "first": proc, "warnings": []}, None)
        return bundle

    def asked(self):
        """Return the new requests to the access point."""
        self.under_way.effects.proceed(hurry=True)
        asked, self.requests = self.requests, []
        return [(operation, arguments.get("jobs")) for operation, arguments, _ in asked]


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def test_all_of_them_are_known_wherever_they_are(scene):
    """They may be in the queue, on the way there, or waiting for others."""
    assert scene.under_way.over
    live, parent = scene.submit(0, "7.0"), Future()
    waits = scene.bundle(1, after=[parent])
    scene.under_way.add([waits])
    pending = scene.pending(2)
    assert scene.under_way.bundles() == [waits, pending, live]
    assert not scene.under_way.over
    assert not scene.under_way.quiet, "one of them can be submitted"


def test_a_job_is_wanted_as_long_as_one_of_its_calls_is(scene):
    """Then it is removed, and no client that attaches finds its calls."""
    bundle = scene.submit(0, "7.0")
    first, second = bundle.futures.values()
    scene.under_way.cancel(first)
    assert bundle.job.state is State.IDLE
    scene.under_way.cancel(second)
    assert bundle.job.state is State.DISCARDED
    assert not bundle.path("calls").exists()
    assert scene.asked() == [("remove", ["7.0"])]


def test_calls_whose_parents_failed_are_found_by_who_attaches(scene):
    """They fail again then."""
    bundle = scene.pending(0)
    for call in bundle.futures:
        scene.under_way.forget(bundle, call)
    assert bundle.job.state is State.DISCARDED
    assert bundle.path("calls").exists()


def test_what_does_not_run_yet_is_withdrawn(scene):
    """The caller has to cancel the futures."""
    idle, running, pending = scene.submit(1, "7.1"), scene.submit(2, "7.2"), scene.pending(0)
    scene.under_way.effects.jobs.handle(Executing("7.2", "ep1"))
    assert set(scene.under_way.withdraw_pending()) == {*pending.futures.values(), *idle.futures.values()}
    assert [bundle.job.state for bundle in (pending, idle, running)] == [
        State.DISCARDED,
        State.DISCARDED,
        State.RUNNING,
    ]


def test_all_are_removed_and_fail(scene):
    scene.submit(0, "7.0")
    scene.under_way.remove_all("no more")
    [(key, error)] = scene.failed
    assert (key, type(error), error.job_id, error.reason) == ("b000000", JobRemovedError, "7.0", "no more")
    assert scene.asked() == [("remove", ["7.0"])]
    assert scene.under_way.bundles() == []


def test_all_are_given_up(scene):
    """Their jobs continue."""
    live, pending = scene.submit(0, "7.0"), scene.pending(1)
    error = CondorFuturesError("it broke")
    scene.under_way.give_up(error)
    assert scene.failed == [(pending.key, error), (live.key, error)]
    assert live.job.state is State.IDLE
    assert scene.asked() == []
    assert scene.under_way.over


def test_a_session_is_resumed(scene):
    """Past holds are over. The policy applies to the present hold of a job."""
    held, ended, pending = scene.bundle(0), scene.bundle(1), scene.bundle(2)
    scene.under_way.resume(
        {
            held: ("7.0", [Held("7.0", 1), Released("7.0"), Executing("7.0", "ep1"), Held("7.0", 2)]),
            ended: ("7.1", [Held("7.1", 1), Released("7.1"), Terminated("7.1", exit_status=0)]),
        },
        [pending],
        {},
    )
    assert (held.job.state, held.job.holds, held.job.policy) == (State.ENDED, 2, HoldPolicy())
    assert (ended.job.state, pending.job.state) == (State.COMPLETED, State.PENDING)
    assert scene.under_way.bundles() == [pending, ended]
