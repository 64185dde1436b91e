"""Questions to the access point about jobs, from the executor and from the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone

import pytest
from support import until

pytestmark = pytest.mark.pool


def status(*arguments, **environment):
    """Return the command's exit status and its output."""
    done = subprocess.run(
        [sys.executable, "-m", "condor_futures.cli", "status", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200", **environment},
        timeout=110,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def states(executor):
    return {job.job_id: job.state for job in executor.jobs()}


@pytest.fixture
def busy(new_executor):
    """An executor with a running job, two jobs that no slot can run, and a job with three calls."""
    executor = new_executor(max_tasks_per_child=None)
    running = executor.submit(time.sleep, 300)
    large = executor.with_options(request_memory="512GB")
    idle = large.submit_cluster(pow, 2, 3, count=2)
    executor.with_options(requirements='Machine == "nowhere"').map(abs, range(3), chunksize=3)
    until(lambda: sorted(states(executor).values()) == ["idle", "idle", "idle", "running"] and running.running())
    yield executor, running, idle
    executor.terminate_workers()


def test_jobs_are_as_the_access_point_sees_them(busy):
    executor, running, idle = busy
    jobs = {job.job_id: job for job in executor.jobs()}
    assert len(jobs) == 4
    job = jobs[running.job_id]
    assert (job.state, job.host, job.calls, job.why_idle) == ("running", running.host, 1, None)
    now = datetime.now(timezone.utc)
    assert now - timedelta(minutes=5) < job.submitted <= job.started <= now + timedelta(seconds=1)
    assert timedelta(0) <= job.run_time < timedelta(minutes=5)
    assert job.session in str(executor.session)
    waiting = jobs[idle[0].job_id]
    assert (waiting.state, waiting.host, waiting.started, waiting.memory) == ("idle", None, None, None)
    assert sorted(job.calls for job in jobs.values()) == [1, 1, 1, 3]


def test_why_jobs_are_idle(busy):
    """The reasons come from HTCondor's own analysis."""
    executor, running, idle = busy
    why = {job.job_id: job.why_idle for job in executor.jobs(why=True)}
    assert why.pop(running.job_id) is None
    assert (
        why.pop(idle[0].job_id)
        == "the pool's only slot does not have 512 GiB of memory (TARGET.Memory >= RequestMemory)"
    )
    del why[idle[1].job_id]
    assert list(why.values()) == ['the pool\'s only slot does not meet Machine == "nowhere"']


def test_hold_reason(new_executor, pool):
    """The executor would remove its own held job soon, so the test submits this job without the executor."""
    executor = new_executor()
    description = executor.session / "held.sub"
    description.write_text(
        f'executable = /bin/true\nhold = true\nMY.CondorFuturesSession = "{executor._engine.session.id}"\nqueue\n'
    )
    pool.run("condor_submit", str(description))
    [job] = executor.jobs()
    assert (job.state, job.hold_code, job.calls) == ("held", 15, None)
    assert job.hold_reason == "submitted on hold at user's request"
    code, text = status("--session", job.session)
    assert code == 0, text
    assert "held: submitted on hold at user's request (code 15, subcode" in text


def test_after_the_shutdown_there_are_no_jobs(new_executor):
    executor = new_executor()
    executor.submit(pow, 2, 3).result()
    executor.shutdown()
    assert executor.jobs() == []


def test_status_prints_the_jobs(busy):
    """A personal pool answers while it runs: states, hosts and, on request, the reason why a job is idle."""
    executor, running, idle = busy
    session = executor.jobs()[0].session
    code, text = status("--session", session)
    assert code == 0, text
    assert session in text
    assert f"{idle[0].job_id} to {idle[1].job_id}" in text  # one row for the waiting jobs of one cluster
    assert running.host in text
    assert "1 running, 3 idle" in text
    assert "GiB of memory" not in text  # and not merely "512": the name of a session is the time at which it began
    code, text = status("--why", "--access-point", "personal", "--session", session)
    assert code == 0, text
    assert f"{idle[0].job_id} and 1 more: idle: the pool's only slot does not have 512 GiB of memory" in text


def test_status_of_one_job(busy):
    """The command says without a request why the job is idle. The JSON output has the same."""
    _, running, idle = busy
    code, text = status(idle[1].job_id)
    assert code == 0, text
    assert "does not have 512 GiB of memory" in text
    assert running.job_id not in text.split()
    code, text = status("--json", running.job_id)
    [job] = json.loads(text)
    assert (job["job_id"], job["state"], job["calls"]) == (running.job_id, "running", 1)
    assert datetime.fromisoformat(job["submitted"]) <= datetime.fromisoformat(job["started"])


def test_status_without_jobs(pool):
    code, text = status("--session", "20000101-000000-00000000")
    assert code == 0
    assert "No jobs of condor_futures are in the queue of" in text


def test_status_of_a_personal_pool_that_does_not_run(release, tmp_path):
    """The command does not start the pool. The exit status is 3."""
    code, text = status("--access-point", "personal", XDG_STATE_HOME=str(tmp_path))
    assert code == 3
    assert "no personal pool runs in" in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["9999.0"], "has no job 9999.0 of yours in its queue that condor_futures submitted"),
        (["nonsense"], "'nonsense' is not a job id"),
        (["--session", 'x" || true'], "is not a session id"),
        (["--access-point", "nobody@nowhere.invalid"], "the schedd nobody@nowhere.invalid cannot be"),
        (["--pool", "cm.invalid"], "--pool needs the name of an access point"),
    ],
)
def test_status_says_what_is_wrong_in_a_sentence(pool, arguments, sentence):
    code, text = status(*arguments, CONDOR_CONFIG=str(pool.personal.config_file))
    assert code == 1
    assert sentence in text
    assert "Traceback" not in text
