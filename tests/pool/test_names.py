"""Names of calls: in jobs(), status and show, and for a client that attaches."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from support import until

from condor_futures import CondorExecutor

pytestmark = pytest.mark.pool


def run(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "condor_futures.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
        timeout=110,
        check=False,
    )
    return done.stdout + done.stderr


def work(n, seconds=0):
    time.sleep(seconds)
    return n


@pytest.mark.parametrize("warm", [0, 60])
def test_names_are_where_calls_are(new_executor, warm):
    """A job of its own has the names of all its calls. A warm job has that of the call that it makes now."""
    executor = new_executor(warm=warm)
    fits = executor.with_options(name="fit-{0}")
    assert list(fits.map(work, range(3), chunksize=3)) == [0, 1, 2]
    done = executor.futures["fit-2"]
    slow = executor.with_options(name="slow-{0}-{seconds}").submit(work, 7, seconds=300)
    fits.with_options(requirements='Machine == "nowhere"', warm=0).map(work, range(10, 12), chunksize=2)
    names = {}

    def known():
        names.update({job.job_id: job.names for job in executor.jobs()})
        return slow.running() and len([0 for some in names.values() if some]) == 2

    until(known)
    assert names[slow.job_id] == ("slow-7-300",)
    assert ("fit-10", "fit-11") in names.values()
    text = run("status", "--access-point", "personal", "--session", executor.jobs()[0].session)
    assert "slow-7-300" in text
    assert "fit-10 and 1 more" in text
    assert "fit-2" in run("show", "--session", executor.session, done.job_id)
    assert f"call {done.key} 'fit-2' done, job {done.job_id}" in repr(done)
    for future in (slow, executor.futures["fit-10"], executor.futures["fit-11"]):
        future.cancel()
    with CondorExecutor.attach(executor.detach()) as again:
        assert again.futures["fit-2"].result() == 2
        assert again.futures["fit-2"].name == "fit-2"
        assert again.with_options(name="new-{0}").submit(work, 5).result() == 5
        assert again.futures["new-5"].result() == 5
