"""``condor-futures pool``: a personal pool."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from condor_futures.cli.output import console, print_table
from condor_futures.personal import HTCondorRelease, PersonalPool, default_pool_directory, find_htcondor, install

__all__ = ["app", "install_htcondor"]

app = typer.Typer(no_args_is_help=True, help="A personal HTCondor pool: HTCondor on this machine, without root.")

Directory = Annotated[
    Path | None,
    typer.Option("--directory", "-d", help="The pool's directory.", show_default=str(default_pool_directory())),
]


def install_htcondor() -> HTCondorRelease:
    """Install HTCondor with a progress bar."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("Installing HTCondor", total=None)

        def show(step: str, share: float | None) -> None:
            bar.update(task, description=step, total=1.0, completed=share or 0.0)

        return install(show)


@app.command("install")
def pool_install() -> None:
    """Install HTCondor below ~/.local/share, without root, from Debian's archive, and check the archive's signature."""
    found = find_htcondor()
    release = found if found is not None and found.source == "installed" else install_htcondor()
    console.print(f"HTCondor {release.version} is in {release.prefix}", highlight=False, soft_wrap=True)


@app.command("start")
def pool_start(
    directory: Directory = None,
    slots: Annotated[
        int | None,
        typer.Option(
            min=1, help="The number of cores that the pool offers.", show_default="this machine's, at least 4"
        ),
    ] = None,
) -> None:
    """Start a personal pool that runs until `condor-futures pool stop`."""
    personal = PersonalPool(directory, slots=slots)
    with console.status("Starting HTCondor ..."):
        personal.start(persistent=True)
    console.print(f"The personal pool in {personal.directory} is ready.", highlight=False, soft_wrap=True)
    console.print(
        f"To use HTCondor's own tools: export CONDOR_CONFIG={shlex.quote(str(personal.config_file))}",
        highlight=False,
        soft_wrap=True,
    )
    personal.close()


@app.command("stop")
def pool_stop(directory: Directory = None) -> None:
    """Stop the personal pool, even if another program started it."""
    personal = PersonalPool(directory)
    ran = personal.is_running
    used = "; programs that use the pool wait until it is started again" if ran and personal.in_use else ""
    with console.status("Stopping HTCondor ..."):
        personal.stop()
    what = "is stopped" if ran else "was not running"
    console.print(f"The personal pool in {personal.directory} {what}{used}.", soft_wrap=True)


@app.command("status")
def pool_status(directory: Directory = None) -> None:
    """Print the status of the personal pool. The exit status is 3 if the pool is not running."""
    status = PersonalPool(directory).status()
    table = Table.grid(Column(), Column(overflow="fold"), padding=(0, 2))
    table.add_row("directory", str(status.directory))
    table.add_row("state", "running" if status.running else "not running")
    if status.running:
        table.add_row("HTCondor", status.version or "?")
        table.add_row("condor_master", f"pid {status.pid}")
        table.add_row("runs until", "`pool stop`" if status.persistent else "its last user exits")
        table.add_row("cores", str(status.slots))
        table.add_row("users", str(status.users))
        table.add_row("jobs", ", ".join(f"{number} {state}" for state, number in status.jobs.items()) or "none")
    print_table(table)
    if not status.running:
        raise typer.Exit(3)
