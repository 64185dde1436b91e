"""A DAG over several runs, by one client or several."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import until

from condor_futures import CondorFuturesError, DagExecutor, sessions


def note(path):
    with Path(path).open("a") as file:
        file.write("x\n")


def times(path):
    return len(path.read_text().split()) if path.exists() else 0


@pytest.mark.parametrize("name", ["session", "event_log", "runner", "bundles"])
def test_any_name_will_do(new_dag, name):
    """The name may even be that of one of the session's files."""
    dag = new_dag(name)
    future = dag.submit(pow, 2, 3)
    dag.run(local=True)
    assert future.result(60) == 8
    dag.shutdown()
    assert [future.result(0) for future in DagExecutor.attach(dag.directory).futures] == [8]


def test_limits_of_a_dag_that_has_been_run_are_in_its_file(new_dag):
    """DAGMan reads the file. New limits here would have no effect."""
    dag = new_dag()
    dag.categories["adder"] = 2
    dag.submit(abs, 1)
    dag.run(local=True)
    assert dag.categories == {"adder": 2}
    with pytest.raises(RuntimeError, match=r"change the MAXJOBS lines in /.*/work\.dag"):
        dag.categories["adder"] = 3
    with pytest.raises(RuntimeError, match="MAXJOBS"):
        del dag.categories["adder"]
    other = dag.categories.copy()
    other["adder"] = 4
    assert dag.categories == {"adder": 2}


def test_what_is_complete_is_not_run_again(new_dag, tmp_path):
    """Neither its calls nor its scripts run, so a program that attaches and runs can be started repeatedly."""
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\necho x >> {tmp_path}/prepared\n")
    script.chmod(0o755)
    dag = new_dag()
    future = dag.with_options(pre_script=script).submit(note, tmp_path / "made")
    dag.run(local=True)
    assert future.result(60) is None
    assert dag.run(local=True) == [future]
    dag.shutdown()
    with DagExecutor.attach(dag.directory) as again:
        assert [future.result(0) for future in again.run(local=True)] == [None]
    assert times(tmp_path / "prepared") == times(tmp_path / "made") == 1


def test_two_clients_do_not_run_a_dag_at_once(new_dag, tmp_path):
    """They would write the same files."""
    dag = new_dag()
    dag.submit(lambda: until((tmp_path / "go").exists))
    dag.write()
    early = DagExecutor.attach(dag.directory)
    dag.run(local=True)
    for local_too in (True, False):
        with pytest.raises(RuntimeError, match=r"this process is running the DAG by run\(local=True\)"):
            early.run(local=local_too)
    with pytest.raises(CondorFuturesError, match="attach to the DAG when that run has ended"):
        DagExecutor.attach(dag.directory)
    (tmp_path / "go").touch()
    dag.shutdown()
    assert DagExecutor.attach(dag.directory).futures[0].result(0)


def test_a_callback_may_run_what_is_left(new_dag, tmp_path):
    """The current run may not have ended completely."""
    dag = new_dag()
    future = dag.submit((tmp_path / "there").read_text)

    def again(_):
        (tmp_path / "there").write_text("at last")
        dag.run(local=True)

    future.add_done_callback(again)
    dag.run(local=True)
    until(lambda: dag.futures != [future])
    assert dag.futures[0].result(60) == "at last"
    dag.shutdown()
    assert DagExecutor.attach(dag.directory).futures[0].result(0) == "at last"


def test_a_dag_that_was_shut_down_is_in_use_no_more(new_dag):
    """It does not matter whether it has run."""

    def state(directory):
        return {info.directory: info.state for info in sessions(directory)}[directory]

    for run in (False, True):
        dag = new_dag()
        dag.submit(abs, -1)
        if run:
            dag.run(local=True)
        assert state(dag.directory) == "in use"
        dag.shutdown()
        assert state(dag.directory) == ("finished" if run else "left")
