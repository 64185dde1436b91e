"""Calls become nodes, all of them or none."""

from __future__ import annotations

import functools
import threading

import pytest

from condor_futures import DagExecutor, PayloadError, procid, shell
from condor_futures.execution_point.frames import read_frames


def test_a_map_adds_all_its_calls_or_none(new_dag):
    """The user can correct the map, and make it again."""
    dag = new_dag()
    with pytest.raises(PayloadError, match="cannot be pickled"):
        dag.map(repr, [1, 2, threading.Lock()])
    assert dag.futures == []
    dag.map(repr, [1, 2, 3])
    assert len(dag.futures) == 3


def test_what_cannot_be_called_is_refused(new_dag):
    """The error comes at once: a DAG may run much later."""
    dag = new_dag()
    with pytest.raises(TypeError, match=r"'str' object is not callable; .* submit\(shell\('ls -l'\)\)"):
        dag.submit("ls -l")
    with pytest.raises(TypeError, match=r"not submit\(shell, 'ls -l'\)"):
        dag.map(shell, ["ls -l"])
    assert dag.futures == []


def test_calls_may_come_after_a_map(new_dag):
    """Its results do not exist yet."""
    dag = new_dag()
    values = dag.map(abs, [-1, -2, -3], chunksize=2)
    last = dag.with_options(after=values).submit(pow, 2, 3)
    assert list(dag._driver.graph.parents([last])[0].parents) == dag._driver.graph.parents(values.futures)
    dag.run(local=True)
    assert last.result(60) == 8


def test_a_node_has_the_files_of_its_jobs(new_dag):
    """All files are in one directory, with an empty file of outcomes, which each attempt takes along."""
    dag = new_dag()
    dag.submit_cluster(pow, procid, 2, count=2)
    [node] = dag._driver.graph.nodes
    [directory] = {bundle.directory for bundle in node.bundles}
    assert sorted(path.name for path in directory.iterdir()) == [
        *("b000000.calls", "b000000.outcomes", "b000001.calls", "b000001.outcomes")
    ]


def test_the_job_of_a_node_fails_if_a_call_does(new_dag):
    """DAGMan knows nothing of calls. If a script judges the node, nothing of earlier attempts is kept."""
    dag = new_dag()
    first = dag.submit(abs, 1)
    dag.with_options(post_script="/bin/true").submit(abs, first)
    session = dag._driver.graph.session
    heads = []
    for node in dag._driver.graph.nodes:
        with node.bundles[0].path("calls").open("rb") as file:
            heads.append(next(iter(read_frames(file, session.secret)))[0])
    assert [head["strict"] for head in heads] == [True, True]
    assert [head.get("afresh", False) for head in heads] == [False, True]
    assert [head.get("parents", []) for head in heads] == [[], ["b000000.outcomes"]]


def test_a_node_is_labelled_by_its_function(new_dag):
    dag = new_dag()
    dag.submit(abs, 1)
    dag.submit(shell("ls"))
    dag.submit(functools.partial(abs, 1))
    assert [node.label for node in dag._driver.graph.nodes] == ["abs", "ls", "partial"]


def test_numbers_are_given_to_what_was_made_only(new_dag):
    """A refused call leaves no gap among the keys of bundles, by which jobs of a cluster find their own."""
    dag = new_dag()
    with pytest.raises(PayloadError):
        dag.submit_cluster(abs, threading.Lock(), count=3)
    dag.submit(abs, 1)
    assert dag._driver.graph.nodes[0].key == "b000000"


def test_calls_have_names(new_dag):
    """They are those of the futures, also after a client attached, and the label of a node with one call."""
    dag = new_dag()
    named = dag.with_options(name="power-{1}")
    named.map(pow, [2, 2, 2], [3, 4, 5], chunksize=2)
    with pytest.raises(ValueError, match=r"uses the argument \{1\}"):
        named.submit(abs, 1)
    named.with_options(name="of {0}").submit_cluster(abs, procid, count=2)
    named.with_options(name=False).submit(abs, 1)
    names = ["power-3", "power-4", "power-5", "of 0", "of 1", None]
    assert [future.name for future in dag.futures] == names
    assert [node.label for node in dag._driver.graph.nodes] == ["pow", "power-5", "abs", "abs"]
    dag.run(local=True)
    dag.shutdown()
    attached = DagExecutor.attach(dag.directory)
    assert [future.name for future in attached.futures] == names
