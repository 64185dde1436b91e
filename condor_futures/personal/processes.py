"""Finds a pool's processes by information of the kernel; never by name, and safe against reused process ids."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["POOL_MARK", "Process", "end", "pool_processes", "reap", "wait_for"]

#: In the environment of ``condor_master`` and so of all daemons below it; its value is the pool's directory.
POOL_MARK = "CONDOR_FUTURES_POOL"

_PROC = Path("/proc")
_STATE, _START_TIME = 0, 19  # in /proc/PID/stat after the name: fields 3 and 22 of proc(5)


@dataclass(frozen=True, slots=True)
class Process:
    """One process: its id, and its start time in clock ticks since boot, because ids are used again."""

    pid: int
    start_time: int

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """Return the running process with the id *pid*; ``None`` if there is none, or it is a zombie."""
        fields = _stat(pid)
        return cls(pid, int(fields[_START_TIME])) if fields and fields[_STATE] not in "ZX" else None

    @property
    def is_alive(self) -> bool:
        """Whether this process still runs."""
        return Process.of(self.pid) == self

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has exited."""
        if self.is_alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def pool_processes(directory: Path, master_pid: int | None = None) -> set[Process]:
    """Return all processes of the pool in *directory*: the daemons and the jobs.

    Daemons carry the pool's mark. A job has an environment of its own, but HTCondor puts ``_CONDOR_ANCESTOR_<pid>``,
    with the ids of the daemons above it, into the environment of every process that it starts. (``condor_procd`` finds
    detached processes in the same way.) Thus the jobs are found too. They are found even after the daemons above them
    have exited, if *master_pid*, the process id of the last ``condor_master``, is known.
    """
    mark = f"{POOL_MARK}={directory}".encode()
    found: set[Process] = set()
    others: dict[Process, set[bytes]] = {}
    for entry in _PROC.iterdir():
        # Other users' processes are unreadable, and processes come and go.
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and (process := Process.of(int(entry.name))):
                variables = (entry / "environ").read_bytes().split(b"\0")
                if mark in variables:
                    found.add(process)
                else:
                    others[process] = {v.split(b"=")[0] for v in variables if v.startswith(b"_CONDOR_ANCESTOR_")}
    pids = {process.pid for process in found}
    # If another process now has the id of the last master, its descendants must not be taken for the pool's.
    if master_pid and not Process.of(master_pid):
        pids.add(master_pid)
    forebears = {f"_CONDOR_ANCESTOR_{pid}".encode() for pid in pids}
    return found | {process for process, ancestors in others.items() if ancestors & forebears}


def wait_for(processes: Iterable[Process], timeout: float) -> set[Process]:
    """Wait at most ``timeout`` seconds until the processes have exited, and return those that have not."""
    deadline = time.monotonic() + timeout
    remaining = set(processes)
    while True:
        for process in remaining:
            reap(process.pid)
        remaining = {process for process in remaining if process.is_alive}
        if not remaining or time.monotonic() > deadline:
            return remaining
        time.sleep(0.02)


def end(directory: Path, master_pid: int | None = None, timeout: float = 5.0) -> set[Process]:
    """Kill all processes of the pool in *directory*, and those that they start meanwhile; return the survivors."""
    deadline = time.monotonic() + timeout
    remaining = pool_processes(directory, master_pid)
    while remaining and time.monotonic() < deadline:
        for process in remaining:
            process.send(signal.SIGKILL)
        # Jobs are found only by the ids of their daemons, so keep those that were found before the daemons exited.
        remaining = wait_for(remaining, 1.0) | pool_processes(directory)
    return remaining


def reap(pid: int) -> None:
    """Collect the exit status of *pid* if it is a child of this process, so that it does not remain as a zombie."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _stat(pid: int) -> list[str]:
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return []
    # The name, in parentheses, may itself hold spaces and parentheses.
    return text.rpartition(")")[2].split()
