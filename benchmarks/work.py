"""The calls that are made, and the programs that make them: the same for this executor, its references and its peers.

The peers run in environments of their own, without this package, so this module imports only the standard library. An
executor is any object with ``submit`` and ``map``.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

SLOTS = 4
NAP = 0.01  # s

#: Makes an executor whose workers need not run yet.
Make = Callable[[], AbstractContextManager[Any]]


def nothing(value: Any) -> Any:
    return value


def nap(_: int) -> None:
    time.sleep(NAP)


def who(_: int) -> int:
    time.sleep(0.05)
    return os.getpid()


def bare_array(array: Any) -> Any:
    return array


def look(array: Any, number: int) -> tuple[int, int, int, int]:
    """Read the array; return the process, the array in it, and the process's highest memory."""
    total = int(array[number::1000].sum())
    return os.getpid(), id(array), highest(), total


def highest(_: int = 0) -> int:
    """The highest resident memory of this process in bytes, with numpy."""
    import numpy as np  # noqa: F401

    # Not ru_maxrss, which begins with that of the parent process.
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def log_probability(x: Any) -> float:
    return float(-0.5 * (x**2).sum())


def peak(x: float) -> float:
    return x + 0.01 / (0.01 + x**2)


def valley(x: Any) -> float:
    return float((1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2)


def warm_up(executor: Any) -> None:
    """Make calls until all workers make some."""
    deadline = time.monotonic() + 120
    while len({future.result() for future in [executor.submit(who, n) for n in range(5 * SLOTS)]}) < SLOTS:
        if time.monotonic() > deadline:
            raise TimeoutError("not all workers make calls")
    for future in [executor.submit(nothing, n) for n in range(500)]:
        future.result()


def one_after_another(executor: Any, count: int) -> list[float]:
    """The seconds of each call."""
    times = []
    for number in range(count):
        began = time.perf_counter()
        executor.submit(nothing, number).result()
        times.append(time.perf_counter() - began)
    return times


def chain(executor: Any, count: int) -> float:
    """The seconds of calls of which each takes the value of the one before, by its future where this is possible."""
    began = time.perf_counter()
    if getattr(executor, "takes_futures", False):
        future: Any = 0
        for _ in range(count):
            future = executor.submit(nothing, future)
        future.result()
    else:
        value = 0
        for _ in range(count):
            value = executor.submit(nothing, value).result()
    return time.perf_counter() - began


def naps(executor: Any, count: int) -> float:
    """The seconds until calls of 10 ms have ended, which are submitted one by one."""
    began = time.perf_counter()
    for future in [executor.submit(nap, number) for number in range(count)]:
        future.result()
    return time.perf_counter() - began


def mapped(executor: Any, count: int, **options: Any) -> float:
    """The seconds of calls that do nothing, by map."""
    began = time.perf_counter()
    total = sum(executor.map(nothing, range(count), **options))
    seconds = time.perf_counter() - began
    assert total == sum(range(count))
    return seconds


def mapped_naps(make: Make, count: int) -> tuple[float, float]:
    """The seconds from making an executor to the first and to the last value of a map of calls of 10 ms."""
    began = time.perf_counter()
    with make() as executor:
        values = iter(executor.map(nap, range(count)))
        next(values)
        first = time.perf_counter() - began
        for _ in values:
            pass
        return first, time.perf_counter() - began


def wait_for_slots() -> None:
    """Wait until all slots of the pool are free, also of claims that wait for further jobs."""
    deadline = time.monotonic() + 90
    command = ["condor_status", "-constraint", "PartitionableSlot", "-af", "Cpus"]
    while subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() != str(SLOTS):
        if time.monotonic() > deadline:
            raise TimeoutError("some slots of the pool stay occupied")
        time.sleep(0.2)


#: The cases that peers make too: the program, and the full and the quick number of its calls.
WARM: dict[str, tuple[Callable[[Any, int], Any], int, int]] = {
    "one-after-another": (one_after_another, 1000, 20),
    "chain": (chain, 10, 3),
    "submits": (naps, 500, 40),
    "map": (mapped, 10_000, 200),
}
COLD = ("map-of-naps", 10_000, 100)


def measure(cases: list[str], make: Make, rounds: int, slow: int) -> dict[str, Any]:
    """Measure cases with a peer, *rounds* times each, or *slow* times if they take long.

    Returns:
        Lists of seconds, and the load average, of each case. ``map-of-naps`` has two lists: the other one is
        ``first-value``.

    """
    seconds: dict[str, list[float]] = {}
    loads: dict[str, float] = {}
    warm = [name for name in cases if name in WARM]
    if warm:
        with make() as executor:
            warm_up(executor)
            for name in warm:
                program, count, _ = WARM[name]
                values: list[float] = []
                for _ in range(slow if name == "map" else rounds):
                    value = program(executor, count)
                    values += value if isinstance(value, list) else [value]
                seconds[name], loads[name] = values, os.getloadavg()[0]
    name, count, _ = COLD
    if name in cases:
        pairs = []
        for _ in range(slow):
            wait_for_slots()
            pairs.append(mapped_naps(make, count))
        seconds["first-value"] = [first for first, _ in pairs]
        seconds[name] = [total for _, total in pairs]
        loads["first-value"] = loads[name] = os.getloadavg()[0]
    return {"seconds": seconds, "loads": loads}
