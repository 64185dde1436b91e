"""Jobs that are not warm have a line too: outcomes, output and reports come as the calls end, not as the job does."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from support import until

import condor_futures
from condor_futures import CondorExecutor

pytestmark = pytest.mark.pool

#: Each of them gives a bundle a job of its own.
OPTIONS = {"max_retries": 2}


class Steps:
    """Calls that note their beginning in a file, and wait for files of their own."""

    def __init__(self, directory):
        self.directory = directory

    def call(self, value):
        print("step", value, flush=True)
        condor_futures.report(0.5, f"step {value}")
        with (self.directory / "begun").open("a") as file:
            file.write(f"{value}\n")
        (self.directory / "begun").chmod(0o666)
        while not (self.directory / f"go {value}").exists():
            time.sleep(0.02)
        return value

    def begun(self):
        path = self.directory / "begun"
        return list(map(int, path.read_text().split())) if path.exists() else []

    def go(self, value):
        (self.directory / f"go {value}").touch()


@pytest.fixture
def steps(open_directory):
    made = Steps(open_directory)
    yield made
    for value in (1, 2, 3):
        made.go(value)


@pytest.mark.parametrize("options", [OPTIONS, {"on_hold": "release"}, {"allowed_job_duration": 600}], ids=str)
def test_values_come_as_the_calls_of_a_job_end(pool, warm, steps, options):
    executor = warm(**options)
    results = executor.map(steps.call, [1, 2, 3], chunksize=3)
    steps.go(1)
    assert next(results) == 1
    assert pool.queue(executor), "the job goes on"
    steps.go(2)
    steps.go(3)
    assert list(results) == [2, 3]
    assert executor.counts() == {"done": 3}
    assert steps.begun() == [1, 2, 3]


def test_output_and_reports_of_a_running_call_are_live(pool, warm, steps):
    executor = warm(**OPTIONS)
    future = executor.submit(steps.call, 1)
    tail = future.tail()  # it may be followed before it runs
    assert next(tail) == "step 1\n"
    assert future.stdout() == "step 1\n"
    until(lambda: future.progress is not None)
    assert (future.progress.fraction, future.progress.text) == (0.5, "step 1")
    assert executor.reports() == {future.key: future.progress}
    [job] = executor.jobs()
    assert (job.warm, job.progress) == (False, future.progress)
    steps.go(1)
    assert list(tail) == []
    assert future.result(0) == 1
    assert future.stdout() == "".join(future.tail()) == "step 1\n"


def test_a_retry_is_made_before_anything_is_told(pool, warm, tmp_path):
    """An exception after which the job runs again is no outcome."""

    def call(path):
        with path.open("a") as file:
            file.write("made\n")
        if path.read_text().count("made") < 3:
            raise OSError("not yet")
        return "at last"

    path = tmp_path / "made"
    path.touch()
    path.chmod(0o666)
    future = warm(max_retries=3, retry_exceptions=OSError).submit(call, path)
    assert future.result(90) == "at last"


def test_an_eviction_costs_the_call_under_way_only(pool, warm, steps):
    executor = warm(**OPTIONS).with_options(name="step-{0}")
    results = executor.map(steps.call, [1, 2], chunksize=2)
    tail = executor.futures["step-2"].tail()
    steps.go(1)
    assert next(results) == 1
    assert next(tail) == "step 2\n"
    [ad] = pool.queue(executor)
    pool.run("condor_vacate_job", f"{ad['ClusterId']}.{ad['ProcId']}")
    until(lambda: steps.begun() == [1, 2, 2])
    steps.go(2)
    assert list(tail) == ["step 2\n"], "of the second attempt"
    assert list(results) == [2]
    assert steps.begun() == [1, 2, 2]


KILLED = """
import os, sys, time
from pathlib import Path
from condor_futures import CondorExecutor
def call(value, directory):
    with open(directory + "/begun", "a") as file:
        file.write(f"{value}\\n")
    while not os.path.exists(f"{directory}/go {value}"):
        time.sleep(0.02)
    return value
executor = CondorExecutor(access_point="personal", warm=60, max_retries=1, session=sys.argv[1])
results = executor.map(call, [1, 2], [sys.argv[2]] * 2, chunksize=2)
assert next(results) == 1
while Path(sys.argv[2], "begun").read_text() != "1\\n2\\n":
    time.sleep(0.02)
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("removed", [False, True], ids=["the job goes on", "the job was removed"])
def test_what_came_before_the_client_was_killed_counts(pool, steps, tmp_path, removed):
    session = tmp_path / "session"
    (steps.directory / "begun").touch()
    (steps.directory / "begun").chmod(0o666)
    steps.go(1)
    command = [sys.executable, "-c", KILLED, session, str(steps.directory)]
    subprocess.run(command, check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    if removed:
        pool.run("condor_rm", "-all")
    with CondorExecutor.attach(session) as executor:
        first, second = executor.futures.values()
        assert first.result(60) == 1
        steps.go(2)
        if removed:
            assert isinstance(second.exception(60), condor_futures.JobRemovedError)
        else:
            assert second.result(60) == 2
    assert steps.begun() == [1, 2]
