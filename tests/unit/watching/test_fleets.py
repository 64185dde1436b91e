"""Which calls a warm job is given, what becomes of them, and how many jobs there are: without a pool and a clock.

The files are those of a session, written by the client's own functions.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as WaitError
from dataclasses import replace
from types import SimpleNamespace

import pytest
from line_files import WARM, JobSide, initializer, write_calls
from support import until

from condor_futures.calls.calls_file import Manner
from condor_futures.calls.lines import Attempt
from condor_futures.calls.stored_calls import StoredCalls, bundle_secret
from condor_futures.execution_point.bundle import NO_LINE
from condor_futures.execution_point.frames import read_frames
from condor_futures.files import appending
from condor_futures.files.growth import Growth
from condor_futures.options.options import Options
from condor_futures.recovery.evidence import find_bundles
from condor_futures.session.session import Session
from condor_futures.state_machine.states import Aborted, State, Terminated, Unwanted
from condor_futures.watching import fleets as module
from condor_futures.watching.fleets import EVICTED, FIRST_JOBS, SPARE, STUCK, Fleets
from condor_futures.watching.stacks import LARGEST, Stacks

WELL, REMOVED = Terminated("1.0", exit_status=0), Aborted("1.0", "via condor_rm")


class NoGrowth:
    """As where inotify does not work: all files are looked at again and again."""

    works, descriptor = False, None

    def __getattr__(self, _name):
        return lambda *_: set()


class Jobs(dict):
    """The jobs in the queue, by bundle."""

    def __init__(self):
        self.unwanted = []
        self.idle = {}  # seconds, by bundle

    def idle_for(self, seconds):
        return (bundle for bundle, idle in self.idle.items() if idle > seconds)

    def advance(self, bundle, event):
        assert isinstance(event, Unwanted)
        self.unwanted.append(bundle.key)
        bundle.job = replace(bundle.job, state=State.DISCARDED)
        self.pop(bundle.key, None)


class Resolver:
    """Moves futures at once, and notes all else."""

    def __init__(self, secret):
        self.secret = secret
        self.told = []
        self.brought = {}

    def takes(self, bundle):
        pass

    def give(self, bundle, futures):
        bundle.give(futures)

    def take_back(self, bundle, futures, to):
        assert all(future.bundle is to for future in futures.values())
        self.forget(bundle, futures)

    def fail_waiting(self, futures, error):
        self.told += [f"{future.key} fails: {type(error).__name__}" for future in futures]

    def deliver(self, bundle, path, calls):
        for call, start in calls:
            with path.open("rb") as file:
                file.seek(start)
                assert next(read_frames(file, bundle_secret(self.secret, bundle.key)))[0]["call"] == call
            assert bundle.take(call) is not None
        self.told.append(f"{bundle.key} has {' '.join(call for call, _ in calls)}")

    def deliver_rest(self, bundle, answer):
        answer(self.brought.pop(bundle.key, []))

    def fail(self, bundle, error, call=None):
        self.told.append(f"{call or bundle.key} fails: {type(error).__name__}")

    def fail_with(self, bundle, call, cause):
        assert call in bundle.futures
        self.told.append(f"{call} fails: {type(cause).__name__}")

    def forget(self, bundle, calls):
        for call in calls:
            bundle.take(call)

    def finished(self, bundle, *, keep):
        self.told.append(f"{bundle.key} finished{', kept' if keep else ''}")


class Scene:
    """Fleets, what they ask for, and the jobs of a pool."""

    def __init__(self, session, monkeypatch):
        self.session = session
        self.now = 1000.0
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now))
        self.resolver = Resolver(session.secret)
        self.closed = []
        self.submitted = []
        self.opened = []
        self.numbers, self.attempts = itertools.count(100), itertools.count(1)
        self.new()

    def new(self, works=True, cores=None, max_jobs=1000):
        """Begin, as another client does."""
        self.jobs = Jobs()
        self.asked = 0
        self.stacks = Stacks(lambda function: function(), self.ask_stack)

        def ask(told):
            self.asked += 1
            if cores is not None:
                told(cores)

        self.fleets = Fleets(
            self.session,
            self.jobs,
            self,
            self.resolver,
            lambda function: function(),
            self.numbers.__next__,
            ask,
            max_jobs,
            works,
            stacks=self.stacks,
        )

    def ask_stack(self, bundle, key):
        return self.fleets.ask_stack(bundle, key)

    # The submissions.

    full = False

    def add(self, bundles, *, complete=False):
        for bundle in bundles:
            if bundle.line is None:
                self.closed.append(bundle.key)
                self.submitted.append(bundle)
            else:
                self.opened.append(bundle)
                self.jobs[bundle.key] = bundle
                bundle.job = replace(bundle.job, state=State.IDLE, job_id=f"1.{len(self.opened) - 1}")

    # The client.

    def submit(self, number, count=1, options=WARM, **more):
        """Have a bundle of calls made, with keys that begin with the bundle's number."""
        bundle = write_calls(self.session, number, [f"c{number}.{n}" for n in range(count)], options=options, **more)
        self.futures = getattr(self, "futures", {}) | dict(bundle.futures)
        self.fleets.add(bundle)
        return bundle

    def turn(self, seconds=0.001, *, closing=False):
        """Let the watcher look once."""
        self.now += seconds
        self.fleets._looked = 0.0
        self.fleets.read()
        self.fleets.proceed(closing=closing)

    # The pool.

    def run(self, bundle, *, hello=True):
        """Let the job of an open bundle begin an attempt."""
        bundle.job = replace(bundle.job, state=State.RUNNING)
        number = next(self.attempts)
        side = JobSide(self.session, bundle.key, f"{number:016x}")
        os.utime(side.path.with_suffix(".outcomes"), ns=(number, number))
        return side.hello() if hello else side

    def start(self, number, count=1, jobs=1, **options):
        """Have calls made, and as many jobs run."""
        self.fleets._told_cores(jobs)
        self.submit(number, count, **options)
        self.turn()
        sides = [self.run(bundle) for bundle in self.opened[-jobs:]]
        self.turn()
        return sides if jobs > 1 else sides[0]

    def end(self, bundle, cause=WELL):
        """The job of an open bundle has left the queue."""
        self.jobs.pop(bundle.key, None)
        bundle.job = replace(bundle.job, state=State.ENDED)
        self.fleets.ended(bundle, cause)

    def told(self):
        told, self.resolver.told = self.resolver.told, []
        return told

    def cancel(self, key):
        return self.fleets.cancel(self.futures[key].bundle, key)

    def found(self):
        """The calls that a client that attaches finds."""
        return {
            bundle.key: list(bundle.calls) for bundle in find_bundles(self.session) if bundle.counts and not bundle.line
        }

    def where(self):
        """The bundle of each future."""
        return {key: future.bundle.key for key, future in self.futures.items()}


@pytest.fixture
def scene(session, monkeypatch):
    monkeypatch.setattr(module, "Growth", NoGrowth)
    scene = Scene(session, monkeypatch)
    yield scene
    scene.fleets.close()


def calls(heard):
    """The calls among what a job has heard."""
    return [word[5:] for word in heard if word.startswith("call ")]


# Which bundles.


@pytest.mark.parametrize(
    ("options", "works", "takes"),
    [
        (WARM, True, True),
        (WARM, False, False),
        (Options({}, spool=True), True, False),
        (replace(WARM, commands={"max_retries": "1"}), True, False),
    ],
    ids=["warm", "impossible", "off", "a job for each"],
)
def test_bundles_are_taken_whose_calls_warm_jobs_can_make(scene, options, works, takes):
    scene.new(works=works)
    assert scene.fleets.takes(write_calls(scene.session, 0, ["c0"], options=options)) == takes


