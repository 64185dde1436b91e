"""Seconds from one warm spooled call to its result, compared with the same job submitted with bare htcondor2.

The two alternate in one run on one pool. Each job runs on a claim that the previous job has left.
"""

from __future__ import annotations

import argparse
import statistics

from bare import Bare
from common import environment, pool, summary, timed

from condor_futures import CondorExecutor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    with pool(), CondorExecutor() as executor:
        executor._engine.watcher._under_way.effects.submissions._transfer = "IF_NEEDED"  # like access_point="personal"
        bare = Bare("IF_NEEDED")
        ours, theirs, unspooled = [], [], []
        direct = executor.with_options(spool=False)
        for run in range(-2, runs):
            seconds = (
                timed(lambda: bare.map(pow, [(2, 10)])),
                timed(lambda: executor.submit(pow, 2, 10).result()),
                timed(lambda: direct.submit(pow, 2, 10).result()),
            )
            if run >= 0:  # the first jobs wait for a negotiation
                for times, taken in zip((theirs, ours, unspooled), seconds, strict=True):
                    times.append(taken)
        bare.close()
    print(environment())
    print(summary("bare htcondor2, spooled", theirs))
    print(summary("CondorExecutor.submit, spooled", ours))
    print(summary("CondorExecutor.submit, spool=False", unspooled))
    print(f"ratio of the medians, spooled: {statistics.median(ours) / statistics.median(theirs):.3f}")


if __name__ == "__main__":
    main()
