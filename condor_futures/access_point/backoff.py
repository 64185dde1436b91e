"""Pauses between attempts that fail, each longer than the one before. Client and helper process use it."""

from __future__ import annotations

import math
import time

from condor_futures.ownership import owned

__all__ = ["AGAIN", "ATTEMPTS", "Backoff", "Pause"]


class Backoff:
    """The lengths of pauses: *shortest* seconds, each time *factor* times as many, up to *longest*.

    >>> backoff = Backoff(1.0, 5.0)
    >>> [backoff.pause(number) for number in range(4)]
    [1.0, 2.0, 4.0, 5.0]

    """

    def __init__(self, shortest: float, longest: float, factor: float = 2.0) -> None:
        self.shortest = shortest
        self.longest = longest
        self.factor = factor

    def pause(self, number: int) -> float:
        """Seconds of the pause of this *number*, from 0."""
        return min(self.shortest * self.factor ** min(number, 100), self.longest)  # far more would be an OverflowError


#: What fails is asked for again after these pauses; so often, unless the access point is away, which gives up nothing.
AGAIN, ATTEMPTS = Backoff(4.0, 64.0), 5


@owned()
class Pause:
    """When something that failed may be tried again, and whether. It belongs to the thread that asks.

    Attributes:
        failures: so often it has failed in a row.

    """

    def __init__(self, backoff: Backoff, attempts: float = math.inf) -> None:
        """Make it.

        Args:
            backoff: the pauses between the attempts.
            attempts: how many failures in a row that count are too many.

        """
        self.failures = 0
        self._backoff = backoff
        self._attempts = attempts
        self._counted = 0
        self._until = 0.0

    def failed(self, *, counts: bool = True) -> bool:
        """Take note of a failure; return whether another attempt makes sense."""
        self._until = time.monotonic() + self._backoff.pause(self.failures)
        self.failures += 1
        self._counted += counts
        return self._counted < self._attempts

    def succeeded(self) -> None:
        """Forget the failures."""
        self.failures = self._counted = 0
        self._until = 0.0

    def left(self) -> float:
        """Seconds until the next attempt."""
        return max(self._until - time.monotonic(), 0.0)
