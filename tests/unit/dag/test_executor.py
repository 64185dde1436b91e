"""The interface of workflows refuses at once what would fail later."""

from __future__ import annotations

import errno
import os

import pytest

from condor_futures import CondorFuturesError, DagExecutor
from condor_futures.session import session
from condor_futures.session.session import Session


def test_disk_that_is_full_at_once_leaves_nothing(tmp_path, monkeypatch):
    """The same DAG can then be made when there is room."""

    def full(**_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(session, "pack_runner", full)
        with pytest.raises(CondorFuturesError, match="cannot be written to: No space left on device"):
            DagExecutor("work", tmp_path / "work")
    DagExecutor("work", tmp_path / "work").shutdown()


@pytest.mark.parametrize(("after", "kind"), [(3, "int"), ("abc", "str"), ([3], "int")])
def test_calls_come_after_futures_only(new_dag, after, kind):
    with pytest.raises(TypeError, match=f"^after must be a future or an iterable of futures, not {kind}$"):
        new_dag().with_options(after=after)


def test_a_look_from_elsewhere_leaves_a_dag_where_it_was_run(new_dag):
    """An error in the argument comes first."""
    dag = new_dag()
    dag.submit(abs, -1)
    dag.write()
    dag._driver.graph.session.keep(schedd=("cm", "ap1"))
    dag.shutdown()
    with pytest.raises(TypeError, match="access_point"):
        DagExecutor.attach(dag.directory, access_point=5)
    DagExecutor.attach(dag.directory, access_point="personal").shutdown()
    assert Session.open(dag.directory).settings["schedd"] == ["cm", "ap1"]


def test_derived_executors_share_the_dag_and_nothing_else(new_dag):
    """Each has its own options from the start."""
    dag = new_dag(request_cpus=2, retries=1)
    other = dag.with_options(request_cpus=None, priority=5, retries=0, category="disk")
    third = other.with_options(retries=3)
    for executor in (dag, other, third):
        executor.submit(abs, 1)
    assert dag.futures == other.futures == third.futures
    nodes = dag._driver.graph.nodes
    assert [node.options.retries for node in nodes] == [1, 0, 3]
    assert [node.bundles[0].options.commands for node in nodes] == [
        {"request_cpus": "2"},
        {"priority": "5"},
        {"priority": "5"},
    ]
    assert [node.bundles[0].options.category for node in nodes] == [None, "disk", "disk"]


def test_a_submit_file_is_the_base_of_a_dag(tmp_path):
    """The constructor's own keywords are no submit commands."""
    (tmp_path / "a.sub").write_text("executable = a\nrequest_cpus = 2\npriority = 1\nqueue\n")
    with DagExecutor.from_submit_file(tmp_path / "a.sub", "work", tmp_path / "d", retries=2, priority=None) as dag:
        dag.submit(abs, 1)
        [node] = dag._driver.graph.nodes
    assert (node.options.retries, node.bundles[0].options.commands) == (2, {"request_cpus": "2"})


def test_starmap_takes_tuples_of_arguments(new_dag):
    dag = new_dag()
    powers = dag.starmap(pow, [(2, 10), [3, 2]], chunksize=2)
    with pytest.raises(TypeError, match="item 1 is of type int"):
        dag.starmap(pow, [(2, 10), 3])
    assert len(dag.futures) == 2
    dag.run(local=True)
    assert list(powers) == [1024, 9]
