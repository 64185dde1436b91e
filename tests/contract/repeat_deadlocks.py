"""Run the deadlock cases repeatedly, each round on a pool of its own, and each case under a watchdog.

    python tests/contract/repeat_deadlocks.py [--rounds 100] [--watchdog 60]

A case that exceeds the time of the watchdog is a hang, and the stacks of all threads are printed. The exit status is 0
if no case of any round hung or failed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

CASES = Path(__file__).with_name("test_deadlocks.py")


def run(watchdog: float) -> tuple[dict[str, float], list[str], str]:
    """Run one round.

    Return how many seconds each case took, which cases failed or hung, and the output.
    """
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.xml"
        options = ["-q", f"--timeout={watchdog}", f"--junitxml={report}", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", str(CASES), *options],
            cwd=CASES.parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if not report.exists():
            return {}, ["the round itself"], done.stdout
        cases = list(ET.parse(report).iter("testcase"))
    times = {case.get("name", ""): float(case.get("time", 0)) for case in cases}
    bad = [case.get("name", "") for case in cases if case.find("failure") is not None or case.find("error") is not None]
    return times, bad or (["the round itself"] if done.returncode else []), done.stdout


def main() -> int:
    """Parse the command line, and run the rounds."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--watchdog", metavar="SECONDS", type=float, default=60, help="for one case")
    options = parser.parse_args()
    made, failed = 0, 0
    slowest = (0.0, "")
    for number in range(1, options.rounds + 1):
        times, bad, output = run(options.watchdog)
        made += len(times)
        failed += len(bad)
        longest = max(((seconds, name) for name, seconds in times.items()), default=(0.0, ""))
        slowest = max(slowest, longest)
        print(f"round {number}: {len(times)} cases, {len(bad)} hung or failed; longest {longest[0]:.1f} s", flush=True)
        if bad:
            print(output, flush=True)
    print(
        f"{options.rounds} rounds, {made} cases under a watchdog of {options.watchdog:g} s: {failed} hung or failed; "
        f"the longest took {slowest[0]:.1f} s ({slowest[1]})"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
