"""A node's futures get their values at once, and their failures when the node has ended."""

from __future__ import annotations

import threading

import pytest
from support import until

from condor_futures import CondorFuturesError, DependencyError, JobError, JobHeldError
from condor_futures.dag.reports import Reports
from condor_futures.execution_point.frames import write_frame
from condor_futures.execution_point.unpickling import dumps
from condor_futures.ownership import Owner, WrongThreadError
from condor_futures.state_machine import states

ENDED = states.Terminated("7.0", 0)


@pytest.fixture
def dag(new_dag):
    return new_dag()


@pytest.fixture
def graph(dag):
    return dag._driver.graph


@pytest.fixture
def reports(graph):
    made = Reports(graph)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _waiting_is_allowed(dag, monkeypatch):
    """A DAG that runs allows waiting."""
    monkeypatch.setattr(type(dag._driver), "check_started", lambda _: None)


def returned(graph, **values):
    """The outcomes of calls, as their job returned them."""
    for node in graph.nodes:
        for bundle in node.bundles:
            with bundle.path("outcomes").open("ab") as file:
                for key in set(node.calls) & values.keys():
                    header = {
                        "kind": "outcome",
                        "session": graph.session.id,
                        "call": key,
                        "result": "value",
                        "host": "ep",
                    }
                    write_frame(file, graph.session.secret, header, dumps(values[key]))


def test_a_value_is_told_before_its_node_is_over(dag, graph, reports):
    """A failed call may be retried, so its failure is not reported yet."""
    first, second = dag.map(abs, [-1, -2], chunksize=2).futures
    [node] = graph.nodes
    returned(graph, c000000=1)
    reports.values(node.bundles[0])
    assert first.result(10) == 1
    assert not second.done()
    returned(graph, c000001=2)
    reports.ran(node, well=True, causes={node.key: ENDED})
    assert second.result(10) == 2
    assert reports.is_reported(node)


def test_a_node_fails_of_its_script_where_no_job_has_failed(dag, graph, reports):
    future = dag.with_options(post_script="/bin/false").submit(abs, 1)
    [node] = graph.nodes
    returned(graph, c000000=1)
    reports.ran(node, well=False, causes={node.key: ENDED}, details="POST script failed with status 1")
    with pytest.raises(JobError, match=r"^the node b000000 of the DAG failed: POST script failed with status 1$"):
        future.result(10)


def test_dagmans_own_log_says_why_a_job_could_not_be_submitted(dag, graph, reports):
    future = dag.submit(abs, 1)
    graph.files.dagman_out.write_text(
        "11/21/26 08:00:00 Submitting HTCondor Node b000000 job(s)...\n"
        "11/21/26 08:00:00 ERROR: on Line 20 of submit file: no such group\n"
    )
    reports.ran(graph.nodes[0], well=False, causes={}, details="Job submit failed")
    with pytest.raises(JobError, match=r"Job submit failed: no such group; see .*/work\.dag\.dagman\.out$"):
        future.result(10)


def test_a_hold_counts_though_the_job_was_removed_then(dag, graph, reports):
    """It does not matter which of its calls had run before."""
    future = dag.submit(abs, 1)
    hold = states.Held("7.0", 34, 0, "too much memory")
    reports.ran(graph.nodes[0], well=False, causes={"b000000": hold}, details="removed")
    with pytest.raises(JobHeldError, match="too much memory"):
        future.result(10)


def test_what_is_not_run_depends_on_what_failed_before_it(dag, graph, reports):
    """There may be any number of nodes between. A cancelled call has no value either."""
    first = dag.submit(abs, 1)
    second = dag.submit(abs, first)
    third = dag.with_options(after=second).submit(abs, 3)
    first.cancel()
    until(first.done)
    for node in graph.nodes[1:]:
        reports.stopped(node, CondorFuturesError("an ancestor failed"))
    for future in (second, third):
        assert isinstance(future.exception(10), DependencyError)
    assert third.exception(10).__cause__ is second.exception(10)


def test_what_is_not_run_for_another_reason_says_so(dag, graph, reports):
    """It keeps a value of an earlier run."""
    first, second = dag.map(abs, [1, 2], chunksize=2).futures
    returned(graph, c000000=1)
    reports.stopped(graph.nodes[0], CondorFuturesError("the DAG was stopped"))
    with pytest.raises(CondorFuturesError, match=r"^the DAG was stopped$"):
        second.result(10)
    assert first.result(10) == 1


def test_only_the_thread_of_the_run_reports_a_node(dag, graph, reports):
    dag.submit(abs, 1)
    [node] = graph.nodes
    run, begun, ended = Owner("the run"), threading.Event(), threading.Event()
    run.takes(reports, part="run")

    def at_work():
        with run.at_work():
            begun.set()
            ended.wait(60)

    thread = threading.Thread(target=at_work)
    thread.start()
    begun.wait(60)
    for report in (
        lambda: reports.ran(node, well=True, causes={}),
        lambda: reports.stopped(node, CondorFuturesError("no")),
    ):
        with pytest.raises(WrongThreadError, match="it belongs to the run"):
            report()
    assert not reports.is_reported(node)
    ended.set()
    thread.join()
