"""A hostile warm job: it asks the shadow for what it likes, and writes what it likes where it may write.

It harms its own calls only. Where HTCondor itself does not stop it, a test says so, and is expected to fail.

A personal pool runs its jobs as the owner of the access point, on the same machine. Such jobs could use all files
without HTCondor. These tests see what the shadow does for a job (Chirp), which is all that a job elsewhere has.
"""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest
from support import until
from warm_calls import Gate, ask_the_proxy, directory_of_the_call

from condor_futures import CondorExecutor, OutcomeError
from condor_futures.calls.stored_calls import bundle_secret
from condor_futures.execution_point.frames import MAGIC, TAG_SIZE, write_frame
from condor_futures.execution_point.unpickling import dumps

pytestmark = pytest.mark.pool

#: The client's memory may grow by so many bytes, whatever a job writes.
MEMORY = 300 << 20
NAME = "fedcba9876543210"  # of the attempt that the hostile job begins

HTCONDOR = pytest.mark.xfail(
    reason="the shadow of HTCondor 25.14 does not apply LimitDirectoryAccess to this operation (NTreceivers.cpp)",
    strict=True,
)


# What a job asks of the shadow.


@pytest.fixture(scope="module", params=[True, False], ids=["spooled", "not spooled"])
def executor(request, pool):
    """An executor whose jobs stay."""
    with CondorExecutor(access_point="personal", warm=60.0, max_workers=4, spool=request.param) as executor:
        yield executor
    assert pool.queue(executor) == []


@pytest.fixture(scope="module")
def other(executor, tmp_path_factory):
    """The calls of another job of this user, which makes the first of them all the time."""
    directory = tmp_path_factory.mktemp("other")
    directory.chmod(0o777)
    gate = Gate(directory)
    call = executor.with_options(request_memory=200).submit(gate.call)
    gate.wait_for(1)
    yield next(call.bundle.line.glob("*.calls"))
    gate.open()


@pytest.fixture
def places(executor, other, tmp_path):
    """Files that a job must not touch, and names for them in a request."""
    # On the file system of the session, as a home directory may be.
    for name in ("file", "second"):
        (executor.session / name).write_text("the user's")
    (tmp_path / "file").write_text("the user's")
    yield {"home": tmp_path, "session": executor.session, "other": other}
    (executor.session / "hard").unlink(missing_ok=True)


def ask(home: Path, *requests: str) -> list[int]:
    """What the shadow replies, in a job whose own directory has links out of it."""
    own = directory_of_the_call()
    links = {"outwards": home, "dangling": home / "not yet"}
    for name, target in links.items():
        (own / name).symlink_to(target)
    try:
        return ask_the_proxy(*(request.replace("OWN", str(own)) for request in requests))
    finally:
        for name in (*links, "file", "hard", "second"):
            (own / name).unlink(missing_ok=True)


@pytest.mark.parametrize(
    "request_",
    [
        "open {home}/file r 0",
        "open {home}/file w 0",
        "open {home}/new wc 384",
        "open {own}/../../session.json r 0",
        "open {own}/../../event_log wa 0",
        "open {session}/runner w 0",
        "open {other} r 0",
        "open {other} w 0",
        "open {own}/outwards/file r 0",
        "open {own}/outwards/new wc 384",
        "open {own}/dangling wc 384",
        "getfile {home}/file",
        "getfile {session}/session.json",
        "putfile {home}/new 384 0",
        "putfile {own}/outwards/new 384 0",
        "rename {home}/file {own}/file",
        "rename {session}/session.json {own}/file",
        "rename {own}/outwards {home}/file",
        "unlink {home}/file",
        "unlink {session}/event_log",
        "unlink {other}",
        "truncate {home}/file 0",
        "truncate {session}/event_log 0",
        "mkdir {home}/new 448",
        "rmdir {home}",
        "rmall {home}",
        'set_job_attr Iwd "/"',
        'set_job_attr Cmd "/bin/true"',
        'set_job_attr TransferInput "/etc/hostname"',
        'set_job_attr LimitDirectoryAccess "*"',
        'set_job_attr CondorFuturesBundle "b000007"',
        'set_job_attr Owner "root"',
        "set_job_attr WantRemoteUpdates true",
        "constrain false",
        "ulog 005",
        pytest.param("getdir {home}", marks=HTCONDOR),
        pytest.param("getlongdir {home}", marks=HTCONDOR),
        pytest.param("stat {home}/file", marks=HTCONDOR),
        pytest.param("chmod {home}/file 511", marks=HTCONDOR),
        pytest.param("utime {home}/file 0 0", marks=HTCONDOR),
        pytest.param("link {session}/file {own}/hard", marks=HTCONDOR),
        pytest.param("link {own}/outwards {session}/hard", marks=HTCONDOR),
        pytest.param("symlink {own}/program {home}/.profile", marks=HTCONDOR),
    ],
)
def test_the_shadow_refuses(executor, places, request_):
    ((reply),) = executor.submit(ask, places["home"], request_.format(own="OWN", **places)).result(60)
    assert reply < 0
    assert [path.name for path in places["home"].iterdir()] == ["file"]
    assert (places["home"] / "file").read_text() == "the user's"


def test_the_shadow_allows_what_is_in_the_own_directory(executor, places):
    """Otherwise the refusals above would prove nothing."""
    requests = ("open OWN/file wc 384", "putfile OWN/second 384 0", "rename OWN/second OWN/hard", "unlink OWN/hard")
    assert min(executor.submit(ask, places["home"], *requests).result(60)) >= 0


