"""Checkpoint files survive evictions and holds, in jobs of every kind."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest
from remote_pool import client_of, remote_pool
from support import until

from condor_futures import CondorExecutor, checkpoint_file

pytestmark = pytest.mark.pool

#: What the first attempt of the second call leaves.
LEFT = ["step 1\nstep 2\n", "last weights"]


def resume(trace: Path, number: int = 1) -> list[str]:
    """Return what an earlier attempt has left, if this is call 1; its first attempt waits for the signal."""
    with trace.open("a") as file:
        file.write(f"{number}\n")
    if number != 1:
        return []
    state, model = checkpoint_file("state"), checkpoint_file("model")
    found = [state.read_text(), (model / "weights").read_text()] if state.exists() else []

    def stop(*_: object) -> None:
        (model / "weights").write_text("last weights")
        sys.exit(1)

    signal.signal(signal.SIGTERM, stop)
    if not found:
        model.mkdir()
        state.write_text("step 1\nstep 2\n")
        (trace.parent / "ready").touch()
        time.sleep(120)
    print("the last attempt")
    return found


@pytest.fixture(scope="module", name="remote")
def fixture_remote(release):
    """A pool whose jobs do not see the client's files."""
    with remote_pool(release, hidden=True) as remote, client_of(remote):
        yield remote


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"spool": False},
        {"warm": 20},
        {"warm": 20, "max_retries": 1},
        {"warm": 20, "max_retries": 1, "access_point": None},
    ],
    ids=["spooled", "not spooled", "warm", "streaming", "streaming, transferred"],
)
def test_a_call_goes_on_after_an_eviction_in_a_personal_pool(pool, new_executor, open_directory, monkeypatch, options):
    """A warm call is made by another job. Nothing is left in the end."""
    monkeypatch.setenv("CONDOR_CONFIG", pool.environment["CONDOR_CONFIG"])
    executor = new_executor(**{"warm": 0, **options})
    future = executor.submit(resume, open_directory / "trace")
    until((open_directory / "ready").exists)
    pool.run("condor_vacate_job", future.job_id)
    assert future.result(100) == LEFT
    assert future.stdout() == "the last attempt\n"
    until(lambda: list(executor.session.rglob("*checkpoint*/*")) == [])


@pytest.mark.parametrize("tool", ["condor_vacate_job", "condor_hold"])
def test_a_call_goes_on_at_another_access_point(remote, open_directory, tool):
    """HTCondor transfers the files and the outcomes, so that a call that has ended is not made again."""
    trace = open_directory / "trace"
    with CondorExecutor(access_point=remote.access_point, on_hold="release") as executor:
        values = executor.map(resume, [trace] * 3, range(3), chunksize=3)
        until((open_directory / "ready").exists)
        (job,) = executor.jobs()
        remote.run(tool, job.job_id)
        assert list(values) == [[], LEFT, []]
    assert trace.read_text().split() == ["0", "1", "1", "2"]
