"""The command line: ``condor-futures``; a module for each command.

The commands run in a process of their own, which a user starts in a terminal. They print with rich, and report every
error of this package as one sentence on standard error, with an exit status.
"""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

import condor_futures
from condor_futures.cli import pool
from condor_futures.cli.demo import demo
from condor_futures.cli.doctor import doctor
from condor_futures.cli.output import complain, console
from condor_futures.cli.profiles import profiles
from condor_futures.cli.report import report
from condor_futures.cli.sessions import purge, sessions
from condor_futures.cli.show import show
from condor_futures.cli.ssh import ssh
from condor_futures.cli.status import status
from condor_futures.cli.usage import usage
from condor_futures.errors import CondorFuturesError

__all__ = ["app", "main"]

app = typer.Typer(no_args_is_help=True, help="Python calls as HTCondor jobs.")
app.add_typer(pool.app, name="pool")
app.command()(doctor)
app.command()(show)
app.command()(status)
# What follows JOB belongs to the command that runs there.
app.command(context_settings={"allow_interspersed_args": False})(ssh)
app.command()(sessions)
app.command()(purge)
app.command()(report)
app.command()(usage)
app.command()(profiles)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(demo)


def _version(wanted: bool) -> None:
    if wanted:
        console.print(f"condor-futures {condor_futures.__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Python calls as HTCondor jobs."""


def main() -> None:
    """Run the command line; report an error that the user can fix as a sentence and exit status 1, not a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr has it: some file names cannot be encoded
    try:
        app()
    except (CondorFuturesError, OSError) as error:
        complain(error)
        sys.exit(1)