def test_a_bundle_of_which_warm_jobs_have_made_calls_is_taken_in_any_case(scene, tmp_path):
    """A job of its own would make all of them again."""
    scene.new(works=False)
    bundle = write_calls(scene.session, 0, ["c0", "c1"])
    bundle.places = {"c0": (tmp_path, 0, "b000009")}
    assert scene.fleets.takes(bundle)
    scene.fleets.add(bundle)
    scene.turn()
    side = scene.run(scene.opened[0])
    scene.turn()
    assert calls(side.heard()) == ["c1"]


def test_calls_that_cannot_be_read_fail(scene):
    bundle = write_calls(scene.session, 0, ["c0"])
    os.truncate(bundle.path("calls"), 10)
    scene.fleets.add(bundle)
    assert scene.told() == ["b000000 fails: FrameError"]
    assert scene.fleets.empty
    assert scene.fleets.bundles() == []


# From the client to the jobs.


def test_a_call_has_a_job_submitted_which_makes_it(scene):
    """Its future is running from the moment at which the job is given the call."""
    bundle = scene.submit(0)
    [future] = bundle.futures.values()
    assert scene.opened == []
    scene.turn()
    [opened] = scene.opened
    assert (opened.key, opened.options.open, opened.line) == ("b000100", True, scene.session.lines / "b000100")
    with opened.path("calls").open("rb") as file:
        [(head, _)] = read_frames(file)
    assert head["line"] == {"directory": str(opened.line), "warm": 60.0, "lifetime": 3600.0}
    assert not future.running()
    side = scene.run(opened)
    scene.turn()
    assert side.heard() == ["function", "call c0.0"]
    assert future.running()
    assert (future.bundle, opened.futures) == (opened, {"c0.0": future})
    assert opened.attempt == side.path
    side.outcome("c0.0", 1)
    scene.turn()
    assert scene.told() == ["b000000 finished", "b000100 has c0.0"]
    assert scene.fleets.empty
    assert scene.fleets.bundles() == []


def test_a_job_makes_call_after_call(scene):
    side = scene.start(0)
    for number in range(1, 4):
        side.outcome(f"c{number - 1}.0")
        scene.turn()
        scene.submit(number)
        scene.turn()
        assert calls(side.heard())[-1] == f"c{number}.0"
    assert len(scene.opened) == 1


def test_nothing_is_given_to_a_job_before_it_has_begun(scene):
    scene.submit(0)
    scene.turn()
    scene.turn()
    assert len(scene.opened) == 1
    assert scene.fleets.patience() <= module.POLL_LONGEST


def test_without_jobs_nothing_has_to_be_looked_at(scene):
    assert scene.fleets.patience() == float("inf")


def test_a_long_call_is_given_alone_and_short_ones_several_at_a_time(scene):
    """The jobs share what there is."""
    first, second = scene.start(0, 60, jobs=2)
    assert (calls(first.heard()), calls(second.heard())) == (["c0.0"], ["c0.1"])
    first.outcome("c0.0", took=0.01)
    scene.turn()
    assert calls(first.heard()) == [f"c0.{n}" for n in range(2, 7)]
    assert calls(second.heard()) == [f"c0.{n}" for n in range(7, 11)]
    for n in range(2, 7):
        first.outcome(f"c0.{n}", took=30.0)
    scene.turn()
    assert calls(first.heard()) == ["c0.11"]


def test_the_last_calls_are_shared(scene):
    """No job gets so many of them that another one has nothing to do."""
    sides = scene.start(0, 8, jobs=4)
    for number, side in enumerate(sides):
        side.outcome(f"c0.{number}", took=0.001)
    scene.turn()
    assert [len(calls(side.heard())) for side in sides] == [2, 2, 2, 2]


def test_jobs_that_are_not_alike_have_their_own_calls(scene):
    """Options, initializer and the like make the difference."""
    scene.submit(0)
    scene.submit(1, options=replace(WARM, commands={"request_cpus": "2"}))
    scene.submit(2, manner=initializer(abs))
    scene.submit(3, functions=(bool,))
    scene.turn()
    sides = [scene.run(bundle) for bundle in scene.opened]
    scene.turn()
    scene.turn()
    assert [calls(side.heard()) for side in sides] == [["c0.0"], ["c3.0"], ["c1.0"], ["c2.0"]]


def test_a_call_that_cannot_be_read_any_more_fails_alone(scene):
    """Its neighbours of other bundles are given to the job."""
    [side] = [scene.start(0)]
    side.outcome("c0.0", took=0.001)
    scene.turn()
    side.heard()
    bundles = [scene.submit(number) for number in (1, 2, 3)]
    bundles[1].path("calls").unlink()
    scene.told()
    scene.turn()
    assert calls(side.heard()) == ["c1.0", "c3.0"]
    assert scene.told() == ["c2.0 fails: FileNotFoundError", "b000002 finished, kept"]
    for call in ("c1.0", "c3.0"):
        side.outcome(call)
    scene.turn()
    assert scene.fleets.empty


# From the jobs to the client.


def test_an_outcome_of_a_call_that_the_job_does_not_have_is_ignored(scene):
    """It may be forged, or come twice."""
    first, second = scene.start(0, 2, jobs=2)
    second.outcome("c0.0")
    second.outcome("c9.9")
    second.say(kind="outcome", call=["c0.1"])
    scene.turn()
    assert scene.told() == []
    for _ in range(2):
        first.outcome("c0.0")
        scene.turn()
    second.outcome("c0.1")
    scene.turn()
    assert scene.told() == ["b000100 has c0.0", "b000000 finished", "b000101 has c0.1"]


def test_calls_that_a_job_returns_are_made_by_others_in_their_order(scene):
    """Before those that have waited until now."""
    first, second = scene.start(0, 12, jobs=2)
    first.outcome("c0.0", took=0.01)
    second.outcome("c0.1", took=0.01)
    scene.turn()
    given = calls(first.heard())[1:]
    assert given == ["c0.2", "c0.3", "c0.4", "c0.5", "c0.6"]
    second.heard()
    first.say(kind="returned", calls=given[2:], leaving=True)
    scene.turn()
    assert scene.where()["c0.4"] == "b000000"
    assert not any(scene.futures[call].done() for call in given)
    for call in ("c0.7", "c0.8", "c0.9", "c0.10", "c0.11"):
        second.outcome(call, took=0.01)
    scene.turn()
    assert calls(second.heard()) == ["c0.4", "c0.5", "c0.6"]
    assert calls(first.heard()) == [], "it takes no more calls"
    assert scene.where()["c0.4"] == "b000101"


def test_calls_of_a_job_that_left_are_made_by_others(scene):
    """They were on their way to it."""
    side = scene.start(0)
    side.heard()
    side.say(kind="left")
    scene.turn()
    assert len(scene.opened) == 2, "another job is submitted at once"
    scene.end(scene.opened[0])
    other = scene.run(scene.opened[1])
    scene.turn()
    assert calls(other.heard()) == ["c0.0"]
    assert scene.told() == []


@pytest.mark.parametrize(
    "keys", [["c0.1", "c0.1"], [["c0.1"], {}, None, 3, "c0.1"], "c0.1", None, {"c0.1": 1}], ids=str
)
def test_what_a_job_returns_may_make_no_sense(scene, keys):
    side = scene.start(0, 2)
    side.outcome("c0.0", took=0.01)
    scene.turn()
    side.say(kind="returned", calls=keys)
    scene.turn()
    side.outcome("c0.1", took=0.01)
    scene.turn()
    scene.turn()
    assert scene.told()[0] == "b000100 has c0.0"


