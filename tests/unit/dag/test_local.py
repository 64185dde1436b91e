"""The state of a DAG, and local runs of it, without HTCondor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import until

from condor_futures import (
    CancelledError,
    DagExecutor,
    DependencyError,
    JobRemovedError,
    procid,
)


def note(path):
    with Path(path).open("a") as file:
        file.write("x\n")


def times(path):
    return len(path.read_text().split()) if path.exists() else 0


def test_calls_that_are_cancelled_before_their_turn_are_not_made(new_dag, tmp_path):
    """Calls take turns: as many nodes run as there are workers."""
    dag = new_dag(max_workers=1)

    def held(mark):
        note(mark)
        while not (tmp_path / "go").exists():
            time.sleep(0.02)

    futures = [dag.submit(held, tmp_path / f"{n}") for n in range(3)]
    dag.run(local=True)
    until(lambda: times(tmp_path / "0"))
    assert [future.running() for future in futures] == [True, False, False]
    assert [future.state for future in futures] == ["running", "pending", "pending"]
    assert futures[1].cancel()
    (tmp_path / "go").touch()
    assert futures[2].result(60) is None
    assert [times(tmp_path / f"{n}") for n in range(3)] == [1, 0, 1]
    with pytest.raises(CancelledError):
        futures[1].result(0)


def test_who_attaches_has_as_many_workers(new_dag, tmp_path):
    """The number is that with which the DAG was made."""
    dag = new_dag(max_workers=1)
    dag.map(lambda mark: note(mark) or until((tmp_path / "go").exists), [tmp_path / "0", tmp_path / "1"])
    dag.write()
    dag.shutdown()
    with DagExecutor.attach(dag.directory) as again:
        futures = again.run(local=True)
        until(lambda: times(tmp_path / "0"))
        assert [future.running() for future in futures] == [True, False]
        (tmp_path / "go").touch()


def test_terminating_ends_what_runs(new_dag, tmp_path):
    """Jobs and scripts end. Completed calls keep their values."""
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\necho x >> {tmp_path}/prepared\nexec sleep 600\n")
    script.chmod(0o755)
    dag = new_dag(max_workers=3, retries=3)
    first = dag.submit(abs, -1)
    calls = dag.with_options(after=first)
    job = calls.submit(lambda: note(tmp_path / "made") or time.sleep(600))
    scripted = calls.with_options(pre_script=script).submit(abs, -2)
    last = dag.with_options(after=job).submit(abs, -3)
    dag.run(local=True)
    until(lambda: times(tmp_path / "made") and times(tmp_path / "prepared"))
    dag.terminate_workers()
    assert first.result(0) == 1
    for future in (job, scripted, last):
        with pytest.raises(JobRemovedError, match="the DAG was stopped"):
            future.result(0)
    assert times(tmp_path / "made") == times(tmp_path / "prepared") == 1


def test_cancelling_ends_a_job_that_nobody_wants_any_more(new_dag, tmp_path):
    """A job with another call continues. A cancelled call is not retried."""
    dag = new_dag(max_workers=2, retries=3)

    def held(mark):
        note(mark)
        while not (tmp_path / "go").exists():
            time.sleep(0.02)

    alone = dag.submit(held, tmp_path / "alone")
    first, second = dag.map(held, [tmp_path / "first", tmp_path / "second"], chunksize=2).futures
    after = dag.with_options(after=alone).submit(abs, -1)
    dag.run(local=True)
    until(lambda: times(tmp_path / "alone") and times(tmp_path / "first"))
    assert alone.cancel()
    assert first.cancel()
    assert isinstance(after.exception(60), DependencyError)
    assert not second.done()
    (tmp_path / "go").touch()
    assert second.result(60) is None
    assert times(tmp_path / "alone") == 1


def test_a_script_that_ends_has_its_calls_made(tmp_path):
    """The standard library's executors do the same."""
    script = f"""
from condor_futures import DagExecutor
dag = DagExecutor("work", {str(tmp_path / "work")!r}, max_workers=1)
last = 2
for _ in range(3):
    last = dag.submit(pow, last, 2)
dag.run(local=True)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    assert [future.result(0) for future in DagExecutor.attach(tmp_path / "work").futures] == [4, 16, 256]


def test_jobs_of_a_cluster_run_side_by_side(new_dag, tmp_path):
    """As many run as there are workers."""

    def meet(number):
        (tmp_path / f"{number}").touch()
        until(lambda: all((tmp_path / f"{n}").exists() for n in range(3)))
        return number

    dag = new_dag(max_workers=3)
    futures = dag.submit_cluster(meet, procid, count=3)
    dag.run(local=True)
    assert [future.result(60) for future in futures] == [0, 1, 2]


def test_ctrl_c_ends_a_local_run(tmp_path):
    """A terminal sends its signal to all processes."""
    script = f"""
import time
from pathlib import Path
from condor_futures import DagExecutor
with DagExecutor("work", {str(tmp_path / "work")!r}, max_workers=2) as dag:
    for n in range(6):
        dag.submit(lambda n=n: Path({str(tmp_path)!r}, f"made{{n}}").touch() or time.sleep(600))
    dag.run(local=True)
    print(dag.futures[0].result())
"""
    client = subprocess.Popen([sys.executable, "-c", script], start_new_session=True, stderr=subprocess.PIPE, text=True)
    until(lambda: len(list(tmp_path.glob("made*"))) == 2)
    os.killpg(client.pid, signal.SIGINT)
    _, stderr = client.communicate(timeout=60)
    assert stderr.rstrip().endswith("KeyboardInterrupt")
    assert stderr.count("Traceback") == 1
    assert len(list(tmp_path.glob("made*"))) == 2
