"""Limits of an access point, a disk and a process: calls wait for a limited resource, or fail alone."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import resource
import time
from concurrent.futures import wait
from pathlib import Path

import pytest
from support import Pool, small_disk, until

from condor_futures import AccessPointError, CondorExecutor, DagExecutor, JobLostError, PayloadError, procid
from condor_futures.access_point.backoff import Backoff
from condor_futures.files import private_files
from condor_futures.personal import PersonalPool
from condor_futures.watching import retrievals

pytestmark = pytest.mark.pool

LIMIT = 4


@pytest.fixture
def pool_with(release, tmp_path_factory, monkeypatch):
    """Return a function that gives the pool of `access_point="personal"` further settings."""
    with contextlib.ExitStack() as pools:

        def make(**config: object) -> Pool:
            monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
            personal = PersonalPool(slots=8, release=release, config={k: str(v) for k, v in config.items()})
            personal.start()
            pools.callback(personal.stop)
            return Pool(personal)

        yield make


def wait_for(flag: Path, value: int = 0) -> int:
    """Run until the flag exists."""
    while not flag.exists():
        time.sleep(0.02)
    return value


def zeros_after(flag: Path, size: int) -> bytes:
    return bytes(wait_for(flag, size))


# Limits of the schedd.


@pytest.mark.parametrize(
    ("limit", "spool"),
    [("MAX_JOBS_PER_OWNER", True), ("MAX_JOBS_SUBMITTED", False), ("MAX_JOBS_PER_SUBMISSION", True)],
)
def test_calls_beyond_a_limit_wait_and_go_on(limit, spool, pool_with, tmp_path, caplog):
    """The executor submits more jobs as others leave, whichever limit applies."""
    pool = pool_with(**{limit: LIMIT})
    with CondorExecutor(access_point="personal", warm=0, spool=spool) as executor:
        futures = [executor.submit(wait_for, tmp_path / "flag", n) for n in range(3 * LIMIT)]
        queue = until(lambda: len(found := pool.queue(executor)) >= LIMIT and found)
        if limit != "MAX_JOBS_PER_SUBMISSION":
            assert len(queue) == LIMIT
            assert executor.counts()["pending"] >= 2 * LIMIT
        (tmp_path / "flag").touch()
        assert [future.result(200) for future in futures] == list(range(3 * LIMIT))
    assert pool.ads("condor_q") == []
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert all(limit in line for line in said), said
    assert bool(said) == (limit != "MAX_JOBS_PER_SUBMISSION")


def test_jobs_of_others_count_too(pool_with, tmp_path):
    """Another session of the same user uses the whole limit. Calls wait until it has ended, and can be cancelled."""
    pool = pool_with(MAX_JOBS_PER_OWNER=LIMIT)
    with (
        CondorExecutor(access_point="personal", warm=0) as other,
        CondorExecutor(access_point="personal", warm=0) as executor,
    ):
        theirs = [other.submit(wait_for, tmp_path / "flag", n) for n in range(LIMIT)]
        until(lambda: all(future.running() for future in theirs))
        mine = [executor.submit(pow, n, 2) for n in range(3)]
        until(lambda: executor._engine.watcher._under_way.effects.submissions._limit.reached)
        assert pool.queue(executor) == []
        assert mine[1].cancel()
        (tmp_path / "flag").touch()
        assert [future.result(100) for future in theirs] == list(range(LIMIT))
        assert [mine[0].result(100), mine[2].result(100)] == [0, 4]
    assert pool.ads("condor_q") == []


def test_cluster_waits_until_there_is_room_for_all_of_it(pool_with, tmp_path):
    """The jobs are one cluster or none. A cluster that can never fit fails at once with the reason."""
    pool = pool_with(MAX_JOBS_PER_OWNER=LIMIT)
    with CondorExecutor(access_point="personal", warm=0) as executor:
        first = [executor.submit(wait_for, tmp_path / "flag", n) for n in range(2)]
        until(lambda: all(future.running() for future in first))
        never = executor.submit_cluster(pow, procid, 2, count=LIMIT + 1)
        for future in never:
            with pytest.raises(AccessPointError, match=r"accepts at most 4 jobs \(MAX_JOBS_PER_OWNER\), .* has 5$"):
                future.result(100)
        cluster = executor.submit_cluster(pow, procid, 2, count=LIMIT)
        until(lambda: executor._engine.watcher._under_way.effects.submissions._limit.reached)
        assert len(pool.queue(executor)) == 2
        (tmp_path / "flag").touch()
        assert [future.result(100) for future in cluster] == [0, 1, 4, 9]
        assert len({future.job_id.split(".")[0] for future in cluster}) == 1


def test_cluster_larger_than_a_submission_may_be_fails(pool_with):
    """With MAX_JOBS_PER_SUBMISSION, the executor splits batches of jobs, but not a cluster that the user requested."""
    pool_with(MAX_JOBS_PER_SUBMISSION=LIMIT)
    with CondorExecutor(access_point="personal", warm=0) as executor:
        with pytest.raises(AccessPointError, match=r"accepts at most 4 jobs \(MAX_JOBS_PER_SUBMISSION\), .* has 6$"):
            executor.submit_cluster(pow, procid, 2, count=6)[5].result(100)
        assert executor.submit(pow, 2, 3).result(100) == 8


# Disks.

MIB = 1 << 20


@pytest.fixture(name="small_disk")
def fixture_small_disk(tmp_path):
    """A file system of 8 MiB."""
    with small_disk(tmp_path / "small", mebibytes=8) as place:
        yield place


def test_calls_wait_for_room_in_the_spool_directory(pool_with, small_disk):
    """Files that do not fit beside others are spooled when the others have left. Files that never fit fail alone."""
    pool = pool_with(ALTERNATE_JOB_SPOOL=f'"{small_disk}"')
    with CondorExecutor(access_point="personal", warm=0) as executor:
        calls = [os.urandom(3 * MIB), os.urandom(3 * MIB), os.urandom(9 * MIB), os.urandom(3 * MIB), b"short"]
        futures = [executor.submit(len, data) for data in calls]
        wait(futures, 100)
        with pytest.raises(AccessPointError, match="No space left on device"):
            futures.pop(2).result(0)
        assert [future.result(0) for future in futures] == [3 * MIB, 3 * MIB, 3 * MIB, 5]
        with pytest.raises(AccessPointError, match="No space left on device"):
            executor.submit_cluster(len, os.urandom(3 * MIB), count=3)[2].result(100)
        assert executor.submit(len, b"more").result(100) == 4
    assert pool.ads("condor_q") == []


def test_value_waits_for_room_on_the_disk_of_the_job(pool_with, small_disk, tmp_path):
    """If jobs run in the spool directory, files on the way to other jobs may fill it for some time."""
    pool_with(ALTERNATE_JOB_SPOOL=f'"{small_disk}"')
    with CondorExecutor(access_point="personal", warm=0) as executor:
        future = executor.submit(zeros_after, tmp_path / "flag", 2 * MIB)
        until(future.running)
        filler = small_disk / "filler"
        filler.write_bytes(bytes(7 * MIB))
        (tmp_path / "flag").touch()
        time.sleep(3)  # in which it is written, and removed again
        assert not future.done()
        filler.unlink()
        assert len(future.result(100)) == 2 * MIB


def test_value_that_the_disk_of_the_job_cannot_hold_fails_its_call_alone(pool_with, small_disk):
    """The other calls of the bundle have their values, both earlier and later ones."""
    pool_with(ALTERNATE_JOB_SPOOL=f'"{small_disk}"')
    with CondorExecutor(access_point="personal", warm=0) as executor:
        # The job runs in its spool directory, because access point and execution point are one machine.
        results = [executor.submit(os.urandom, n * MIB) for n in (9, 1)]
        with pytest.raises(OSError, match=r"No space left on device \(on the execution point") as caught:
            results[0].result(100)
        assert caught.value.errno == errno.ENOSPC
        assert len(results[1].result(100)) == MIB


def test_full_disk_fails_the_calls_that_do_not_fit(small_disk, new_executor):
    """They fail before anything is submitted. Their files are removed, so that the next call has room again."""
    executor = new_executor(session=small_disk / "session")
    sizes = [4, 9, 2, 9, 1]
    futures = [executor.submit(len, os.urandom(n * MIB)) for n in sizes]
    for future, size in zip(futures, sizes, strict=True):
        if size == 9:
            with pytest.raises(PayloadError, match=r"cannot be written to .*: No space left on device; make room") as e:
                future.result(0)
            assert e.value.__cause__.errno == errno.ENOSPC
        else:
            assert future.result(100) == size * MIB
    assert not list(small_disk.rglob("*.new"))
    assert executor.counts()["failed"] == 2


def test_cluster_that_cannot_be_written_whole_is_not_submitted_in_part(small_disk, new_executor):
    """All its calls fail, and the disk has room again."""
    executor = new_executor(session=small_disk / "session")
    for future in executor.submit_cluster(len, os.urandom(3 * MIB), count=3):
        with pytest.raises(PayloadError, match="No space left on device"):
            future.result(0)
    assert executor.counts()["failed"] == 3
    assert executor.submit(len, os.urandom(6 * MIB)).result(100) == 6 * MIB


def test_full_disk_fails_the_call_that_has_no_room_for_its_parents_value(small_disk, new_executor):
    """The advice is the same as for a call that is too large itself."""
    executor = new_executor(session=small_disk / "session")
    parent = executor.submit(bytes, 5 * MIB)
    with pytest.raises(PayloadError, match=r"cannot be written to .*: No space left on device; make room") as caught:
        executor.submit(len, parent).result(100)
    assert caught.value.__cause__.errno == errno.ENOSPC
    assert len(parent.result(0)) == 5 * MIB


def test_full_disk_refuses_the_calls_of_a_dag_that_do_not_fit(small_disk):
    """The error comes at once, with advice. The other calls belong to the DAG."""
    with DagExecutor("fits", small_disk / "dag") as dag:
        with pytest.raises(PayloadError, match=r"cannot be written to .*: No space left on device; make room"):
            dag.submit(len, os.urandom(9 * MIB))
        future = dag.submit(len, os.urandom(4 * MIB))
        dag.run(local=True)
        assert future.result(100) == 4 * MIB


def test_outcome_that_does_not_fit_costs_no_other(small_disk, new_executor, monkeypatch):
    """Outcomes that fit arrive at once. The client asks for the other one several times, and then gives up."""
    monkeypatch.setattr(retrievals, "AGAIN", Backoff(1.0, 16.0))
    executor = new_executor(session=small_disk / "session")
    flag = small_disk / "flag"
    sizes = [MIB, MIB, 9 * MIB, 1, MIB, 1]
    futures = [executor.submit(zeros_after, flag, size) for size in sizes]
    until(lambda: all(future.running() for future in futures))
    flag.touch()
    large = futures.pop(2)
    sizes.pop(2)
    assert [len(future.result(60)) for future in futures] == sizes
    assert not large.done()
    assert executor.submit(pow, 2, 3).result(60) == 8
    with pytest.raises(JobLostError, match=r"cannot be retrieved: .*No space left on device"):
        large.result(100)


# Descriptors.


@pytest.fixture
def few_descriptors():
    """A limit so low that a test can open all files that it allows."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, limit[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limit)


