"""What the calls of a session used, from the headers of their outcomes, and what their jobs used, from the event log.

Both are read when somebody asks, so a session of which nobody asks does not pay for it. Nothing is authenticated: a
forged file can do no more than make a number wrong.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from condor_futures.execution_point.frames import skim
from condor_futures.files.private_files import open_regular
from condor_futures.future import Usage
from condor_futures.session.call_names import read_names
from condor_futures.session.event_log import EventLog
from condor_futures.session.names import SessionNames
from condor_futures.state_machine import states

__all__ = ["SUPERVISOR", "JobUsage", "Usages", "usage"]

#: The files of outcomes whose calls are remembered, for futures that are asked one after the other.
MOST_FILES: Final = 16
#: The memory of the process that supervises the one that makes the calls (Python 3.11): the memory of a call does not
#: include it, and that of the job is too low for a short job.
SUPERVISOR: Final = 13 << 20
#: Later times, in seconds since 1970, have no date.
_LAST: Final = 1 << 37


@dataclass
class JobUsage:
    """What one job used, as far as its event log says; sizes in bytes, times in seconds."""

    job_id: str
    submitted: float
    started: float | None = None
    memory: int | None = None
    disk: int | None = None
    received: int | None = None
    sent: int | None = None
    requested_memory: int | None = None
    requested_disk: int | None = None

    @property
    def queued(self) -> float | None:
        """Seconds until it first began to run."""
        return None if self.started is None else round(max(self.started - self.submitted, 0.0), 3)

    def take(self, kind: str, event: Mapping[str, Any], time: float) -> None:
        """Take what an event of the job says."""
        if kind == "EXECUTE":
            self.started = time if self.started is None else self.started
        elif kind == "IMAGE_SIZE":
            self.memory = _largest(self.memory, _size(event, "ResidentSetSize", 1 << 10))
        elif kind == "JOB_TERMINATED":
            self.memory = _largest(self.memory, _size(event, "MemoryUsage", 1 << 20))
            self.disk = _size(event, "DiskUsage", 1 << 10)
            self.received, self.sent = _size(event, "TotalReceivedBytes"), _size(event, "TotalSentBytes")
            self.requested_memory = _size(event, "RequestMemory", 1 << 20)
            self.requested_disk = _size(event, "RequestDisk", 1 << 10)


class Usages(SessionNames):
    """What the calls of one session and their jobs used. Any thread may ask."""

    def __init__(self, directory: Path) -> None:
        """Make it for the session in *directory*, whose event log may not exist yet."""
        self.directory = directory
        self._lock = threading.Lock()
        self._logs: dict[Path, EventLog] = {}
        self._jobs: dict[str, JobUsage] = {}  # by job id, the last that had it
        self._of_bundle: dict[str, JobUsage] = {}
        self._places: dict[Path, dict[str, int]] = {}

    def of(self, bundle: str, call: str, outcomes: Path, start: int | None = None) -> Usage:
        """Return what a call and its job used.

        Args:
            bundle: the key of the bundle whose job made the call.
            call: the key of the call.
            outcomes: the file with its outcome, if it has one.
            start: where its outcome begins; None if that is not known.

        """
        with self._lock:
            header = self._header(call, outcomes, start)
            self._read_logs()
            return usage(header, self._of_bundle.get(bundle))

    def jobs(self) -> dict[str, JobUsage]:
        """Return what the jobs used, by the keys of their bundles."""
        with self._lock:
            self._read_logs()
            return dict(self._of_bundle)

    def largest(self, bundle: str, outcomes: Path) -> tuple[int | None, int | None]:
        """Return the largest memory and disk of a job that has ended, in bytes; None for what is not known.

        A job of which no call returned a value tells nothing: it may have ended before it needed much.

        Args:
            bundle: the key of the job's bundle.
            outcomes: the file with the outcomes of its calls. Those of other calls than returned do not count.

        """
        with self._lock:
            self._read_logs()
            job = self._of_bundle.get(bundle)
        memory, returned = (job.memory if job is not None else None), False
        with contextlib.suppress(OSError), open_regular(outcomes) as file:
            for header, _, _ in skim(file):
                if header.get("result") == "value":
                    peak, returned = usage(header, None).memory, True
                    memory = _largest(memory, None if peak is None else peak + SUPERVISOR)
        return (memory, job.disk if job is not None else None) if returned else (None, None)

    def table(self) -> list[dict[str, Any]]:
        """Return a row for each call that has an outcome in the session's directory, in the order of submission."""
        jobs, names = self.jobs(), read_names(self.directory)
        rows: dict[str, dict[str, Any]] = {}
        for path, bundle in self._outcomes():
            with contextlib.suppress(OSError), open_regular(path) as file:
                for header, _, _ in skim(file):
                    key = header.get("call")
                    if header.get("kind") == "outcome" and isinstance(key, str) and key not in rows:
                        rows[key] = _row(key, names.get(key), header, jobs.get(bundle))
        return [rows[key] for key in sorted(rows, key=lambda key: (len(key), key))]

    def _outcomes(self) -> Iterator[tuple[Path, str]]:
        """Yield the files of outcomes, each with the key of the bundle whose job wrote it."""
        for path in self.bundles.glob("*/*.outcomes"):
            if not path.with_suffix(".cancelled").exists():
                yield path, path.stem
        for directory in (self.lines, self.streams):
            for path in directory.glob("*/*.outcomes"):
                yield path, path.parent.name

    def _header(self, call: str, outcomes: Path, start: int | None) -> Mapping[str, Any]:
        try:
            with open_regular(outcomes) as file:
                if start is None:
                    if outcomes not in self._places:
                        if len(self._places) >= MOST_FILES:
                            self._places.clear()
                        self._places[outcomes] = {}
                    places = self._places[outcomes]
                    if call not in places:  # the call may have ended since
                        for header, at, _ in skim(file):
                            places.setdefault(str(header.get("call")), at)
                    start = places.get(call, 0)
                file.seek(start)
                header = next(skim(file), ({},))[0]
        except OSError:
            return {}
        return header if header.get("call") == call else {}

    def _read_logs(self) -> None:
        for path in (self.event_log, *self.directory.glob("*.dag.nodes.log")):
            try:
                if path not in self._logs:
                    self._logs[path] = EventLog(path, self._observe)
            except (OSError, UnicodeEncodeError):
                continue  # it does not exist, or HTCondor cannot read its name
            self._logs[path].read_all()

    def _observe(self, event: states.Event, kind: str, told: Mapping[str, Any], time: float) -> None:
        if isinstance(event, states.Submitted):
            job = self._jobs[event.job_id] = JobUsage(event.job_id, time)
            if event.bundle:
                self._of_bundle[event.bundle] = job
        elif event.job_id in self._jobs:
            self._jobs[event.job_id].take(kind, told, time)


