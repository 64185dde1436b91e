"""The resolver completes futures in its own thread. Strange behaviour of one call affects no other."""

from __future__ import annotations

import asyncio
import pickle
import threading
from concurrent.futures import Future

import pytest
from line_files import JobSide, write_calls

from condor_futures.calls.bundle import Bundle
from condor_futures.calls.outcomes_file import Outcome
from condor_futures.calls.pickling import pickle_object
from condor_futures.calls.stored_calls import bundle_secret
from condor_futures.errors import BrokenCondorExecutor, JobCrashedError, JobRemovedError, OutcomeError, PayloadError
from condor_futures.execution_point.frames import read_frames, write_frame
from condor_futures.execution_point.unpickling import dumps
from condor_futures.future import CondorFuture
from condor_futures.options.options import Options
from condor_futures.resolving import resolver as module
from condor_futures.resolving.counts import Counts
from condor_futures.resolving.failures import value_or_error
from condor_futures.resolving.resolver import Resolver
from condor_futures.session.session import Session
from condor_futures.state_machine import states


def test_what_a_callback_raises_is_no_business_of_the_other_calls(tmp_path):
    """It may even raise what is no Exception, such as asyncio.CancelledError."""
    session = Session.create(tmp_path / "session")
    tally = Counts()
    resolver = Resolver(session, tally, lambda bundle, error: None)
    resolver.start()
    ended = []
    for number, tell in enumerate([resolver.report, resolver.fail]):
        futures = {key: CondorFuture(key, lambda future: None) for key in (f"c{number}0000{n}" for n in range(3))}
        bundle = Bundle(f"b{number}", tmp_path, Options({}, spool=True), futures, states.Job(f"b{number}", True))
        tally.opened(bundle.futures.values(), bundle)
        with bundle.path("outcomes").open("wb") as file:
            for key in futures:
                header = {"kind": "outcome", "session": session.id, "call": key, "result": "value", "host": "ep1"}
                write_frame(file, session.secret, header, dumps(key))
        futures[f"c{number}00000"].add_done_callback(raise_cancelled)
        tell(bundle, states.Report(states.Retrieved("1.0")) if number == 0 else ValueError("all of them"))
        ended += futures.values()
    resolver.close()
    session.remove()
    assert [future.result(0) for future in ended[:3]] == ["c000000", "c000001", "c000002"]
    assert [str(future.exception(0)) for future in ended[3:]] == ["all of them"] * 3
    assert tally.counts() == {"done": 3, "failed": 3}


def test_a_value_that_cannot_be_handed_down_leaves_nothing_of_it(tmp_path):
    """An incomplete frame would hide later ones. Only the calls that take the value fail."""
    session = Session.create(tmp_path / "session")
    resolver = Resolver(session, Counts(), lambda bundle, error: None)
    resolver.start()
    gone, locked, fine = CondorFuture("c000000"), Future(), Future()
    parent = Bundle("b0", session.bundles, Options({}, spool=True), {"c000000": gone}, states.Job("b0", True))
    gone.resolve(1, None)
    with parent.path("outcomes").open("wb") as file:  # truncated since it was read
        header = {"kind": "outcome", "session": session.id, "call": "c000000", "result": "value", "host": "ep1"}
        write_frame(file, session.secret, header, [bytes(3_000_000)])
        file.truncate(2_000_000)
    locked.set_result(threading.Lock())
    fine.set_result("fine")
    child = Bundle("b1", session.bundles, Options({}, spool=True), {}, states.Job("b1", True))
    child.path("calls").write_bytes(b"")
    child.parents = {
        "c1": {"c000000": gone},
        "c2": {"x2": locked},
        "c3": {"x3": fine},
        "c4": {"x3": fine, "x2": locked},
    }
    answers = []
    resolver.hand_down(child, answers.append)
    resolver.close()
    with child.path("calls").open("rb") as file:
        assert [header["call"] for header, _ in read_frames(file, session.secret)] == ["x3"]
    session.remove()
    [failed] = answers
    assert {call: type(error) for call, error in failed.items()} == {
        "c1": OutcomeError,
        "c2": PayloadError,
        "c4": PayloadError,
    }


