"""A progress line for the calls of an executor."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from condor_futures.executor.condor_executor import CondorExecutor

__all__ = ["progress"]

_STYLES = {
    "pending": "dim",
    "idle": "yellow",
    "running": "cyan",
    "held": "red",
    "completed": "dim",
    "failed": "red",
    "cancelled": "dim",
}


@contextmanager
def progress(executor: CondorExecutor, description: str = "calls", *, console: Console | None = None) -> Iterator[None]:
    """Show the number of calls in each state (done, idle, running, held, ...) until the ``with`` block ends.

    In a terminal the line is redrawn four times a second. Elsewhere, as in a log file, only the final line is printed.

    Args:
        executor: the executor; the calls of executors derived from it are counted too.
        description: the name of the calls in the line.
        console: the console to print to; standard error by default.

    Example:
        >>> from condor_futures.progress import progress
        >>> with CondorExecutor(access_point="personal") as executor, progress(executor, "spectra"):
        ...     means = list(executor.map(fit, spectra))

    """
    began = time.monotonic()

    def line() -> Text:
        counts = executor.counts()
        total = sum(counts.values())
        parts = [Text(f"{description}: {counts['done']}/{total} done")]
        for state, style in _STYLES.items():
            # Idle, running and held always have a place, so that the line does not jump. Other states appear only if
            # they have calls.
            if state in ("idle", "running", "held") or counts[state]:
                parts.append(Text(f"{state} {counts[state]}", style=style if counts[state] else "dim"))
        parts.append(Text(f"{time.monotonic() - began:.0f} s", style="dim"))
        return Text("   ").join(parts)

    console = console or Console(stderr=True)
    try:
        with Live(get_renderable=line, console=console, refresh_per_second=4):
            yield
    finally:
        if not console.is_terminal:
            console.print()  # Live ends its one line only in a terminal
