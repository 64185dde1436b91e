"""The access point's information about jobs: states, hosts, run times, and why jobs are held or idle."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from condor_futures.access_point.location import Location
from condor_futures.access_point.requests import AccessPoint
from condor_futures.access_point.schedd import Schedd
from condor_futures.access_point.why_idle import why_idle
from condor_futures.calls.lines import calls_of, last_report, running_call
from condor_futures.errors import AccessPointError
from condor_futures.future import Progress
from condor_futures.session.call_names import read_names
from condor_futures.session.finding import is_session
from condor_futures.session.names import SessionNames
from condor_futures.state_machine.hold_codes import SPOOLING_INPUT, JobStatus
from condor_futures.submit import attributes

__all__ = [
    "JobInfo",
    "query_jobs",
]

_TIMEOUT = 60.0  # s
#: The largest number of analyses in one query; each may take long in a large pool.
_ANALYSES = 20
_STATES = {int(status): status.name.lower().replace("_", " ") for status in JobStatus}
_HAS_A_SLOT = ("running", "transferring output", "suspended")
_WAITS_THERE = {
    "blocked": "it waits for input files that it shares with other jobs",
    "preparing": "the access point is preparing it",
}
#: The attributes that determine the machines that a job matches. They tell kinds of jobs apart until the negotiator has
#: given each kind a number, its autocluster.
_ASKED_FOR = ["RequestCpus", "RequestDisk", "RequestGPUs", "RequestMemory", "Requirements", "ConcurrencyLimits"]
#: The directories that a warm job may use on the access point; the job's own comes first.
_DIRECTORIES = "LimitDirectoryAccess"
#: The event log of the session, which is in its directory.
_EVENT_LOG = "DAGManNodesLog"
_PROJECTION = [
    "AutoClusterId",
    "ClusterId",
    attributes.BUNDLE,
    attributes.CALLS,
    attributes.SESSION,
    attributes.WARM,
    "DiskUsage",
    _DIRECTORIES,
    _EVENT_LOG,
    "HoldReason",
    "HoldReasonCode",
    "HoldReasonSubCode",
    "JobCurrentStartDate",
    "JobStatus",
    "LastRemoteHost",
    "MemoryProvisioned",
    "ProcId",
    "QDate",
    "RemoteHost",
    "RemoteWallClockTime",
    "RequestMemory",
    "ResidentSetSize",
    "ServerTime",
    "ShadowBday",
]


@dataclass(frozen=True)
class JobInfo:
    """A job in the queue, as the access point sees it.

    Attributes:
        job_id: the job, as ``cluster.proc``.
        state: ``"idle"``, ``"running"``, ``"transferring output"``, ``"suspended"``, ``"held"``, ``"completed"``,
            ``"removed"``, ``"blocked"`` or ``"preparing"`` (the access point must do something first), or
            ``"spooling"`` (its input is on the way to the access point).
        session: the name of the job's session.
        bundle: the key of the bundle whose calls the job makes.
        calls: the number of these calls; None if the job ad does not contain it.
        host: the execution point where the job runs, or last ran; None if it has not run.
        submitted: the time of submission.
        started: the time when the job last began to run; None if it has not run.
        run_time: the total run time of the job, over all its runs.
        memory: the largest memory use, in bytes; None if the job has not run or the value is unknown.
        disk: the largest disk use, in bytes; None if the job has not run or the value is unknown.
        hold_reason: HTCondor's reason why the job is held; None if it is not held.
        hold_code: HTCondor's code for the reason.
        hold_subcode: HTCondor's subcode for the reason.
        warm: whether the job is warm; it is then given its calls while it runs, and *calls* is 0.
        why_idle: the reason why the job does not run, if you asked for it and the job is idle.
        names: the names of its calls (``with_options(name=...)``), in order; of a warm job, the name of the call that
            it makes now. Empty if these calls have no names, or if the session is not on this machine.
        progress: the last :func:`~condor_futures.report` of the call that a warm job makes now; None if the call has
            not reported anything, or if the session is not on this machine.
        request_memory: the memory that the job requests, in bytes. If the request is an expression, the memory that
            the slot of the job has; None if the job has not run.
        directory: the directory of the job's session; None if the directory is not on this machine.

    Example:
        >>> for job in executor.jobs():
        ...     if job.memory and job.memory > 4 * 2**30:
        ...         print(job.job_id, "on", job.host, "uses", job.memory, "bytes")

    """

    job_id: str
    state: str
    session: str
    bundle: str
    calls: int | None
    host: str | None
    submitted: datetime
    started: datetime | None
    run_time: timedelta
    memory: int | None
    disk: int | None
    hold_reason: str | None = None
    hold_code: int | None = None
    hold_subcode: int | None = None
    warm: bool = False
    why_idle: str | None = None
    progress: Progress | None = None
    names: Sequence[str] = ()
    request_memory: int | None = None
    directory: Path | None = None

    @classmethod
    def from_ad(cls, ad: Mapping[str, Any]) -> JobInfo:
        """Return the information in a job ad.

        >>> job = JobInfo.from_ad({"ClusterId": 7, "ProcId": 0, "JobStatus": 2, "QDate": 0, "ServerTime": 90,
        ...     "ShadowBday": 30, "RemoteWallClockTime": 5.0, "RemoteHost": "slot1_1@ep17", "ResidentSetSize": 2,
        ...     "JobCurrentStartDate": 30})
        >>> job.job_id, job.state, job.host, job.run_time.seconds, job.memory
        ('7.0', 'running', 'ep17', 65, 2048)
        """
        status = int(ad.get("JobStatus", 0))
        state = _STATES.get(status, str(status))
        held = state == "held"
        if held and ad.get("HoldReasonCode") == SPOOLING_INPUT:
            state, held = "spooling", False
        host = str(ad.get("RemoteHost", ad.get("LastRemoteHost", "")))
        has_run = "JobCurrentStartDate" in ad
        seconds = float(ad.get("RemoteWallClockTime", 0))
        if state in _HAS_A_SLOT and "ShadowBday" in ad and "ServerTime" in ad:
            seconds += max(
                0, ad["ServerTime"] - ad["ShadowBday"]
            )  # the attribute counts only earlier runs until this one ends
        return cls(
            job_id=f"{ad['ClusterId']}.{ad['ProcId']}",
            state=state,
            session=str(ad.get(attributes.SESSION, "")),
            bundle=str(ad.get(attributes.BUNDLE, "")),
            calls=_number(ad, attributes.CALLS),
            host=host.rpartition("@")[2] or None,
            submitted=datetime.fromtimestamp(ad["QDate"], timezone.utc).astimezone(),
            started=_time(ad, "JobCurrentStartDate"),
            run_time=timedelta(seconds=seconds),
            memory=_bytes(ad, "ResidentSetSize") if has_run else None,
            disk=_bytes(ad, "DiskUsage") if has_run else None,  # before the first run, the size of the input
            hold_reason=str(ad.get("HoldReason", "")) if held else None,
            hold_code=_number(ad, "HoldReasonCode") if held else None,
            hold_subcode=_number(ad, "HoldReasonSubCode") if held else None,
            warm=ad.get(attributes.WARM) is True,
            request_memory=_mebibytes(ad, "RequestMemory") or _mebibytes(ad, "MemoryProvisioned"),
        )


def _progress(ad: Mapping[str, Any]) -> Progress | None:
    """Return the last report in the files of a job. The session may be that of any client on this machine."""
    key, directories = ad.get(attributes.BUNDLE), ad.get(_DIRECTORIES)
    if not (isinstance(key, str) and isinstance(directories, str)):
        return None
    directory = Path(directories.partition(",")[0])
    return last_report(directory) if directory.name == key else None


def _number(ad: Mapping[str, Any], name: str) -> int | None:
    value = ad.get(name)
    return int(value) if isinstance(value, (int, float)) else None


def _bytes(ad: Mapping[str, Any], name: str) -> int | None:
    kibibytes = _number(ad, name)
    return None if kibibytes is None else 1024 * kibibytes


def _mebibytes(ad: Mapping[str, Any], name: str) -> int | None:
    mebibytes = _number(ad, name)
    return None if mebibytes is None else mebibytes << 20


def _time(ad: Mapping[str, Any], name: str) -> datetime | None:
    seconds = _number(ad, name)
    return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc).astimezone()


def query_jobs(
    access_point: AccessPoint, constraint: str, *, mine: bool = False, why: bool = False, look: bool = True
) -> list[JobInfo]:
    """Return the jobs in the queue that match *constraint*, in the order of their ids, from one query.

    Args:
        access_point: a connected access point.
        constraint: a ClassAd expression.
        mine: return only the user's jobs.
        why: find out why idle jobs are idle, with one analysis for all jobs of an autocluster, which request the same.
            A failed analysis is not an error; ``why_idle`` then tells that the reason is not known.
        look: also look into the files of sessions on this machine, for the names and the reports of calls.

    Raises:
        AccessPointError: if the access point does not answer.

    """
    projection = _PROJECTION + _ASKED_FOR if why else _PROJECTION
    ads = Schedd(access_point).query(constraint, projection, mine).wait(_TIMEOUT)
    ads.sort(key=lambda ad: (ad["ClusterId"], ad["ProcId"]))
    jobs, reasons, names, sessions = [], _Reasons(access_point.given), _Names(), _Sessions()
    for ad in ads:
        job = replace(JobInfo.from_ad(ad), directory=sessions.of(ad))
        if look and job.directory is not None:
            progress = _progress(ad) if job.state == "running" else None
            job = replace(job, names=names.of(job.directory, ad), progress=progress)
        jobs.append(replace(job, why_idle=reasons.of(job, ad)) if why else job)
    return jobs


class _Sessions:
    """Finds the directories of the sessions of jobs. It belongs to the thread that makes it."""

    def __init__(self) -> None:
        self._there: dict[Path, bool] = {}

    def of(self, ad: Mapping[str, Any]) -> Path | None:
        """Return the directory of the session of a job, that of any client; None if it is not on this machine."""
        log = ad.get(_EVENT_LOG)
        if not isinstance(log, str):
            return None
        directory = Path(log).parent
        if directory not in self._there:
            self._there[directory] = is_session(directory)
        return directory if self._there[directory] else None


class _Names:
    """Finds the names of the calls of jobs, in the files of their sessions. It belongs to the thread that makes it."""

    def __init__(self) -> None:
        self._known: dict[Path, Mapping[str, str]] = {}

    def of(self, session: Path, ad: Mapping[str, Any]) -> Sequence[str]:
        """Return the names; the session may be that of any client on this machine."""
        key = ad.get(attributes.BUNDLE)
        if not (isinstance(key, str) and re.fullmatch("b[0-9]+", key)):
            return ()
        if session not in self._known:
            self._known[session] = read_names(session)
        if not (names := self._known[session]):
            return ()
        here = SessionNames()
        here.directory = session
        if ad.get(attributes.WARM) is True:
            call = running_call(here.lines / key)
            calls = [call] if call is not None else []
        else:
            calls = calls_of(here.directory_of_bundle(int(key[1:])) / f"{key}.calls")
        return tuple(names[call] for call in calls if call in names)


class _Reasons:
    """The reasons why jobs are idle, with one analysis per kind of job. It belongs to the thread that makes it."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._known: dict[Any, str] = {}
        self._failed = ""

    def of(self, job: JobInfo, ad: Mapping[str, Any]) -> str | None:
        if job.state != "idle":
            return _WAITS_THERE.get(job.state)
        alike = ad.get("AutoClusterId", tuple(ad.get(name) for name in _ASKED_FOR))
        if alike not in self._known:
            self._known[alike] = self._find_out(job.job_id)
        return self._known[alike]

    def _find_out(self, job_id: str) -> str:
        if self._failed:
            return self._failed  # one timeout is long enough
        if len(self._known) >= _ANALYSES:
            return f"not analysed, as {_ANALYSES} others were; for this job alone: condor-futures status JOB"
        try:
            return why_idle(self._location, job_id)
        except AccessPointError as error:
            self._failed = f"not known: {error}"
            return self._failed
