"""The nodes of a DAG: sources of values, remaining work, and what another process finds."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from condor_futures import procid
from condor_futures.dag.graph import Graph
from condor_futures.errors import CondorFuturesError
from condor_futures.future import CondorFuture
from condor_futures.ownership import WrongThreadError


@pytest.fixture
def dag(new_dag):
    return new_dag()


@pytest.fixture
def graph(dag):
    return dag._driver.graph


def finish(future, value=None, error=None):
    future.resolve(value, error)


def test_a_future_of_another_dag_is_none_of_its_own(new_dag, graph):
    """The other future may have the same key."""
    stranger = new_dag("other").submit(abs, 1)
    for future in (stranger, Future(), CondorFuture("c000000")):
        with pytest.raises(TypeError, match="a DAG takes values from its own calls only"):
            graph.key_of(future)


def test_parents_are_nodes_each_once_and_in_order(dag, graph):
    one, *several = dag.submit(abs, 1), *dag.map(abs, [1, 2], chunksize=2).futures
    assert graph.parents([several[1], one, several[0]]) == [graph.nodes[1], graph.nodes[0]]


def test_depth_is_the_length_of_the_longest_way(dag, graph):
    first = dag.submit(abs, 1)
    second = dag.submit(abs, first)
    dag.with_options(after=first).submit(max, second, 3)
    assert [node.depth for node in graph.nodes] == [0, 1, 2]


def test_only_values_need_files_of_their_parents(dag, graph):
    """A node takes nothing from a parent that it only follows. A cluster has one file for each job."""
    cluster = dag.submit_cluster(abs, procid, count=2)
    before = dag.submit(abs, 1)
    dag.with_options(after=before).submit(sum, cluster)
    last = graph.nodes[-1]
    assert [parent.key for parent in last.parents] == ["b000000", "b000002"]
    assert last.input_files == ["b000000.outcomes", "b000001.outcomes"]


def test_what_has_no_value_gets_a_new_future(dag, graph):
    """The other calls of its job keep theirs."""
    good, bad, waiting = dag.map(abs, [1, 2, 3], chunksize=3).futures
    finish(good, 1)
    finish(bad, error=ValueError())
    assert not graph.complete
    graph.renew(CondorFuture)
    [node] = graph.nodes
    assert graph.futures[good.key] is good
    assert list(node.bundles[0].futures) == [bad.key, waiting.key]
    assert not graph.futures[bad.key].done()
    assert not graph.has_values(node)
    for future in node.bundles[0].futures.values():
        finish(future, 2)
    graph.renew(CondorFuture)
    assert graph.complete
    assert graph.has_values(node)


def test_dagman_is_told_of_nodes_that_are_done(dag, graph):
    """Each node is listed once, and only if its parents are."""
    first = dag.submit(abs, 1)
    second = dag.submit(abs, first)
    third = dag.with_options(post_script="/bin/true").submit(abs, 3)
    finish(second, 1)
    finish(third, 3)
    graph.add_to_rescue(judged=False)
    assert graph.files.rescue is None
    finish(first, 1)
    for judged in (False, False, True):
        graph.add_to_rescue(judged=judged)
    assert graph.files.rescue.read_text().split("\n") == ["", "DONE b000000", "DONE b000001", "", "DONE b000002", ""]


def test_another_process_finds_the_same(dag, graph):
    """Only the futures are those of this process."""
    dag.categories["disk"] = 2
    large = dag.with_options(category="disk", retries=3, pre_script="/bin/true", request_cpus=2)
    values = large.map(abs, [1, 2, 3], chunksize=2).futures
    large.with_options(after=values[0]).submit(sum, values)
    graph.save()
    graph.files.dag.touch()
    loaded = Graph.load(dag.directory)
    assert (loaded.name, loaded.access_point, loaded.max_workers) == ("work", None, None)
    assert loaded.categories == {"disk": 2}
    assert loaded.futures == {}
    for ours, theirs in zip(graph.nodes, loaded.nodes, strict=True):
        assert (ours.key, ours.label, ours.options, list(ours.calls)) == (
            *(theirs.key, theirs.label, theirs.options),
            list(theirs.calls),
        )
        assert [node.key for node in ours.parents] == [node.key for node in theirs.parents]
        assert ours.input_files == theirs.input_files
        assert ours.bundles[0].options.record() == theirs.bundles[0].options.record()


def test_a_dag_that_was_moved_is_run_by_dagman_only_where_it_was_written(dag, graph, tmp_path):
    graph.save()
    graph.files.dag.touch()
    loaded = Graph.load(dag.directory)
    loaded.check_place()
    written = graph.files.manifest.read_text()
    graph.files.manifest.write_text(written.replace(str(dag.directory), str(tmp_path / "gone")))
    loaded = Graph.load(dag.directory)
    with pytest.raises(CondorFuturesError, match=r"was written to .*/gone, which its files name"):
        loaded.check_place()


def test_a_graph_and_its_nodes_change_only_under_the_lock_of_the_graph(dag, graph, tmp_path):
    """A node changes only in its bundles, and only when the graph renews them."""
    dag.submit(abs, 1)
    [node] = graph.nodes
    for thing, name, value in (
        (graph, "written_to", tmp_path),
        (graph, "access_point", "personal"),
        (node, "bundles", []),
    ):
        with pytest.raises(WrongThreadError, match="the holder of the lock of the graph"):
            setattr(thing, name, value)
    with pytest.raises(WrongThreadError, match=r"Node\.label must not change"):
        node.label = "other"
    graph.renew(CondorFuture)
    assert [bundle.key for bundle in node.bundles] == ["b000000"]