def raise_cancelled(future):
    raise asyncio.CancelledError


class OddError(Exception):
    """Its str() fails."""

    def __str__(self):
        return self.nothing

    def __reduce__(self):
        raise OddError


def raise_odd():
    raise OddError


def test_an_exception_without_a_text_is_an_error_all_the_same(tmp_path):
    """The exception may be that of a parent, of unpickling, or of pickling."""
    session = Session.create(tmp_path / "session")
    resolver = Resolver(session, Counts(), lambda bundle, error: None)
    resolver.start()
    future = CondorFuture("c000000", lambda future: None)
    bundle = Bundle("b0", tmp_path, Options({}, spool=True), {"c000000": future}, states.Job("b0", True))
    resolver.fail_call(bundle, "c000000", OddError())
    resolver.close()
    session.remove()
    assert str(future.exception(0)) == "a call that this one depends on raised OddError: (its __str__() failed)"
    outcome = Outcome("c000000", "value", {"host": "ep1"}, (pickle.dumps(Unpickles()),))
    spoilt = value_or_error(outcome, "7.0")[1]
    assert str(spoilt).endswith("cannot be unpickled here: OddError: (its __str__() failed)")
    with pytest.raises(PayloadError, match=r"\(its __str__\(\) failed\)"):
        pickle_object([OddError()], "argument")


class Unpickles:
    """Raises the exception when it is unpickled."""

    def __reduce__(self):
        return raise_odd, ()


# Calls of warm jobs.


class Scene:
    """A session with a bundle whose calls wait, and an open bundle whose job has been given them."""

    def __init__(self, directory):
        self.session = Session.create(directory)
        self.tally = Counts()
        self.broken = []
        self.resolver = Resolver(self.session, self.tally, lambda *told: self.broken.append(told))
        self.source = write_calls(self.session, 0, ["c0", "c1", "c2"])
        self.futures = dict(self.source.futures)
        self.job = JobSide(self.session, "b000001")
        self.open = Bundle(
            "b000001",
            self.source.directory,
            Options({}, spool=True, open=True),
            {},
            states.Job("b000001", True, state=states.State.RUNNING, job_id="7.0"),
            line=self.job.path.parent,
        )
        self.open.attempt = self.job.path
        self.tally.opened(self.source.futures.values(), self.source)
        self.resolver.takes(self.open)
        self.outcomes = self.job.path.with_suffix(".outcomes")
        self.resolver.start()

    def move(self, *calls):
        self.resolver.give(self.open, {call: self.futures[call] for call in calls})

    def done(self):
        """Let the resolver do all that it was asked for."""
        answered = threading.Event()
        self.resolver._work.put(answered.set)
        answered.wait()

    def shown(self):
        """The value or error of each future that is done."""
        return {
            key: future.exception() if future.exception() is not None else future.result()
            for key, future in self.futures.items()
            if future.done()
        }


@pytest.fixture
def scene(tmp_path):
    scene = Scene(tmp_path / "session")
    yield scene
    scene.resolver.close()
    scene.session.remove()


def test_a_call_is_where_its_job_is(scene):
    """It is counted in the state of that job, and goes back when the job returns it."""
    scene.move("c0", "c2")
    scene.done()
    assert list(scene.open.futures) == ["c0", "c2"]
    assert scene.tally.counts() == {"running": 2, "pending": 1}
    scene.resolver.take_back(scene.open, {"c2": scene.futures["c2"]}, scene.source)
    scene.done()
    assert list(scene.open.futures) == ["c0"]
    assert scene.tally.counts() == {"running": 1, "pending": 2}


