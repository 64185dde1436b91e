"""The text of a progress line: pure functions of the counts of calls, of what the calls report, and of the time."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from rich.cells import cell_len, set_cell_size

from condor_futures.future import Progress

__all__ = ["Calls", "Pace", "Part", "fit", "parts"]

_STYLES = {
    "pending": "dim",
    "idle": "yellow",
    "running": "cyan",
    "held": "red",
    "completed": "dim",
    "failed": "red",
    "cancelled": "dim",
}
_ENDS = ("done", "failed", "cancelled")
_GAP = "   "
_BAR = 12  # characters


class Calls(Protocol):
    """What is shown: an executor, or what it keeps of its calls."""

    def counts(self) -> Mapping[str, int]:
        """Return the number of calls in each state."""

    def reports(self) -> Mapping[str, Progress]:
        """Return the last reports of the running calls."""


class Part(NamedTuple):
    """A part of the line.

    Attributes:
        text: its text.
        style: how it looks: the name of a colour, ``"dim"`` or nothing.
        rank: parts of higher ranks are left out first where the line is too long; those of rank 0 never.

    """

    text: str
    style: str = ""
    rank: int = 0


class Pace:
    """The number of calls that end in a second, as a mean over the last minute. It belongs to the thread that draws.

    >>> pace = Pace()
    >>> [pace.observe(time, ended) for time, ended in [(0.0, 0), (2.0, 3), (4.0, 6), (64.0, 6)]]
    [None, 1.5, 1.5, 0.0]

    """

    WINDOW = 60.0  # s

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def observe(self, time: float, ended: int) -> float | None:
        """Take the number of calls that have ended by *time*, in seconds; return the pace, or None for not known."""
        while len(self._seen) > 1 and self._seen[1][0] <= time - self.WINDOW:
            self._seen.popleft()
        self._seen.append((time, ended))
        first, before = self._seen[0]
        return (ended - before) / (time - first) if time > first and ended else None


def ended(counts: Mapping[str, int]) -> int:
    """Return the number of calls that have ended.

    >>> ended({"done": 2, "failed": 1, "running": 7})
    3

    """
    return sum(counts.get(end, 0) for end in _ENDS)


def parts(
    description: str,
    counts: Mapping[str, int],
    reports: Sequence[Progress] = (),
    *,
    elapsed: float = 0.0,
    pace: float | None = None,
) -> list[Part]:
    """Return the parts of a line.

    Args:
        description: the name of the calls.
        counts: the number of calls in each state.
        reports: what the running calls say of themselves.
        elapsed: seconds since the first call.
        pace: the calls that end in a second, if it is known.

    >>> fit(parts("spectra", {"done": 30, "running": 8, "idle": 62}, elapsed=60.0, pace=0.5), 200)
    'spectra: 30/100 done   idle 62   running 8   held 0   0.5/s   2:20 left   60 s'

    """
    total = sum(counts.values())
    line = [Part(f"{description}: {counts.get('done', 0)}/{total} done")]
    for state, style in _STYLES.items():
        # Idle, running and held always have a place, so that the line does not jump. Other states appear only if they
        # have calls.
        count = counts.get(state, 0)
        if state in ("idle", "running", "held") or count:
            line.append(Part(f"{state} {count}", style if count else "dim", rank=1 if count else 6))
    left = total - ended(counts)
    if left and pace:
        line += [Part(_rate(pace), "dim", rank=3), Part(f"{_time(left / pace)} left", rank=2)]
    line += _reports(reports)
    line.append(Part(_time(elapsed), "dim", rank=5))
    return line


def _reports(reports: Sequence[Progress]) -> list[Part]:
    """Return what the running calls have reported: the mean, and the text if it is the only one."""
    if not reports:
        return []
    mean = sum(report.fraction for report in reports) / len(reports)
    of = f" of {len(reports)} calls" if len(reports) > 1 else ""
    what = f", {reports[0].text}" if len(reports) == 1 and reports[0].text else ""
    return [Part(f"reported {mean:.0%}{of}{what}", "cyan", rank=3)]


def _rate(pace: float) -> str:
    if pace >= 10:  # noqa: PLR2004
        return f"{pace:,.0f}/s"
    return f"{pace:.1f}/s" if pace >= 0.1 else f"{60 * pace:.1f}/min"  # noqa: PLR2004


def _time(seconds: float) -> str:
    """Return a time span.

    >>> _time(99.4), _time(140), _time(3 * 3600 + 120)
    ('99 s', '2:20', '3:02:00')

    """
    if seconds < 100:  # noqa: PLR2004
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def bar(counts: Mapping[str, int]) -> Part:
    """Return a bar of the calls that have ended.

    >>> bar({"done": 3, "running": 1}).text
    '━━━━━━━━━───'

    """
    total = sum(counts.values())
    full = _BAR * ended(counts) // total if total else 0
    return Part("━" * full + "─" * (_BAR - full), "green", rank=4)


def fit(line: Sequence[Part], width: int, styles: Mapping[str, str] | None = None) -> str:
    """Return the text of a line that is no wider than *width* columns of a terminal.

    Args:
        line: its parts.
        width: the most columns.
        styles: the text that switches to a style, by the name of the style; None for none.

    >>> fit([Part("2/4 done"), Part("idle 0", rank=5), Part("running 2", rank=1)], 20)
    '2/4 done   running 2'

    """
    kept = list(line)
    while (wide := cell_len(_GAP.join(part.text for part in kept))) > width and any(part.rank for part in kept):
        kept.remove(max(kept, key=lambda part: part.rank))
    if wide > width:
        return set_cell_size(_GAP.join(part.text for part in kept), width)
    if styles is None:
        return _GAP.join(part.text for part in kept)
    return _GAP.join(
        f"{styles[part.style]}{part.text}{styles['']}" if part.style and part.style in styles else part.text
        for part in kept
    )
