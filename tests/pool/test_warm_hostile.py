"""A hostile warm job writes what it likes where it may write: it harms its own calls only."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest
from support import FAILED, until
from warm_calls import Gate

from condor_futures import CondorExecutor, OutcomeError
from condor_futures.calls.stored_calls import bundle_secret
from condor_futures.execution_point.frames import MAGIC, TAG_SIZE, write_frame
from condor_futures.execution_point.unpickling import dumps

pytestmark = pytest.mark.pool

#: The client's memory may grow by so many bytes, whatever a job writes.
MEMORY = 300 << 20
NAME = "fedcba9876543210"  # of the attempt that the hostile job begins


# What a job writes for the client to read.


def jobs_of(pool: Any, session: Any, bundle: str) -> list[dict[str, Any]]:
    """The job of a bundle, if it is in the queue. Sessions of other tests have bundles of the same name."""
    return pool.ads("condor_q", f'CondorFuturesSession == "{session.id}" && CondorFuturesBundle == "{bundle}"')


class Hostile:
    """The job of a call that runs: a test writes in its place."""

    def __init__(self, pool: Any, executor: CondorExecutor, gate: Gate) -> None:
        self.pool, self.executor, self.gate = pool, executor, gate
        self.future = executor.submit(gate.call, "own")

    def wait_until_it_runs(self) -> None:
        self.gate.wait_for(1)
        bundle = self.future.bundle
        self.job, self.key, self.line = self.future.job_id, bundle.key, bundle.line
        self.session = self.executor._engine.session
        self.secret = bundle_secret(self.session.secret, self.key)

    def begin(self, name: str = NAME) -> Path:
        """Begin another attempt, say hello, and wait until the client hands the call to it; return its files' name."""
        path = self.line / name
        path.with_suffix(".calls").touch()
        path.with_suffix(".outcomes").write_bytes(self.frame("hello"))
        until(lambda: path.with_suffix(".calls").stat().st_size)
        return path

    def write(self, *frames: bytes) -> None:
        """Begin another attempt, and write its outcomes."""
        with self.begin().with_suffix(".outcomes").open("ab", buffering=0) as file:
            for one in frames:
                file.write(one)

    def frame(self, kind: str, value: object = None, *, secret: bytes | None = None, **header: Any) -> bytes:
        """A frame with the right tag, or that of another *secret*."""
        file = io.BytesIO()
        segments = dumps(value) if kind == "outcome" else ()
        about = {"kind": kind, "session": self.session.id, "host": "evil", **header}
        write_frame(file, secret or self.secret, about, segments)
        return file.getvalue()

    def outcome(self, value: object = "forged", **header: Any) -> bytes:
        return self.frame("outcome", value, **{"call": self.future.key, "result": "value", **header})

    def in_queue(self) -> bool:
        """Whether the job is still there."""
        return bool(jobs_of(self.pool, self.session, self.key))

    def end(self) -> None:
        """Remove the job, which the hostile attempt would keep in the queue."""
        if self.in_queue():
            self.pool.run("condor_rm", self.job)


class Stage:
    """An executor, hostile jobs that run or start already, and other jobs beside them."""

    def __init__(self, pool: Any, executor: CondorExecutor, directory: Path) -> None:
        self.pool, self.executor, self.directory = pool, executor, directory
        self.others = executor.with_options(request_memory=200, warm=60.0)
        self.stock: list[Hostile] = []
        self.count = 0
        self.begin()

    def begin(self) -> None:
        """Begin a call that runs in another job all the time. The jobs of a failed test are removed, also this one."""
        self.gate = self.new_gate()
        self.beside = self.others.submit(self.gate.call, "beside")
        self.gate.wait_for(1)

    def new_gate(self) -> Gate:
        self.count += 1
        place = self.directory / str(self.count)
        place.mkdir()
        place.chmod(0o777)
        return Gate(place)

    def next(self) -> Hostile:
        """The next hostile job. The ones after it start while the test runs."""
        if self.beside.done():
            self.begin()
        self.stock = [job for job in self.stock if not job.future.done()]
        while len(self.stock) < 3:
            gate = self.new_gate()
            # A fleet of its own: no job of an earlier test gets its calls. It fits into the slot of an earlier job.
            self.stock.append(Hostile(self.pool, self.executor.with_options(request_memory=999 - self.count), gate))
        first = self.stock.pop(0)
        first.beside = self.beside
        first.wait_until_it_runs()
        return first

    def check_the_others(self) -> None:
        """They have noticed nothing."""
        assert self.others.submit(pow, 2, 5).result(60) == 32
        assert not self.beside.done()


