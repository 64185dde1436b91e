"""What the jobs of closed bundles write as their calls end: without a pool, with the files of a session."""

from __future__ import annotations

import contextlib
from concurrent.futures import InvalidStateError, ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from line_files import JobSide, write_calls
from support import until

from condor_futures.options.options import Options
from condor_futures.watching import streams as module
from condor_futures.watching.stacks import Stacks
from condor_futures.watching.streams import LIST, POLL_LONGEST, Streams

CLOSED = Options({"max_retries": "1"}, spool=True, warm=60.0, streams=True)


class Scene:
    """The streams of a session with one job, and what the resolver is told."""

    def __init__(self, session, monkeypatch):
        self.session, self.now = session, 1000.0
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now))
        self.told = []
        self.stacks = Stacks(lambda function: function(), self.ask_stack)
        self.streams = Streams(session, self, self.stacks)
        self.bundle = write_calls(session, 0, ["c0", "c1", "c2"], options=CLOSED)
        self.bundle.stream = session.stream_directory(self.bundle.key)
        self.streams.add(self.bundle)

    def ask_stack(self, bundle, call):
        return self.streams.ask_stack(bundle, call)

    def deliver(self, bundle, path, calls):
        assert bundle is self.bundle
        for call, _ in calls:
            self.told.append(call)
            bundle.take(call)

    def run(self, number=0):
        """Let the job begin an attempt."""
        side = JobSide(self.session, self.bundle.key, f"{number:016x}", self.bundle.stream, self.session.secret)
        return side.hello()

    def turn(self):
        self.now += POLL_LONGEST
        self.streams.read()


@pytest.fixture
def scene(session, monkeypatch):
    made = Scene(session, monkeypatch)
    with contextlib.closing(made.streams):
        yield made


def test_outcomes_are_told_once_as_they_come(scene):
    side = scene.run()
    scene.turn()
    assert scene.told == []
    side.outcome("c0")
    scene.turn()
    side.outcome("c0")
    side.outcome("c1")
    scene.turn()
    assert scene.told == ["c0", "c1"]
    assert scene.bundle.attempt == side.path


def test_what_a_later_attempt_may_replace_is_not_told(scene):
    side = scene.run()
    side.outcome("c0", result="crashed")
    side.outcome("c1", result="exception", retry=True)
    side.outcome("c2", result="exception")
    scene.turn()
    assert scene.told == ["c2"]


def test_calls_of_other_bundles_do_not_count(scene):
    scene.run().outcome("c9")
    scene.turn()
    assert scene.told == []


def test_the_next_attempt_is_followed_and_told_of_cancelled_calls(scene):
    first = scene.run()
    scene.turn()
    scene.bundle.forget("c1")
    scene.streams.cancel(scene.bundle, "c1")
    assert first.heard() == ["cancel c1"]
    second = scene.run(1)
    scene.now += LIST
    scene.turn()
    assert second.heard() == ["cancel c1"]
    second.outcome("c0")
    scene.turn()
    assert scene.told == ["c0"]


def test_reports_are_told_to_the_future(scene):
    scene.run().say(kind="report", call="c0", fraction=0.5, text="half")
    scene.turn()
    assert (scene.bundle.futures["c0"].progress.fraction, list(scene.streams.reports())) == (0.5, ["c0"])


def test_stacks(scene):
    """The job is asked, and whoever waits is told, or why there is no stack."""
    call = scene.bundle.futures["c0"]
    with pytest.raises(InvalidStateError, match="it has ended, or its job lost its slot"):
        call.stack()  # the job does not run
    side = scene.run()
    scene.turn()
    with ThreadPoolExecutor() as threads:

        def ask():
            answer = threads.submit(call.stack)
            until(lambda: "c0" in scene.stacks._waiting)
            return answer

        side.say(kind="stack", call="c0", text="not asked")
        scene.turn()
        answer = ask()
        assert side.heard() == ["stack c0"]
        side.say(kind="stack", call="c1", text="of another call")
        side.say(kind="stack", call="c0", text="here")
        scene.turn()
        assert answer.result(10) == "here"
        answer = ask()
        side = scene.run(1)
        scene.now += LIST
        scene.turn()
        with pytest.raises(InvalidStateError, match="lost its slot"):
            answer.result(10)
        answer = ask()
        side.outcome("c0")
        scene.turn()
        with pytest.raises(InvalidStateError, match="it has ended"):
            answer.result(10)


@pytest.mark.parametrize("data", [b"no frame at all", b"\0" * 40])
def test_a_job_that_writes_no_frames_is_followed_no_longer(scene, data, caplog):
    """All outcomes come at the end."""
    side = scene.run()
    with side.path.with_suffix(".outcomes").open("ab") as file:
        file.write(data)
    scene.turn()
    assert "come when it has ended" in caplog.text
    side.outcome("c0")
    scene.turn()
    assert scene.told == []


def test_what_was_written_last_counts_before_the_end(scene):
    scene.run().outcome("c0")
    scene.streams.ended(scene.bundle)
    assert scene.told == ["c0"]
    scene.turn()
    assert scene.streams.patience() == float("inf")


def test_files_are_looked_at_less_often_while_nothing_comes(scene):
    side = scene.run()
    scene.streams.read()
    side.outcome("c0")
    scene.turn()
    soon = scene.streams.patience()
    for _ in range(20):
        scene.turn()
    assert soon < scene.streams.patience() <= POLL_LONGEST


def test_other_bundles_are_not_followed(scene):
    other = write_calls(scene.session, 1, ["c5"])
    scene.streams.add(other)
    scene.streams.cancel(other, "c5")
    scene.streams.ended(other)
    assert scene.told == []