def usage(header: Mapping[str, Any], job: JobUsage | None) -> Usage:
    """Return what a call used according to the *header* of its outcome, and its *job*.

    >>> usage({"submitted": 5.0, "started": 7.5, "ended": 8.0, "usage": [0.25, 4096]}, None)
    Usage(wall=0.5, cpu=0.25, memory=4096, waited=2.5, job_queued=None, job_memory=None, job_disk=None, job_received=None, job_sent=None)
    >>> usage({"started": "soon", "usage": [1e999]}, None) == Usage()
    True

    """  # noqa: E501 - the repr
    submitted, started, ended = (_number(header.get(name)) for name in ("submitted", "started", "ended"))
    measured = header.get("usage")
    cpu, memory = map(_number, measured) if isinstance(measured, list) and len(measured) == 2 else (None, None)  # noqa: PLR2004
    return Usage(
        _span(started, ended),
        cpu,
        None if memory is None else int(memory),
        _span(submitted, started),
        *((job.queued, job.memory, job.disk, job.received, job.sent) if job is not None else ()),
    )


def _row(key: str, name: str | None, header: Mapping[str, Any], job: JobUsage | None) -> dict[str, Any]:
    started = _number(header.get("started"))
    host, result, function = header.get("host"), header.get("result"), header.get("function")
    return {
        "key": key,
        "name": name,
        "function": function if isinstance(function, str) and function else None,
        "job_id": job.job_id if job is not None else None,
        "host": host if isinstance(host, str) else None,
        "result": result if isinstance(result, str) else None,
        "started": datetime.fromtimestamp(started).astimezone() if started is not None and started < _LAST else None,
        **asdict(usage(header, job)),
        "requested_memory": job.requested_memory if job is not None else None,
        "requested_disk": job.requested_disk if job is not None else None,
    }


def _number(value: object) -> float | None:
    """Return a number of a header, in which a call may have written anything."""
    return float(value) if type(value) in (int, float) and 0 <= value < 1 << 63 else None  # type: ignore[operator, arg-type]


def _span(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else round(max(end - start, 0.0), 6)


def _size(event: Mapping[str, Any], name: str, unit: int = 1) -> int | None:
    value = event.get(name)
    well = isinstance(value, (int, float)) and math.isfinite(value) and value >= 0
    return int(value) * unit if well else None  # type: ignore[arg-type]


def _largest(one: int | None, other: int | None) -> int | None:
    return max((value for value in (one, other) if value is not None), default=None)