def test_outcomes_are_delivered_one_by_one(scene):
    """The place of each is known from then on, for calls that take the value, and for the output."""
    scene.move("c0", "c1", "c2")
    scene.job.path.with_suffix(".stdout").write_text("zero\none\n")
    places = {
        "c1": scene.job.outcome("c1", 11, stdout=[5, 9], stderr=[0, 0]),
        "c0": scene.job.outcome("c0", 10, stdout=[0, 5], stderr=[0, 0]),
    }
    scene.resolver.deliver(scene.open, scene.outcomes, list(places.items()))
    scene.done()
    assert scene.shown() == {"c0": 10, "c1": 11}
    written = {call: future.written for call, future in scene.futures.items() if future.written is not None}
    assert {call: one[:3] for call, one in written.items()} == {
        call: (scene.outcomes, start, "b000001") for call, start in places.items()
    }
    assert list(scene.open.futures) == ["c2"]
    assert [scene.open.text("stdout", call, written[call]) for call in ("c0", "c1")] == ["zero\n", "one\n"]
    assert scene.tally.counts() == {"done": 2, "running": 1}


@pytest.mark.parametrize("spoilt", ["altered", "another call", "another session", "another secret", "gone"])
def test_an_outcome_that_is_not_authentic_fails_its_call_only(scene, spoilt):
    """What tells of outcomes does not check them."""
    scene.move("c0", "c1")
    if spoilt == "another session":
        scene.job.session = "another"
    elif spoilt == "another secret":
        scene.job.secret = bundle_secret(scene.session.secret, "b000002")
    start = scene.job.outcome("c2" if spoilt == "another call" else "c0", 10)
    if spoilt == "altered":
        data = scene.outcomes.read_bytes()
        scene.outcomes.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    scene.job.session, scene.job.secret = scene.session.id, bundle_secret(scene.session.secret, "b000001")
    if spoilt == "gone":
        scene.outcomes.write_bytes(b"")
        start = 0
    good = scene.job.outcome("c1", 11)
    if spoilt == "gone":
        start = scene.outcomes.stat().st_size
    scene.resolver.deliver(scene.open, scene.outcomes, [("c0", start), ("c1", good)])
    scene.done()
    shown = scene.shown()
    assert (type(shown["c0"]), shown["c1"]) == (OutcomeError, 11)
    assert scene.futures["c0"].written is None
    assert dict(scene.open.futures) == {}


def test_a_file_of_outcomes_that_is_gone_fails_the_calls_that_it_had(scene):
    scene.move("c0", "c1")
    scene.resolver.deliver(scene.open, scene.outcomes.with_name("nothing.outcomes"), [("c0", 0)])
    scene.done()
    assert {call: type(error) for call, error in scene.shown().items()} == {"c0": FileNotFoundError}


def test_a_call_that_killed_its_process_is_told_with_what_it_wrote(scene):
    scene.move("c0")
    scene.job.path.with_suffix(".stderr").write_text("before\nout of luck\n")
    start = scene.job.outcome("c0", result="crashed", signal=9, exit_status=None, stage="", stderr=[7, 19])
    scene.resolver.deliver(scene.open, scene.outcomes, [("c0", start)])
    scene.done()
    error = scene.shown()["c0"]
    assert (type(error), error.signal) == (JobCrashedError, 9)
    assert "out of luck" in str(error)
    assert "before" not in str(error)


def test_an_initializer_that_failed_in_a_warm_job_breaks_the_executor(scene):
    scene.move("c0")
    raised = {"type_name": "ValueError", "message": "no", "traceback": ""}
    start = scene.job.outcome("c0", result="initializer", **raised)
    scene.resolver.deliver(scene.open, scene.outcomes, [("c0", start)])
    scene.done()
    [(bundle, error)] = scene.broken
    assert (bundle, type(error)) == (scene.open, BrokenCondorExecutor)
    assert scene.shown()["c0"] is error