def all_descriptors() -> list[int]:
    """Open files until the limit is reached."""
    held = []
    with contextlib.suppress(OSError):
        while True:
            held.append(os.open(os.devnull, os.O_RDONLY))
    return held


def test_nothing_is_lost_while_too_many_files_are_open(new_executor, few_descriptors, tmp_path):
    """The client reads outcomes when it can open files again. Calls submitted meanwhile fail with the reason."""
    executor = new_executor()
    values = [executor.submit(wait_for, tmp_path / "flag", n) for n in range(3)]
    child = executor.submit(sum, values)
    until(lambda: all(future.running() for future in values))
    (tmp_path / "flag").touch()
    held = all_descriptors()
    try:
        refused = executor.submit(pow, 2, 3)
        time.sleep(3)
        assert not any(future.done() for future in values)
    finally:
        for descriptor in held:
            os.close(descriptor)
    with pytest.raises(PayloadError, match=r"Too many open files; close some .*\(ulimit -n\)"):
        refused.result(0)
    assert [future.result(60) for future in values] == [0, 1, 2]
    assert child.result(60) == 3
    assert executor.submit(pow, 2, 3).result(60) == 8


def test_a_dag_is_followed_when_files_can_be_opened_again(new_dag, few_descriptors, tmp_path):
    """DAGMan continues meanwhile. The client reads its results later."""
    dag = new_dag()
    first = dag.submit(wait_for, tmp_path / "flag", 2)
    second = dag.submit(pow, first, 10)
    dag.run()
    until(first.running)
    (tmp_path / "flag").touch()
    held = all_descriptors()
    try:
        time.sleep(3)
    finally:
        for descriptor in held:
            os.close(descriptor)
    assert second.result(100) == 1024


def test_whoever_never_closes_a_file_is_told_so(new_executor, few_descriptors, tmp_path, monkeypatch):
    """The error comes after some time, and the calls end."""
    monkeypatch.setattr(private_files, "PATIENCE", 1.0)
    executor = new_executor()
    future = executor.submit(wait_for, tmp_path / "flag")
    until(future.running)
    (tmp_path / "flag").touch()
    held = all_descriptors()
    try:
        assert "Too many open files" in str(future.exception(60))
    finally:
        for descriptor in held:
            os.close(descriptor)
