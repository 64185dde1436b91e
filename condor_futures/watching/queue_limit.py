"""Estimates from refusals how many jobs the access point accepts, because it does not publish its limits.

MAX_JOBS_PER_OWNER and MAX_JOBS_SUBMITTED also count jobs of other sessions and other users. They include jobs that have
left since the schedd's last count, which takes place every SCHEDD_INTERVAL. A spool directory has limited space. So
refused jobs are retried after some time.
"""

from __future__ import annotations

import math

from condor_futures.access_point.backoff import Backoff
from condor_futures.ownership import owned

__all__ = ["QueueLimit"]

#: The pauses before trying more jobs than were accepted last time; longer after each refusal if no job has left.
AGAIN = Backoff(1.0, 30.0)
#: From a pause of this length on, jobs are unlikely to leave.
STUCK = 8.0


@owned()
class QueueLimit:
    """The number of jobs of one session at which the access point refused more. It belongs to the watcher's thread.

    >>> limit = QueueLimit()
    >>> limit.refused(live=3, room=2, now=0.0)
    >>> limit.room(live=3, now=0.5), limit.room(live=4, now=0.5), limit.room(live=4, now=1.0)
    (2, 1, inf)

    """

    def __init__(self) -> None:
        """Start without a known limit."""
        self._live = 0
        self._most = math.inf
        self._until = -math.inf
        self._refusals = 0

    @property
    def reached(self) -> bool:
        """Whether jobs were refused, and no more than the limit have been accepted since."""
        return self._most < math.inf

    @property
    def stuck(self) -> bool:
        """Whether no job was accepted or has left for some time: the refusals were 1, 2 and 4 seconds apart."""
        return AGAIN.pause(self._refusals) >= STUCK

    def skip(self) -> None:
        """Allow other jobs to be tried immediately, because the refused ones are not retried."""
        self._until = -math.inf

    def room(self, live: int, now: float) -> float:
        """Return how many jobs may be tried in addition to the *live* jobs in the queue."""
        return max(self._most - live, 0) if now < self._until else math.inf

    def patience(self, now: float) -> float:
        """Return the seconds until more jobs may be tried; infinite if more may be tried now."""
        return self._until - now if now < self._until else math.inf

    def refused(self, live: int, room: int, now: float) -> None:
        """Record a refusal: with *live* jobs in the queue, there was room for only *room* more."""
        if live < self._live or not self.reached:
            self._refusals = 0
        self._live, self._most = live, live + room
        self._until = now + AGAIN.pause(self._refusals)
        if not room:
            self._refusals += 1

    def taken(self, live: int) -> None:
        """Record that *live* jobs are in the queue after a successful submission."""
        self._live, self._refusals = live, 0
        if live > self._most:
            self._most, self._until = math.inf, -math.inf
