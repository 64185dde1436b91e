"""The effects of job events are carried out, without a thread and an access point."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest

from condor_futures.calls.bundle import Bundle
from condor_futures.calls.usages import SUPERVISOR
from condor_futures.errors import AccessPointError
from condor_futures.execution_point.frames import write_frame
from condor_futures.options.on_hold import OnHold
from condor_futures.options.options import Options
from condor_futures.state_machine.states import (
    Decided,
    Event,
    Executing,
    Gone,
    Held,
    HoldPolicy,
    Job,
    NotRetrieved,
    Refused,
    Retrieved,
    State,
    Submitted,
    Terminated,
    Unspooled,
    Unwanted,
)
from condor_futures.state_machine.transitions import TABLE, Entry
from condor_futures.watching import learner
from condor_futures.watching.effects import Effects


class Scene:
    """The effects, and a record of their requests."""

    def __init__(self, directory):
        self.requests: list = []
        self.told: list = []
        self.news: list[Event] = []
        self.usable = True
        session = SimpleNamespace(
            id="s",
            directory=directory,
            constraint="true",
            runner_with=lambda _: directory / "runner",
            bundles=directory,
            event_log=directory / "event_log",
        )
        self.directory = directory
        self.effects = Effects(
            session,
            self,
            self,
            self,
            SimpleNamespace(awaits=lambda _: False),
            lambda call: call(),
            max_jobs=10,
            categories={},
            transfer="YES",
            next_bundle=itertools.count().__next__,
            warm=False,
        )
        self.jobs = self.effects.jobs

    # The methods of the access point.

    def request(self, operation, answer, **arguments):
        self.requests.append((operation, arguments, answer))

    # The methods of the log.

    def read(self):
        news, self.news = self.news, []
        return news

    # The methods of the resolver.

    def report(self, bundle, report):
        self.told.append((bundle.key, report.cause))

    def fail(self, bundle, error):
        self.told.append((bundle.key, error))

    def ask(self, bundle, answer):
        answer(Decided(bundle.job.job_id, bundle.job.holds, "release"))

    def bundle(self, number=0, policy=None):
        key = f"b{number:06d}"
        job = Job(key, spooled=True, policy=policy or HoldPolicy())
        made = Bundle(key, self.directory, Options({}, spool=True, on_hold=OnHold()), {}, job)
        made.path("calls").touch()
        return made

    def live(self, job_id, number=0, policy=None):
        """A bundle whose job is in the queue."""
        bundle = self.bundle(number, policy)
        self.jobs.put(job_id, bundle)
        self.jobs.advance(bundle, Submitted(job_id))
        return bundle

    def asked(self):
        """Return the new requests to the access point."""
        self.effects.proceed(hurry=True)
        asked, self.requests = self.requests, []
        return [(operation, arguments.get("jobs")) for operation, arguments, _ in asked]


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def test_the_log_is_read_and_speaks(scene):
    bundle = scene.live("7.0")
    scene.effects.queue_looks.log_speaks = False
    scene.news = [Executing("7.0", "ep1"), Terminated("7.0", exit_status=0)]
    scene.effects.read_log()
    assert bundle.job.state is State.COMPLETED
    assert scene.effects.queue_looks.log_speaks
    assert scene.effects.busy
    assert scene.asked() == [("retrieve", ["7.0"])]


def test_a_job_on_hold_is_released_or_removed(scene):
    scene.live("7.0", 0, HoldPolicy("release"))
    scene.live("7.1", 1, HoldPolicy("ask"))
    scene.live("7.2", 2)
    scene.news = [Held(f"7.{proc}", 1) for proc in range(3)]
    scene.effects.read_log()
    assert scene.asked() == [("remove", ["7.2"]), ("release", ["7.0", "7.1"])]
    assert scene.told == [("b000002", Held("7.2", 1))]


def test_a_job_that_lost_its_input_is_submitted_again(scene):
    bundle = scene.live("7.0")
    scene.jobs.handle(Unspooled("7.0"))
    assert (bundle.job.state, len(scene.jobs)) == (State.PENDING, 0)
    assert scene.asked() == [("remove", ["7.0"]), ("submit", None)]


def test_events_of_jobs_that_are_being_submitted_wait_for_the_answer(scene):
    """Only the answer says which jobs are ours. Events of other jobs mean nothing."""
    bundle = scene.bundle()
    scene.news = [Executing("6.0", "ep1")]
    scene.effects.read_log()
    scene.effects.submissions.add([bundle], complete=True)
    assert scene.asked() == [("submit", None)]
    scene.news = [Submitted("7.0", bundle.key), Executing("7.0", "ep1")]
    scene.effects.read_log()
    assert bundle.job.state is State.PENDING
    scene.effects.submitted([bundle], {"cluster": 7, "first": 0, "warnings": []})
    assert (bundle.job.state, bundle.job.host, scene.jobs["7.0"]) == (State.RUNNING, "ep1", bundle)
    assert scene.effects.queue_looks.log_speaks


def test_a_submission_that_is_refused_fails_its_calls(scene):
    bundle = scene.bundle()
    scene.effects.refused([bundle], AccessPointError("no such user"))
    assert scene.told == [("b000000", Refused("", "no such user"))]


@pytest.mark.parametrize("ended", [False, True])
def test_a_job_whose_id_is_given_again_is_lost(scene, ended):
    """The schedd has lost its queue. No request is made for the other job with the id."""
    old = scene.live("7.0")
    if ended:
        scene.jobs.handle(Terminated("7.0", exit_status=0))
    new = scene.bundle(1)
    scene.effects.submitted([new], {"cluster": 7, "first": 0, "warnings": []})
    lost = NotRetrieved("7.0", "the access point has lost its queue") if ended else Gone("7.0")
    assert scene.told == [("b000000", lost)]
    assert (old.job.state, dict(scene.jobs)) == (State.ENDED, {"7.0": new})
    assert scene.asked() == []


def test_an_event_that_means_nothing_fails_the_calls_and_removes_the_job(scene):
    bundle = scene.live("7.0")
    bundle.job = Job("b000000", True, State.PENDING, "7.0")
    scene.jobs.handle(Executing("7.0", "ep1"))
    [(key, error)] = scene.told
    assert (key, str(error)[:32]) == ("b000000", "a bug in condor_futures: Executi")
    assert bundle.job.state is State.DISCARDED
    assert scene.asked() == [("remove", ["7.0"])]


def test_a_bug_in_the_state_table_costs_one_bundle(scene, monkeypatch):
    """The watcher goes on with the other jobs."""
    bundle, other = scene.live("7.0"), scene.live("7.1")
    monkeypatch.setitem(TABLE[State.IDLE], Executing, Entry((State.RUNNING,), lambda job, event: (State.ENDED, (), {})))
    scene.jobs.handle(Executing("7.0", "ep1"))
    [(key, error)] = scene.told
    assert (key, str(error)[:32]) == ("b000000", "a bug in condor_futures: Executi")
    assert bundle.job.state is State.DISCARDED
    assert scene.asked() == [("remove", ["7.0"])]
    assert dict(scene.jobs) == {"7.1": other}


def test_a_job_that_cannot_be_removed_because_of_a_bug_is_left_alone(scene, monkeypatch):
    scene.live("7.0")
    monkeypatch.setitem(TABLE[State.IDLE], Unwanted, Entry((State.IDLE,), lambda job, event: (State.ENDED, (), {})))
    scene.jobs.handle(Unwanted("7.0"))
    assert [key for key, _ in scene.told] == ["b000000"]


def test_requests_are_learned_from_jobs_that_were_held_and_from_those_that_ended(scene, monkeypatch):
    """A job that is held for memory then requests what is known, if that is more."""
    monkeypatch.setattr(learner, "FIRST", 1)
    options = Options({"request_memory": "auto"}, spool=True, function="fit")
    for number in range(3):
        bundle = Bundle(f"b{number}", scene.directory, options, {}, Job(f"b{number}", True, policy=options.hold_policy))
        scene.jobs.put(f"7.{number}", bundle)
        scene.jobs.advance(bundle, Submitted(f"7.{number}"))
    scene.jobs.handle(Held("7.0", 34, 102))
    scene.effects.proceed(hurry=True)
    [(operation, arguments, answer)] = scene.requests
    assert (operation, arguments) == ("release", {"jobs": ["7.0"], "memory_max": 16384, "memory": None})
    answer({"released": ["7.0"], "refused": {}, "requests": {"7.0": 256}}, None)
    scene.requests.clear()
    scene.jobs.handle(Held("7.1", 34, 102))
    monkeypatch.setattr(scene.effects.releases._pause, "left", lambda: 0.0)
    scene.effects.proceed(hurry=True)
    release, edit = sorted(scene.requests, key=lambda request: request[0], reverse=True)
    assert release[:2] == ("release", {"jobs": ["7.1"], "memory_max": 16384, "memory": 264})
    assert edit[1] == {"jobs": "true && (ClusterId == 7)", "attributes": {"RequestMemory": "264"}}

    bundle = scene.jobs["7.0"]
    with bundle.path("outcomes").open("wb") as file:
        header = {"kind": "outcome", "call": "c0", "result": "value", "usage": [0.5, (1000 << 20) - SUPERVISOR]}
        write_frame(file, bytes(32), header, [])
    scene.jobs.handle(Terminated("7.0", exit_status=0))
    scene.jobs.handle(Retrieved("7.0"))
    assert scene.told == [("b0", Terminated("7.0", exit_status=0))]
    assert scene.effects.requests.commands(options)["request_memory"] == "1216"
