"""``condor-futures status``: the jobs of condor_futures on an access point."""

from __future__ import annotations

import itertools
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from condor_futures.access_point.job_info import JobInfo, query_jobs
from condor_futures.access_point.requests import AccessPoint
from condor_futures.cli.locating import AccessPointName, CollectorName, connected, constraint_for, locate
from condor_futures.cli.output import console, print_json, print_table
from condor_futures.errors import CondorFuturesError
from condor_futures.status_screen.rows import duration, is_waiting

__all__ = ["status"]

_STYLES = {"idle": "yellow", "running": "cyan", "held": "red", "completed": "green", "removed": "red"}


def status(
    job: Annotated[
        str | None, typer.Argument(metavar="JOB", help="CLUSTER or CLUSTER.PROC; also prints why the job is idle.")
    ] = None,
    access_point: AccessPointName = None,
    pool: CollectorName = None,
    session: Annotated[str | None, typer.Option(help="Only the jobs of this session.")] = None,
    why: Annotated[bool, typer.Option("--why", help="Print why idle jobs are idle.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show a live table, with the output of calls, and keys to act on jobs.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, with times in ISO format, seconds and bytes.")
    ] = False,
) -> None:
    """Print your jobs of condor_futures in the queue, with states, hosts, run times, and why they are held or idle.

    The exit status is 3 if you name the personal pool and it is not running.
    """
    if watch and (as_json or why):
        raise typer.BadParameter(f"--watch cannot be used with {'--json' if as_json else '--why'}")
    constraint = constraint_for(job, session)
    if watch:
        run = _screen()
        with connected(locate(access_point, pool)) as helper:
            run(helper, constraint)
        return
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


def _screen() -> Callable[[AccessPoint, str], None]:
    """Return what shows the live table; raise a CondorFuturesError if that is not possible here."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM", "dumb") == "dumb":
        raise CondorFuturesError("--watch needs a terminal; without --watch, the command prints the table once")
    try:
        from condor_futures.status_screen.screen import StatusScreen
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "textual":
            raise
        raise CondorFuturesError(
            "--watch is drawn by textual, which is not installed here: pip install 'condor-futures[watch]'"
        ) from None
    from condor_futures.status_screen.source import Source

    return lambda helper, constraint: StatusScreen(Source(helper, constraint)).run()


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
        return (job.job_id.split(".")[0] if is_waiting(job) else job.job_id, job.state)

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
        duration(first.run_time) if first.started is not None else "",
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
