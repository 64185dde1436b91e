"""How long to leave the access point alone after it has failed to do something."""

from __future__ import annotations

import time

__all__ = ["AGAIN", "ATTEMPTS", "Pause"]

#: What fails is asked for again after so many seconds, each time twice as many, up to a minute; so often, unless the
#: access point is away, which gives up nothing.
ATTEMPTS, AGAIN = 5, 2.0


class Pause:
    """How long to leave the access point alone after failures. It belongs to the thread that asks."""

    def __init__(self) -> None:
        self.failures = 0
        self._counted = 0
        self._until = 0.0

    def failed(self, *, counts: bool = True) -> bool:
        """Take note of a failure; True if it is worth another attempt."""
        self.failures += 1
        self._counted += counts
        self._until = time.monotonic() + AGAIN * 2 ** min(self.failures, ATTEMPTS)
        return self._counted < ATTEMPTS

    def succeeded(self) -> None:
        """Forget the failures."""
        self.failures = self._counted = 0
        self._until = 0.0

    def left(self) -> float:
        """Seconds until the next attempt."""
        return max(self._until - time.monotonic(), 0.0)
