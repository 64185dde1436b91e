"""Collects snapshots: one query of the queue, and what the files of sessions on this machine say."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from condor_futures.access_point.job_info import JobInfo, query_jobs
from condor_futures.access_point.requests import AccessPoint
from condor_futures.errors import CondorFuturesError
from condor_futures.session.call_names import FILE, read_names
from condor_futures.session.finding import is_session
from condor_futures.session.session import Session
from condor_futures.sessions import SessionInfo
from condor_futures.status_screen.job_files import JobCalls, JobFiles

__all__ = ["Collector", "Snapshot"]

#: Running jobs whose files are read, with each snapshot.
MOST_FILES: Final = 300
#: Seconds between two countings of the calls of a session. All its files are read, so it is this share of the time.
COUNT: Final = 5.0
COUNT_SHARE: Final = 0.05


@dataclass(frozen=True)
class Snapshot:
    """What is known at one time.

    Attributes:
        name: the name of the access point.
        time: when the queue was asked.
        jobs: the jobs in the queue.
        calls: what is known of the calls of some jobs, by job id.
        sessions: the sessions of the jobs, as far as they are on this machine; by their ids.
        names: the names of calls, by the ids of their sessions, and by call key.

    """

    name: str
    time: datetime
    jobs: Sequence[JobInfo] = ()
    calls: Mapping[str, JobCalls] = field(default_factory=dict)
    sessions: Mapping[str, SessionInfo] = field(default_factory=dict)
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass
class _Counted:
    """The calls of a session, and when they are to be counted again."""

    info: SessionInfo
    due: float


class Collector:
    """Collects snapshots of one access point. One thread at a time uses it."""

    def __init__(self, access_point: AccessPoint, constraint: str) -> None:
        """Prepare to collect the jobs that match *constraint* at a connected access point."""
        self._access_point = access_point
        self._constraint = constraint
        self._files: dict[str, JobFiles] = {}
        self._sessions: dict[Path, _Counted] = {}
        self._names: dict[Path, tuple[int, Mapping[str, str]]] = {}

    @property
    def name(self) -> str:
        """The name of the access point."""
        return self._access_point.about.get("Name") or str(self._access_point.location)

    def collect(self) -> Snapshot:
        """Return what is known now.

        Raises:
            AccessPointError: the access point does not answer.

        """
        jobs = query_jobs(self._access_point, self._constraint, mine=True, look=False)
        directories = {job.session: job.directory for job in jobs if job.directory is not None}
        names = {session: self._names_of(directory) for session, directory in directories.items()}
        now = datetime.now().astimezone()
        return Snapshot(self.name, now, jobs, self._calls_of(jobs), self._sessions_of(directories), names)

    def _calls_of(self, jobs: Sequence[JobInfo]) -> dict[str, JobCalls]:
        running = [job for job in jobs if job.directory is not None and job.started is not None][:MOST_FILES]
        files: dict[str, JobFiles] = {}
        for job in running:
            assert job.directory is not None
            known = self._files.get(job.job_id)
            files[job.job_id] = known or JobFiles(job.directory, job.bundle, warm=job.warm)
        self._files = files  # the others are forgotten
        return {job_id: read.read() for job_id, read in files.items()}

    def _names_of(self, directory: Path) -> Mapping[str, str]:
        try:
            size = (directory / FILE).stat().st_size
        except OSError:
            return {}
        known = self._names.get(directory)
        if known is None or known[0] != size:
            self._names[directory] = known = size, read_names(directory)
        return known[1]

    def _sessions_of(self, directories: Mapping[str, Path]) -> dict[str, SessionInfo]:
        """Return the sessions of jobs; the calls of each are counted again if it is time."""
        found = {}
        for directory in directories.values():
            now = time.monotonic()
            counted = self._sessions.get(directory)
            if counted is None or now >= counted.due:
                with contextlib.suppress(CondorFuturesError, OSError):
                    if is_session(directory):
                        info = SessionInfo.of(Session.open(directory))
                        took = time.monotonic() - now
                        counted = _Counted(info, time.monotonic() + max(COUNT, took / COUNT_SHARE))
                        self._sessions[directory] = counted
            if counted is not None:
                found[counted.info.id] = counted.info
        return found
