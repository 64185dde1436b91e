"""A hostile job that streams writes what it likes where it may write: it harms its own calls only.

It has the session's secret, so its frames are authentic. All outcomes come at its end too, so the client stops reading
what it cannot understand. ``test_warm_hostile.py`` has more of what such a job could write.
"""

from __future__ import annotations

import contextlib
import io
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from support import FAILED, until
from warm_calls import Gate

from condor_futures.execution_point.frames import MAGIC, write_frame
from condor_futures.execution_point.unpickling import dumps
from condor_futures.state_machine.states import State
from condor_futures.watching.streams import LIST

pytestmark = pytest.mark.pool

#: The client's memory may grow by so many bytes, whatever a job writes.
MEMORY = 300 << 20
NAME = "fedcba9876543210"  # of the attempt that the hostile job begins


class Hostile:
    """The job of a call that runs: a test writes in its place."""

    def __init__(self, executor: Any, gate: Gate) -> None:
        self.gate, self.session = gate, executor._engine.session
        self.future = executor.submit(gate.call, "own")

    def wait_until_it_runs(self) -> None:
        self.gate.wait_for(1)
        bundle = self.future.bundle
        until(lambda: bundle.attempt)  # the client reads what the job writes
        self.path = bundle.stream / NAME

    def frame(self, kind: str, value: object = None, **header: Any) -> bytes:
        file = io.BytesIO()
        about = {"kind": kind, "session": self.session.id, "host": "evil", **header}
        write_frame(file, self.session.secret, about, dumps(value) if kind == "outcome" else ())
        return file.getvalue()

    def outcome(self, call: object, value: object = "forged") -> bytes:
        return self.frame("outcome", value, call=call, result="value")

    def write(self, *frames: bytes) -> None:
        """Begin another attempt, and write its outcomes."""
        self.path.with_suffix(".calls").touch()
        self.path.with_suffix(".outcomes").write_bytes(b"".join(frames))


def new_gate(directory: Path) -> Gate:
    directory.mkdir()
    directory.chmod(0o777)
    return Gate(directory)


@pytest.fixture
def other(warm, open_directory, request):
    """A call of another job that runs all the time, and has noticed nothing; with its executor."""
    gate = new_gate(open_directory / "other")
    executor = warm(max_retries=1)
    future = executor.submit(gate.call, "other")
    gate.wait_for(1)
    yield executor, future
    if not request.node.stash.get(FAILED, False):  # otherwise all jobs were removed
        assert not future.done()
        gate.open()
        assert future.result(60) == "other"


@contextlib.contextmanager
def bounded_memory():
    process, over = psutil.Process(), threading.Event()
    peak = [process.memory_info().rss]

    def watch() -> None:
        while not over.wait(0.01):
            peak.append(process.memory_info().rss)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert max(peak) - peak[0] < MEMORY


def linked(job: Hostile) -> None:
    target = job.path.parent / "target"
    target.write_bytes(job.outcome(job.future.key))
    job.path.with_suffix(".outcomes").symlink_to(target)


def holes(job: Hostile) -> None:
    job.write(MAGIC + (2**31 - 100).to_bytes(4, "big"))
    with job.path.with_suffix(".outcomes").open("r+b") as file:
        file.truncate(2**31 - 1)


def attempts(job: Hostile) -> None:
    for number in range(3_000):
        path = job.path.with_name(f"{number:016x}")
        path.with_suffix(".calls").touch()
        path.with_suffix(".outcomes").touch()


HOSTILE = {
    "garbage": lambda job: job.write(b"\n" * 1000),
    "a header within headers": lambda job: job.write(MAGIC + (7 << 20).to_bytes(4, "big") + b"[" * (7 << 20)),
    "endless frames": lambda job: job.write(job.frame("hello") * 20_000),
    "large headers": lambda job: job.write(job.frame("hello", lists=[[]] * (2 << 20)) * 20),
    "wrong types": lambda job: job.write(
        *(job.frame(kind, call=[], fraction="x", text=5) for kind in ("report", "stack", "returned", "unknown")),
        job.frame("report", call=job.future.key, fraction=float("nan"), text=[None]),
        *(job.outcome(call) for call in ([], None, {}, 5, "c999999")),
    ),
    "a file that is mostly holes": holes,
    "a symbolic link": linked,
    "thousands of attempts": attempts,
}


def test_values_come_at_the_end_whatever_the_job_writes(other, open_directory):
    """Each has a job of its own. The next ones start meanwhile."""
    executor, _ = other
    jobs = {what: Hostile(executor, new_gate(open_directory / str(number))) for number, what in enumerate(HOSTILE)}
    with bounded_memory():
        for what, job in jobs.items():
            job.wait_until_it_runs()
            HOSTILE[what](job)
            time.sleep(1.3 * LIST)  # until the client has seen it
            job.gate.open()
            assert job.future.result(60) == "own", what


def test_outcomes_of_calls_of_other_jobs_do_not_count(other, gate):
    """In whatever order they come; of the calls' own outcomes, the first counts."""
    executor, running = other
    job = Hostile(executor, gate)
    job.wait_until_it_runs()
    own = job.future
    frames = [(running.key, "forged"), (own.key, "first"), (own.key, "again"), (running.key, "forged")]
    job.write(*(job.outcome(*frame) for frame in frames))
    assert own.result(60) == "first"
    gate.open()
    until(lambda: own.bundle.job.state is State.ENDED)
    assert own.result(60) == "first"