@HTCONDOR
def test_a_hard_link_gives_no_access_to_a_file_of_the_same_file_system(executor, places):
    """It does: LimitDirectoryAccess protects files only from a job that does not mean harm."""
    requests = (f"link {executor.session}/second OWN/second", "open OWN/second r 0")
    _, opened = executor.submit(ask, places["home"], *requests).result(60)
    assert opened < 0


def test_the_attributes_of_a_job_stay_as_they_are(pool, executor, gate):
    """Also those that a job may set in any case, with a prefix, change nothing; and the job starts again as before."""
    names = ("Iwd", "Cmd", "TransferInput", "LimitDirectoryAccess", "CondorFuturesBundle", "Owner", "Requirements")
    delayed = [f"set_job_attr_delayed {name} true" for name in names]
    now = [f"set_job_attr {name} true" for name in names]

    def ad() -> dict[str, Any]:
        (found,) = pool.ads("condor_q", f'CondorFuturesBundle == "{first.bundle.key}"')
        return {name: found.get(name) for name in names}

    first = executor.submit(ask_the_proxy)
    first.result(60)
    before = ad()
    asked = executor.submit(ask_the_proxy, *delayed, *now, "set_job_attr_delayed ChirpOwn true", "ulog words")
    asked.result(60)
    running = executor.submit(gate.call)
    gate.wait_for(1)
    pool.run("condor_vacate_job", running.job_id)
    gate.wait_for(2)  # until then, this call keeps the job in the queue
    assert {asked.job_id, running.job_id} == {first.job_id}
    assert ad() == before
    gate.open()
    running.result(60)
    assert "words" not in (executor.session / "event_log").read_text()


# What a job writes for the client to read.


class Hostile:
    """The job of a call that runs: the test writes in its place. Another call, of another job, runs beside it."""

    def __init__(self, pool: Any, executor: CondorExecutor, gate: Gate) -> None:
        self.pool, self.executor, self.gate = pool, executor, gate
        self.others = executor.with_options(request_memory=200)
        self.beside = self.others.submit(gate.call, "beside")
        self.future = executor.submit(gate.call, "own")
        gate.wait_for(2)
        bundle = self.future.bundle
        self.job, self.key, self.line = self.future.job_id, bundle.key, bundle.line
        self.session = executor._engine.session
        self.secret = bundle_secret(self.session.secret, self.key)

    def begin(self, name: str = NAME) -> Path:
        """Begin another attempt, and wait until the client hands the call to it; return its files' name."""
        path = self.line / name
        path.with_suffix(".calls").touch()
        path.with_suffix(".outcomes").touch()
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

    def check_the_others(self) -> None:
        """They have noticed nothing. They end with this."""
        if self.beside.done():
            return
        assert self.others.submit(pow, 2, 5).result(60) == 32
        self.gate.open()
        assert self.beside.result(60) == "beside"

    def end(self) -> None:
        """Remove the job, which the hostile attempt would keep in the queue."""
        if self.pool.ads("condor_q", f'CondorFuturesBundle == "{self.key}"'):
            self.pool.run("condor_rm", self.job)


@pytest.fixture
def hostile(pool, warm, gate):
    made = Hostile(pool, warm(max_workers=4), gate)
    peak, over = [psutil.Process().memory_info().rss], threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            peak.append(psutil.Process().memory_info().rss)

    thread = threading.Thread(target=watch)
    thread.start()
    yield made
    made.check_the_others()
    made.end()
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
    until(lambda: not hostile.pool.ads("condor_q", f'CondorFuturesBundle == "{hostile.key}"'))
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
    assert hostile.executor.counts() == {"done": 1, "running": 1}


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
def test_half_a_frame_is_waited_for(hostile, half):
    hostile.write(half(hostile))
    hostile.check_the_others()
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
    for number in range(20_000):
        path = hostile.line / f"{number:016x}"
        path.with_suffix(".calls").touch()
        path.with_suffix(".outcomes").touch()
    until(lambda: not hostile.pool.ads("condor_q", f'CondorFuturesBundle == "{hostile.key}"'))
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
def test_nothing_is_written_to_what_is_not_an_empty_file_of_its_own(hostile, make, tmp_path):
    target = hostile.line / "target"
    target.write_text("the user's")
    make((hostile.line / NAME).with_suffix(".calls"), target)
    (hostile.line / NAME).with_suffix(".outcomes").touch()
    hostile.check_the_others()
    assert target.read_text() == "the user's"
    hostile.end()
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
        hostile = pool.ads("condor_q", f'CondorFuturesBundle == "{bundle.key}"')
        for ad in hostile:  # what it wrote in its place hides the outcome of its own call
            pool.run("condor_rm", f"{ad['ClusterId']}.{ad['ProcId']}")
        futures[first.key].exception(60)
    assert pool.queue(executor) == []


def test_a_value_cannot_be_replaced_by_that_of_another_call(pool, warm, gate):
    """When it is given to a call that takes it, it is checked again."""
    executor = warm(max_workers=2)
    first, second = executor.submit(pow, 2, 5), executor.submit(pow, 2, 6)
    assert (first.result(60), second.result(60)) == (32, 64)
    path, start, key = first.bundle.places[first.key]
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
