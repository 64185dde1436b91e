"""An access point that lost its queue counts from 1.0 again. A job is never taken for another that had its id."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from support import Pool, until

from condor_futures import CondorExecutor, JobLostError, JobRemovedError

pytestmark = pytest.mark.pool


def lose_the_queue(pool: Pool) -> None:
    """Lose only the queue: the history remains."""
    spool = pool.personal.directory / "spool"
    pool.personal.stop()
    for path in spool.glob("job_queue.log*"):
        path.unlink()
    for path in spool.iterdir():
        if path.is_dir() and path.name.isdigit():
            shutil.rmtree(path)
    pool.personal.start()


class Waiting:
    """Calls that run until the test lets them continue, and write a line each time they run."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __call__(self, name: str) -> str:
        with (self.directory / f"{name}-made").open("a") as file:
            file.write("made\n")
        while not (self.directory / f"{name}-go").exists():
            time.sleep(0.02)
        return name

    def begun(self, name: str) -> None:
        until((self.directory / f"{name}-made").exists)

    def let_go(self, name: str) -> None:
        (self.directory / f"{name}-go").touch()

    def times(self, name: str) -> int:
        return (self.directory / f"{name}-made").read_text().count("made")


def test_a_job_is_not_taken_for_an_earlier_one_of_its_session(own_pool, tmp_path):
    """The log has a whole job 1.0, a whole job 2.0, and then the jobs that have these ids now."""
    wait, session = Waiting(tmp_path), tmp_path / "session"
    executor = CondorExecutor(access_point="personal", warm=0, session=session)
    done = executor.submit(pow, 2, 5)
    assert (done.result(60), done.job_id) == (32, "1.0")
    removed = executor.submit(wait, "removed")
    wait.begun("removed")
    assert removed.job_id == "2.0"
    own_pool.run("condor_rm", "2.0")
    assert isinstance(removed.exception(60), JobRemovedError)
    lost = executor.submit(wait, "lost")
    wait.begun("lost")
    executor.detach()
    lose_the_queue(own_pool)

    executor = CondorExecutor.attach(session)
    done, removed, lost = executor.futures.values()
    assert done.result(60) == 32
    assert isinstance(removed.exception(60), JobRemovedError)
    assert isinstance(lost.exception(60), JobLostError)
    for name in ("first", "second"):
        future = executor.submit(wait, name)
        wait.begun(name)
        assert future.job_id == {"first": "1.0", "second": "2.0"}[name]
    executor.detach()

    with CondorExecutor.attach(session) as executor:
        done, removed, lost, first, second = executor.futures.values()
        until(lambda: first.state == second.state == "running")
        assert done.result(60) == 32
        assert isinstance(removed.exception(60), JobRemovedError)
        error = lost.exception(60)
        assert isinstance(error, JobLostError)
        assert str(error).startswith("the job 3.0 is no longer in the queue, and no event says why")
        time.sleep(1)
        assert first.state == second.state == "running"
        wait.let_go("first")
        wait.let_go("second")
        assert (first.result(60), second.result(60)) == ("first", "second")
        assert wait.times("first") == wait.times("second") == 1


@pytest.mark.parametrize("ended", [True, False], ids=["ended", "running"])
def test_a_job_is_not_taken_for_one_of_another_session(own_pool, tmp_path, ended):
    """The client does not remove or retrieve the job of another session either."""
    wait = Waiting(tmp_path)
    executor = CondorExecutor(access_point="personal", warm=0, session=tmp_path / "session")
    lost = executor.submit(wait, "lost")
    wait.begun("lost")
    assert lost.job_id == "1.0"
    executor.detach()
    if ended:
        wait.let_go("lost")
        until(lambda: [ad["JobStatus"] for ad in own_pool.ads("condor_q")] == [4])
    lose_the_queue(own_pool)
    with CondorExecutor(access_point="personal", warm=0) as other:
        future = other.submit(wait, "other")
        wait.begun("other")
        assert future.job_id == "1.0"
        with CondorExecutor.attach(tmp_path / "session") as executor:
            (lost,) = executor.futures.values()
            lost.cancel()
            if not lost.cancelled():
                error = lost.exception(60)
                assert isinstance(error, JobLostError)
                assert "the job 1.0" in str(error)
                assert "no longer in the queue" in str(error)
        assert future.state == "running"
        assert [ad["LeaveJobInQueue"] for ad in own_pool.queue(other)] != ["false"]
        wait.let_go("other")
        assert future.result(60) == "other"
        assert wait.times("other") == 1
