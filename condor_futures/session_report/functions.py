"""The functions that the calls of a session make, and how their calls depend on each other, for the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from condor_futures.session_report.distributions import quantile
from condor_futures.session_report.evidence import EndedCall

__all__ = ["Function", "Graph", "Step", "functions", "graph"]

MOST_FUNCTIONS: Final = 30
#: A graph with more steps is not drawn: nobody could read it.
MOST_STEPS: Final = 60
UNKNOWN: Final = "(unknown)"


@dataclass(frozen=True)
class Function:
    """The calls of one function.

    Attributes:
        name: of the function.
        calls: how many calls ended.
        failed: how many of them failed.
        median: the median run time, in seconds; None if no run time is known.
        longest: the longest run time.
        memory: the largest memory of a call's process, in bytes; None if none is known.

    """

    name: str
    calls: int
    failed: int
    median: float | None
    longest: float | None
    memory: int | None


@dataclass(frozen=True)
class Step:
    """Calls of one function that are as many calls away from the first ones.

    Attributes:
        level: how many calls must end, one after the other, before these can run.
        function: its name.
        calls: how many calls.
        failed: how many of them failed.
        ended: how many of them ended.

    """

    level: int
    function: str
    calls: int
    failed: int
    ended: int


@dataclass(frozen=True)
class Graph:
    """The calls that wait for others, or that others wait for.

    Attributes:
        steps: groups of calls, lowest level first.
        edges: how many calls of the second step take values of the first, or wait for it; by their numbers in *steps*.

    """

    steps: Sequence[Step]
    edges: Mapping[tuple[int, int], int]


def functions(ended: Iterable[EndedCall]) -> list[Function]:
    """Return the functions of these calls, those that ran longest in total first.

    >>> functions([EndedCall("c000000", "b000000", "ep1", "value", 1.0, 4.0, function="fit")])[0].median
    3.0
    """
    by_name: dict[str, list[EndedCall]] = {}
    for call in ended:
        by_name.setdefault(call.function or UNKNOWN, []).append(call)
    found = []
    for name, calls in by_name.items():
        times = sorted(call.run_time for call in calls if call.run_time is not None)
        memory = max((call.memory for call in calls if call.memory is not None), default=None)
        failed = sum(call.result != "value" for call in calls)
        median = quantile(times, 0.5) if times else None
        found.append((sum(times), Function(name, len(calls), failed, median, times[-1] if times else None, memory)))
    ordered = sorted(found, key=lambda one: (-one[0], one[1].name))
    return [function for _, function in ordered[:MOST_FUNCTIONS]]


def graph(parents: Mapping[str, Sequence[str]], ended: Iterable[EndedCall]) -> Graph | None:
    """Return how the calls depend on each other; None if none waits for another, or if there are too many steps.

    Args:
        parents: by call key, the keys of the calls that it waits for.
        ended: the calls that have ended.

    """
    outcome = {call.call: call for call in ended}
    levels: dict[str, int] = {}
    # A call is made after its parents, so its number is larger.
    for key in sorted({*parents, *(parent for of in parents.values() for parent in of)}, key=_number):
        levels[key] = max((levels.get(parent, 0) + 1 for parent in parents.get(key, ())), default=0)
    kinds = {key: (level, outcome[key].function if key in outcome else "") for key, level in levels.items()}
    calls, failed, done = Counter(kinds.values()), Counter[tuple[int, str]](), Counter[tuple[int, str]]()
    for key, kind in kinds.items():
        if key in outcome:
            done[kind] += 1
            failed[kind] += outcome[key].result != "value"
    if not calls or len(calls) > MOST_STEPS:
        return None
    order = {kind: number for number, kind in enumerate(sorted(calls))}
    edges: Counter[tuple[int, int]] = Counter()
    for key, of in parents.items():
        edges.update({(order[kinds[parent]], order[kinds[key]]) for parent in of})
    steps = [Step(kind[0], kind[1] or UNKNOWN, calls[kind], failed[kind], done[kind]) for kind in order]
    return Graph(steps, dict(edges))


def _number(key: str) -> int:
    return int(key[1:]) if key[1:].isdecimal() else 0
