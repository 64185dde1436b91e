"""A progress line for the calls of an executor."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from condor_futures.executor.condor_executor import CondorExecutor
from condor_futures.future import Progress

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


def _reports(reports: Sequence[Progress]) -> list[Text]:
    """Return what the running calls have reported: the mean, and the text if it is the only one."""
    if not reports:
        return []
    mean = sum(report.fraction for report in reports) / len(reports)
    of = f" of {len(reports)} calls" if len(reports) > 1 else ""
    what = f", {reports[0].text}" if len(reports) == 1 and reports[0].text else ""
    return [Text(f"reported {mean:.0%}{of}{what}", style="cyan")]


@contextmanager
def progress(executor: CondorExecutor, description: str = "calls", *, console: Console | None = None) -> Iterator[None]:
    """Show the number of calls in each state (done, idle, running, held, ...) until the ``with`` block ends.

    Of running calls that call :func:`~condor_futures.report`, the line shows the mean fraction, and the text if there
    is only one such call.

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
        parts += _reports(list(executor.reports().values()))
        parts.append(Text(f"{time.monotonic() - began:.0f} s", style="dim"))
        return Text("   ").join(parts)

    console = console or Console(stderr=True)
    try:
        with Live(get_renderable=line, console=console, refresh_per_second=4):
            yield
    finally:
        if not console.is_terminal:
            console.print()  # Live ends its one line only in a terminal
