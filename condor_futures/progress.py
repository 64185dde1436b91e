"""A progress line for the calls of an executor, or of a part of a program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from condor_futures.display.showing import show
from condor_futures.executor.condor_executor import CondorExecutor

__all__ = ["progress"]


@contextmanager
def progress(executor: CondorExecutor, description: str = "calls", *, console: Console | None = None) -> Iterator[None]:
    """Show the number of calls in each state (done, idle, running, held, ...) until the ``with`` block ends.

    The line also has the calls that end in a second, the time that the others need at this pace, and, of running calls
    that call :func:`~condor_futures.report`, the mean fraction, or the text if there is only one such call.

    In a terminal the line stays below what the program prints, and is redrawn four times a second; in a notebook the
    cell has an output that changes. Elsewhere, as in a log file, only the final line is printed.
    ``CondorExecutor(progress=True)`` shows the same for as long as the executor is used, and prints nothing elsewhere.

    Args:
        executor: the executor; the calls of executors derived from it are counted too.
        description: the name of the calls in the line.
        console: the console to print to; standard error by default.

    Example:
        >>> from condor_futures.progress import progress
        >>> with CondorExecutor(access_point="personal") as executor, progress(executor, "spectra"):
        ...     means = list(executor.map(fit, spectra))

    """
    showing = show(executor, description, stream=console.file if console is not None else None, last_line=True)
    try:
        yield
    finally:
        if showing is not None:
            showing.finish()
