"""Code that all benchmarks share: a pool of their own, a description of the environment, and medians."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

import htcondor2


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that *work* takes."""
    began = perf_counter()
    work()
    return perf_counter() - began


def summary(name: str, seconds: list[float]) -> str:
    """Return a row: median, 95th percentile, number of runs."""
    p95 = sorted(seconds)[min(len(seconds) - 1, int(0.95 * len(seconds)))]
    return f"{name:<34} median {statistics.median(seconds):7.3f} s   p95 {p95:7.3f} s   n = {len(seconds)}"


def environment() -> str:
    """Describe the machine and the versions of the measurement."""
    return (
        f"Python {platform.python_version()}, {htcondor2.version().split('PackageID')[0].strip('$ ')}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )


@contextmanager
def pool() -> Iterator[None]:
    """A personal pool that the whole process uses (CONDOR_CONFIG), for the executor and the bare bindings alike."""
    from condor_futures.personal import PersonalPool

    with PersonalPool(temporary=True) as personal:
        os.environ.update(personal.environment())
        htcondor2.reload_config()
        yield
