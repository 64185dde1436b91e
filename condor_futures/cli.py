"""The command line: ``condor-futures``."""

from __future__ import annotations

import importlib.util
import runpy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

import condor_futures
from condor_futures.errors import CondorFuturesError
from condor_futures.personal import HTCondorRelease, PersonalPool, default_pool_directory, find_htcondor, install

__all__ = ["app", "main"]

app = typer.Typer(no_args_is_help=True, help="Python calls as HTCondor jobs.")
pool = typer.Typer(no_args_is_help=True, help="A personal HTCondor pool: HTCondor on this machine, without root.")
app.add_typer(pool, name="pool")

console = Console()

Directory = Annotated[
    Path | None,
    typer.Option(
        "--directory", "-d", help=f"Where the pool lives. [default: {default_pool_directory()}]", show_default=False
    ),
]


@contextmanager
def _errors() -> Iterator[None]:
    """A sentence instead of a traceback for what the user can mend."""
    try:
        yield
    except CondorFuturesError as error:
        Console(stderr=True).print(
            f"[red]{type(error).__name__}[/red]: {escape(str(error))}", highlight=False, soft_wrap=True
        )
        raise typer.Exit(1) from None


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


def _install() -> HTCondorRelease:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("Installing HTCondor", total=None)

        def show(step: str, share: float | None) -> None:
            bar.update(task, description=step, total=1.0, completed=share or 0.0)

        return install(show)


@pool.command("install")
def pool_install() -> None:
    """Get HTCondor for this user, without root: from Debian's archive, its signature checked, below ~/.local/share."""
    with _errors():
        found = find_htcondor()
        release = found if found is not None and found.source == "installed" else _install()
    console.print(f"HTCondor {release.version} is in {release.prefix}", highlight=False, soft_wrap=True)


@pool.command("start")
def pool_start(
    directory: Directory = None,
    slots: Annotated[
        int | None, typer.Option(help="Cores that the pool offers. [default: this machine's, at least 4]")
    ] = None,
) -> None:
    """Start a personal pool that stays until `condor-futures pool stop`."""
    with _errors():
        personal = PersonalPool(directory, slots=slots)
        with console.status("Starting HTCondor ..."):
            personal.start(persistent=True)
        console.print(f"The personal pool in {personal.directory} is ready.", highlight=False, soft_wrap=True)
        console.print(
            f"For HTCondor's own tools: export CONDOR_CONFIG={personal.config_file}", highlight=False, soft_wrap=True
        )
        personal.close()


@pool.command("stop")
def pool_stop(directory: Directory = None) -> None:
    """Stop the personal pool, whoever started it."""
    with _errors():
        personal = PersonalPool(directory)
        ran = personal.is_running
        with console.status("Stopping HTCondor ..."):
            personal.stop()
    console.print(
        f"The personal pool in {personal.directory} {'is stopped' if ran else 'was not running'}.", soft_wrap=True
    )


@pool.command("status")
def pool_status(directory: Directory = None) -> None:
    """Say whether the personal pool runs, and what it does. Exit status 3 if it does not run."""
    with _errors():
        status = PersonalPool(directory).status()
    table = Table.grid(padding=(0, 2))
    table.add_row("directory", str(status.directory))
    table.add_row("state", "running" if status.running else "not running")
    if status.running:
        table.add_row("HTCondor", status.version or "?")
        table.add_row("condor_master", f"pid {status.pid}")
        table.add_row("stays until", "`pool stop`" if status.persistent else "its last user leaves")
        table.add_row("cores", str(status.slots))
        table.add_row("users", str(status.users))
        table.add_row("jobs", ", ".join(f"{number} {state}" for state, number in status.jobs.items()) or "none")
    console.print(table)
    if not status.running:
        raise typer.Exit(3)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def demo(context: typer.Context) -> None:
    """Sweep the parameters of a digit classifier on a personal pool: a table, and a heat map in digits_sweep.png."""
    missing = [name for name in ("sklearn", "matplotlib") if importlib.util.find_spec(name) is None]
    with _errors():
        if missing:
            raise CondorFuturesError(f"the demo needs {' and '.join(missing)}: pip install 'condor-futures[demo]'")
        if find_htcondor() is None and not {"--access-point", "--help"}.intersection(context.args):
            release = _install()
            console.print(f"HTCondor {release.version} is installed.", highlight=False)
        script = _example("digits_sweep.py")
        sys.argv = [str(script), *context.args]
        try:
            runpy.run_path(str(script), run_name="__main__")
        except KeyboardInterrupt:
            Console(stderr=True).print("Interrupted; its jobs were removed.")
            raise typer.Exit(130) from None


def _example(name: str) -> Path:
    """In the installed package, or beside it in a checkout."""
    package = Path(condor_futures.__file__).parent
    for candidate in (package / "examples" / name, package.parent / "examples" / name):
        if candidate.exists():
            return candidate
    raise CondorFuturesError(f"the example {name} is not installed")


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
