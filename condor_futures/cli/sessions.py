"""``condor-futures sessions`` and ``purge``: the sessions on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from condor_futures.cli.output import complain, console, print_json, print_table
from condor_futures.errors import AccessPointError, CondorFuturesError
from condor_futures.session.finding import sessions_directory
from condor_futures.sessions import SessionInfo
from condor_futures.sessions import purge as purge_session
from condor_futures.sessions import sessions as find_sessions

__all__ = ["purge", "sessions"]

_STYLES = {"in use": "cyan", "left": "yellow", "finished": "green"}


def sessions(
    directories: Annotated[
        list[Path] | None, typer.Argument(metavar="[DIRECTORY]...", help="Other sessions, or directories of sessions.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, with times in ISO format and sizes in bytes.")
    ] = False,
) -> None:
    """List your sessions, which are in use, left with unfinished work, or finished."""
    found = find_sessions(*(directories or ()))
    if as_json:
        print_json(found)
    elif found:
        _print(found)
    else:
        console.print(f"There are no sessions in {sessions_directory()}.", highlight=False, soft_wrap=True)


def purge(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[SESSION]...", help="Session ids or directories.")
    ] = None,
    finished: Annotated[
        bool, typer.Option("--finished", help="Remove all finished sessions that `sessions` lists.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Remove only the directory if the access point does not answer or no longer exists."
        ),
    ] = False,
) -> None:
    """Remove sessions and all their jobs: in the queue, running, and in the spool directory."""
    wanted: list[str | Path] = list(names or ())
    if finished:
        wanted += [session.directory for session in find_sessions() if session.state == "finished"]
    if "" in wanted or not (wanted or finished):  # before any of them is removed
        raise CondorFuturesError("name the sessions to remove, as `condor-futures sessions` lists them")
    failed = False
    for name in wanted:
        try:
            removed = purge_session(name, force=force)
        except CondorFuturesError as error:
            failed = True
            advice = " (--force)" if isinstance(error, AccessPointError) else ""
            complain(type(error)(f"{error}{advice}"))
        else:
            jobs = f", with {removed} job{'s' if removed > 1 else ''}" if removed else ""
            console.print(f"{name} is removed{jobs}.", highlight=False, soft_wrap=True)
    if failed:
        raise typer.Exit(1)


def _print(found: Sequence[SessionInfo]) -> None:
    table = Table(box=None, padding=(0, 2))
    for column in ("session", "state", "calls", "ended", "started", "size", "access point"):
        table.add_column(column, justify="right" if column in ("calls", "ended", "size") else "left", overflow="fold")
    default = sessions_directory()
    for session in found:
        here = session.directory.parent == default
        by = f" by {session.pid} on {session.client}" if session.pid is not None else ""
        table.add_row(
            Text(session.id if here else str(session.directory)),
            Text(session.state + by, _STYLES[session.state]),
            str(session.calls),
            str(session.ended),
            f"{session.started:%Y-%m-%d %H:%M}",
            decimal(session.size),
            Text(_where(session)),
        )
    print_table(table)


def _where(session: SessionInfo) -> str:
    if session.dag == "":
        return "DAG, not written"
    access_point = session.access_point
    name = f"{access_point[1]} in {access_point[0]}" if isinstance(access_point, tuple) else access_point or "local"
    return f"{name} (DAG {session.dag})" if session.dag else name
