"""What calls and jobs used, on a pool."""

from __future__ import annotations

import os
import time

import pytest

pytestmark = pytest.mark.pool

MiB = 1 << 20


def use(mebibytes, seconds=0.0):
    """Use so much memory and CPU time."""
    began = time.process_time()
    data = bytearray(mebibytes << 20)
    while time.process_time() - began < seconds:
        pass
    return len(data)


@pytest.mark.parametrize("spool", [True, False])
def test_a_call_and_its_job(new_executor, spool):
    executor = new_executor(spool=spool, warm=0)
    call = executor.submit(use, 150, 0.1)
    assert call.result() == 150 * MiB
    usage = call.usage
    assert usage.memory > 150 * MiB
    assert 0.1 <= usage.cpu <= usage.wall
    assert usage.job_queued <= usage.waited
    assert usage.job_memory > 0  # the job is too short for more
    assert usage.job_disk > 0
    assert usage.job_received >= 0


def test_calls_of_a_warm_job(warm):
    """The peak of a call is not that of the call before it, and the job may go on."""
    executor = warm(max_workers=1)
    large, small, crashed = (executor.submit(*call) for call in ((use, 150), (use, 1), (os._exit, 3)))
    assert crashed.exception(60) is not None
    assert (large.job_id, large.usage.job_queued) == (small.job_id, small.usage.job_queued)
    assert large.usage.memory > 150 * MiB > small.usage.memory > 0
    assert (crashed.usage.memory, crashed.usage.job_queued) == (None, large.usage.job_queued)
    assert large.usage.job_disk is None
    executor.shutdown()
    assert large.usage.job_disk > 0  # the session exists as long as its futures
