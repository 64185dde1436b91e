"""What the access point says of jobs: states, hosts, run times, why they are held or idle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from condor_futures.access_point.location import Location
from condor_futures.access_point.requests import AccessPoint
from condor_futures.access_point.schedd import Schedd
from condor_futures.access_point.why_idle import why_idle
from condor_futures.errors import AccessPointError
from condor_futures.state_machine.hold_codes import SPOOLING_INPUT, JobStatus
from condor_futures.submit import attributes

__all__ = [
    "JobInfo",
    "query_jobs",
]

_TIMEOUT = 60.0  # s
#: So many analyses are made at most; each may take long in a large pool.
_ANALYSES = 20
_STATES = {int(status): status.name.lower().replace("_", " ") for status in JobStatus}
_HAS_A_SLOT = ("running", "transferring output", "suspended")
_WAITS_THERE = {
    "blocked": "it waits for input files that it shares with other jobs",
    "preparing": "the access point prepares it",
}
#: What decides on the machines that jobs match, until the negotiator has seen them, and has numbered their kinds.
_ASKED_FOR = ["RequestCpus", "RequestDisk", "RequestGPUs", "RequestMemory", "Requirements", "ConcurrencyLimits"]
_PROJECTION = [
    "AutoClusterId",
    "ClusterId",
    attributes.BUNDLE,
    attributes.CALLS,
    attributes.SESSION,
    "DiskUsage",
    "HoldReason",
    "HoldReasonCode",
    "HoldReasonSubCode",
    "JobCurrentStartDate",
    "JobStatus",
    "LastRemoteHost",
    "ProcId",
    "QDate",
    "RemoteHost",
    "RemoteWallClockTime",
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
            ``"removed"``, ``"blocked"`` or ``"preparing"`` (the access point has something to do first), or
            ``"spooling"`` (its input is on its way to the access point).
        session: the name of the session that it is of.
        bundle: the key of the bundle whose calls it makes.
        calls: how many these are; None if it does not say.
        host: the execution point where it runs, or ran last; None if it has not run.
        submitted: when.
        started: when it began to run, the last time; None if it has not run.
        run_time: how long it has run, all times together.
        memory: the most that it used, in bytes; None if it has not run or that is not known.
        disk: the most that it used, in bytes; None if it has not run or that is not known.
        hold_reason: why it is held, in HTCondor's words; None if it is not.
        hold_code: HTCondor's code for that.
        hold_subcode: its subcode.
        why_idle: why it does not run, where that was asked for and it is idle.

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
    why_idle: str | None = None

    @classmethod
    def from_ad(cls, ad: Mapping[str, Any]) -> JobInfo:
        """Make it of a job ad.

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
            seconds += max(0, ad["ServerTime"] - ad["ShadowBday"])  # of earlier runs only, until this one has ended
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
            disk=_bytes(ad, "DiskUsage") if has_run else None,  # until then, what it takes along
            hold_reason=str(ad.get("HoldReason", "")) if held else None,
            hold_code=_number(ad, "HoldReasonCode") if held else None,
            hold_subcode=_number(ad, "HoldReasonSubCode") if held else None,
        )


def _number(ad: Mapping[str, Any], name: str) -> int | None:
    value = ad.get(name)
    return int(value) if isinstance(value, (int, float)) else None


def _bytes(ad: Mapping[str, Any], name: str) -> int | None:
    kibibytes = _number(ad, name)
    return None if kibibytes is None else 1024 * kibibytes


def _time(ad: Mapping[str, Any], name: str) -> datetime | None:
    seconds = _number(ad, name)
    return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc).astimezone()


def query_jobs(access_point: AccessPoint, constraint: str, *, mine: bool = False, why: bool = False) -> list[JobInfo]:
    """The jobs in the queue for which *constraint* is true, in the order of their numbers: by one query.

    Args:
        access_point: connected.
        constraint: in HTCondor's language.
        mine: only those of the user's.
        why: find out why the idle ones are idle; one analysis for all jobs that ask for the same (an autocluster). What
            cannot be found out is no error, but says so.

    Raises:
        AccessPointError: if it does not answer.

    """
    projection = _PROJECTION + _ASKED_FOR if why else _PROJECTION
    ads = Schedd(access_point).query(constraint, projection, mine).wait(_TIMEOUT)
    ads.sort(key=lambda ad: (ad["ClusterId"], ad["ProcId"]))
    jobs, reasons = [], _Reasons(access_point.given)
    for ad in ads:
        job = JobInfo.from_ad(ad)
        jobs.append(replace(job, why_idle=reasons.of(job, ad)) if why else job)
    return jobs


class _Reasons:
    """Why jobs are idle, each kind of them analysed once."""

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
            return f"not analysed, as {_ANALYSES} others were; ask for it alone: condor-futures status JOB"
        try:
            return why_idle(self._location, job_id)
        except AccessPointError as error:
            self._failed = f"not known: {error}"
            return self._failed