def test_a_job_that_writes_what_is_no_frame_is_removed(scene):
    """Its calls are made by others, and what it wrote before counts."""
    side = scene.start(0, 2)
    side.outcome("c0.0", took=0.01)
    scene.turn()
    side.outcome("c0.1")
    with side.path.with_suffix(".outcomes").open("ab") as file:
        file.write(b"no frame at all")
    scene.submit(1)
    scene.told()
    scene.turn()
    assert scene.jobs.unwanted == ["b000100"]
    assert scene.told() == ["b000000 finished", "b000100 has c0.1"]
    assert [bundle.key for bundle in scene.opened] == ["b000100", "b000101"]


@pytest.mark.parametrize("what", ["evicted", "new attempt", "ended", "removed at the end"])
def test_what_is_no_frame_is_noticed_at_the_end_too(scene, what):
    side = scene.start(0, 1)
    with side.path.with_suffix(".outcomes").open("ab") as file:
        file.write(b"no frame at all")
    opened = scene.opened[0]
    if what == "evicted":
        scene.fleets.interrupted(opened)
    elif what == "new attempt":
        scene.run(opened)
    else:
        scene.end(opened, WELL if what == "ended" else REMOVED)
    scene.turn()
    scene.turn()
    other = scene.run(scene.opened[-1])
    scene.turn()
    assert calls(other.heard()) == ["c0.0"]
    assert scene.told() == []


def test_a_call_whose_second_job_also_writes_no_frames_fails(scene):
    """It would be made again and again."""
    side = scene.start(0, 2)
    for _ in range(2):
        with side.path.with_suffix(".outcomes").open("ab") as file:
            file.write(b"no frame at all")
        scene.turn()
        scene.turn()
        side = scene.run(scene.opened[-1])
        scene.turn()
    assert scene.told() == ["c0.0 fails: OutcomeError"]
    assert calls(side.heard()) == ["c0.1"]


def test_what_a_call_reports_of_itself_is_told_to_its_future(scene):
    """Not what another job says of it, and nothing that makes no sense."""
    first, second = scene.start(0, 2, jobs=2)
    first.say(kind="report", call="c0.0", fraction=0.5, text="half")
    second.say(kind="report", call="c0.0", fraction=0.9, text="forged")
    for fields in ({}, {"call": ["c0.1"]}, {"call": "c0.1", "fraction": "1", "text": 2}, {"call": "c0.1"}):
        second.say(kind="report", **fields)
    scene.turn()
    progress = {key: future.progress for key, future in scene.futures.items()}
    assert (progress["c0.0"].fraction, progress["c0.0"].text) == (0.5, "half")
    assert progress["c0.1"] is None


def ask(scene, key="c0.0", timeout=30.0):
    """Ask for the stack of a call in another thread; return what comes, and wait until the job has been asked."""
    future = scene.futures[key]
    before = len(scene.stacks._waiting.get(key, []))
    answer = Future()

    def wait():
        try:
            answer.set_result(future.stack(timeout))
        except Exception as error:
            answer.set_exception(error)

    threading.Thread(target=wait, daemon=True).start()
    until(lambda: len(scene.stacks._waiting.get(key, [])) > before or answer.done())
    return answer


def test_a_stack_is_told_to_all_who_asked_for_it(scene):
    side = scene.start(0, 1)
    side.heard()
    first, second = ask(scene), ask(scene)
    assert side.heard() == ["stack c0.0"], "the job is asked once"
    side.say(kind="stack", call="c0.0", text='Thread 1:\n  File "x\x1b[31m.py", line 1 in f\n')
    scene.turn()
    assert first.result(10) == second.result(10) == 'Thread 1:\n  File "x?[31m.py", line 1 in f'
    third = ask(scene)
    assert side.heard() == ["stack c0.0"], "a later question is another one"
    side.say(kind="stack", call="c0.0", text="x" * LARGEST + "end")
    scene.turn()
    assert len(third.result(10)) == LARGEST
    assert third.result().endswith("end")


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"refused": "waits"}, InvalidStateError, "it has not begun yet"),
        ({"refused": "ended"}, InvalidStateError, "it has just ended"),
        ({"refused": "handler"}, RuntimeError, "replaced the handler"),
        ({"refused": ["ended"], "text": 7}, RuntimeError, "replaced the handler"),
    ],
    ids=str,
)
def test_why_there_is_no_stack(scene, fields, error, words):
    side = scene.start(0, 1)
    answer = ask(scene)
    side.say(kind="stack", call="c0.0", **fields)
    scene.turn()
    with pytest.raises(error, match=words):
        answer.result(10)


def test_stacks_that_nobody_asked_for_have_no_effect(scene):
    """Nor those that another job forges."""
    first, second = scene.start(0, 2, jobs=2)
    answer = ask(scene)
    second.say(kind="stack", call="c0.0", text="forged")
    for fields in ({}, {"call": ["c0.1"]}, {"call": "c0.1", "text": "not asked"}, {"call": "c9", "text": "unknown"}):
        second.say(kind="stack", **fields)
    scene.turn()
    assert not answer.done()
    first.say(kind="stack", call="c0.0", text="true")
    scene.turn()
    assert answer.result(10) == "true"
    assert scene.stacks._waiting == {}


@pytest.mark.parametrize("what", ["ends", "is cancelled", "is evicted", "is forgotten"])
def test_nobody_waits_for_the_stack_of_a_call_that_does_not_run(scene, what):
    side = scene.start(0, 1)
    answer = ask(scene)
    match what:
        case "ends":
            side.outcome("c0.0")
            scene.turn()
        case "is cancelled":
            scene.cancel("c0.0")
        case "is evicted":
            scene.fleets.interrupted(scene.opened[0])
            scene.turn(EVICTED + 1)
        case "is forgotten":
            scene.stacks.close()
    with pytest.raises(InvalidStateError, match="it has ended, or its job lost its slot"):
        answer.result(10)


def test_a_job_that_does_not_answer(scene):
    side = scene.start(0, 1)
    with pytest.raises(WaitError, match=r"did not tell the stack of the call c0\.0 within 0\.1 s"):
        scene.futures["c0.0"].stack(0.1)
    side.say(kind="stack", call="c0.0", text="late")
    scene.turn()
    assert scene.stacks._waiting == {}


def test_calls_that_have_no_stack(scene):
    scene.fleets._told_cores(1)
    bundle = scene.submit(0, 2)
    with pytest.raises(InvalidStateError, match=r"the call c0\.0 has no stack yet, because it is pending"):
        scene.futures["c0.0"].stack()
    bundle.job = replace(bundle.job, state=State.RUNNING)
    with pytest.raises(RuntimeError, match=r"neither warm nor streams; executor\.why_not_warm says why"):
        scene.futures["c0.0"].stack()
    scene.futures["c0.0"].resolve(1, None)
    with pytest.raises(InvalidStateError, match="because it is done"):
        scene.futures["c0.0"].stack()


# Failures.


def test_an_evicted_job_loses_its_calls_after_a_moment(scene):
    """In this moment the log may say that it was removed. What it wrote before counts."""
    side = scene.start(0, 1)
    opened = scene.opened[0]
    side.outcome("c0.0")
    scene.submit(1)
    scene.turn()
    opened.job = replace(opened.job, state=State.IDLE)
    scene.fleets.interrupted(opened)
    scene.turn(EVICTED / 2)
    assert scene.told() == ["b000000 finished", "b000100 has c0.0"]
    assert scene.where()["c1.0"] == "b000100"
    scene.turn(EVICTED)
    assert scene.where()["c1.0"] == "b000001"
    again = scene.run(opened)
    scene.turn()
    assert calls(again.heard()) == ["c1.0"]
    assert len(scene.opened) == 1


def test_a_job_goes_on_whose_eviction_is_told_late(scene):
    """The log may tell of the end of an attempt when a later one runs, above all to a client that attaches."""
    side = scene.start(0, 2)
    side.heard()
    scene.fleets.interrupted(scene.opened[0])
    side.outcome("c0.0", took=0.01)
    scene.turn()
    assert (scene.told(), side.heard()) == ([f"{scene.opened[0].key} has c0.0"], []), "it is given no further calls yet"
    scene.fleets.told_status(scene.opened[0], runs=True)
    scene.turn(EVICTED * 2)
    assert calls(side.heard()) == ["c0.1"]
    side.outcome("c0.1")
    scene.turn()
    assert scene.fleets.empty


