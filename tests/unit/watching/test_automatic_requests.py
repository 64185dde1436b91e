"""What the jobs of a session request is learned from those that have ended, without a thread and an access point."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from condor_futures.access_point.requests import AwayError
from condor_futures.calls.bundle import Bundle
from condor_futures.calls.usages import SUPERVISOR
from condor_futures.errors import AccessPointError
from condor_futures.execution_point.frames import write_frame
from condor_futures.future import CondorFuture
from condor_futures.options.on_hold import OnHold
from condor_futures.options.options import Options
from condor_futures.state_machine.states import Aborted, Job, State, Terminated
from condor_futures.watching import automatic_requests
from condor_futures.watching.automatic_requests import AutomaticRequests
from condor_futures.watching.learner import FIRST

MiB = 1 << 20
AUTO = {"request_memory": "auto"}


class Scene:
    """The requests of a session, and a record of what the access point was asked."""

    def __init__(self, directory):
        self.directory = directory
        self.asked: list = []
        self.jobs: dict[str, Bundle] = {}
        self.number = 0
        self.now = 100.0
        session = SimpleNamespace(directory=directory, constraint='CondorFuturesSession == "s"')
        self.requests = AutomaticRequests(session, self, self.jobs)

    def request(self, operation, answer, **arguments):
        assert operation == "edit"
        self.asked.append((arguments["jobs"], arguments["attributes"], answer))

    def bundle(self, options, state=State.IDLE, cluster=7):
        self.number += 1
        key, job_id = f"b{self.number:06d}", f"{cluster}.{self.number}"
        futures = {f"c{self.number}": CondorFuture(f"c{self.number}")}
        bundle = Bundle(key, self.directory, options, futures, Job(key, True, state=state, job_id=job_id))
        self.jobs[job_id] = bundle
        return bundle

    def ended(self, options, *mebibytes, result="value", cause=None):
        """Let jobs end that used so much, with their supervisors."""
        for amount in mebibytes:
            bundle = self.bundle(options)
            del self.jobs[bundle.job.job_id]
            header = {"kind": "outcome", "call": "c0", "result": result, "usage": [0.5, amount * MiB - SUPERVISOR]}
            with bundle.path("outcomes").open("wb") as file:
                write_frame(file, bytes(32), header, [])
            self.requests.ended(bundle, cause or Terminated(bundle.job.job_id, exit_status=0))

    def edits(self):
        """Return the new edits, which succeed."""
        self.now += 10.0
        self.requests.proceed()
        asked, self.asked = self.asked, []
        for *_, answer in asked:
            answer(1, None)
        return [(jobs, attributes) for jobs, attributes, _ in asked]


@pytest.fixture
def scene(tmp_path, monkeypatch):
    made = Scene(tmp_path)
    monkeypatch.setattr(automatic_requests, "time", SimpleNamespace(monotonic=lambda: made.now))
    return made


def options(commands=AUTO, function="fit", **more):
    return Options(commands, spool=True, function=function, **more)


def learned(scene, options):
    """Return the submit commands, without that by which jobs keep no claim: a later job may request more."""
    commands = dict(scene.requests.commands(options))
    assert commands.pop("keep_claim_idle", "") == ""
    return commands


def test_the_first_jobs_request_what_the_site_has_as_its_default(scene):
    scene.ended(options(), *[100] * (FIRST - 1))
    assert learned(scene, options()) == AUTO  # which describe() omits


def test_later_jobs_request_the_need_and_a_margin_and_idle_ones_are_edited(scene):
    scene.bundle(options(), State.RUNNING, cluster=5)
    scene.bundle(options(), cluster=12)
    scene.bundle(options(), cluster=7)
    scene.ended(options(), *[100] * FIRST)
    assert learned(scene, options()) == {"request_memory": "120"}
    assert scene.edits() == [
        ('CondorFuturesSession == "s" && (ClusterId == 7 || ClusterId == 12)', {"RequestMemory": "120"})
    ]
    scene.ended(options(), 99)
    assert scene.edits() == []


def test_calls_of_one_function_with_equal_commands_learn_together(scene):
    """Spooling has no effect on what they need. Another function, command or memory_max may have."""
    scene.ended(options(), *[100] * FIRST)
    alike = Options(AUTO, spool=False, function="fit", category="db")
    assert learned(scene, alike) == {"request_memory": "120"}
    for other in (
        options(function="plot"),
        options({**AUTO, "environment": '"LARGE=1"'}),
        options(on_hold=OnHold().changed(memory_max="1GB")),
    ):
        assert learned(scene, other)["request_memory"] == "auto"
    assert learned(scene, Options({"request_memory": "1"}, spool=True)) == {"request_memory": "1"}


@pytest.mark.parametrize(
    "ends",
    [{"result": "exception"}, {"cause": Aborted("7.0")}, {"cause": Terminated("7.0", exit_status=3)}],
    ids=["raised", "removed", "crashed"],
)
def test_jobs_that_did_not_get_to_the_end_teach_nothing(scene, ends):
    scene.ended(options(), *[100] * FIRST)
    scene.ended(options(), *[900] * FIRST, **ends)
    assert learned(scene, options()) == {"request_memory": "120"}


def test_memory_max_bounds_what_is_learned(scene):
    limited = options(on_hold=OnHold().changed(memory_max=110))
    scene.ended(limited, *[100] * FIRST)
    assert learned(scene, limited) == {"request_memory": "110"}


def test_what_held_jobs_are_released_with_teaches_the_others(scene):
    """Ten jobs that were held are enough: nine of ten jobs would run in vain."""
    held = [scene.bundle(options(), State.HELD) for _ in range(FIRST)]
    idle = scene.bundle(options(), cluster=9)
    for bundle in held:
        assert scene.requests.memory(idle) is None
        scene.requests.raised(bundle, 256)
    [(jobs, attributes)] = scene.edits()
    assert "ClusterId == 9" in jobs
    assert 256 <= int(attributes["RequestMemory"]) < 270
    assert scene.requests.memory(idle) == int(attributes["RequestMemory"])


def test_jobs_that_were_described_before_a_change_are_edited_after_it(scene):
    scene.requests.commands(options())
    scene.ended(options(), *[100] * FIRST)
    assert scene.edits() == []  # no job is in the queue yet
    scene.bundle(options())
    scene.requests.submitted(options())
    assert len(scene.edits()) == 1
    scene.requests.commands(options())
    scene.requests.submitted(options())
    assert scene.edits() == []


def test_changes_are_gathered(scene):
    """The schedd looks at all its jobs for each edit."""
    scene.bundle(options())
    scene.ended(options(), *[100] * FIRST)
    scene.requests.proceed()
    scene.ended(options(), 200)
    scene.requests.proceed()  # the first request is not answered yet
    assert len(scene.asked) == 1
    scene.asked.pop()[-1](1, None)
    scene.requests.proceed()
    assert scene.asked == []
    scene.now += automatic_requests.INTERVAL
    scene.requests.proceed()
    assert [attributes for _, attributes, _ in scene.asked] == [{"RequestMemory": "240"}]


@pytest.mark.parametrize(("error", "again"), [(AwayError("no answer"), True), (AccessPointError("no"), False)])
def test_jobs_that_cannot_be_edited_stay_as_they_are(scene, caplog, error, again):
    """The edit is repeated if the access point was away. A refusal holds until there is something new."""
    scene.bundle(options())
    scene.ended(options(), *[100] * FIRST)
    scene.requests.proceed()
    scene.asked.pop()[-1](None, error)
    assert "could not be edited" in caplog.text
    assert bool(scene.edits()) is again


def test_disk_is_learned_from_the_event_log(scene):
    """In KiB, beside memory or alone."""
    both = options({"request_memory": "auto", "request_disk": "auto"})
    scene.requests._usages = SimpleNamespace(largest=lambda *_: (100 * MiB, 50 * MiB))
    scene.ended(both, *[0] * FIRST)
    assert learned(scene, both) == {"request_memory": "120", "request_disk": "61440"}


def test_a_claim_is_kept_for_the_next_job_only_if_the_user_says_so(scene):
    """The next job may request more than the slot of the claim has."""
    assert scene.requests.commands(options())["keep_claim_idle"] == ""
    assert scene.requests.commands(options({**AUTO, "keep_claim_idle": "5"}))["keep_claim_idle"] == "5"
    assert "keep_claim_idle" not in scene.requests.commands(Options({}, spool=True))
