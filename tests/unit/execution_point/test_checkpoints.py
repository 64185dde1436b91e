"""Files of a call that survive an eviction, in jobs whose directory does not remain."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from sandbox import BUNDLE, SECRET, SESSION, Sandbox, note, noted
from support import small_disk, until

from condor_futures import checkpoint_file
from condor_futures.calls.outcomes_file import read_outcomes
from condor_futures.calls.pickling import pickle_object
from condor_futures.execution_point.bundle import CRASHED, RETRY
from condor_futures.execution_point.frames import write_frame

pytestmark = pytest.mark.usefixtures("by_value")


def resume():
    """Return what an earlier attempt has left, or leave something and wait."""
    state, model = checkpoint_file("state"), checkpoint_file("model")
    contents = bytes(range(256)) * 20_000  # more than a frame has
    if state.exists():
        if state.read_bytes() != contents:  # an assert would need pytest in the job
            raise ValueError("the state is not that of the attempt before")
        return sorted(path.name for path in model.rglob("*")), (model / "deep/empty").read_bytes()
    (model / "deep").mkdir(parents=True)
    (model / "deep/empty").touch()
    (model / "link").symlink_to("/no/such/file")
    state.write_bytes(contents)
    Path("started").write_text("x")
    threading.Event().wait()


def evict(job: Sandbox, **environment) -> None:
    """Start the job, and stop it when its call has begun; only the file of outcomes is transferred."""
    os.mkfifo(job.path / "started")
    with job.start(**environment) as process:
        (job.path / "started").read_text()
        process.terminate()
        assert process.wait(60) == -signal.SIGTERM
    (job.path / "started").unlink()
    shutil.rmtree(job.path / f"{BUNDLE}.checkpoints")


def test_an_evicted_call_finds_its_files(job):
    """Files, and directories of them. Calls that have ended are not made again, and their files are gone."""

    def other():
        note("traces", "other")
        checkpoint_file("state").write_text("of another call")

    job.write((other,), (resume,), noted("later"))
    evict(job)
    assert read_outcomes(job.outcomes_file, session=SESSION, secret=SECRET)[0].keys() == {"c000000"}
    assert job.finish() == 0
    assert job.results() == [None, (["deep", "empty"], b""), None]
    assert (job.path / "traces").read_text() == "other\nlater\n"
    assert not (job.path / f"{BUNDLE}.checkpoints").exists()
    assert job.outcomes_file.stat().st_size < 5000


def test_each_eviction_brings_the_files_back(job):
    """Also those that the interrupted attempt has not touched."""

    def count():
        number, other = checkpoint_file("number"), checkpoint_file("other")
        n = int(number.read_text()) if number.exists() else 0
        if n == 0:
            other.write_text("of the first attempt")
        if n == 2:
            return other.read_text()
        number.write_text(str(n + 1))
        Path("started").write_text("x")
        threading.Event().wait()

    job.write((count,))
    evict(job)
    evict(job)
    job.finish()
    assert job.results() == ["of the first attempt"]


def crash_once():
    path = checkpoint_file("attempt")
    if path.exists():
        return path.read_text()
    path.write_text("first")
    os._exit(7)


@pytest.mark.parametrize("again", [True, False])
def test_a_retried_call_finds_its_files(job, again):
    """A job that HTCondor does not retry brings nothing back but outcomes."""
    (job.path / "ad").write_text(f"A = 1\nOnExitRemove = {'ExitCode == 0' if again else 'true'}\n")
    job.write((crash_once,))
    assert job.finish(_CONDOR_JOB_AD=str(job.path / "ad")) == CRASHED
    assert (job.outcomes_file.read_bytes().count(b'"checkpoint"') == 1) is again
    shutil.rmtree(job.path / f"{BUNDLE}.checkpoints", ignore_errors=True)
    assert type(job.results()[0]).__name__ == "JobCrashedError"  # as of the last attempt
    # An attempt on a machine that can make no call passes the files on.
    assert job.finish(_CONDOR_JOB_AD=str(job.path / "ad"), CONDOR_FUTURES_REFUSED="no space") == CRASHED
    shutil.rmtree(job.path / f"{BUNDLE}.checkpoints", ignore_errors=True)
    assert job.finish() == (0 if again else CRASHED)
    assert (job.results() == ["first"]) is again


def test_a_call_that_raises_an_exception_to_retry_keeps_its_files(job):
    def fail_once():
        path = checkpoint_file("attempt")
        if path.exists():
            return path.read_text()
        path.write_text("first")
        raise OSError("away")

    (job.path / "ad").write_text("OnExitRemove = ExitCode == 0\n")
    job.write((fail_once,), retried=pickle_object((OSError,), "retry_exceptions"))
    assert job.finish(_CONDOR_JOB_AD=str(job.path / "ad")) == RETRY
    shutil.rmtree(job.path / f"{BUNDLE}.checkpoints")
    assert job.finish() == 0
    assert job.results() == ["first"]


def test_a_directory_that_remains_is_not_copied(job, tmp_path):
    """The job runs where HTCondor keeps its files, beside its scratch directory."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    job.write((resume,))
    os.mkfifo(job.path / "started")
    with job.start(_CONDOR_SCRATCH_DIR=str(scratch)) as process:
        (job.path / "started").read_text()
        process.terminate()
        process.wait(60)
    assert job.outcomes_file.read_bytes() == b""
    job.finish(_CONDOR_SCRATCH_DIR=str(scratch))
    assert job.results() == [(["deep", "empty", "link"], b"")]
    assert not (job.path / f"{BUNDLE}.checkpoints").exists()