def test_an_outcome_counts_of_a_job_that_was_believed_to_be_evicted(scene):
    """The schedd has not answered. The other job, which makes the call now, is told that nobody waits for it."""
    side, other_side = scene.start(0, 2, jobs=2)
    evicted, other = scene.opened
    lost, also = sorted(scene.where(), key=lambda key: scene.where()[key])
    other_side.outcome(also)
    scene.fleets.interrupted(evicted)
    scene.turn(EVICTED * 2)
    assert scene.where()[lost] == other.key
    scene.told(), other_side.heard()
    side.outcome(lost)
    scene.turn()
    assert scene.told() == ["b000000 finished", f"{evicted.key} has {lost}"]
    assert other_side.heard()[0] == f"cancel {lost}"


def test_a_job_that_begins_again_has_lost_its_calls(scene):
    """The log may tell of the eviction later. Each attempt is given the functions anew."""
    side = scene.start(0)
    side.heard()
    again = scene.run(scene.opened[0])
    scene.turn()
    assert again.heard() == ["function", "call c0.0"]
    assert scene.opened[0].attempt == again.path
    side.outcome("c0.0")
    scene.turn()
    assert scene.told() == [], "nobody reads the files of the attempt before"


@pytest.mark.parametrize("where", ["waits", "is with another job", "has an outcome", "was cancelled"])
def test_outcomes_that_a_job_kept_for_its_next_attempt_count(scene, where):
    """They could not get through the line before. A call of which one has come is not made again."""
    scene.start(0)
    kept = scene.opened[0]
    scene.fleets.interrupted(kept)
    scene.fleets.told_status(kept, runs=False)
    assert scene.where()["c0.0"] == "b000000"
    if where in ("is with another job", "has an outcome"):
        scene.fleets._told_cores(2)
        scene.submit(9, 1)
        scene.turn()
        other = scene.run(scene.opened[1])
        scene.turn()
        assert calls(other.heard()) == ["c0.0"], "before calls that no job has had"
    if where == "has an outcome":
        other.outcome("c0.0")
    elif where == "was cancelled":
        scene.cancel("c0.0")
    scene.turn()
    scene.told()
    again = scene.run(kept, hello=False)
    scene.turn()
    assert again.heard() == [], "it has not said hello"
    again.outcome("c0.0")
    scene.turn()
    if where in ("waits", "is with another job"):
        assert scene.told() == ["b000000 finished", f"{kept.key} has c0.0"]
        assert scene.where()["c0.0"] == kept.key
    else:
        assert scene.told() == []
    if where == "is with another job":
        assert other.heard()[0] == "cancel c0.0"
    again.hello()
    scene.submit(1)
    scene.turn()
    assert "call c0.0" not in again.heard()


def test_outcomes_of_lost_calls_do_not_count_after_the_hello(scene):
    """The job is given them anew, if it is given them; a hostile one can make up no others."""
    first, _ = scene.start(0, 2, jobs=2)
    scene.fleets.interrupted(scene.opened[0])
    scene.fleets.told_status(scene.opened[0], runs=False)
    first.heard()
    again = scene.run(scene.opened[0])
    scene.fleets.read()
    [lost] = [call for call in ("c0.0", "c0.1") if scene.where()[call] == "b000000"]
    again.outcome(lost)
    scene.fleets.read()
    assert scene.told() == []


def test_an_evicted_job_that_is_removed_costs_the_call_that_it_made(scene):
    side = scene.start(0, 3)
    side.outcome("c0.0", took=0.01)
    scene.turn()
    assert calls(side.heard()) == ["c0.0", "c0.1", "c0.2"]
    scene.fleets.interrupted(scene.opened[0])
    scene.turn(EVICTED / 2)
    scene.told()
    scene.end(scene.opened[0], REMOVED)
    assert scene.told() == ["c0.1 fails: Aborted"]
    assert scene.where()["c0.2"] == "b000000"
    scene.turn()
    assert len(scene.opened) == 2
    assert not scene.fleets.empty


@pytest.mark.parametrize("cause", [REMOVED, Terminated("1.0", signal=9), Terminated("1.0", exit_status=1)], ids=repr)
def test_what_ends_a_job_fails_the_call_that_it_was_making(scene, cause):
    """That is the first without an outcome, as it makes them in their order."""
    side = scene.start(0, 4)
    side.outcome("c0.0", took=0.01)
    scene.turn()
    side.outcome("c0.1")
    scene.end(scene.opened[0], cause)
    assert scene.told() == [
        "b000100 has c0.0",
        "b000100 has c0.1",
        f"c0.2 fails: {type(cause).__name__}",
    ]
    assert scene.where()["c0.3"] == "b000000"


def test_a_job_that_ends_well_has_begun_none_of_the_calls_left(scene):
    side = scene.start(0, 3)
    side.outcome("c0.0", took=0.01)
    scene.turn()
    scene.told()
    scene.end(scene.opened[0])
    assert scene.told() == []
    assert scene.where() == dict.fromkeys(["c0.1", "c0.2"], "b000000") | {"c0.0": "b000100"}


def test_outcomes_that_came_back_as_a_file_count(scene):
    """The line broke."""
    side = scene.start(0, 4)
    side.outcome("c0.0", took=0.01)
    scene.turn()
    scene.resolver.brought["b000100"] = ["c0.0", "c0.2", "c0.1"]
    scene.told()
    scene.end(scene.opened[0], REMOVED)
    assert scene.told() == ["c0.3 fails: Aborted", "b000000 finished, kept"]
    assert scene.fleets.empty


def test_each_job_that_never_ran_fails_the_call_that_has_waited_longest(scene):
    """Otherwise jobs that cannot run would be submitted for ever."""
    scene.fleets._told_cores(2)
    scene.submit(0, 3)
    scene.turn()
    assert len(scene.opened) == 2
    scene.end(scene.opened[0], REMOVED)
    assert scene.told() == ["c0.0 fails: Aborted"]
    scene.end(scene.opened[1], Terminated("1.0", exit_status=126))
    assert scene.told() == ["c0.1 fails: Terminated"]
    scene.turn()
    scene.end(scene.opened[2], REMOVED)
    scene.turn()
    assert scene.told() == ["c0.2 fails: Aborted", "b000000 finished, kept"]
    assert scene.fleets.empty
    assert len(scene.opened) == 3


def test_a_job_that_ran_before_it_was_removed_fails_no_call_that_waits(scene):
    side = scene.start(0)
    side.outcome("c0.0")
    scene.turn()
    scene.told()
    scene.submit(1)
    scene.end(scene.opened[0], REMOVED)
    assert scene.told() == []
    assert scene.where()["c1.0"] == "b000001"


def test_calls_of_an_ended_job_are_known_until_it_is_known_how_they_ended(scene, monkeypatch):
    """The resolver may take its time. Meanwhile they may have to fail for another reason."""
    side = scene.start(0, 2)
    side.outcome("c0.0", took=0.01)
    scene.turn()
    answers = []
    monkeypatch.setattr(scene.resolver, "deliver_rest", lambda _, answer: answers.append(answer))
    opened = scene.opened[0]
    scene.end(opened, REMOVED)
    scene.turn()
    assert [bundle.key for bundle in scene.fleets.bundles()] == ["b000100"]
    assert not scene.fleets.empty
    scene.fleets.fail_waiting(lambda _: ValueError())  # all calls have failed
    scene.told()
    opened.futures = {}
    monkeypatch.setattr(scene.resolver, "fail_with", lambda *_: None)
    answers[0]([])
    scene.turn()
    assert scene.fleets.empty
    assert scene.fleets.bundles() == []


