"""Questions to a remote access point, and the logs of its jobs."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from remote_pool import client_of, remote_pool
from support import until

from condor_futures import CondorExecutor, CredentialError

pytestmark = pytest.mark.pool


@pytest.fixture(scope="module")
def remote(release):
    """A pool that does not see the client's files, with this process as a client on another machine.

    Everyone may read without authentication, and a client then does not authenticate. Its queries select its own jobs.
    """
    everybody = {"ALLOW_READ": "*", "SEC_READ_AUTHENTICATION": "OPTIONAL"}
    with (
        remote_pool(release, hidden=True, **everybody) as remote,
        client_of(remote),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("_CONDOR_SEC_CLIENT_AUTHENTICATION", "OPTIONAL")
        yield remote


def test_jobs_and_status_of_a_remote_access_point(remote):
    """The client names the access point by its pool and its name. condor_q also asks there why a job is idle."""
    with CondorExecutor(access_point=remote.access_point) as executor:
        running = executor.submit(time.sleep, 300)
        idle = executor.with_options(request_memory="512GB").submit(pow, 2, 3)
        until(lambda: sorted(job.state for job in executor.jobs()) == ["idle", "running"])
        jobs = {job.job_id: job for job in executor.jobs(why=True)}
        assert jobs[running.job_id].host
        assert "does not have 512 GiB of memory" in jobs[idle.job_id].why_idle
        pool, name = remote.access_point
        done = subprocess.run(
            [sys.executable, "-m", "condor_futures.cli", "status", "--why", "--pool", pool, "--access-point", name],
            capture_output=True,
            text=True,
            env={**os.environ, "COLUMNS": "200"},
            timeout=110,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "does not have 512 GiB of memory" in done.stdout
        running.cancel()
        idle.cancel()


def test_a_remote_access_point_without_a_credd_takes_no_credentials(remote):
    """Its collector has no condor_credd. A condor_credd that does not answer is a different case."""
    with pytest.raises(CredentialError, match="the access point has no condor_credd"):
        CondorExecutor(access_point=remote.access_point, use_oauth_services="scitokens")
    text = "from condor_futures.access_point.helper import credd; "
    text += f"credd.find(('127.0.0.1:1', {remote.schedd!r}), {remote.schedd!r})"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=110, check=False)
    assert "CredentialError: the collector does not say where the access point's condor_credd is" in done.stderr


def test_logs_come_from_a_remote_access_point(remote, tmp_path):
    """The logs come with the outputs. The session's own event log is empty."""
    with CondorExecutor(access_point=remote.access_point, keep_logs=tmp_path) as executor:
        future = executor.submit(print, "hello")
        future.result()
        assert (tmp_path / f"{future.job_id}.out").read_text() == "hello\n"
        assert "Job terminated" in (tmp_path / f"{future.job_id}.log").read_text()
        assert executor.session.joinpath("event_log").stat().st_size == 0