def test_files_that_would_not_survive_are_refused(job):
    """The error says what to do."""
    (job.path / "ad").write_text('WhenToTransferOutput = "ON_EXIT"\n')
    job.write((checkpoint_file, "state"))
    job.finish(_CONDOR_JOB_AD=str(job.path / "ad"))
    (error,) = job.results()
    assert isinstance(error, RuntimeError)
    assert str(error).startswith("checkpoint_file() cannot be used with transfer_output_files: HTCondor would try")


def count_warm():
    path = checkpoint_file("n")
    path.write_text(path.read_text() + "+" if path.exists() else "1")
    if path.read_text() == "1":
        threading.Event().wait()
    return path.read_text(), str(path.parent)


def test_a_warm_job_that_sees_the_session_keeps_them_there(warm_job, tmp_path):
    """Another job that makes the call finds them. They are removed when it has ended."""
    (tmp_path / "session/lines").mkdir(parents=True)
    (tmp_path / "session/lines/b000000").symlink_to(warm_job.directory)
    warm_job.proxy.alias = str(tmp_path / "session/lines/b000000")
    warm_job.begin()
    (key,) = warm_job.give((count_warm,))
    there = tmp_path / "session/checkpoints" / key
    until(lambda: (there / "n").exists() and (there / "n").read_text())
    warm_job.process.terminate()
    warm_job.process.wait(30)
    warm_job._numbers = itertools.count()  # the same call
    warm_job.begin()
    assert warm_job.make((count_warm,)) == [("1+", str(there))]
    until(lambda: not there.exists())


def test_a_warm_job_that_does_not_see_the_session_refuses_them(warm_job):
    warm_job.proxy.alias = "/there/session/lines/b000000"
    warm_job.begin()
    (error,) = warm_job.make((checkpoint_file, "state"))
    assert isinstance(error, RuntimeError)
    assert "with_options(warm=0)" in str(error)


def test_an_initializer_has_none(job):
    def initialize():
        checkpoint_file("state")

    job.write((pow, 2, 2), initializer=(initialize,))
    job.finish()
    (error,) = job.results()
    assert "no call is running in this process" in str(error)


def test_files_for_which_the_disk_has_no_room_are_lost(tmp_path):
    """The outcomes are not, nor are other files."""
    with small_disk(tmp_path / "disk", 2) as disk:
        job = Sandbox(disk)
        size = 900_000

        def leave():
            checkpoint_file("large").write_bytes(bytes(size))
            checkpoint_file("small").write_text("small")
            Path("started").write_text("x")
            threading.Event().wait()

        job.write((pow, 2, 2), (leave,))
        evict(job)
        assert b'"name": "small"' in job.outcomes_file.read_bytes()
        assert "the checkpoint file" in job.stderr
        assert "large is lost" in job.stderr
        assert job.results() == [4]


def test_files_that_cannot_be_written_again_are_lost(tmp_path):
    """The call starts from the beginning, without a part of them."""

    def look():
        return checkpoint_file("large").exists(), checkpoint_file("small").exists()

    with small_disk(tmp_path / "disk", 1) as disk:
        job = Sandbox(disk)
        job.write((look,))
        with job.outcomes_file.open("wb") as file:
            for name, size in ("small", 1), ("large", 300_000):
                header = {"kind": "checkpoint", "session": SESSION, "call": "c000000", "name": name, "at": 0}
                write_frame(file, SECRET, header, [bytes(size)])
        job.finish()
        assert job.results() == [(False, False)]
        assert "are lost" in job.stderr


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "a\0b"])
def test_a_name_is_that_of_a_file_in_a_directory(name):
    with pytest.raises(ValueError, match="must be that of a file in a directory"):
        checkpoint_file(name)


def test_a_name_is_a_str():
    with pytest.raises(TypeError, match=r"must be a str, not PosixPath$"):
        checkpoint_file(Path("state"))


def count_to(limit):
    saved = checkpoint_file("count")
    n = int(saved.read_text()) if saved.exists() else 0
    while n < limit:
        n += 1
        saved.write_text(str(n))
    return n, str(saved)


def test_outside_of_a_job_a_call_starts_from_the_beginning():
    """Its files can be written and read."""
    (ten, path), (five, other) = count_to(10), count_to(5)
    assert (ten, five) == (10, 5)
    assert path != other
    assert Path(path).read_text() == "10"


@pytest.mark.parametrize("in_pool", [False, True])
def test_outside_of_a_job_the_files_are_removed_in_the_end(in_pool):
    if in_pool:
        with ProcessPoolExecutor(1) as pool:
            path = pool.submit(count_to, 3).result()[1]
    else:
        code = "from condor_futures import checkpoint_file as f; p = f('a'); p.touch(); print(p)"
        path = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert not Path(path).parents[1].exists()
