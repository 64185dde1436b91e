"""Holds and retries if only the queue shows the jobs, and each attempt has a sandbox of its own."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from remote_pool import client_of, remote_pool
from support import until

from condor_futures import CondorExecutor, JobHeldError

pytestmark = pytest.mark.pool


@pytest.fixture(scope="module", name="remote")
def fixture_remote(release):
    """A pool that does not see the client's files, and whose startd holds jobs that use too much memory.

    It uses the codes of HTCondor's own policy, use POLICY: HOLD_IF_MEMORY_EXCEEDED.
    """
    exceeded = "(TARGET.Greedy =?= True && TARGET.RequestMemory < 200)"
    config = {"PREEMPT": exceeded, "WANT_HOLD": exceeded, "WANT_HOLD_SUBCODE": "102", "POLLING_INTERVAL": "1"}
    config["WANT_HOLD_REASON"] = '"memory usage exceeded request_memory"'
    with remote_pool(release, hidden=True, **config) as remote, client_of(remote):
        yield remote


@pytest.fixture(scope="module", name="executor")
def fixture_executor(remote):
    """One executor for all tests that leave it unchanged."""
    with CondorExecutor(access_point=remote.access_point) as executor:
        yield executor
    assert remote.queue(executor) == []


def test_a_held_job_is_shown_and_followed_when_it_is_released(remote, executor):
    future = executor.with_options(on_hold="wait").submit(time.sleep, 3)
    until(lambda: future.state == "running")
    remote.run("condor_hold", future.job_id)
    until(lambda: future.state == "held")
    remote.run("condor_release", future.job_id)
    assert future.result(60) is None


def test_a_held_job_is_released_so_often_as_is_said(remote, executor):
    """The job's policy holds it as soon as it runs, each time."""
    careful = executor.with_options(on_hold=("release", 2), periodic_hold="JobStatus == 2")
    future = careful.submit(time.sleep, 60)
    error = future.exception(100)
    assert isinstance(error, JobHeldError)
    assert "hold number 3" in str(error)


@pytest.mark.parametrize("options", [{"memory_max": "256MB"}, {"retry_request_memory": "128MB, 256MB"}], ids=str)
def test_a_job_that_its_slot_holds_for_memory_gets_more(remote, executor, options):
    """HTCondor's own mechanism never puts it on hold; our executor releases it."""
    greedy = executor.with_options(request_memory="64MB", **{"MY.Greedy": True}, **options)
    future = greedy.submit(time.sleep, 5)
    assert future.result(100) is None
    (ad,) = until(lambda: remote.ads("condor_history", f"ClusterId == {future.job_id.split('.')[0]}"))
    assert ad["RequestMemory"] == 256
    assert (ad.get("NumHolds", 0) > 0) == ("memory_max" in options)


def test_values_travel_from_one_attempt_to_the_next(remote, executor):
    """The sandbox is new. It gets the outcomes of the calls before the crash."""

    def number_of_the_sandbox(crash):
        ad = Path(os.environ["_CONDOR_JOB_AD"]).read_text()
        job = dict(line.split(" = ", 1) for line in ad.splitlines() if " = " in line)
        starts = int(job["NumShadowStarts"])
        if crash and starts == 1:
            os._exit(7)
        return starts

    careful = executor.with_options(max_retries=2)
    ((*futures,),) = careful._intake.submit_chunks(number_of_the_sandbox, iter([(False,), (True,), (False,)]), 3, None)
    assert [future.result(100) for future in futures] == [1, 2, 1]