def test_an_initializer_that_always_crashes_in_warm_jobs_breaks_the_executor(scene, monkeypatch):
    """A crash of a call, or a value, comes after an initializer that worked."""
    monkeypatch.setattr(module, "MOST_CRASHES", 2)
    scene.move("c0", "c1", "c2")
    stages = {"c0": "initializer", "c1": "c1", "c2": "initializer"}
    starts = [
        (call, scene.job.outcome(call, result="crashed", signal=11, exit_status=None, stage=stage))
        for call, stage in stages.items()
    ]
    scene.resolver.deliver(scene.open, scene.outcomes, starts)
    scene.done()
    assert scene.broken == []
    crash = scene.shown()["c2"]
    assert "in the initializer" in str(crash)
    scene.resolver._count_crashes(scene.open, crash, initializer=True)
    [(bundle, error)] = scene.broken
    assert (bundle, type(error), error.__cause__) == (scene.open, BrokenCondorExecutor, crash)
    assert "crashed 2 times in a row" in str(error)


def test_a_cancelled_call_is_forgotten(scene):
    """Its outcome may come all the same, and does not count."""
    scene.move("c0", "c1")
    scene.futures["c0"].cancel()
    scene.resolver.forget(scene.open, ["c0"])
    start = scene.job.outcome("c0", 10)
    scene.resolver.deliver(scene.open, scene.outcomes, [("c0", start)])
    scene.done()
    assert scene.futures["c0"].cancelled()
    assert (list(scene.open.futures), scene.futures["c0"].written) == (["c1"], None)


def bring(scene, *calls):
    """Let the job bring outcomes back as a file."""
    with scene.open.path("outcomes").open("ab") as file:
        for call in calls:
            header = {"kind": "outcome", "session": scene.session.id, "call": call, "result": "value", "host": "ep1"}
            write_frame(file, bundle_secret(scene.session.secret, "b000001"), header, dumps(f"brought {call}"))


def test_what_did_not_get_through_the_line_comes_as_a_file(scene):
    """An outcome that was delivered before counts. So does none of a call that the job was not given."""
    scene.move("c0", "c1")
    start = scene.job.outcome("c0", "through the line")
    scene.resolver.deliver(scene.open, scene.outcomes, [("c0", start)])
    bring(scene, "c0", "c1", "c2")
    answers = []
    scene.resolver.deliver_rest(scene.open, answers.append)
    scene.done()
    assert scene.shown() == {"c0": "through the line", "c1": "brought c1"}
    assert answers == [["c0", "c1", "c2"]]
    assert scene.futures["c1"].written.path == scene.open.path("outcomes")


@pytest.mark.parametrize("what", ["nothing", "no frames", "a frame that is cut off"])
def test_the_answer_comes_whatever_was_brought_back(scene, what, caplog):
    """Without an answer nobody would learn that the job has ended."""
    scene.move("c0", "c1")
    if what != "nothing":
        bring(scene, "c0", *(["c1"] if what == "a frame that is cut off" else []))
        with scene.open.path("outcomes").open("ab") as file:
            file.write(b"no frame")
            file.truncate(file.tell() - 20 if what == "a frame that is cut off" else file.tell())
    answers = []
    scene.resolver.deliver_rest(scene.open, answers.append)
    scene.done()
    assert answers == [[] if what == "nothing" else ["c0"]]
    assert ("are refused" in caplog.text) == (what != "nothing")


def test_the_answer_comes_although_a_future_cannot_be_resolved(scene, monkeypatch):
    scene.move("c0", "c1")
    bring(scene, "c0")
    monkeypatch.setattr(scene.resolver, "_resolve_from", lambda *_: 1 / 0)
    answers = []
    scene.resolver.deliver_rest(scene.open, answers.append)
    scene.done()
    assert answers == [["c0"]]
    assert {type(error) for error in scene.shown().values()} == {ZeroDivisionError}


