"""How many intervals are open in each of equal time bins; the time to add an interval does not depend on its length."""

from __future__ import annotations

__all__ = ["Occupancy"]


class Occupancy:
    """The mean number of intervals that are open in each bin.

    >>> busy = Occupancy(0.0, 4.0, 4)
    >>> busy.add(0.5, 3.0)
    >>> busy.add(1.0, 2.0)
    >>> busy.means()
    [0.5, 2.0, 1.0, 0.0]

    """

    def __init__(self, begin: float, end: float, bins: int) -> None:
        """Make *bins* bins from *begin* to *end*, in seconds."""
        self._begin = begin
        self._width = (end - begin) / bins
        self._parts = [0.0] * bins
        self._steps = [0.0] * (bins + 1)

    def add(self, start: float, end: float) -> None:
        """Add one interval. The part of it outside the bins does not count."""
        bins = len(self._parts)
        low = min(max((start - self._begin) / self._width, 0.0), bins)
        high = min(max((end - self._begin) / self._width, 0.0), bins)
        if high <= low:
            return
        first, last = int(low), int(high)
        if first == last:
            self._parts[first] += high - low
            return
        self._parts[first] += first + 1 - low
        self._steps[first + 1] += 1
        self._steps[last] -= 1
        if last < bins:
            self._parts[last] += high - last

    def means(self) -> list[float]:
        """Return the mean number of open intervals, by bin."""
        means = []
        whole = 0.0
        for part, step in zip(self._parts, self._steps, strict=False):
            whole += step
            means.append(whole + part)
        return means
