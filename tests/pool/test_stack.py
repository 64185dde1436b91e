"""Where a call is that runs: its Python stack, through the line of its job."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from concurrent.futures import InvalidStateError

import pytest
from support import until

from condor_futures import report

pytestmark = pytest.mark.pool


def nap():
    report(0.0)
    time.sleep(3600)


def add():
    report(0.0)
    return sum(range(10**12))  # in C; no other thread of the process runs Python code


@pytest.mark.parametrize("options", [{}, {"max_retries": 1}], ids=["warm", "streams"])
def test_the_stack_of_a_call_that_runs(warm, options):
    executor = warm(**options)
    calls = {"nap": executor.submit(nap), "add": executor.submit(add)}
    until(lambda: all(future.progress for future in calls.values()))
    for name, future in calls.items():
        first, *frames = future.stack(60).splitlines()
        assert first.endswith("(most recent call first):")
        assert [frame.split()[-1] for frame in frames] == [name], frames
    told = []
    short = executor.submit(pow, 2, 5)
    short.add_done_callback(lambda _: told.append(calls["add"].stack(60)))  # in the thread that resolves all futures
    until(lambda: told)
    assert told[0].endswith("in add")
    for future in calls.values():
        future.cancel()
        with pytest.raises(InvalidStateError, match="because it is cancelled"):
            future.stack()
    assert executor.submit(pow, 2, 6).result(60) == 64


def test_a_call_of_a_job_without_a_line_has_no_stack(new_executor):
    executor = new_executor(warm=0)
    future = executor.submit(time.sleep, 3600)
    until(lambda: future.state == "running")
    with pytest.raises(RuntimeError, match=r"job \d+\.0 .* neither warm nor streams; executor\.why_not_warm says why"):
        future.stack()
    command = [sys.executable, "-m", "condor_futures.cli", "ssh", future.job_id, "pwd"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=100)
    if shutil.which("sshd", path="/usr/sbin:/usr/local/sbin") and shutil.which("ssh"):
        assert (done.returncode, done.stderr) == (0, "")
        assert "/dir_" in done.stdout
    else:
        assert done.returncode == 1
        assert "have no sshd" in done.stderr or "there is no ssh on PATH" in done.stderr
    future.cancel()