def test_what_ended_a_job_fails_the_call_that_it_made(scene):
    scene.move("c0", "c1")
    scene.resolver.fail_with(scene.open, "c0", states.Aborted("7.0", "via condor_rm"))
    scene.resolver.fail_with(scene.open, "c2", states.Aborted("7.0", "it was not given this one"))
    scene.done()
    [(call, error)] = scene.shown().items()
    assert (call, type(error), error.job_id) == ("c0", JobRemovedError, "7.0")


def test_one_call_fails_before_it_is_given_to_a_job(scene):
    scene.resolver.fail_waiting([scene.futures["c1"]], PayloadError("cannot be read"))
    scene.done()
    assert {call: str(error) for call, error in scene.shown().items()} == {"c1": "cannot be read"}


@pytest.mark.parametrize(("keep", "kept", "there"), [(False, False, False), (True, False, True), (False, True, True)])
def test_the_calls_of_a_bundle_go_when_all_have_their_outcomes(tmp_path, keep, kept, there):
    """Unless one has failed without, or the session is kept."""
    session = Session.create(tmp_path / "kept" if kept else None)
    resolver = Resolver(session, Counts(), lambda *_: None)
    bundle = write_calls(session, 0, ["c0"])
    resolver.start()
    resolver.finished(bundle, keep=keep)
    resolver.close()
    assert (dict(bundle.futures), bundle.path("calls").exists()) == ({}, there)
    session.remove()


def test_outcomes_of_an_earlier_clients_time_are_delivered(scene):
    """They may be in several files, of several jobs. One that is gone fails its call only."""
    other = JobSide(scene.session, "b000002")
    scene.source.places = {
        "c0": (scene.outcomes, scene.job.outcome("c0", 10), "b000001"),
        "c1": (other.path.with_suffix(".outcomes"), other.outcome("c1", 11, stdout=[0, 3], stderr=[0, 0]), "b000002"),
        "c2": (scene.outcomes.with_name("nothing"), 0, "b000001"),
    }
    other.path.with_suffix(".stdout").write_text("one")
    scene.resolver.deliver_known(scene.source)
    scene.done()
    shown = scene.shown()
    assert (shown["c0"], shown["c1"], type(shown["c2"])) == (10, 11, FileNotFoundError)
    assert scene.source.text("stdout", "c1", scene.futures["c1"].written) == "one"
    assert dict(scene.source.futures) == {}


@pytest.mark.parametrize("taken", ["c0", "c1"])
def test_the_value_of_a_warm_call_is_handed_down(scene, taken):
    """It is authenticated with the secret of its job, and written with that of the session."""
    scene.move("c0", "c1")
    scene.resolver.deliver(scene.open, scene.outcomes, [("c0", scene.job.outcome("c0", "value of c0"))])
    bring(scene, "c1")
    scene.resolver.deliver_rest(scene.open, lambda _: None)
    scene.done()
    parent = scene.futures[taken]
    parent.bundle = scene.open
    child = write_calls(scene.session, 5, {"c5": parent})
    answers = []
    scene.resolver.hand_down(child, answers.append)
    scene.done()
    assert answers == [{}]
    with child.path("calls").open("rb") as file:
        *_, (header, segments) = read_frames(file, scene.session.secret)
    assert (header["kind"], header["call"]) == ("outcome", taken)
    assert pickle.loads(segments[0]) == {"c0": "value of c0", "c1": "brought c1"}[taken]


def test_a_value_of_a_warm_call_that_was_altered_is_not_handed_down(scene):
    scene.move("c0")
    scene.resolver.deliver(scene.open, scene.outcomes, [("c0", scene.job.outcome("c0", "value"))])
    scene.done()
    data = scene.outcomes.read_bytes()
    scene.outcomes.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    scene.futures["c0"].bundle = scene.open
    child = write_calls(scene.session, 5, {"c5": scene.futures["c0"]})
    before = child.path("calls").read_bytes()
    answers = []
    scene.resolver.hand_down(child, answers.append)
    scene.done()
    assert [type(error) for error in answers[0].values()] == [OutcomeError]
    assert child.path("calls").read_bytes() == before
