"""What a benchmark returns, what it has to reach, and the executors that it measures."""

from __future__ import annotations

import gc
import math
import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import work

from condor_futures import CondorExecutor

T = TypeVar("T")

#: Options of all executors: the defaults, but for the pool.
OPTIONS: dict[str, Any] = {"access_point": "personal"}
PROCESSES = "ProcessPoolExecutor"


@dataclass(frozen=True)
class Goal:
    """A limit for the median: a number in the row's unit, or a factor times the median of a reference.

    Attributes:
        limit: the number or factor.
        than: the reference, or "".
        at_least: the median must reach the limit; otherwise it must not exceed it.

    """

    limit: float
    than: str = ""
    at_least: bool = False

    def text(self, unit: str) -> str:
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {number(self.limit)} " + (f"x {self.than}" if self.than else unit)

    def reached(self, row: Row) -> bool | None:
        """Whether the row reaches the goal; None if the reference was not measured."""
        factor = 1.0
        if self.than:
            if not row.references.get(self.than):
                return None
            factor = statistics.median(row.references[self.than])
        ours, limit = statistics.median(row.ours), self.limit * factor
        return ours >= limit if self.at_least else ours <= limit


@dataclass
class Row:
    """The measurements of one row of the table.

    Attributes:
        name: identifies the row.
        what: the row in words.
        unit: the unit of all measurements.
        ours: the measurements of this executor.
        references: measurements of other ways to do the same, by their names.
        goals: what has to be reached.
        rate: larger numbers are better.
        series: numbers for a plot.
        case: the case that returned the row.
        load: the load average at the end of the measurement.
        loads: the load averages when references were measured at another time.
        measured: the time of the measurement.

    """

    name: str
    what: str
    unit: str
    ours: list[float]
    references: dict[str, list[float]] = field(default_factory=dict)
    goals: list[Goal] = field(default_factory=list)
    rate: bool = False
    series: dict[str, list[list[float]]] = field(default_factory=dict)
    case: str = ""
    load: float = field(default_factory=lambda: round(os.getloadavg()[0], 2))
    loads: dict[str, float] = field(default_factory=dict)
    measured: float = field(default_factory=lambda: round(time.time()))

    def p95(self) -> float:
        """What 95 % of the measurements were at least as good as."""
        ordered = sorted(self.ours, reverse=self.rate)
        return ordered[math.ceil(0.95 * len(ordered)) - 1]

    def verdict(self) -> str:
        """``reached``, ``missed``, or ``-`` if there was nothing to reach or to compare with."""
        told = [goal.reached(self) for goal in self.goals]
        if False in told:
            return "missed"
        return "reached" if told and None not in told else "-"


def number(value: float) -> str:
    """A number with three significant digits."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def timed(program: Callable[[], object]) -> float:
    """Return the seconds that *program* takes."""
    began = time.perf_counter()
    program()
    return time.perf_counter() - began


@contextmanager
def condor(**options: Any) -> Iterator[CondorExecutor]:
    """Make an executor of this package, and remove its jobs on an error."""
    executor = CondorExecutor(**{**OPTIONS, **options})
    executor.takes_futures = True  # type: ignore[attr-defined]
    try:
        yield executor
    except BaseException:
        executor.terminate_workers()
        raise
    executor.shutdown()


def processes(count: int = work.SLOTS) -> ProcessPoolExecutor:
    """The process pool of the standard library. The processes are not forked: this process has threads."""
    return ProcessPoolExecutor(count, mp_context=get_context("forkserver"))


def in_new_process(program: Callable[..., T], *arguments: Any, **options: Any) -> T:
    """Run *program* in a process whose memory and threads have no history."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        return executor.submit(program, *arguments, **options).result()


def wait_until_quiet(patience: float) -> None:
    """Wait until two thirds of the machine's time are idle for 3 seconds; at most *patience* seconds."""

    def idle() -> list[int]:
        return [int(part) for part in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]

    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        before = idle()
        time.sleep(3)
        spent = [now - then for now, then in zip(idle(), before, strict=True)]
        if spent[3] + spent[4] > 2 / 3 * sum(spent):
            return


def resident() -> float:
    """The resident memory of this process in bytes."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Run:
    """One run of the benchmarks.

    Args:
        quick: make as few calls as possible.
        rounds: how often each measurement is made.

    """

    def __init__(self, *, quick: bool, rounds: int) -> None:
        self.quick = quick
        self.rounds = 1 if quick else rounds
        self._open = ExitStack()
        self._executors: dict[str, Any] = {}

    def size(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def times(self, program: Callable[[], float]) -> list[float]:
        """What *program* returns, some times."""
        return [program() for _ in range(self.rounds)]

    def executor(self) -> Any:
        """An executor whose jobs run; cases that follow each other share it."""
        return self._shared("ours", partial(condor, max_workers=2) if self.quick else condor)

    def processes(self) -> Any:
        """A process pool whose processes run."""
        return self._shared("processes", partial(processes, 1) if self.quick else processes)

    def _shared(self, name: str, make: Callable[[], Any]) -> Any:
        if name not in self._executors:
            self._executors[name] = self._open.enter_context(make())
        if not self.quick:
            work.warm_up(self._executors[name])  # also after a case without it: jobs leave after 20 s without calls
        return self._executors[name]

    def free_the_slots(self) -> None:
        """Shut down the shared executors, and wait until their claims have ended, so that the pool is cold."""
        self.close()
        if not self.quick:
            work.wait_for_slots()

    def close(self) -> None:
        self._open.close()
        self._executors.clear()
