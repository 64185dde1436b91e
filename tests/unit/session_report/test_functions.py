"""The functions of a session, and the graph of its dependencies."""

from __future__ import annotations

from report_evidence import ended, failed

from condor_futures.session_report.functions import MOST_FUNCTIONS, MOST_STEPS, UNKNOWN, Step, functions, graph


def test_functions_that_ran_longest_come_first():
    calls = [
        *(ended(number, 0.0, 1.0 + number, function="fit", memory=number << 20) for number in range(3)),
        failed(3, "no", function="fit"),
        ended(4, 0.0, 60.0, function="simulate"),
        ended(5, None, None),
    ]
    found = functions(calls)
    assert [function.name for function in found] == ["simulate", "fit", UNKNOWN]
    fit = found[1]
    assert (fit.calls, fit.failed, fit.longest, fit.memory) == (4, 1, 3.0, 2 << 20)
    assert (found[2].median, found[2].longest, found[2].memory) == (None, None, None)


def test_there_are_not_too_many_functions():
    assert len(functions(ended(number, function=f"f{number}") for number in range(100))) == MOST_FUNCTIONS


def test_the_graph_has_a_step_for_the_calls_of_a_function_at_the_same_level():
    """A call that has not ended has no function yet, as far as the report knows."""
    parents = {
        "c000003": ["c000000"],
        "c000004": ["c000001"],
        "c000005": ["c000003", "c000004"],
        "c000007": ["c000006"],
    }
    calls = [*(ended(number, function="simulate") for number in (0, 1, 2)), ended(3, function="fit")]
    found = graph(parents, [*calls, failed(4, "no", function="fit"), ended(6, function="simulate")])
    assert found.steps == [
        Step(0, "simulate", 3, 0, 3),
        Step(1, UNKNOWN, 1, 0, 0),
        Step(1, "fit", 2, 1, 2),
        Step(2, UNKNOWN, 1, 0, 0),
    ]
    assert found.edges == {(0, 2): 2, (0, 1): 1, (2, 3): 1}


def test_without_dependencies_or_with_too_many_steps_there_is_no_graph():
    assert graph({}, [ended(0)]) is None
    chain = {f"c{number:06d}": [f"c{number - 1:06d}"] for number in range(1, MOST_STEPS + 1)}
    assert graph(chain, []) is None
    del chain[f"c{MOST_STEPS:06d}"]
    assert len(graph(chain, []).steps) == MOST_STEPS


def test_a_forged_file_of_parents_does_no_harm():
    """A call that waits for itself, or for a later one, gets some level."""
    found = graph({"c000001": ["c000001", "x", ""], "c000000": ["c000001"]}, [])
    assert sum(step.calls for step in found.steps) == 4
