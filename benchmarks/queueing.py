"""Seconds to submit many calls of which only a few can run yet, compared with writing as many files of the same size.

Both are measured in the same run. The ratio is what submit() costs the client, whatever the pool does.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path

from common import environment, pool, summary, timed

from condor_futures import CondorExecutor


def write(directory: Path, count: int, content: bytes) -> None:
    """Write files as the executor does: a thousand in each directory, each first under a temporary name."""
    for number in range(count):
        place = directory / f"{number // 1000:03d}"
        place.mkdir(exist_ok=True)
        path = place / f"b{number:06d}.calls"
        with open(f"{path}.new", "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(content)
        Path(f"{path}.new").rename(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--calls", type=int, default=10_000)
    arguments = parser.parse_args()
    ours, theirs = [], []
    with pool():
        for _ in range(arguments.runs):
            executor = CondorExecutor(max_workers=1)
            ours.append(timed(lambda: [executor.submit(abs, -number) for number in range(arguments.calls)]))  # noqa: B023
            content = max(executor.session.rglob("*.calls")).read_bytes()
            executor.shutdown(cancel_futures=True)
            with tempfile.TemporaryDirectory(dir=executor.session.parent) as directory:
                theirs.append(timed(lambda: write(Path(directory), arguments.calls, content)))  # noqa: B023
    print(environment())
    print(summary(f"{arguments.calls} bare files", theirs))
    print(summary(f"{arguments.calls} calls submitted", ours))
    print(f"ratio of the medians: {statistics.median(ours) / statistics.median(theirs):.2f}")


if __name__ == "__main__":
    main()
