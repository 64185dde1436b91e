"""Categories: of the calls that open a database, never more than two are in the queue; the others do not wait for them.

python examples/categories.py [--access-point personal]
"""

from __future__ import annotations

import argparse
import time

from condor_futures import CondorExecutor


def store(_row: int) -> tuple[float, float]:
    """Pretend to write to a database that allows two connections; tells when it did, in seconds."""
    began = time.time()
    time.sleep(0.5)
    return began, time.time()


def most_at_once(spans: list[tuple[float, float]]) -> int:
    """How many spans overlap at most."""
    changes = sorted([(began, 1) for began, _ in spans] + [(ended, -1) for _, ended in spans])
    at_once = most = 0
    for _, change in changes:
        at_once += change
        most = max(most, at_once)
    return most


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="calls of a category, two at a time")
    parser.add_argument("--access-point", default="personal")
    with CondorExecutor(access_point=parser.parse_args().access_point) as executor:
        executor.categories["database"] = 2
        stored = executor.with_options(category="database").map(store, range(6))
        squares = executor.map(pow, range(6), [2] * 6)
        print("squares:", *squares)
        print("connections at once:", most_at_once(list(stored)))
