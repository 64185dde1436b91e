"""``condor-futures usage``: the time and the resources that the calls of a session used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final

import typer
from rich.table import Table
from rich.text import Text

from condor_futures.cli.output import console, print_json, print_table
from condor_futures.sessions import usage as usage_of

__all__ = ["usage"]

_QUANTILES: Final = {"min": 0.0, "median": 0.5, "90 %": 0.9, "99 %": 0.99, "max": 1.0}


def usage(
    session: Annotated[str, typer.Argument(metavar="SESSION", help="The id or the directory of a session.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, one object for each call, in seconds and bytes.")
    ] = False,
) -> None:
    """Print the time and the resources that the calls of a session, and their jobs, used."""
    calls = usage_of(session)
    if as_json:
        print_json(calls)
    elif calls:
        _print(calls)
    else:
        console.print(f"No call of the session {session} has an outcome yet.", highlight=False, soft_wrap=True)


def _print(calls: Sequence[Mapping[str, Any]]) -> None:
    jobs = list({call["job_id"]: call for call in calls if call["job_id"] is not None}.values())
    table = Table(box=None, padding=(0, 2))
    table.add_column()
    for column in ("known of", *_QUANTILES):
        table.add_column(column, justify="right")
    for rows, of, name, title, show in (
        (calls, "calls", "wall", "run time", _time),
        (calls, "calls", "cpu", "CPU time", _time),
        (calls, "calls", "waited", "wait until the start", _time),
        (calls, "calls", "memory", "memory of the process", _size),
        (jobs, "jobs", "job_memory", "memory of the job", _size),
        (jobs, "jobs", "requested_memory", "requested memory", _size),
        (jobs, "jobs", "job_disk", "disk of the job", _size),
        (jobs, "jobs", "requested_disk", "requested disk", _size),
        (jobs, "jobs", "job_queued", "wait in the queue", _time),
    ):
        _add(table, rows, of, name, title, show)
    results = Counter(call["result"] for call in calls)
    print_table(table)
    told = ", ".join(f"{number} {result}" for result, number in results.items())
    of_jobs = f"{len(jobs)} job{'s' if len(jobs) != 1 else ''}"
    console.print(Text(f"{len(calls)} call{'s' if len(calls) != 1 else ''} ({told}), {of_jobs}", "bold"))


def _add(
    table: Table, rows: Sequence[Mapping[str, Any]], of: str, name: str, title: str, show: Callable[[float], str]
) -> None:
    values = sorted(row[name] for row in rows if row[name] is not None)
    if values:
        cells = [show(values[round(share * (len(values) - 1))]) for share in _QUANTILES.values()]
        table.add_row(Text(title, "bold"), f"{len(values)} {of}", *cells)


def _time(seconds: float) -> str:
    """Return a time in words.

    >>> _time(0.0021), _time(75.3), _time(7384.0)
    ('0.002 s', '75.3 s', '2:03:04')
    """
    if seconds >= 600:  # noqa: PLR2004
        return f"{int(seconds // 3600)}:{int(seconds // 60 % 60):02}:{int(seconds % 60):02}"
    return f"{seconds:.3f} s" if seconds < 10 else f"{seconds:.1f} s"  # noqa: PLR2004


def _size(size: float) -> str:
    """Return a size in MiB, the unit of ``request_memory``.

    >>> _size(3 * 2**19)
    '1.5 MiB'
    """
    return f"{size / 2**20:,.1f} MiB"
