"""Calls of warm jobs, side by side with a process pool of this machine and with jobs of their own, in one run.

Each line has what is measured, the time of an executor with warm jobs, the time of a reference, and their ratio. The
personal pool has four slots, and the process pool four processes. ``--quick`` makes a tenth of the calls.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import AbstractContextManager

from common import environment

from condor_futures import CondorExecutor
from condor_futures.personal import PersonalPool

SLOTS = 4
WARM = 60.0  # seconds


def nothing(value: int) -> int:
    return value


def nap(_: int) -> None:
    time.sleep(0.01)


def one_after_another(executor: Executor, count: int) -> float:
    """The median of the times of single calls."""
    times = []
    for number in range(count):
        began = time.perf_counter()
        executor.submit(nothing, number).result()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def chain(executor: Executor, count: int) -> float:
    """Calls of which each one takes the value of the one before."""
    began = time.perf_counter()
    if isinstance(executor, CondorExecutor):
        future = executor.submit(nothing, 0)
        for _ in range(count - 1):
            future = executor.submit(nothing, future)  # type: ignore[arg-type]
        future.result()
    else:
        value = 0
        for _ in range(count):
            value = executor.submit(nothing, value).result()
    return time.perf_counter() - began


def naps(executor: Executor, count: int) -> float:
    """Calls of 10 ms, submitted one by one."""
    began = time.perf_counter()
    for future in [executor.submit(nap, number) for number in range(count)]:
        future.result()
    return time.perf_counter() - began


def mapped(executor: Executor, count: int) -> float:
    """Calls that do nothing, by map with its default chunksize."""
    began = time.perf_counter()
    assert sum(executor.map(nothing, range(count))) == sum(range(count))
    return time.perf_counter() - began


def client_cpu(executor: Executor, count: int) -> float:
    """CPU seconds of this process for each call of such a map."""
    began = time.process_time()
    mapped(executor, count)
    return (time.process_time() - began) / count


CASES: dict[str, tuple[Callable[[Executor, int], float], int]] = {
    "one call after another, median": (one_after_another, 1000),
    "chain of 10 dependent calls": (chain, 10),
    "500 submits of 10 ms (ideal: 1.25 s)": (naps, 500),
    "10,000 calls that do nothing, by map": (mapped, 10_000),
    "client's CPU for each of these calls": (client_cpu, 10_000),
}


def measure(make: Callable[[], AbstractContextManager[Executor]], share: float, rounds: int) -> dict[str, float]:
    """The best of some rounds of each case, with an executor whose workers run."""
    with make() as executor:
        list(executor.map(nothing, range(100)))
        naps(executor, 40)
        best: dict[str, float] = {}
        for name, (case, count) in CASES.items():
            times = [case(executor, max(int(count * share), 10)) for _ in range(rounds)]
            best[name] = min(times)
        return best


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    share = 0.1 if options.quick else 1.0
    with PersonalPool(slots=SLOTS):
        results = {
            "spooled": measure(lambda: CondorExecutor(access_point="personal", warm=WARM), share, options.rounds),
            "unspooled": measure(
                lambda: CondorExecutor(access_point="personal", warm=WARM, spool=False), share, options.rounds
            ),
            "processes": measure(lambda: ProcessPoolExecutor(SLOTS), share, options.rounds),
        }
        with CondorExecutor(access_point="personal") as executor:
            one_after_another(executor, 1)
            results["own jobs"] = {next(iter(CASES)): one_after_another(executor, 3)}
    if options.json:
        json.dump(results, sys.stdout)
        return
    print(f"{'':40}" + "".join(f"{name:>14}" for name in results) + f"{'ratio':>10}")
    for name in CASES:
        row = [results[kind].get(name) for kind in results]
        ratio = results["spooled"][name] / results["processes"][name]
        print(f"{name:40}" + "".join(f"{1000 * t:11.3f} ms" if t is not None else f"{'':>14}" for t in row), end="")
        print(f"{ratio:10.1f}")
    print("ratio: spooled warm jobs to the process pool. The best of", options.rounds, "rounds.")
    print(environment())


if __name__ == "__main__":
    main()
