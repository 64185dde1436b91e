"""A stand-in for a site's credmon: it hands the jobs what a user stored, and makes it ready at once.

    python credmon.py DIRECTORY

The condor_credd sends a signal when it stores the first credential of a user. The credmon finds later ones
itself.
"""

import os
import signal
import sys
from pathlib import Path


def make_ready(directory: Path, stored: Path, ready: Path) -> None:
    """Copy one file to the other in one step. If it changes meanwhile, the next call copies it."""
    when = stored.stat().st_mtime_ns
    if not ready.exists() or ready.stat().st_mtime_ns != when:
        new = directory / "new"
        new.touch(mode=0o600)
        new.write_bytes(stored.read_bytes())
        os.utime(new, ns=(when, when))
        if stored.stat().st_mtime_ns == when:
            new.replace(ready)


def main(directory: Path) -> None:
    """Watch the directory until this process is stopped."""
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