def test_a_bug_fails_the_calls_of_a_job_and_no_others(scene):
    first, _ = scene.start(0, 3, jobs=2)
    scene.fleets.forget(scene.opened[0])
    assert scene.where()["c0.0"] == "b000100"
    first.outcome("c0.0")
    scene.turn()
    assert scene.told() == []
    scene.fleets.forget(scene.opened[0])
    assert not scene.fleets.empty


def test_a_line_that_cannot_be_used_makes_all_bundles_have_their_own_jobs(scene, caplog):
    """Nothing has been made so far."""
    scene.submit(0, 2)
    scene.submit(1)
    scene.turn()
    count = len(scene.opened)
    scene.end(scene.opened[0], Terminated("1.0", exit_status=NO_LINE))
    assert {bundle.key: list(bundle.futures) for bundle in scene.submitted} == scene.found()
    assert list(scene.found().values()) == [["c0.0", "c0.1"], ["c1.0"]]
    assert "warm jobs are not possible here" in caplog.text
    assert not scene.fleets.takes(write_calls(scene.session, 2, ["c2"]))
    assert scene.fleets.empty
    scene.end(scene.opened[1], Terminated("1.1", exit_status=NO_LINE))
    scene.turn()
    assert len(scene.closed) == 2
    assert len(scene.opened) == count
    assert scene.told() == ["b000000 finished", "b000001 finished"]


def test_machines_without_the_line_are_not_the_end_of_warm_jobs(scene, monkeypatch):
    """Other jobs have used it. But where it goes on like this, calls fail, as for any jobs that never ran."""
    monkeypatch.setattr(module, "MOST_WITHOUT_LINE", 2)
    scene.start(0, 2, jobs=2)
    scene.submit(1, 20)
    scene.fleets._told_cores(20)
    scene.turn()
    for bundle in scene.opened[2:4]:
        scene.end(bundle, Terminated("1.2", exit_status=NO_LINE))
    assert (scene.closed, scene.told()) == ([], [])
    scene.end(scene.opened[4], Terminated("1.2", exit_status=NO_LINE))
    assert scene.told() == ["c1.0 fails: Terminated"]
    scene.run(scene.opened[5])
    scene.turn()
    scene.end(scene.opened[6], Terminated("1.2", exit_status=NO_LINE))
    assert scene.told() == []
    assert scene.fleets.takes(write_calls(scene.session, 2, ["c2"]))


def test_an_attempt_whose_files_are_not_as_they_should_be_gets_no_calls(scene, tmp_path, caplog):
    scene.submit(0)
    scene.turn()
    side = scene.run(scene.opened[0])
    side.path.with_suffix(".calls").unlink()
    (tmp_path / "precious").touch()
    side.path.with_suffix(".calls").symlink_to(tmp_path / "precious")
    scene.turn()
    scene.turn()
    assert caplog.text.count("cannot be given calls") == 1
    assert (tmp_path / "precious").read_bytes() == b""
    assert scene.where()["c0.0"] == "b000000"


def test_attempts_are_counted(scene, monkeypatch):
    """A hostile job may begin as many as it likes."""
    monkeypatch.setattr(module, "MOST_ATTEMPTS", 3)
    scene.submit(0)
    scene.turn()
    for _ in range(10):
        scene.run(scene.opened[0])
        scene.turn()
    assert scene.jobs.unwanted == ["b000100"]


# The disk of the access point is full.


def full(*_, **__):
    raise OSError(28, "No space left on device")


def test_without_room_for_a_job_its_calls_wait(scene, monkeypatch, caplog):
    """It is tried again, not too often. Nothing is left of the tries, and the reason is told once."""
    scene.submit(0, 2)
    tries = []

    @contextlib.contextmanager
    def no_room(*_, **__):
        tries.append(scene.now)
        full()
        yield

    with monkeypatch.context() as patch:
        patch.setattr(Session, "create_file", no_room)
        for _ in range(10):
            scene.turn(module.NO_ROOM / 5)
    assert 2 <= len(tries) <= 3
    assert caplog.text.count("calls wait, because the session cannot be written to") == 1
    assert (list(scene.session.lines.iterdir()), scene.opened, scene.told()) == ([], [], [])
    scene.turn(module.NO_ROOM)
    assert len(scene.opened) == 2


def test_without_room_for_all_jobs_those_are_submitted_for_which_there_was(scene, monkeypatch):
    scene.submit(0, 5)
    create, made = Session.create_file, []

    @contextlib.contextmanager
    def two(self, path, **options):
        if len(made) == 2:
            full()
        made.append(path)
        with create(self, path, **options) as file:
            yield file

    with monkeypatch.context() as patch:
        patch.setattr(Session, "create_file", two)
        scene.turn()
    assert len(scene.opened) == len(list(scene.session.lines.iterdir())) == 2
    scene.turn(module.NO_ROOM * 2)
    assert len(scene.opened) == 5


def test_calls_are_given_only_if_that_can_be_noted(scene, monkeypatch, caplog):
    """A client that attaches believes the outcomes of these calls only. They are given later, in their order."""
    scene.fleets._told_cores(1)
    scene.submit(0, 3)
    scene.turn()
    side = scene.run(scene.opened[0])
    write = os.write

    def part(descriptor, data):
        return write(descriptor, data[:5]) if len(data) > 10 else full()

    with monkeypatch.context() as patch:
        for no_room in (full, part):
            patch.setattr(appending.os, "write", no_room)
            scene.turn(module.NO_ROOM * 2)
            assert side.heard() == []
            assert not scene.futures["c0.0"].running()
    scene.turn(module.NO_ROOM * 2)
    assert calls(side.heard()) == ["c0.0"]
    assert scene.session.given.read_text().split() == ["b000100", "c0.0"]  # nothing is left of the tries
    assert caplog.text.count("calls wait") == 1


def test_what_a_job_is_given_is_noted(scene):
    first, second = scene.start(0, 12, jobs=2)
    first.outcome("c0.0", took=0.01)
    scene.turn()
    noted = [line.split() for line in scene.session.given.read_text().splitlines() if line]
    assert noted == [
        ["b000100", "c0.0"],
        ["b000101", "c0.1"],
        ["b000100", *(f"c0.{n}" for n in range(2, 7))],
        ["b000101", *(f"c0.{n}" for n in range(7, 11))],
    ]
    assert scene.session.given.stat().st_mode & 0o777 == 0o600
    assert calls(second.heard())[-1] == "c0.10"


def test_calls_that_a_full_disk_refused_are_sent_later(scene, monkeypatch):
    scene.submit(0)
    scene.turn()
    side = scene.run(scene.opened[0])
    with monkeypatch.context() as patch:
        patch.setattr("condor_futures.watching.connections.os.write", full)
        scene.turn()
        scene.turn(module.NO_ROOM)
    assert side.heard() == []
    scene.turn(module.NO_ROOM)
    assert calls(side.heard()) == ["c0.0"]


# Recalls.


def test_calls_behind_a_long_one_are_recalled_for_a_job_that_has_none(scene):
    """Half of them, once until the job has answered."""
    first, second = scene.start(0, 12, jobs=2)
    first.outcome("c0.0", took=0.01)
    second.outcome("c0.1", took=0.01)
    scene.turn()
    assert calls(first.heard())[1:] == [f"c0.{n}" for n in range(2, 7)]
    for call in calls(second.heard())[1:]:
        second.outcome(call, took=0.01)
    scene.turn()
    assert first.heard() == [], "it has not been long"
    scene.turn(STUCK * 1.1)
    scene.turn(STUCK * 1.1)
    assert first.heard() == ["recall 2"]
    first.say(kind="returned", calls=["c0.5", "c0.6"])
    scene.turn()
    assert calls(second.heard()) == ["c0.5", "c0.6"]
    assert calls(first.heard()) == []


