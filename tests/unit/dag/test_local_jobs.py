"""Jobs and scripts on this machine: their input, their output, and their end."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from support import until

from condor_futures import CondorFuturesError, JobHeldError, JobRemovedError, shell
from condor_futures.dag import local_jobs


def note(path):
    with Path(path).open("a") as file:
        file.write("x\n")


def times(path):
    return len(path.read_text().split()) if path.exists() else 0


def test_input_files_are_copied(new_dag, tmp_path):
    """HTCondor transfers copies too, which a call may change."""
    for name in ("plain", "tree/leaf", "contents/within", "other/plain"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)

    def change():
        seen = {str(path): path.read_text() for path in Path().rglob("*") if path.name in ("plain", "leaf", "within")}
        for path in seen:
            Path(path).write_text("changed")
        return seen

    inputs = [f"{tmp_path}/{name}" for name in ("plain", "tree", "contents/", "other/plain")]
    dag = new_dag(transfer_input_files=inputs)
    future = dag.submit(change)
    dag.run(local=True)
    assert future.result(60) == {"plain": "other/plain", "tree/leaf": "tree/leaf", "within": "contents/within"}
    assert (tmp_path / "plain").read_text() == "plain"
    assert (tmp_path / "tree/leaf").read_text() == "tree/leaf"


def test_what_only_htcondor_can_fetch_fails_its_node(new_dag):
    """The error is one sentence."""
    dag = new_dag()
    future = dag.with_options(transfer_input_files="https://example.org/data").submit(abs, 1)
    fine = dag.submit(abs, -1)
    dag.run(local=True)
    with pytest.raises(CondorFuturesError, match=r"only HTCondor can transfer https://example\.org/data$"):
        future.result(60)
    assert fine.result(60) == 1


def test_output_of_the_run_before_is_not_mixed_up_with_that_of_this_one(new_dag, tmp_path):
    """The calls of one job share a file, which the next run overwrites."""
    dag = new_dag()

    def read(path):
        print("read", path.name)
        return path.read_text()

    (tmp_path / "one").write_text("1")
    one, two = dag.map(read, [tmp_path / "one", tmp_path / "two"], chunksize=2).futures
    dag.run(local=True)
    assert isinstance(two.exception(60), FileNotFoundError)
    assert (one.stdout(), two.stdout()) == ("read one\n", "read two\n")
    (tmp_path / "two").write_text("2")
    again = dag.run(local=True)
    assert [future.result(60) for future in again] == ["1", "2"]
    assert again[0] is one
    assert [future.stdout() for future in (one, two, again[1])] == ["", "", "read two\n"]


def test_output_file_that_was_not_made_fails_its_job(new_dag, tmp_path):
    """HTCondor would hold the job. A job that failed by itself fails as usual. Both are retried."""
    dag = new_dag(transfer_output_files=["made.txt"], retries=1)

    def forget(error):
        note(tmp_path / f"times{error}")
        if error:
            raise ValueError(error)
        return 1

    returns, raises = dag.submit(forget, ""), dag.submit(forget, "wrong")
    child = dag.submit(abs, returns)
    dag.run(local=True)
    with pytest.raises(JobHeldError, match=r"code 12, subcode 2\): an output file cannot be transferred: .*made\.txt"):
        returns.result(60)
    assert isinstance(raises.exception(60), ValueError)
    assert child.exception(60).__cause__ is returns.exception()
    assert (times(tmp_path / "times"), times(tmp_path / "timeswrong")) == (2, 2)


def test_job_that_is_ended_has_made_no_output_file(new_dag):
    """The job is not to blame for that."""
    dag = new_dag(transfer_output_files=["made.txt"])
    future = dag.submit(time.sleep, 300)
    dag.run(local=True)
    until(future.running)
    dag.terminate_workers()
    assert isinstance(future.exception(60), JobRemovedError)


def ended(*files):
    """Return whether the processes whose numbers are in *files* have ended."""

    def runs(pid):
        try:
            return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    return not any(runs(int(file.read_text())) for file in files)


def test_terminating_ends_what_jobs_and_scripts_have_started(new_dag, tmp_path, monkeypatch):
    """Processes of a shell end too. A process that ignores the signal is killed."""
    monkeypatch.setattr(local_jobs, "GRACE", 0.1)
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntrap '' TERM\nsleep 600 & echo $! > {tmp_path}/two\nwait\n")
    script.chmod(0o755)
    dag = new_dag(max_workers=2)
    dag.submit(shell(f"trap '' TERM; sleep 600 & echo $! > {tmp_path}/one; wait"))
    dag.with_options(pre_script=script).submit(abs, -1)
    dag.run(local=True)
    files = tmp_path / "one", tmp_path / "two"
    until(lambda: all(file.exists() and file.read_text() for file in files))
    dag.terminate_workers()
    until(lambda: ended(*files))


def test_what_a_job_leaves_behind_ends_with_it(new_dag, tmp_path):
    """HTCondor does the same."""
    dag = new_dag()
    future = dag.submit(shell(f"sleep 600 >/dev/null 2>&1 & echo $! > {tmp_path}/left"))
    dag.run(local=True)
    assert future.result(60).returncode == 0
    until(lambda: ended(tmp_path / "left"))


def test_ctrl_c_ends_a_script_that_waits_for_its_calls_at_its_end(tmp_path):
    """All processes that the calls and scripts started end too."""
    script = f"""
from condor_futures import DagExecutor, shell
dag = DagExecutor("work", {str(tmp_path / "work")!r}, max_workers=1)
for n in range(2):
    dag.submit(shell("echo $$ > {tmp_path}/$1; sleep 600"), n)
dag.run(local=True)
"""
    client = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
    until(lambda: (tmp_path / "0").exists() and (tmp_path / "0").read_text())
    time.sleep(0.5)  # until it waits
    client.send_signal(signal.SIGINT)
    client.wait(60)
    until(lambda: ended(tmp_path / "0"))
    assert not (tmp_path / "1").exists()
