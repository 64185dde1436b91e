"""Seconds for 200 trivial calls through map(chunksize=1), compared with one bare spooled cluster of 200 Python jobs.

Both are measured in the same run.
"""

from __future__ import annotations

import argparse
import statistics

from bare import Bare
from common import environment, pool, summary, timed

from condor_futures import CondorExecutor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--calls", type=int, default=200)
    arguments = parser.parse_args()
    calls = [(n, 2) for n in range(arguments.calls)]
    expected = [n * n for n in range(arguments.calls)]
    with pool(), CondorExecutor() as executor:
        executor._engine.watcher._under_way.effects.submissions._transfer = "IF_NEEDED"  # like access_point="personal"
        bare = Bare("IF_NEEDED")
        bare.map(pow, calls[:16])  # the first match of a pool takes longer
        ours, theirs, bundled = [], [], []

        def with_executor(chunksize: int) -> None:
            values = list(executor.map(pow, *zip(*calls, strict=True), chunksize=chunksize))
            assert values == expected

        def with_bare() -> None:
            assert bare.map(pow, calls) == expected

        for _ in range(arguments.runs):
            theirs.append(timed(with_bare))
            ours.append(timed(lambda: with_executor(1)))
            bundled.append(timed(lambda: with_executor(25)))
        bare.close()
    print(environment())
    print(summary(f"bare htcondor2, {len(calls)} spooled jobs", theirs))
    print(summary("CondorExecutor.map(chunksize=1)", ours))
    print(summary("CondorExecutor.map(chunksize=25)", bundled))
    print(f"ratio of the medians, chunksize=1: {statistics.median(ours) / statistics.median(theirs):.3f}")


if __name__ == "__main__":
    main()