@pytest.mark.parametrize("what", ["calls wait", "no job is free", "one call", "it writes"])
def test_nothing_is_recalled_without_need(scene, what):
    first, second = scene.start(0, 12, jobs=2)
    first.outcome("c0.0", took=0.01)
    second.outcome("c0.1", took=0.01)
    scene.turn()
    given = calls(second.heard())[1:]
    for call in given if what != "no job is free" else ():
        second.outcome(call, took=0.01)
    if what == "one call":
        for call in calls(first.heard())[1:-1]:
            first.outcome(call, took=0.01)
    scene.turn()
    if what == "calls wait":
        scene.fleets._told_cores(2)
        scene.submit(1, 30)
        scene.turn()
    first.heard()
    if what == "it writes":
        scene.turn(STUCK * 0.7)
        first.outcome("c0.2", took=0.01)
        scene.turn(STUCK * 0.7)
    else:
        scene.turn(STUCK * 3)
    assert first.heard() == []


# Cancelled calls.


def test_a_cancelled_call_that_waits_is_given_to_no_job(scene):
    bundle = scene.submit(0, 2)
    assert scene.cancel("c0.0")
    scene.turn()
    side = scene.run(scene.opened[0])
    scene.turn()
    assert calls(side.heard()) == ["c0.1"]
    assert scene.found()[bundle.key] == ["c0.1"]
    side.outcome("c0.1")
    scene.turn()
    assert scene.told() == ["b000000 finished, kept", "b000100 has c0.1"]
    assert bundle.path("calls").exists(), "the file says what became of the call"


def test_a_job_is_told_of_a_cancelled_call_and_goes_on(scene):
    """An outcome that comes all the same does not count."""
    side = scene.start(0)
    side.heard()
    opened = scene.opened[0]
    assert scene.cancel("c0.0")
    assert side.heard() == ["cancel c0.0"]
    assert opened.futures == {}, "the output of the next call is its own"
    side.outcome("c0.0")
    scene.submit(1)
    scene.turn()
    assert calls(side.heard()) == ["c1.0"]
    assert scene.told() == ["b000000 finished, kept"]
    assert (scene.jobs.unwanted, len(scene.opened)) == ([], 1)


def test_cancelled_calls_are_hidden_from_clients_that_attach(scene):
    """If some calls of the bundle have an outcome, the bundle stays."""
    bundle, other = scene.submit(0, 2), scene.submit(1, 2)
    for call in ("c0.0", "c0.1", "c1.0"):
        scene.cancel(call)
    assert scene.found() == {other.key: ["c1.1"]}
    gone = {bundle.key: bundle.gone for bundle in find_bundles(scene.session)}
    assert gone == {bundle.key: ["c0.0", "c0.1"], other.key: ["c1.0"]}, "their keys are not used again"


def test_calls_that_are_not_here_cannot_be_cancelled(scene):
    """Those of jobs of their own are not here; those that have an outcome stay as they are."""
    side = scene.start(0)
    side.outcome("c0.0")
    scene.turn()
    scene.told()
    assert scene.cancel("c0.0")
    assert (side.heard(), scene.told(), scene.found()) == (["function", "call c0.0"], [], {"b000000": ["c0.0"]})
    assert not scene.fleets.cancel(write_calls(scene.session, 9, ["c9"]), "c9")


def test_a_call_of_an_evicted_job_can_be_cancelled(scene):
    scene.start(0)
    scene.fleets.interrupted(scene.opened[0])
    assert scene.cancel("c0.0")
    scene.turn(EVICTED * 2)
    assert scene.fleets.empty


def test_what_has_not_begun_is_withdrawn(scene):
    """The first call of each job has perhaps begun. The caller cancels the futures."""
    side = scene.start(0, 12)
    side.outcome("c0.0", took=0.01)
    scene.turn()
    scene.submit(1, options=replace(WARM, warm=5.0))
    assert calls(side.heard())[1] == "c0.1"
    withdrawn = scene.fleets.withdraw()
    assert {future.key for future in withdrawn} == {"c1.0", *(f"c0.{n}" for n in range(2, 12))}
    assert side.heard() == [f"cancel c0.{n}" for n in range(2, 6)]
    side.outcome("c0.1")
    scene.turn()
    assert scene.fleets.empty


# How many jobs.


@pytest.mark.parametrize(
    ("cores", "max_jobs", "jobs"), [(None, 1000, FIRST_JOBS), (None, 3, 3), (4, 1000, 4), (100, 20, 20), (0, 30, 30)]
)
def test_there_are_no_more_jobs_than_cores(scene, cores, max_jobs, jobs):
    """As long as nobody has said how many there are, a few."""
    scene.new(cores=cores, max_jobs=max_jobs)
    scene.submit(0, 200)
    scene.submit(1, 200)
    for _ in range(3):
        scene.turn()
    assert (len(scene.opened), scene.asked) == (jobs, 1)


def test_there_are_no_more_jobs_than_calls(scene):
    scene.submit(0, 3)
    scene.turn()
    scene.turn()
    assert len(scene.opened) == 3
    scene.submit(1, 1)
    scene.turn()
    assert len(scene.opened) == 4


def test_an_idle_job_in_the_queue_is_removed_when_no_call_has_waited_for_a_while(scene):
    """Calls that come in the meantime find it there. Jobs that run wait for calls by themselves."""
    scene.submit(0, 3)
    scene.turn()
    side = scene.run(scene.opened[0])
    scene.turn()
    for call in ("c0.0", "c0.1", "c0.2"):
        side.outcome(call)
        scene.turn()
    scene.turn(SPARE * 0.9)
    scene.submit(1, 3)
    scene.turn()
    assert (scene.jobs.unwanted, len(scene.opened)) == ([], 3)
    for call in ("c1.0", "c1.1", "c1.2"):
        side.outcome(call)
        scene.turn()
    scene.turn(SPARE * 0.9)
    assert scene.jobs.unwanted == []
    scene.turn(SPARE * 0.2)
    assert scene.jobs.unwanted == ["b000101", "b000102"]
    assert scene.told()[-1] == "b000100 has c1.2"


def test_free_jobs_leave_for_jobs_with_other_options_that_wait_for_a_slot(scene):
    """A job that makes a call stays. Jobs of the same fleet do not count."""
    first, second = scene.start(0, 2, jobs=2)
    first.outcome("c0.0")
    scene.turn()
    first.heard()
    waits = write_calls(scene.session, 50, ["c50"], options=Options({}, spool=True))
    scene.jobs.idle = dict.fromkeys(scene.opened, SPARE * 1.1) | {waits: SPARE * 0.9}
    scene.turn()
    assert first.heard() == [], "the other job may find a free slot"
    scene.jobs.idle[waits] = SPARE * 1.1
    scene.turn()
    assert first.heard() == ["leave"]
    assert "leave" not in second.heard()
    scene.submit(1)
    scene.turn()
    assert calls(first.heard()) == []
    assert len(scene.opened) == 3, "a job that leaves is none any more"


def test_free_jobs_leave_for_jobs_that_wait_for_room_in_the_queue(scene):
    side = scene.start(0)
    side.outcome("c0.0")
    scene.turn()
    side.heard()
    scene.full = True
    scene.turn()
    assert side.heard() == ["leave"]


def test_calls_behind_a_long_one_have_more_jobs_submitted(scene):
    """They are recalled when one of these runs."""
    side = scene.start(0, 7)
    side.outcome("c0.0", took=0.01)
    scene.turn()
    scene.fleets._told_cores(3)
    assert calls(side.heard())[1:] == [f"c0.{n}" for n in range(1, 6)]
    side.outcome("c0.1", took=0.01)
    scene.turn()
    scene.turn(STUCK * 2)
    assert len(scene.opened) == 3
    other = scene.run(scene.opened[1])
    scene.turn()
    assert side.heard() == ["call c0.6", "recall 2"]
    side.say(kind="returned", calls=["c0.5", "c0.6"])
    scene.turn()
    assert calls(other.heard()) == ["c0.5", "c0.6"]


