"""``python -m tests.faults --seed N --minutes M``: inject faults on a real pool, and judge what became of the calls.

The exit status is 0 if no call was lost, wrong or hung, and nothing is left over. Otherwise, the directory with the
journal and all logs is kept. As root, the harness also fills disks, in a mount namespace of its own.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from condor_futures.personal import find_htcondor, install
from tests.faults.judge import Injected, Verdict
from tests.faults.monkey import disturb
from tests.faults.scene import Arrivals, Scene, remains, stacks
from tests.support import until

#: All futures must end within BOUND seconds after the last fault. The executor must then shut down within SHUTDOWN
#: seconds.
BOUND, SHUTDOWN = 150.0, 90.0
_INSIDE = "CONDOR_FUTURES_FAULTS_MOUNTS"


def say(words: str) -> None:
    """Print one line with the time."""
    print(time.strftime("%H:%M:%S"), words, flush=True)


def run(seed: int, minutes: float, directory: Path, *, calls: int, small_disks: bool) -> bool:
    """Run one workload with faults. Return True if all is well."""
    scene = Scene(directory, str(seed), calls=calls, small_disks=small_disks)
    left: list[str] = []
    injected: list[Injected] = []
    try:
        scene.start()
        with Arrivals(scene):
            injected = disturb(scene, random.Random(seed), 60 * minutes, say)
            (directory / "stop").touch()
            began = time.monotonic()
            well = ended(scene, "all ended", BOUND)
        if not well:
            say(f"calls have not ended {BOUND:g} s after the last fault")
            stacks(scene)
        else:
            say(f"all calls have ended {time.monotonic() - began:.0f} s after the last fault")
            if not ended(scene, "shut down", SHUTDOWN) or scene.client.wait(30):
                left.append("the client, which did not exit cleanly: see its log")
                stacks(scene)
            try:
                until(lambda: not remains(scene), timeout=30)
            except AssertionError:
                left += remains(scene)
        verdict = Verdict(directory, injected)
        if verdict.bad or left:
            shutil.copytree(scene.session, directory / "session-kept", symlinks=True)
    finally:
        scene.stop()
    report(verdict, left, seed, minutes)
    return not (verdict.bad or left)


def ended(scene: Scene, event: str, timeout: float) -> bool:
    """Return whether the client reports *event* within *timeout* seconds."""
    deadline = time.monotonic() + timeout
    while not scene.client_says(event):
        if time.monotonic() > deadline or scene.client.poll() not in (None, 0):
            return False
        time.sleep(0.2)
    return True


def report(verdict: Verdict, left: list[str], seed: int, minutes: float) -> None:
    """Print the table and all problems."""
    print(f"\nSeed {seed}, {minutes:g} minutes, {len(verdict.calls)} calls, {verdict.generations} clients one after")
    print(f"another. How the calls ended: {verdict.ends()}.\n")
    print(verdict.table(), "\n")
    for word in ("lost", "wrong", "hung", "again"):
        for call, why in getattr(verdict, word):
            print(f"{word}: {call.key} ({call.kind} {call.name}, bundle {call.bundle}): {why}")
    for name in verdict.never_submitted_but_made():
        print(f"ran, although its submission did not finish: {name}")
    for what in left:
        print(f"left: {what}")


def main() -> int:
    """Parse the arguments, and enter a mount namespace if possible."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--calls", type=int, default=30, help="how many calls are under way at once")
    parser.add_argument("--keep", action="store_true", help="always keep the directory")
    options = parser.parse_args()
    if os.geteuid() == 0 and _INSIDE not in os.environ:
        # The mounts end with this process, whatever happens.
        mounts = ["unshare", "--mount", "--propagation", "private"]
        if subprocess.run([*mounts, "true"], capture_output=True, check=False).returncode == 0:
            os.environ[_INSIDE] = "1"
            os.execvp(mounts[0], [*mounts, sys.executable, "-m", "tests.faults", *sys.argv[1:]])
    small_disks = _INSIDE in os.environ
    if not small_disks:
        say("no disk will be filled: mounting small ones needs root")
    if find_htcondor() is None:
        install(lambda step, share: None)
    directory = Path(tempfile.mkdtemp(prefix="condor-futures-faults-"))
    directory.chmod(0o755)
    os.environ["XDG_STATE_HOME"] = str(directory / "state")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    say(f"in {directory}")
    well = False
    try:
        well = run(options.seed, options.minutes, directory, calls=options.calls, small_disks=small_disks)
    finally:
        if well and not options.keep:
            shutil.rmtree(directory)
        else:
            say(f"journal and logs are in {directory}")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
