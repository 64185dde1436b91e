"""Outcomes on full disks, and outcomes of earlier attempts."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import signal
import subprocess
from pathlib import Path

import pytest
from sandbox import (
    Sandbox,
    fail,
    note,
    noted,
    traces,
)
from support import small_disk

from condor_futures.errors import (
    JobCrashedError,
)
from condor_futures.execution_point.frames import MAGIC

pytestmark = pytest.mark.usefixtures("by_value")


def test_outcome_that_cannot_be_written_is_an_error_of_its_call(job):
    """On a full disk, a partly written outcome is removed, so that shorter outcomes can be written."""

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        return bytes(1_000_000)

    before, error, after = job.run((pow, 2, 2), (limited,), (pow, 3, 3))
    assert (before, after) == (4, 27)
    assert isinstance(error, OSError)
    assert "File too large (on the execution point" in str(error)


@pytest.mark.parametrize("room", [100, 1000, 4500, 5100])
def test_short_outcome_that_cannot_be_written_costs_no_other_call(job, room):
    """Nothing of the failed outcome is in the file before the next one, and each call runs once."""

    def limited():
        note("traces", "limited")
        end = Path("b000000.outcomes").stat().st_size + room
        resource.setrlimit(resource.RLIMIT_FSIZE, (end, resource.RLIM_INFINITY))
        return bytes(5000)

    def unlimited():
        note("traces", "unlimited")
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        return 27

    before, error, after = job.run((pow, 2, 2), (limited,), (unlimited,))
    assert (before, after) == (4, 27)
    assert isinstance(error, JobCrashedError) or "File too large" in str(error)
    assert traces(job) == ["limited", "unlimited"]


@pytest.fixture(name="small_disk")
def fixture_small_disk(tmp_path):
    """A file system of 1 MiB for jobs."""
    with small_disk(tmp_path / "small", mebibytes=1) as place:
        yield place


def fill(disk):
    with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def test_job_that_starts_on_a_full_disk_waits_for_room(small_disk):
    """The job did not fill the disk, and the condition may pass."""
    job = Sandbox(small_disk)
    job.write((len, "abc"), (len, "abcd"))
    fill(small_disk)
    with job.start() as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(3)
        (small_disk / "filler").unlink()
        assert process.wait(60) == 0
    assert job.results() == [3, 4]


def test_values_that_find_no_room_are_not_waited_for_without_end(small_disk):
    """Each outcome has a limit, and so have all outcomes of the bundle together.

    Short outcomes pass the waiting ones.
    """

    def hurry():
        from condor_futures_execution_point import bundle, unpickling

        bundle.ROOM_PATIENCE = 1.0
        unpickling.current_call.bundle.patience = 2.0

    def patience():
        from condor_futures_execution_point import unpickling

        return unpickling.current_call.bundle.patience

    job = Sandbox(small_disk)
    hurried, value, *errors, left = job.run((hurry,), *[(os.urandom, 400_000)] * 4, (patience,))
    assert (hurried, len(value), left) == (None, 400_000, 0.0)
    assert [error.errno for error in errors] == [errno.ENOSPC] * 3


def test_error_that_cannot_be_written_either_is_a_crash_of_its_call(job):
    """If there is no room at all, standard error says so."""

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))
        return bytes(1_000_000)

    before, error, after = job.run((pow, 2, 2), (limited,), (pow, 3, 3))
    assert (before, after) == (4, 27)
    assert isinstance(error, JobCrashedError)


def test_crash_while_the_outcome_is_written_costs_one_call(job):
    """Half an outcome at the end of the file does not hide later ones."""

    def limited():
        note("traces", "limited")
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        return bytes(1_000_000)

    before, error, after = job.run((pow, 2, 2), (limited,), (pow, 3, 3), timeout=5.0)
    assert (before, after) == (4, 27)
    assert error.signal == signal.SIGXFSZ
    assert traces(job) == ["limited"]


# Earlier attempts.


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.999])
def test_torn_outcome_of_an_earlier_attempt_is_mended(job, keep):
    """Complete outcomes are kept, and their calls do not run again."""
    results = job.run(noted("a"), noted("b"), noted("c"))
    data = job.outcomes_file.read_bytes()
    third = data.rindex(MAGIC)
    job.outcomes_file.write_bytes(data[: third + int((len(data) - third) * keep)])
    job.finish()
    assert job.results() == results
    assert traces(job) == ["a", "b", "c", "c"]


def test_nothing_is_done_again_when_everything_is_there(job):
    job.run(noted("a"), noted("b", fail, "it raises again"))
    first = job.outcomes_file.read_bytes()
    job.finish()
    assert job.outcomes_file.read_bytes() == first
    assert traces(job) == ["a", "b"]


def test_output_of_an_earlier_attempt_is_not_mixed_up_with_that_of_this_one(job):
    """The new output overwrites it. Calls that do not run again then have no output."""

    def print_and_crash_once():
        print("the second call", flush=True)
        if not Path("crashed").exists():
            note("crashed", "")
            os._exit(1)

    job.run((print, "the first call"), (print_and_crash_once,))
    assert job.finish() == 0
    ranges = [outcome.header["stdout"] for outcome in job.outcomes().values()]
    assert ranges == [[0, 0], [0, len("the second call\n")]]


def test_garbage_of_an_earlier_attempt_is_dropped(job):
    job.outcomes_file.write_bytes(os.urandom(1000))
    assert job.run((pow, 2, 2)) == [4]


def test_crash_of_an_earlier_attempt_is_tried_again(job):
    """max_retries exists for this: the values are kept, and the crashed call runs again."""

    def crash_once():
        if not Path("crashed").exists():
            note("crashed", "")
            os._exit(1)
        return "now it works"

    first, second = job.run(noted("a"), (crash_once,))
    assert (first, type(second)) == (None, JobCrashedError)
    assert job.finish() == 0
    assert job.results() == [None, "now it works"]
    assert traces(job) == ["a"]