@pytest.fixture(scope="module")
def stage(pool, tmp_path_factory):
    directory = tmp_path_factory.mktemp("stage")
    directory.chmod(0o777)
    with CondorExecutor(access_point="personal", warm=2.0) as executor:
        made = Stage(pool, executor, directory)
        yield made
        for job in made.stock:
            job.gate.open()
        made.gate.open()
        assert made.beside.result(60) == "beside"
    assert pool.queue(executor) == []


@pytest.fixture
def hostile(stage, request):
    made = stage.next()
    peak, over = [psutil.Process().memory_info().rss], threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            peak.append(psutil.Process().memory_info().rss)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield made
        if not request.node.stash.get(FAILED, False):  # otherwise all jobs were removed
            stage.check_the_others()
        made.end()
    finally:
        made.gate.open()
        over.set()
        thread.join()
    assert max(peak) - peak[0] < MEMORY


def test_an_authentic_outcome_counts(hostile):
    """The job makes the call: nobody else can say what its value is."""
    hostile.write(hostile.outcome("forged"))
    assert hostile.future.result(60) == "forged"


REFUSED = {
    "garbage": lambda _: b"\n" * 1000,
    "a frame without a header": lambda _: MAGIC + (10).to_bytes(4, "big") + b"not json  " + bytes(TAG_SIZE),
    "a header that is a list": lambda _: MAGIC + (4).to_bytes(4, "big") + b"[[]]" + bytes(TAG_SIZE),
    "a header of four gibibytes": lambda _: MAGIC + b"\xff" * 4,
    "a header within headers": lambda _: MAGIC + (7 << 20).to_bytes(4, "big") + b"[" * (7 << 20),
    "negative segments": lambda _: MAGIC + (17).to_bytes(4, "big") + b'{"segments":[-9]}' + bytes(TAG_SIZE),
    "endless frames": lambda job: job.frame("hello") * 20_000,
    "a header of many lists": lambda job: job.frame("hello", lists=[[]] * (2 << 20)) * 20 + b"\n" * 8,
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_job_that_writes_no_frames_is_removed(hostile, what):
    """Another job makes its call. If that one is removed for the same reason, it may be because of the call."""
    hostile.write(REFUSED[what](hostile))
    until(lambda: not hostile.in_queue())
    until(lambda: hostile.future.bundle.key != hostile.key and hostile.future.running() and hostile.future.bundle.line)
    if what == "garbage":
        until(lambda: list(hostile.future.bundle.line.glob("*.calls")))
        hostile.line = hostile.future.bundle.line
        job = hostile.future.job_id
        hostile.write(REFUSED[what](hostile))
        assert isinstance(hostile.future.exception(60), OutcomeError)
        assert job in str(hostile.future.exception())
    else:
        hostile.gate.open()
        assert hostile.future.result(60) == "own"
    assert hostile.executor.submit(pow, 2, 3).result(60) == 8


FORGED = {
    "a tag": lambda job: job.outcome()[:-1] + b"x",
    "another key": lambda job: job.outcome(secret=bundle_secret(job.session.secret, job.beside.bundle.key)),
    "the session's key": lambda job: job.outcome(secret=job.session.secret),
    "another session": lambda job: job.outcome(session="another"),
    "a result that is a number": lambda job: job.outcome(result=5),
    "an unknown result": lambda job: job.outcome(result="unknown"),
    "an exception without its text": lambda job: job.outcome(result="exception", message=None),
    "a host that is a list": lambda job: job.outcome(host=[]),
    "negative places": lambda job: job.outcome(stdout=[-5, -1]),
    "huge places": lambda job: job.outcome(stderr=[10**30, 10**31]),
}


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_outcome_costs_its_own_call(hostile, what):
    hostile.write(FORGED[what](hostile))
    assert isinstance(hostile.future.exception(60), OutcomeError)


def test_outcomes_for_calls_of_other_jobs_do_not_count(hostile):
    """In whatever order, and however often, they come; of the call's own outcomes the first counts."""
    other = hostile.beside.key
    frames = [
        hostile.outcome(call=other),
        hostile.outcome(call=other, secret=bundle_secret(hostile.session.secret, hostile.beside.bundle.key)),
        hostile.frame("returned", calls=[other, "c999999"]),
        hostile.outcome(call="c999999"),
        hostile.outcome(call=[other]),
        hostile.outcome("first"),
        hostile.outcome("second"),
        hostile.outcome(call=other),
        hostile.outcome("first"),
    ]
    hostile.write(*frames)
    assert hostile.future.result(60) == "first"


def test_frames_of_wrong_types(hostile):
    """Of those that are read, each does what it can, and no more."""
    own = hostile.future.key
    late = [float("nan"), float("inf"), -1e300, 10**400, "late", None, [], True]
    frames = [
        *(hostile.frame(kind) for kind in ("", "unknown", "call", "function")),
        hostile.frame("hello", kind_of="evil"),
        *(hostile.frame("returned", calls=calls) for calls in (None, 5, "c000000", {}, [[], {}, 5, None, True])),
        *(hostile.outcome(call="c999999", started=0.0, ended=ended) for ended in late),
        hostile.frame("returned", calls=[own, own, own, []], leaving=[]),
    ]
    path = hostile.begin()
    size = path.with_suffix(".calls").stat().st_size
    with path.with_suffix(".outcomes").open("ab", buffering=0) as file:
        for one in frames:
            file.write(one)
        until(lambda: path.with_suffix(".calls").stat().st_size > size)  # it was handed out again, once
        file.write(hostile.outcome("value", started=float("nan"), ended=float("nan")))
        file.write(hostile.frame("left"))
    assert hostile.future.result(60) == "value"
    assert [hostile.executor.submit(pow, number, 2).result(60) for number in range(5)] == [0, 1, 4, 9, 16]


@pytest.mark.parametrize(
    "half",
    [
        lambda job: job.outcome()[:-1],
        lambda _: MAGIC,
        lambda _: MAGIC + (1000).to_bytes(4, "big") + b'{"seg',
        lambda _: MAGIC + (25).to_bytes(4, "big") + b'{"segments":[9999999999]}',
    ],
    ids=["no tag", "no length", "no header", "a large segment"],
)
def test_half_a_frame_is_waited_for(stage, hostile, half):
    hostile.write(half(hostile))
    stage.check_the_others()
    assert not hostile.future.done()
    hostile.end()
    assert hostile.future.exception(60) is not None


def test_a_file_that_is_mostly_holes(hostile):
    with hostile.begin().with_suffix(".outcomes").open("r+b") as file:
        file.write(MAGIC + (2**31 - 100).to_bytes(4, "big"))
        file.truncate(2**31 - 1)
    hostile.gate.open()
    assert hostile.future.result(60) == "own"


def test_thousands_of_attempts(hostile):
    for number in range(3_000):
        path = hostile.line / f"{number:016x}"
        path.with_suffix(".calls").touch()
        path.with_suffix(".outcomes").touch()
    until(lambda: not hostile.in_queue())
    hostile.gate.open()
    assert hostile.future.done() or hostile.future.result(60) == "own"


def link(path: Path, target: Path) -> None:
    path.symlink_to(target)


def full(path: Path, _: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**31)


@pytest.mark.parametrize(
    "make", [link, lambda path, target: path.hardlink_to(target), full, lambda path, _: path.mkdir()],
    ids=["symbolic link", "hard link", "full", "directory"],
)  # fmt: skip
def test_nothing_is_written_to_what_is_not_an_empty_file_of_its_own(stage, hostile, make):
    target = hostile.line / "target"
    target.write_text("the user's")
    make((hostile.line / NAME).with_suffix(".calls"), target)
    (hostile.line / NAME).with_suffix(".outcomes").touch()
    stage.check_the_others()
    assert target.read_text() == "the user's"
    hostile.end()
    hostile.gate.open()
    assert hostile.future.exception(60) is not None or hostile.future.result() == "own"


def test_a_file_of_calls_that_was_emptied(hostile):
    path = hostile.begin()
    os.truncate(path.with_suffix(".calls"), 0)
    with path.with_suffix(".outcomes").open("ab") as file:
        file.write(hostile.outcome("value"))
    assert hostile.future.result(60) == "value"


# What a job leaves for the next client.


def test_a_job_cannot_claim_the_calls_of_another(pool, gate, tmp_path):
    """A client that attaches believes no job that it was given a call, and no outcome of a call that it was not."""
    executor = CondorExecutor(access_point="personal", warm=60.0, max_workers=2, session=tmp_path / "session")
    first, second = (executor.submit(gate.call, name) for name in ("first", "second"))
    gate.wait_for(2)
    session, bundle = executor._engine.session, first.bundle
    secret = bundle_secret(session.secret, bundle.key)
    executor.detach()

    def frame(*segments: bytes, **header: Any) -> bytes:
        file = io.BytesIO()
        write_frame(file, secret, {"session": session.id, **header}, segments)
        return file.getvalue()

    forged = {"kind": "outcome", "call": second.key, "result": "value", "host": "evil"}
    (outcomes,) = bundle.line.glob("*.outcomes")
    with outcomes.open("ab") as file:
        file.write(frame(kind="returned", calls=[[], 5, second.key]) + frame(*dumps("forged"), **forged))
        file.write(frame(kind=[], calls={}))
    with outcomes.with_suffix(".calls").open("ab") as file:
        file.write(b"".join(frame(kind="call", call=call) for call in (second.key, [], None, "x")) + frame(no="kind"))
        file.write(frame(kind="call", call=second.key, ticket="0" * 32) + frame(kind="cancel", call=second.key))
    (session.lines / "b").symlink_to("/")
    (session.lines / "b1x").symlink_to("/")
    with CondorExecutor.attach(tmp_path / "session") as executor:
        futures = executor.futures
        assert not futures[second.key].done()
        gate.open()
        assert futures[second.key].result(60) == "second"
        for ad in jobs_of(pool, session, bundle.key):  # what it wrote in its place hides the outcome of its own call
            pool.run("condor_rm", f"{ad['ClusterId']}.{ad['ProcId']}")
        futures[first.key].exception(60)
    assert pool.queue(executor) == []


def test_a_value_cannot_be_replaced_by_that_of_another_call(pool, warm, gate):
    """When it is given to a call that takes it, it is checked again."""
    executor = warm(max_workers=2)
    first, second = executor.submit(pow, 2, 5), executor.submit(pow, 2, 6)
    assert (first.result(60), second.result(60)) == (32, 64)
    path, start, key, _ = first.written
    session = executor._engine.session
    file = io.BytesIO()
    header = {"kind": "outcome", "session": session.id, "call": second.key, "result": "value", "host": "evil"}
    write_frame(file, bundle_secret(session.secret, key), header, dumps("forged"))
    with path.open("r+b") as outcomes:
        outcomes.seek(start)
        outcomes.write(file.getvalue())
    failed = executor.submit(lambda *values: values, first, second)
    assert isinstance(failed.exception(60).__cause__ or failed.exception(), OutcomeError)
    assert executor.submit(abs, second).result(60) == 64
