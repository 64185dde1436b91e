"""What an access point, a disk and a process have only so much of: calls wait for it, or fail by themselves."""

from __future__ import annotations

import contextlib
import logging
import time
from pathlib import Path

import pytest
from support import Pool, until

from condor_futures import AccessPointError, CondorExecutor, procid
from condor_futures.personal import PersonalPool

pytestmark = pytest.mark.pool

LIMIT = 4


@pytest.fixture
def pool_with(release, tmp_path_factory, monkeypatch):
    """Makes what `access_point="personal"` means: a pool with further settings."""
    with contextlib.ExitStack() as pools:

        def make(**config: object) -> Pool:
            monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
            personal = PersonalPool(slots=8, release=release, config={k: str(v) for k, v in config.items()})
            personal.start()
            pools.callback(personal.stop)
            return Pool(personal)

        yield make


def wait_for(flag: Path, value: int = 0) -> int:
    """Run until the flag is there."""
    while not flag.exists():
        time.sleep(0.02)
    return value


# Limits of the schedd.


@pytest.mark.parametrize(
    ("limit", "spool"),
    [("MAX_JOBS_PER_OWNER", True), ("MAX_JOBS_SUBMITTED", False), ("MAX_JOBS_PER_SUBMISSION", True)],
)
def test_calls_beyond_a_limit_wait_and_go_on(limit, spool, pool_with, tmp_path, caplog):
    """More are submitted as others leave; whatever the limit is of."""
    pool = pool_with(**{limit: LIMIT})
    with CondorExecutor(access_point="personal", spool=spool) as executor:
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
    """Another session of the same user has all the room; calls wait until it has ended, and can be cancelled."""
    pool = pool_with(MAX_JOBS_PER_OWNER=LIMIT)
    with CondorExecutor(access_point="personal") as other, CondorExecutor(access_point="personal") as executor:
        theirs = [other.submit(wait_for, tmp_path / "flag", n) for n in range(LIMIT)]
        until(lambda: all(future.running() for future in theirs))
        mine = [executor.submit(pow, n, 2) for n in range(3)]
        until(lambda: executor._engine.watcher._submissions._limit.reached)
        assert pool.queue(executor) == []
        assert mine[1].cancel()
        (tmp_path / "flag").touch()
        assert [future.result(100) for future in theirs] == list(range(LIMIT))
        assert [mine[0].result(100), mine[2].result(100)] == [0, 4]
    assert pool.ads("condor_q") == []


def test_cluster_waits_until_there_is_room_for_all_of_it(pool_with, tmp_path):
    """It is one cluster or none; one that can never fit fails at once, and says why."""
    pool = pool_with(MAX_JOBS_PER_OWNER=LIMIT)
    with CondorExecutor(access_point="personal") as executor:
        first = [executor.submit(wait_for, tmp_path / "flag", n) for n in range(2)]
        until(lambda: all(future.running() for future in first))
        never = executor.submit_cluster(pow, procid, 2, count=LIMIT + 1)
        for future in never:
            with pytest.raises(AccessPointError, match=r"takes 4 jobs at most \(MAX_JOBS_PER_OWNER\), .* has 5$"):
                future.result(100)
        cluster = executor.submit_cluster(pow, procid, 2, count=LIMIT)
        until(lambda: executor._engine.watcher._submissions._limit.reached)
        assert len(pool.queue(executor)) == 2
        (tmp_path / "flag").touch()
        assert [future.result(100) for future in cluster] == [0, 1, 4, 9]
        assert len({future.job_id.split(".")[0] for future in cluster}) == 1


def test_cluster_larger_than_a_submission_may_be_fails(pool_with):
    """MAX_JOBS_PER_SUBMISSION: what is not asked for as a cluster goes in parts, what is does not."""
    pool_with(MAX_JOBS_PER_SUBMISSION=LIMIT)
    with CondorExecutor(access_point="personal") as executor:
        with pytest.raises(AccessPointError, match=r"takes 4 jobs at most \(MAX_JOBS_PER_SUBMISSION\), .* has 6$"):
            executor.submit_cluster(pow, procid, 2, count=6)[5].result(100)
        assert executor.submit(pow, 2, 3).result(100) == 8
