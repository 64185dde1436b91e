"""Which bundles are submitted next, when, and what becomes of those that the access point refuses."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from condor_futures.access_point.helper.words import TRANSFERS_COMMON_INPUT
from condor_futures.access_point.requests import AwayError
from condor_futures.calls.bundle import Bundle
from condor_futures.errors import AccessPointError
from condor_futures.future import CondorFuture
from condor_futures.options.options import Options
from condor_futures.options.python_environment import PythonEnvironment
from condor_futures.session.names import SessionNames
from condor_futures.state_machine.states import Job, Note, Refused, Submitted, Unwanted
from condor_futures.state_machine.transitions import advance
from condor_futures.watching import submissions
from condor_futures.watching.submissions import Submissions

PLAIN, DATABASE, CLUSTER = Options({}, True), Options({}, True, category="db"), Options({}, True, cluster="k000000")


class AccessPoint:
    """Takes requests, and answers when the test says so."""

    def __init__(self):
        self.requests = []
        self.about = {}

    def request(self, operation, answer, **arguments):
        assert operation == "submit"
        self.requests.append((answer, arguments))


class Scene:
    """Submissions without a watcher, a schedd and a clock."""

    def __init__(self, directory, **options):
        self.now = 100.0
        self.live: dict[str, Bundle] = {}
        self.failed: list[tuple[list[str], str]] = []
        self.directory = directory
        self.access_point = AccessPoint()
        self.number = self.clusters = 0
        self.submissions = Submissions(
            self.access_point,
            SimpleNamespace(
                id="s",
                runner_with=lambda _: directory / "runner",
                bundles=directory,
                event_log=directory / "event_log",
                objects=directory / "objects",
                object_from_bundle=SessionNames.object_from_bundle,
                lines=directory / "lines",
                environments=directory / "environments",
                environment_from_bundle=SessionNames.environment_from_bundle,
            ),
            self.live,
            dependencies=SimpleNamespace(awaits=lambda _: False),
            schedd_said=SimpleNamespace(
                submitted=lambda batch, result: self.answered(batch, result, None),
                refused=lambda batch, error: self.answered(batch, None, error),
            ),
            learned=SimpleNamespace(commands=lambda options: options.commands),
            **{
                "max_jobs": 1000,
                "categories": {},
                "transfer": "YES",
                **options,
            },
        )

    def add(self, options, count, shared=()):
        bundles = []
        for _ in range(count):
            self.number += 1
            key = f"b{self.number:06d}"
            call = f"c{self.number:06d}"
            futures = {call: CondorFuture(call)}
            bundles.append(Bundle(key, self.directory, options, futures, Job(key, True), shared=shared))
            bundles[-1].path("calls").touch()
        self.submissions.add(bundles, complete=True)
        return bundles

    def answered(self, batch, result, error):
        if error is not None:
            self.failed.append(([bundle.key for bundle in batch], str(error)))
        for number, bundle in enumerate(batch):
            event = Refused("", str(error)) if error else Submitted(f"{result['cluster']}.{number}", bundle.key)
            bundle.job, _ = advance(bundle.job, event)
            if error is None:
                self.live[event.job_id] = bundle

    def submitted(self):
        """Return the bundles that are being submitted; None if there are none."""
        self.submissions.proceed(hurry=True)
        if not self.access_point.requests:
            return None
        [(_, arguments)] = self.access_point.requests
        return [item["bundle"] for item in arguments["items"]]

    def files(self):
        """Return the input files of the jobs that are being submitted, without ours, and their common input files."""
        [(_, arguments)] = self.access_point.requests
        description = arguments["description"]
        own = description["transfer_input_files"].split(", ")
        return own[1:], description.get("transfer_common_input", "")

    def answer(self, **result):
        [(answer, _)] = self.access_point.requests
        self.access_point.requests.clear()
        answer(result, None)

    def refuse(self, room, why="MAX_JOBS_PER_OWNER", **more):
        self.answer(refused=why, room=room, **(more or {"limit": None}))


@pytest.fixture
def scene(tmp_path, monkeypatch):
    def make(directory=tmp_path, **options):
        made = Scene(directory, **options)
        monkeypatch.setattr(submissions, "time", SimpleNamespace(monotonic=lambda: made.now))
        return made

    return make


def keys(first, last):
    return [f"b{number:06d}" for number in range(first, last + 1)]


def test_what_is_refused_stays_first(scene):
    """As many as there is room for are submitted at once, and the others when the limit allows."""
    scene = scene()
    scene.add(PLAIN, 5)
    assert scene.submitted() == keys(1, 5)
    scene.add(DATABASE, 1)
    scene.refuse(2)
    assert scene.submitted() == keys(1, 2)
    scene.answer(cluster=1)
    assert scene.submitted() is None
    assert scene.submissions.patience() == pytest.approx(1.0)
    scene.now += 1.0
    assert scene.submitted() == keys(3, 5)


def test_what_was_cancelled_meanwhile_is_not_tried_again(scene):
    """Its file is removed when the access point no longer needs it."""
    scene = scene()
    _, cancelled, _ = scene.add(PLAIN, 3)
    scene.submitted()
    cancelled.job, _ = advance(cancelled.job, Unwanted(""))
    scene.submissions.withdraw()
    assert cancelled.path("calls").exists()
    scene.refuse(3)
    assert not cancelled.path("calls").exists()
    assert scene.submitted() == ["b000001", "b000003"]


def test_nothing_is_waited_for_busily(scene):
    """A limit that applied once is no reason to check bundles again and again that wait for something else."""
    scene = scene(categories={"db": 1})
    scene.add(PLAIN, 4)
    scene.submitted()
    scene.refuse(3)
    assert scene.submitted() == keys(1, 3)
    scene.answer(cluster=1)
    scene.now += 1.0
    scene.live.clear()
    assert scene.submitted() == ["b000004"]
    scene.answer(cluster=2)
    scene.live.clear()
    scene.add(DATABASE, 2)
    assert scene.submitted() == ["b000005"]
    scene.answer(cluster=3)
    assert scene.submitted() is None
    assert scene.submissions.patience() == math.inf


def test_events_of_what_was_refused_are_forgotten(scene):
    """Ids may be used again. With a full disk, there would be more and more of them."""
    scene = scene()
    scene.add(PLAIN, 2)
    scene.submitted()
    scene.submissions.early.append(Note("7.0"))
    scene.refuse(1, why="its spool directory is full", error="No space left on device", others=False)
    scene.submitted()
    assert scene.submissions.early == []


def test_a_cluster_that_is_larger_than_may_be_in_the_queue_waits_for_an_empty_one(scene):
    """It is tried when the limit may have changed. Otherwise, neither it nor later bundles would ever be submitted."""
    scene = scene(max_jobs=2)
    scene.add(PLAIN, 1)
    assert scene.submitted() == ["b000001"]
    scene.answer(cluster=1)
    scene.add(CLUSTER, 4)
    scene.add(DATABASE, 1)
    assert scene.submitted() is None
    scene.live.clear()
    assert scene.submitted() == keys(2, 5)
    scene.refuse(3)
    assert scene.submitted() is None
    scene.now += 1.0
    assert scene.submitted() == keys(2, 5)
    scene.answer(cluster=2)
    scene.live.clear()
    assert scene.submitted() == ["b000006"]


def full(scene, *, others, too_large=()):
    """Refuse the current submission like a full disk, if any of it is too large, or all of it."""
    batch = scene.submitted()
    if batch is None:
        scene.now += max(scene.submissions.patience(), 0.01)
    elif too_large and not set(batch) & set(too_large):
        scene.clusters += 1
        scene.answer(cluster=scene.clusters)
    else:
        scene.now += 0.1
        room = len(batch) // 2
        scene.refuse(room, why="its spool directory is full", error="No space left on device", others=others)


def test_a_full_disk_is_waited_for_while_files_of_others_may_leave(scene):
    """The client waits for some twenty minutes. All calls have their turn."""
    scene = scene()
    scene.add(PLAIN, 2)
    began = scene.now
    while scene.now < began + 1000:
        full(scene, others=True)
    assert scene.failed == []
    while len(scene.failed) < 2:
        full(scene, others=True)
    assert scene.now < began + 3600


def test_a_full_disk_that_nobody_is_going_to_leave_fails_calls_one_by_one(scene):
    """The first retry is after some seconds, because a directory may just be removed. The next ones follow soon."""
    scene = scene()
    scene.add(PLAIN, 4)
    began = scene.now
    while len(scene.failed) < 4:
        full(scene, others=False)
    assert sorted(scene.failed) == [([key], "No space left on device") for key in keys(1, 4)]
    assert 5.0 < scene.now - began < 20.0


@pytest.mark.parametrize("others", [True, False])
@pytest.mark.parametrize("large", [PLAIN, DATABASE, CLUSTER])
def test_what_is_too_large_for_the_disk_does_not_keep_the_rest_from_it(scene, large, others):
    """It may share the options of the others or not."""
    scene = scene()
    first = scene.add(large, 2 if large.cluster else 1)
    rest = scene.add(PLAIN, 3) + scene.add(DATABASE, 3)
    began = scene.now
    while len(scene.live) < 6:
        full(scene, others=others, too_large=[first[0].key])
        assert scene.now < began + 60
    assert set(scene.live.values()) == set(rest)
    scene.live.clear()
    while not scene.failed:
        full(scene, others=others, too_large=[first[0].key])
    assert scene.failed == [([bundle.key for bundle in first], "No space left on device")]
    assert scene.submitted() is None


def test_a_cluster_that_can_never_be_fails(scene):
    scene = scene()
    scene.add(CLUSTER, 4)
    scene.submitted()
    scene.refuse(3, limit=3)
    assert scene.failed == [(keys(1, 4), "it accepts at most 3 jobs (MAX_JOBS_PER_OWNER), but the cluster has 4")]
    assert scene.submitted() is None


def test_an_error_is_told(scene):
    scene = scene()
    scene.add(PLAIN, 2)
    scene.submitted()
    [(answer, _)] = scene.access_point.requests
    answer(None, AccessPointError("no"))
    assert scene.failed == [(keys(1, 2), "no")]


def test_access_point_that_is_away_is_asked_the_same_again(scene):
    """The submission keeps its name, so that the schedd can find jobs that it already took, until they are no longer
    wanted.
    """
    scene = scene()
    first, second = scene.add(PLAIN, 2)
    assert scene.submitted() == keys(1, 2)
    [(answer, asked)] = scene.access_point.requests
    for _ in range(3):
        scene.access_point.requests.clear()
        answer(None, AwayError("it does not answer"))
        assert scene.submissions.stuck
        [(answer, again)] = scene.access_point.requests
        assert again == {**asked, "again": True}
    first.job, _ = advance(first.job, Unwanted(""))
    scene.answer(cluster=7)
    assert not scene.submissions.stuck
    assert scene.failed == []
    assert (first.job.job_id, second.job.job_id) == ("7.0", "7.1")
    (third,) = scene.add(PLAIN, 1)
    scene.submitted()
    third.job, _ = advance(third.job, Unwanted(""))
    [(answer, _)] = scene.access_point.requests
    scene.access_point.requests.clear()
    answer(None, AwayError("it does not answer"))
    assert scene.access_point.requests == []
    assert scene.submissions.empty


# Shared objects.


def store(scene, *sizes):
    """Make the files of shared objects of some sizes; return their names."""
    objects = scene.directory / "objects"
    objects.mkdir()
    for number, size in enumerate(sizes):
        with (objects / f"object{number}").open("wb") as file:
            file.truncate(size)
    return [f"object{number}" for number in range(len(sizes))]


def test_jobs_get_the_objects_that_their_calls_take(scene):
    """Jobs that take others, or none, are in other clusters."""
    scene = scene()
    first, second = store(scene, 100, 1 << 30)
    scene.add(PLAIN, 2, [first])
    scene.add(PLAIN, 1)
    scene.add(PLAIN, 1, [first, second])
    scene.add(PLAIN, 1, [first])
    taken = []
    for _ in range(3):
        taken.append((scene.submitted(), scene.files()))
        scene.answer(cluster=len(taken), first=0, warnings=[])
    objects = scene.directory / "objects"
    assert taken == [
        (["b000001", "b000002", "b000005"], ([f"{objects / first}"], "")),
        (["b000003"], ([], "")),
        (["b000004"], ([f"{objects / first}", f"{objects / second}"], "")),
    ]


def test_objects_in_a_directory_that_no_list_of_files_can_name(tmp_path, scene):
    (tmp_path / "a, b").mkdir()
    made = scene(directory=tmp_path / "a, b")
    [name] = store(made, submissions.COMMON)
    made.access_point.about = {TRANSFERS_COMMON_INPUT: "yes"}
    made.add(PLAIN, 1, [name])
    assert (made.submitted(), made.files()) == (["b000001"], (["../../objects/object0"], ""))


def test_large_objects_are_common_files_where_the_access_point_has_them(scene):
    scene = scene()
    scene.access_point.about = {TRANSFERS_COMMON_INPUT: "yes"}
    small, large = store(scene, 100, submissions.COMMON)
    scene.add(PLAIN, 1, [small])
    scene.add(replace(PLAIN, commands={"transfer_common_input": "/data/a"}), 1, [small, large])
    assert (scene.submitted(), scene.files()) == (["b000001"], ([f"{scene.directory}/objects/{small}"], ""))
    scene.answer(cluster=1, first=0, warnings=[])
    assert scene.submitted() == ["b000002"]
    objects = scene.directory / "objects"
    assert scene.files() == ([], f"{objects / small}, {objects / large}, /data/a")


def test_jobs_that_see_the_session_are_sent_no_objects(scene):
    scene = scene(transfer="IF_NEEDED")
    [name] = store(scene, 100)
    scene.add(PLAIN, 1, [name])
    scene.add(replace(PLAIN, commands={"container_image": "docker://debian"}), 1, [name])
    assert (scene.submitted(), scene.files()) == (["b000001"], ([], ""))
    scene.answer(cluster=1, first=0, warnings=[])
    assert (scene.submitted(), scene.files()) == (["b000002"], ([f"{scene.directory}/objects/{name}"], ""))


def test_environments_are_files_of_all_jobs(scene):
    """A warm job gets its own copy, because its shadow may not read the session's other files."""
    scene = scene()
    scene.access_point.about = {TRANSFERS_COMMON_INPUT: "yes"}
    (scene.directory / "environments").mkdir()
    (scene.directory / "environments" / "0.tar").write_bytes(bytes(submissions.COMMON))
    closed = replace(PLAIN, environment=PythonEnvironment(Path("/data/env.tar.gz"), "0.tar"))
    path = f"{scene.directory}/environments/0.tar"
    for number, (options, expected) in enumerate([(closed, ([], path)), (replace(closed, open=True), ([path], ""))]):
        scene.add(options, 1)
        assert scene.submitted()
        [(_, arguments)] = scene.access_point.requests
        assert arguments["description"]["arguments"] == "$(bundle) 0.tar"
        assert scene.files() == expected
        scene.answer(cluster=number + 1, first=0, warnings=[])


def test_files_are_transferred_into_containers(scene):
    """Also where the jobs of the machine itself would see them."""
    scene = scene(transfer="IF_NEEDED")
    for number, (command, expected) in enumerate(
        [("container_image", "YES"), ("docker_image", "YES"), ("priority", "IF_NEEDED")]
    ):
        scene.add(replace(PLAIN, commands={command: "1"}), 1)
        assert scene.submitted()
        [(_, arguments)] = scene.access_point.requests
        assert arguments["description"]["should_transfer_files"] == expected
        scene.answer(cluster=number + 1, first=0, warnings=[])
