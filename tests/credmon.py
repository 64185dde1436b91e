"""Stands in for a site's credmon: what a user stored is what the jobs get, and so becomes ready at once.

    python credmon.py DIRECTORY

The condor_credd tells it by a signal when somebody's first credential is there; those that follow it finds itself.
"""

import os
import signal
import sys
from pathlib import Path


def make_ready(directory: Path, stored: Path, ready: Path) -> None:
    """Copy the one to the other, in one step; what changes meanwhile is copied the next time."""
    when = stored.stat().st_mtime_ns
    if not ready.exists() or ready.stat().st_mtime_ns != when:
        new = directory / "new"
        new.touch(mode=0o600)
        new.write_bytes(stored.read_bytes())
        os.utime(new, ns=(when, when))
        if stored.stat().st_mtime_ns == when:
            new.replace(ready)


def main(directory: Path) -> None:
    """Watch over it until somebody ends this process."""
    signals = {signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    (directory / "pid").write_text(f"{os.getpid()}\n")
    while True:
        for stored in directory.glob("*.cred"):
            make_ready(directory, stored, stored.with_suffix(".cc"))
        (directory / "CREDMON_COMPLETE").touch()
        signal.sigtimedwait(signals, 0.5)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
