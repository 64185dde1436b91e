"""What the screen asks and does: snapshots, outputs, analyses, and the actions of its keys."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Final

from condor_futures.access_point.job_info import JobInfo
from condor_futures.access_point.requests import AccessPoint
from condor_futures.access_point.schedd import Schedd
from condor_futures.access_point.why_idle import why_idle
from condor_futures.files.private_files import open_regular
from condor_futures.status_screen.collector import Collector, Snapshot

__all__ = ["Action", "Source"]

_TIMEOUT: Final = 60.0  # s
#: Bytes at the end of the output of a call.
_TAIL: Final = 1 << 16
_REASON: Final = "condor-futures status --watch"


class Action(Enum):
    """What the screen does to jobs. The value is how it is said of them afterwards."""

    HOLD = "on hold"
    RELEASE = "released"
    REMOVE = "removed"


class Source:
    """The access point, and the files of sessions on this machine. Any method may take a while, so threads call it.

    One thread at a time may call :meth:`collect`.
    """

    def __init__(self, access_point: AccessPoint, constraint: str) -> None:
        """Show the jobs that match *constraint* at a connected access point."""
        self._access_point = access_point
        self._collector = Collector(access_point, constraint)

    def collect(self) -> Snapshot:
        """Return what is known now.

        Raises:
            AccessPointError: the access point does not answer.

        """
        return self._collector.collect()

    def act(self, action: Action, jobs: Sequence[str]) -> int:
        """Hold, release or remove jobs; return the number of jobs that were.

        Raises:
            AccessPointError: the access point refuses or does not answer.

        """
        schedd, ids = Schedd(self._access_point), list(jobs)
        match action:
            case Action.HOLD:
                return schedd.hold(ids, f"put on hold by {_REASON}").wait(_TIMEOUT)
            case Action.RELEASE:
                return len(schedd.release(ids, None).wait(_TIMEOUT)["released"])
            case Action.REMOVE:
                return schedd.remove(ids, f"removed by {_REASON}").wait(_TIMEOUT)

    def why(self, job: JobInfo) -> str:
        """Return the reason why a job is idle, as HTCondor's analysis has it.

        Raises:
            AccessPointError: there is no ``condor_q``, or it fails.

        """
        return why_idle(self._access_point.given, job.job_id)

    @staticmethod
    def show(job: JobInfo, columns: int) -> str:
        """Return what ``condor-futures show`` prints of a job, with colours.

        The command runs in a process of its own, because it runs code of the session: it unpickles values.
        """
        command = [sys.executable, "-m", "condor_futures.cli", "show", job.job_id]
        command += ["--session", str(job.directory)] if job.directory is not None else []
        environment = {**os.environ, "COLUMNS": str(columns), "FORCE_COLOR": "1"}
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            errors="replace",
            text=True,
            check=False,
        )
        return done.stdout

    @staticmethod
    def output(path: Path, start: int) -> str:
        """Return the end of the output of a call, which begins at *start* of *path*."""
        try:
            with open_regular(path) as file:
                file.seek(max(start, file.seek(0, os.SEEK_END) - _TAIL))
                return file.read(_TAIL).decode("utf-8", "replace")
        except OSError:
            return ""
