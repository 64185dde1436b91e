"""A cluster: the same call many times, in the jobs of one cluster; each knows its number.

python examples/cluster.py [--access-point personal] [--count 20]
"""

from __future__ import annotations

import argparse
import random

from condor_futures import CondorExecutor, procid


def hits(darts: int, seed: int) -> int:
    """How many darts, thrown at a square, are inside of the circle in it."""
    throw = random.Random(seed)
    return sum(throw.random() ** 2 + throw.random() ** 2 < 1 for _ in range(darts))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="pi, by throwing darts in the jobs of one cluster")
    parser.add_argument("--access-point", default="personal")
    parser.add_argument("--count", type=int, default=20, help="jobs")
    options = parser.parse_args()
    with CondorExecutor(access_point=options.access_point) as executor:
        futures = executor.submit_cluster(hits, 100_000, procid, count=options.count)
        pi = 4 * sum(future.result() for future in futures) / (100_000 * options.count)
        first, last = futures[0].job_id, futures[-1].job_id
        print(f"pi is about {pi:.3f} (jobs {first} to {last})")
