"""``condor-futures demo``: the demonstration."""

from __future__ import annotations

import importlib.util
import runpy
import sys
from pathlib import Path

import typer
from rich.console import Console

import condor_futures
from condor_futures.cli.output import console
from condor_futures.cli.pool import install_htcondor
from condor_futures.errors import CondorFuturesError
from condor_futures.personal import find_htcondor

__all__ = ["demo"]


def demo(context: typer.Context) -> None:
    """Sweep the parameters of a digit classifier on a personal pool; print a table, plot digits_sweep.png."""
    missing = [name for name in ("sklearn", "matplotlib") if importlib.util.find_spec(name) is None]
    if missing:
        raise CondorFuturesError(f"the demo needs {' and '.join(missing)}; install the extra condor-futures[demo]")
    if find_htcondor() is None and not {"--access-point", "--help"}.intersection(context.args):
        release = install_htcondor()
        console.print(f"HTCondor {release.version} is installed.", highlight=False)
    script = _example("digits_sweep.py")
    sys.argv = [str(script), *context.args]
    try:
        runpy.run_path(str(script), run_name="__main__")
    except KeyboardInterrupt:
        Console(stderr=True).print("Interrupted; the jobs of the demo were removed.")
        raise typer.Exit(130) from None


def _example(name: str) -> Path:
    """Return the path of an example, in the installed package or beside it in a checkout."""
    package = Path(condor_futures.__file__).parent
    for candidate in (package / "examples" / name, package.parent / "examples" / name):
        if candidate.exists():
            return candidate
    raise CondorFuturesError(f"the example {name} is not installed")