def test_jobs_leave_at_once_when_the_executor_is_shut_down(scene):
    """But not before the last call has its outcome."""
    side = scene.start(0, 2)
    scene.submit(1, options=replace(WARM, warm=5.0))
    scene.turn(closing=True)
    side.outcome("c0.0")
    scene.turn(closing=True)
    assert "leave" not in side.heard()
    side.outcome("c0.1")
    scene.turn(closing=True)
    scene.turn(closing=True)
    assert side.heard() == ["leave"]
    assert scene.jobs.unwanted == [], "the other job's call waits"
    scene.cancel("c1.0")
    scene.turn(closing=True)
    assert scene.jobs.unwanted == ["b000101"]


# The client leaves, and another one comes.


def test_a_client_that_leaves_gives_all_calls_to_its_jobs(scene):
    """In equal shares."""
    first, second = scene.start(0, 12, jobs=2)
    scene.fleets.hand_all()
    assert [len(calls(side.heard())) for side in (first, second)] == [6, 6]
    assert scene.closed == []


def test_without_a_job_that_takes_calls_each_bundle_has_a_job_of_its_own(scene):
    """Calls that were made or cancelled are not made again. What the queue has no room for waits for another client."""
    side = scene.start(0, 2)
    side.outcome("c0.0")
    side.say(kind="left")
    scene.turn()
    scene.submit(1, 2)
    scene.submit(2, 2)
    scene.cancel("c2.0")
    scene.submit(3, 5, manner=Manner(chunk=2))
    scene.fleets._max_jobs = len(scene.jobs) + 4
    scene.fleets.hand_all()
    made = [list(bundle.futures) for bundle in scene.submitted]
    assert made == [["c0.1"], ["c1.0", "c1.1"], ["c2.1"], ["c3.0", "c3.1"]]
    assert scene.found()["b000003"] == ["c3.2", "c3.3", "c3.4"]


def attach(scene, calls_given, *, calls_made=3):
    """Have another client go on with a job that runs and has been given calls."""
    side = scene.start(0, calls_made)
    bundle = scene.opened[0]
    scene.fleets.close()
    scene.opened, scene.futures = [], {}
    scene.new(cores=4)
    again = write_calls_again(scene, calls_made)
    scene.fleets.add(again)
    scene.jobs[bundle.key] = bundle
    bundle.futures = {}
    side.heard()
    scene.fleets.adopt(bundle, Attempt(side.path.name, calls_given, 0))
    scene.heard = side.heard()
    return side, bundle


def write_calls_again(scene, count):
    scene.session.bundle_directory(0).joinpath("b000000.calls").unlink()
    bundle = write_calls(scene.session, 0, [f"c0.{n}" for n in range(count)])
    scene.futures = dict(bundle.futures)
    return bundle


def test_the_next_client_goes_on_with_a_job(scene):
    """The job is given only calls that it does not have."""
    side, bundle = attach(scene, ["c0.0", "c0.1"])
    assert scene.where() == {"c0.0": bundle.key, "c0.1": bundle.key, "c0.2": "b000000"}
    assert list(bundle.futures) == ["c0.0", "c0.1"]
    assert scene.futures["c0.0"].running()
    side.outcome("c0.0", took=0.01)
    scene.turn()
    assert scene.told() == [f"{bundle.key} has c0.0"]
    assert side.heard() == ["call c0.2"], "it has the function"
    for call in ("c0.1", "c0.2"):
        side.outcome(call)
    scene.turn()
    assert scene.fleets.empty
    assert bundle.attempt == side.path


def test_outcomes_that_came_meanwhile_count(scene):
    """They are read at once, though nothing tells of them."""
    side = scene.start(0, 1)
    bundle = scene.opened[0]
    scene.fleets.close()
    side.outcome("c0.0")
    scene.new()
    scene.fleets.add(write_calls_again(scene, 1))
    scene.jobs[bundle.key], bundle.futures = bundle, {}
    scene.told()
    scene.fleets.adopt(bundle, Attempt(side.path.name, ["c0.0"], 0))
    scene.now += 0.001
    scene.fleets.read()
    assert scene.told() == ["b000000 finished", f"{bundle.key} has c0.0"]


def test_the_next_client_waits_for_outcomes_that_a_job_has_kept(scene):
    side = scene.start(0, 2)
    bundle = scene.opened[0]
    again = scene.run(bundle, hello=False)
    scene.fleets.close()
    scene.opened = []
    scene.new(cores=1)
    scene.fleets.add(write_calls_again(scene, 2))
    scene.jobs[bundle.key], bundle.futures = bundle, {}
    scene.told()
    last = Attempt(again.path.name, (), 0, greeted=False, lost={"c0.0", "c7.7"}, earlier={side.path.name})
    scene.fleets.adopt(bundle, last)
    scene.turn()
    assert again.heard() == []
    again.outcome("c0.0")
    again.hello()
    scene.turn()
    assert scene.told() == [f"{bundle.key} has c0.0"]
    assert calls(again.heard()) == ["c0.1"]
    assert side.path != again.path


@pytest.mark.parametrize("ran", [True, False], ids=["it had run", "it had not run"])
def test_an_attempt_counts_that_began_after_the_evidence_was_collected(scene, ran):
    """Collecting takes as long as the schedd does. The attempt may begin with outcomes that the job had kept."""
    scene.fleets._told_cores(1)
    scene.submit(0, 2)
    scene.turn()
    bundle = scene.opened[0]
    last = None
    if ran:
        side = scene.run(bundle)
        scene.turn()
        last = Attempt(side.path.name, ["c0.0"], 0)
    scene.fleets.close()
    scene.new(cores=1)
    scene.fleets.add(write_calls_again(scene, 2))
    scene.jobs[bundle.key], bundle.futures = bundle, {}
    scene.told()
    new = scene.run(bundle, hello=False)
    if ran:
        new.outcome("c0.0")
    new.hello()
    scene.fleets.adopt(bundle, last)
    scene.turn()
    assert scene.told() == ([f"{bundle.key} has c0.0"] if ran else [])
    assert calls(new.heard()) == ["c0.1" if ran else "c0.0"]
    assert bundle.attempt == new.path


def test_calls_that_have_ended_or_were_cancelled_are_taken_from_a_job(scene):
    """The client was killed before it told the job."""
    attach(scene, ["c0.0", "c0.5"])
    assert scene.heard == ["cancel c0.5"]


def test_a_job_that_has_not_run_is_given_calls_when_it_does(scene):
    scene.submit(0)
    scene.turn()
    bundle = scene.opened[0]
    scene.fleets.close()
    scene.new(cores=1)
    scene.fleets.add(write_calls_again(scene, 1))
    scene.jobs[bundle.key] = bundle
    scene.fleets.adopt(bundle, None)
    scene.turn()
    assert len(scene.opened) == 1, "no other job is submitted"
    side = scene.run(bundle)
    scene.turn()
    assert calls(side.heard()) == ["c0.0"]


def test_calls_that_are_unknown_or_with_another_job_are_not_taken_over(scene):
    """A call may have been cancelled, and what a job wrote may be forged."""
    _, bundle = attach(scene, ["c0.0", "c7.7", "c0.0"], calls_made=2)
    assert list(bundle.futures) == ["c0.0"]
    scene.turn()
    other = scene.opened[0]
    side = scene.run(other)
    scene.fleets.forget(other)
    scene.fleets.adopt(other, Attempt(side.path.name, ["c0.0", "c0.1"], 0))
    assert scene.where() == {"c0.0": bundle.key, "c0.1": other.key}


