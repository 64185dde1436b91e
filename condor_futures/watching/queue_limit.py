"""How many jobs the access point takes, as far as its refusals tell: it has limits that it tells nobody in advance.

MAX_JOBS_PER_OWNER and MAX_JOBS_SUBMITTED count jobs of other sessions, and of other users, too, and jobs that
have left since the schedd counted last (it does so every SCHEDD_INTERVAL); a spool directory has so much room. So what
was refused once is tried again after a while.
"""

from __future__ import annotations

import math

from condor_futures.access_point.backoff import Backoff
from condor_futures.ownership import owned

__all__ = ["QueueLimit"]

#: The pauses until more is tried than was taken the last time; longer after each refusal during which no job left.
AGAIN = Backoff(1.0, 30.0)
#: If it has come to this, nothing is likely to leave.
STUCK = 8.0


@owned()
class QueueLimit:
    """The number of jobs of one session beyond which the access point refused more. It belongs to the watcher's thread.

    >>> limit = QueueLimit()
    >>> limit.refused(live=3, room=2, now=0.0)
    >>> limit.room(live=3, now=0.5), limit.room(live=4, now=0.5), limit.room(live=4, now=1.0)
    (2, 1, inf)

    """

    def __init__(self) -> None:
        """There is none, as far as is known."""
        self._live = 0
        self._most = math.inf
        self._until = -math.inf
        self._refusals = 0

    @property
    def reached(self) -> bool:
        """Something was refused, and nothing beyond it has been taken since."""
        return self._most < math.inf

    @property
    def stuck(self) -> bool:
        """Nothing was taken, and none left, for some time: the refusals were 1, 2 and 4 seconds apart."""
        return AGAIN.pause(self._refusals) >= STUCK

    def skip(self) -> None:
        """What was refused is not tried again; something else may be, at once."""
        self._until = -math.inf

    def room(self, live: int, now: float) -> float:
        """How many jobs may be tried besides those that are in the queue."""
        return max(self._most - live, 0) if now < self._until else math.inf

    def patience(self, now: float) -> float:
        """Seconds until more may be tried; infinite if that may be done now."""
        return self._until - now if now < self._until else math.inf

    def refused(self, live: int, room: int, now: float) -> None:
        """Learn that, with *live* jobs in the queue, there was room for *room* more only."""
        if live < self._live or not self.reached:
            self._refusals = 0
        self._live, self._most = live, live + room
        self._until = now + AGAIN.pause(self._refusals)
        if not room:
            self._refusals += 1

    def taken(self, live: int) -> None:
        """Learn that *live* jobs are in the queue now."""
        self._live, self._refusals = live, 0
        if live > self._most:
            self._most, self._until = math.inf, -math.inf
