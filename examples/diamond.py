"""A diamond: one call, two that take its value, one that takes theirs.

python examples/diamond.py [--access-point personal]
"""

from __future__ import annotations

import argparse

from condor_futures import CondorExecutor


def events(run: int) -> list[float]:
    """The energies that were measured, in GeV."""
    return [91.0 + (run * n) % 7 for n in range(1000)]


def mean(energies: list[float]) -> float:
    """Their mean."""
    return sum(energies) / len(energies)


def spread(energies: list[float]) -> float:
    """The root of the mean of their squared distances from it."""
    centre = mean(energies)
    return (sum((energy - centre) ** 2 for energy in energies) / len(energies)) ** 0.5


def report(centre: float, width: float) -> str:
    """What to print."""
    return f"{centre:.2f} +- {width:.2f} GeV"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="a diamond of calls")
    parser.add_argument("--access-point", default="personal")
    with CondorExecutor(access_point=parser.parse_args().access_point) as executor:
        top = executor.submit(events, 3)
        left = executor.submit(mean, top)
        right = executor.with_options(request_memory="256MB").submit(spread, top)
        bottom = executor.submit(report, left, right)
        print(bottom.result())
        print("jobs", *(future.job_id for future in (top, left, right, bottom)))
