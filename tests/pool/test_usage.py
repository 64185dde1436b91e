"""What calls and jobs used, on a pool."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import datetime, timezone

import pytest

import condor_futures

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


def test_the_table_of_a_session(new_executor, tmp_path):
    """Of warm jobs, chunks and jobs of their own, for the executor and, when it has ended, for anybody."""
    executor = new_executor(session=tmp_path / "session", warm=20)
    assert executor.usage() == []
    list(executor.map(use, [150, 1], chunksize=2))
    alone = executor.with_options(warm=0)
    list(alone.map(use, [2, 3], chunksize=2))
    future = alone.with_options(name="of {0}").submit(int, "x")
    future.exception()
    table = executor.usage()
    assert [row["key"] for row in table] == [f"c{number:06d}" for number in range(5)]
    assert [row["result"] for row in table] == ["value"] * 4 + ["exception"]
    assert [row["function"] for row in table] == ["use"] * 4 + ["int"]
    assert [row["name"] for row in table] == [None] * 4 + ["of x"]
    assert table[-1]["job_id"] == future.job_id
    assert {name: table[-1][name] for name in vars(future.usage)} == vars(future.usage)
    assert table[0]["memory"] > 150 * MiB > table[1]["memory"]
    assert table[0]["started"] <= table[1]["started"] <= datetime.now(timezone.utc)
    assert table[2]["job_queued"] is not None
    executor.shutdown()
    later = condor_futures.usage(tmp_path / "session")
    assert [row["memory"] for row in later] == [row["memory"] for row in table]
    assert all(row["requested_memory"] >= MiB and row["job_disk"] for row in later)
    command = [sys.executable, "-m", "condor_futures.cli", "usage", str(tmp_path / "session")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "5 calls (4 value, 1 exception), 3 jobs" in printed
    assert "requested memory" in printed
    told = json.loads(subprocess.run([*command, "--json"], capture_output=True, check=True).stdout)
    assert [row["memory"] for row in told] == [row["memory"] for row in table]