def test_a_job_can_be_adopted_that_has_calls_with_other_options(scene):
    """Executors with options of their own are one session."""
    side = scene.start(0)
    bundle = scene.opened[0]
    scene.fleets.close()
    scene.new()
    write_calls_again(scene, 1)
    scene.submit(1, options=replace(WARM, warm=5.0))
    scene.jobs[bundle.key], bundle.futures = bundle, {}
    scene.fleets.adopt(bundle, Attempt(side.path.name, ["c1.0"], 0))
    assert scene.where()["c1.0"] == bundle.key
    side.outcome("c1.0")
    scene.turn()
    assert scene.fleets.empty


@pytest.mark.parametrize("missing", ["calls of the bundle", "files of the attempt"])
def test_a_job_that_cannot_be_understood_is_left_to_itself(scene, caplog, missing):
    """Its calls are made by others."""
    side = scene.start(0)
    bundle = scene.opened[0]
    scene.fleets.close()
    scene.opened = []
    scene.new(cores=2)
    scene.fleets.add(write_calls_again(scene, 1))
    scene.jobs[bundle.key], bundle.futures = bundle, {}
    (bundle.path("calls") if missing == "calls of the bundle" else side.path.with_suffix(".calls")).unlink()
    scene.fleets.adopt(bundle, Attempt(side.path.name, ["c0.0"], 0))
    assert "cannot be read" in caplog.text or "cannot be given calls" in caplog.text
    assert scene.where() == {"c0.0": "b000000"}
    assert not scene.fleets.empty


# Bundles of many calls, for jobs of their own.


def chunks(scene, number, count, size):
    return scene.submit(number, count, manner=Manner(chunk=size))


def test_jobs_of_their_own_make_as_many_calls_as_a_chunk_has(scene):
    """A call that was cancelled is not made. A client that attaches finds each call once."""
    whole, _ = chunks(scene, 0, 6, 2), chunks(scene, 1, 2, 5)
    scene.cancel("c0.3")
    scene.cancel("c1.0")
    scene.turn()
    scene.end(scene.opened[0], Terminated("1.0", exit_status=NO_LINE))
    assert scene.closed == sorted(set(scene.closed))
    assert len(scene.closed) == 4
    parts = {bundle.key: list(bundle.futures) for bundle in scene.submitted}
    assert list(parts.values()) == [["c0.0", "c0.1"], ["c0.2", "c0.4"], ["c0.5"], ["c1.1"]]
    assert {key: future.bundle.key for key, future in scene.futures.items() if future.bundle.key in parts} == {
        call: key for key, calls_of in parts.items() for call in calls_of
    }
    found = {bundle.key: list(bundle.calls) for bundle in find_bundles(scene.session) if bundle.counts}
    assert {key: found[key] for key in parts} == parts
    assert whole.key not in found
    assert scene.fleets.empty


def test_without_room_for_the_parts_their_calls_fail(scene, monkeypatch):
    """Parts that could be written are submitted."""
    chunks(scene, 0, 6, 2)
    scene.turn()
    create, made = Session.create_file, []

    @contextlib.contextmanager
    def one(self, path, **options):
        if made:
            full()
        made.append(path)
        with create(self, path, **options) as file:
            yield file

    monkeypatch.setattr(Session, "create_file", one)
    scene.fleets.hand_all()
    assert [list(bundle.futures) for bundle in scene.submitted] == [["c0.0", "c0.1"]]
    told = [f"c0.{number} fails: PayloadError" for number in range(2, 6)]
    assert scene.told() == [*told, "b000000 finished, kept"]
    assert scene.fleets.empty


class Killed(BaseException):
    """Nothing that the client would do is done."""


@pytest.mark.parametrize("moment", ["second part", "before the note", "before the jobs are submitted"])
def test_a_client_that_is_killed_while_it_makes_parts_leaves_each_call_once(scene, monkeypatch, moment):
    chunks(scene, 0, 6, 2)
    scene.turn()

    def die(*_, **__):
        raise Killed

    match moment:
        case "second part":
            write, number = StoredCalls.write_part, itertools.count()
            monkeypatch.setattr(StoredCalls, "write_part", lambda *args: die() if next(number) else write(*args))
        case "before the note":
            monkeypatch.setattr(Fleets, "_note", die)
        case _:
            monkeypatch.setattr(scene, "add", die)
    with pytest.raises(Killed):
        scene.fleets.hand_all()
    for _ in range(2):  # the next client may be killed too
        found = [bundle for bundle in find_bundles(scene.session) if bundle.counts and not bundle.line]
        assert sorted(call for bundle in found for call in bundle.calls) == [f"c0.{n}" for n in range(6)]


# The rest.


def test_the_futures_of_all_calls_are_known_wherever_the_calls_are(scene):
    """Those that wait, those that a job has, and those that a job has returned."""
    side = scene.start(0, 3)
    side.outcome("c0.0", took=0.01)
    scene.turn()
    scene.submit(1, 2, options=replace(WARM, commands={"request_cpus": "2"}))
    side.say(kind="returned", calls=["c0.2"], leaving=True)
    scene.fleets.read()
    assert sorted(future.key for future in scene.fleets.futures()) == ["c0.1", "c0.2", "c1.0", "c1.1"]


def test_nothing_is_left_when_no_call_is_wanted(scene):
    scene.start(0, 3)
    scene.fleets.fail_waiting(lambda _: ValueError())
    assert scene.told() == ["c0.1 fails: ValueError", "c0.2 fails: ValueError", "b000000 finished, kept"]
    assert scene.fleets.empty
    assert scene.fleets.bundles() == []
    scene.turn()
    assert len(scene.opened) == 1
    scene.fleets.forget(scene.opened[0])
    scene.fleets.interrupted(scene.opened[0])
    scene.fleets.ended(scene.opened[0], REMOVED)
    assert scene.told() == []


def test_inotify_tells_what_a_job_has_written(session, monkeypatch):
    """Without it, all files are looked at from time to time."""
    scene = Scene(session, monkeypatch)
    if scene.fleets.descriptor is None:
        pytest.skip("inotify does not work here")
    scene.submit(0)
    scene.fleets.proceed(closing=False)
    side = scene.run(scene.opened[0])
    scene.fleets.read()
    scene.fleets.proceed(closing=False)
    assert calls(side.heard()) == ["c0.0"]
    side.outcome("c0.0")
    scene.fleets.read()
    assert scene.told() == ["b000000 finished", "b000100 has c0.0"]
    scene.fleets.close()
    assert scene.fleets.descriptor is None
    assert isinstance(scene.fleets._growth, Growth)


def test_a_job_is_given_a_chunk_of_a_size_that_the_user_has_chosen(scene):
    """It makes the chunk alone, however long that takes; the next job makes the next one."""
    scene.fleets._told_cores(8)
    scene.submit(0, 6, manner=Manner(chunk=3, together=3))
    scene.turn()
    assert len(scene.opened) == 2, "as many jobs as chunks"
    first, second = (scene.run(bundle) for bundle in scene.opened)
    scene.turn()
    assert calls(first.heard()) == ["c0.0", "c0.1", "c0.2"]
    assert calls(second.heard()) == ["c0.3", "c0.4", "c0.5"]
    for call in ("c0.3", "c0.4", "c0.5"):
        second.outcome(call)
    scene.turn(STUCK * 2)
    assert first.heard() == [], "nothing is taken back for the job that is free"
    assert len(scene.opened) == 2


def test_the_next_chunk_is_there_before_a_job_has_made_the_last_call(scene):
    side = scene.start(0, 9, manner=Manner(chunk=3, together=3))
    side.outcome("c0.0", took=0.01)
    scene.turn()
    assert calls(side.heard()) == [f"c0.{n}" for n in range(6)]
