"""``condor-futures status``: the jobs of condor_futures on an access point."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from condor_futures.access_point.job_info import JobInfo, query_jobs
from condor_futures.access_point.location import Location
from condor_futures.access_point.requests import AccessPoint
from condor_futures.cli.output import complain, console, print_json, print_table
from condor_futures.errors import CondorFuturesError, PersonalPoolError
from condor_futures.personal import PersonalPool
from condor_futures.session.record import constraint_of
from condor_futures.submit import attributes

__all__ = ["connected", "constraint_for", "locate", "status"]

_WAITS = ("idle", "blocked", "preparing", "spooling")
_STYLES = {"idle": "yellow", "running": "cyan", "held": "red", "completed": "green", "removed": "red"}


def status(
    job: Annotated[
        str | None, typer.Argument(metavar="JOB", help="CLUSTER or CLUSTER.PROC; also prints why the job is idle.")
    ] = None,
    access_point: Annotated[
        str | None,
        typer.Option(
            help="`personal`, or name@host.", show_default="the personal pool if it runs, else the local HTCondor"
        ),
    ] = None,
    pool: Annotated[str | None, typer.Option(help="The collector of a remote access point, host or host:port.")] = None,
    session: Annotated[str | None, typer.Option(help="Only the jobs of this session.")] = None,
    why: Annotated[bool, typer.Option("--why", help="Print why idle jobs are idle.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, with times in ISO format, seconds and bytes.")
    ] = False,
) -> None:
    """Print your jobs of condor_futures in the queue, with states, hosts, run times, and why they are held or idle.

    The exit status is 3 if you name the personal pool and it is not running.
    """
    constraint = constraint_for(job, session)
    with connected(locate(access_point, pool)) as helper:
        jobs = query_jobs(helper, constraint, mine=True, why=why or job is not None)
        name = helper.about.get("Name") or str(helper.location)
    if job is not None and not jobs:
        raise CondorFuturesError(f"{name} has no job {job} of yours in its queue that condor_futures submitted")
    if as_json:
        print_json(jobs)
    elif jobs:
        _print(jobs)
    else:
        console.print(f"No jobs of condor_futures are in the queue of {name}.", highlight=False, soft_wrap=True)


def constraint_for(job: str | None, session: str | None) -> str:
    """Return the ClassAd expression for a job, a cluster, the jobs of a session, or all jobs of condor_futures."""
    parts = [f"{attributes.SESSION} =!= undefined"]
    if session is not None:
        if not re.fullmatch(r"[\w.-]+", session, re.ASCII):
            raise CondorFuturesError(f"{session!r} is not a session id, such as 20261121-084209-d88b1a6b")
        parts = [constraint_of(session)]
    if job is not None:
        number = re.fullmatch(r"(\d+)(?:\.(\d+))?", job)
        if number is None:
            raise CondorFuturesError(f"{job!r} is not a job id of the form CLUSTER or CLUSTER.PROC")
        parts.append(f"ClusterId == {number[1]}")
        if number[2] is not None:
            parts.append(f"ProcId == {number[2]}")
    return " && ".join(parts)


def locate(access_point: str | None, pool: str | None) -> Location:
    """Return the access point to query; never start a pool."""
    if pool is not None:
        if access_point in (None, "personal"):
            raise CondorFuturesError("--pool needs the name of an access point: add --access-point NAME")
        return Location(pool, access_point)
    if access_point in (None, "personal"):
        personal = PersonalPool()
        if personal.is_running:
            return Location(environment=personal.environment())
        if access_point == "personal":
            complain(PersonalPoolError(f"no personal pool runs in {personal.directory}"))
            raise typer.Exit(3)
    return Location.parse(access_point)


@contextlib.contextmanager
def connected(location: Location) -> Iterator[AccessPoint]:
    """Connect to the access point, until the block ends."""
    helper = AccessPoint(location, patience=5.0)
    helper.connect(advice="`condor-futures pool start`, then --access-point personal")
    try:
        yield helper
    finally:
        helper.close()


def _print(jobs: Sequence[JobInfo]) -> None:
    for session, group in itertools.groupby(sorted(jobs, key=lambda job: job.session), lambda job: job.session):
        members = list(group)
        table = Table(title=Text.assemble(("session ", "dim"), session), title_justify="left", box=None, padding=(0, 2))
        for column in ("job", "state", "calls", "host", "run time", "memory"):
            right = column in ("calls", "run time", "memory")
            table.add_column(column, justify="right" if right else "left", overflow="fold")
        named = any(job.names for job in members)
        if named:
            table.add_column("name", overflow="fold")
        if any(job.progress for job in members):
            table.add_column("progress", overflow="fold")
        for alike in _rows(members):
            table.add_row(*_cells(alike, named=named))
        print_table(table)
        counts = Counter(job.state for job in members)
        console.print(Text(", ".join(f"{number} {state}" for state, number in counts.items()), "bold"))
        _print_reasons(members)
        console.print()


def _rows(jobs: Sequence[JobInfo]) -> Iterator[list[JobInfo]]:
    """Yield the jobs of each row; consecutive waiting jobs of a cluster share a row, because there may be thousands."""

    def row(job: JobInfo) -> tuple[str, ...]:
        waits = job.state in _WAITS and job.started is None
        return (job.job_id.split(".")[0] if waits else job.job_id, job.state)

    for _, group in itertools.groupby(jobs, row):
        yield list(group)


def _cells(alike: Sequence[JobInfo], *, named: bool) -> list[str | Text]:
    first, last = alike[0], alike[-1]
    name = first.job_id if first is last else f"{first.job_id} to {last.job_id}"
    calls = sum(job.calls or 0 for job in alike)
    return [
        name,
        Text(first.state, _STYLES.get(first.state, "")),
        "warm" if first.warm else str(calls or ""),
        Text(first.host or ""),
        _duration(first.run_time) if first.started is not None else "",
        f"{first.memory / 2**20:.0f} MiB" if first.memory else "",
        *([_name([name for job in alike for name in job.names])] if named else []),
        *([Text(f"{first.progress.fraction:.0%} {first.progress.text}")] if first.progress else []),
    ]


def _name(names: Sequence[str]) -> Text:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return Text(f"{names[0]}{more}" if names else "")


def _print_reasons(jobs: Sequence[JobInfo]) -> None:
    """Print each reason once, with the jobs that it applies to."""
    reasons: dict[str, list[str]] = {}
    for job in jobs:
        if job.hold_reason is not None:
            codes = f"code {job.hold_code}, subcode {job.hold_subcode}"
            reasons.setdefault(f"held: {job.hold_reason} ({codes})", []).append(job.job_id)
        if job.why_idle is not None:
            reasons.setdefault(f"idle: {job.why_idle}", []).append(job.job_id)
    for reason, job_ids in reasons.items():
        more = f" and {len(job_ids) - 1} more" if len(job_ids) > 1 else ""
        console.print(Text(f"{job_ids[0]}{more}: {reason}"), soft_wrap=True)


def _duration(time: timedelta) -> str:
    minutes, seconds = divmod(int(time.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
