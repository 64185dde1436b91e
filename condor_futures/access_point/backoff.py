"""Pauses between attempts that fail, each longer than the one before. The client and the helper process use them."""

from __future__ import annotations

import math
import time

from condor_futures.ownership import owned

__all__ = ["AGAIN", "ATTEMPTS", "Backoff", "Pause"]


class Backoff:
    """The lengths of successive pauses, from *shortest* to *longest* seconds. It never changes.

    Each pause is *factor* times as long as the one before.

    >>> backoff = Backoff(1.0, 5.0)
    >>> [backoff.pause(number) for number in range(4)]
    [1.0, 2.0, 4.0, 5.0]

    """

    def __init__(self, shortest: float, longest: float, factor: float = 2.0) -> None:
        self.shortest = shortest
        self.longest = longest
        self.factor = factor

    def pause(self, number: int) -> float:
        """Return the length in seconds of the pause with this *number*, which counts from 0."""
        return min(self.shortest * self.factor ** min(number, 100), self.longest)  # far more would be an OverflowError


#: The pauses before a failed request is repeated, and the number of attempts. The client never gives up because the
#: access point is unreachable.
AGAIN, ATTEMPTS = Backoff(4.0, 64.0), 5


@owned()
class Pause:
    """Tells when, and whether, to retry an operation. It belongs to the thread that retries.

    Attributes:
        failures: the number of failures in a row.

    """

    def __init__(self, backoff: Backoff, attempts: float = math.inf) -> None:
        """Allow the first attempt at once.

        Args:
            backoff: the pauses between the attempts.
            attempts: the number of failures in a row that is too many; only failures that count are counted.

        """
        self.failures = 0
        self._backoff = backoff
        self._attempts = attempts
        self._counted = 0
        self._until = 0.0

    def failed(self, *, counts: bool = True) -> bool:
        """Record a failure; return whether to make another attempt."""
        self._until = time.monotonic() + self._backoff.pause(self.failures)
        self.failures += 1
        self._counted += counts
        return self._counted < self._attempts

    def succeeded(self) -> None:
        """Forget the failures."""
        self.failures = self._counted = 0
        self._until = 0.0

    def left(self) -> float:
        """Return the seconds until the next attempt."""
        return max(self._until - time.monotonic(), 0.0)
