"""Removes unwanted jobs from the queue, many at a time, and at the end all jobs of the session."""

from __future__ import annotations

import functools
import logging
import math

from condor_futures.access_point.backoff import AGAIN, ATTEMPTS, Pause
from condor_futures.access_point.emptying import wait_until_gone
from condor_futures.access_point.requests import AccessPoint, AwayError
from condor_futures.access_point.schedd import Schedd
from condor_futures.errors import AccessPointError
from condor_futures.ownership import owned

__all__ = ["Removals"]

logger = logging.getLogger(__name__)

#: Seconds until retrieved jobs that have not left the queue by themselves (as completed) are removed.
LEAVE_BY_THEMSELVES = 5.0


@owned()
class Removals:
    """Removes jobs of one session. It belongs to the watcher's thread.

    A failed removal is retried a few times after pauses. Then the jobs stay until the end of the session. Failures
    because the access point is unreachable do not count.
    """

    def __init__(self, access_point: AccessPoint, constraint: str) -> None:
        """Create it without jobs.

        Args:
            access_point: the access point of the jobs.
            constraint: selects the session's jobs.

        """
        self._access_point = access_point
        self._schedd = Schedd(access_point)
        self._constraint = constraint
        self._unwanted: list[str] = []
        self._removing = False
        self._pause = Pause(AGAIN, ATTEMPTS)

    def remove(self, job_id: str) -> None:
        """Have a job removed from the queue."""
        self._unwanted.append(job_id)

    def proceed(self) -> None:
        """Send the request that is due, if any."""
        if self._removing or not self._unwanted or self._pause.left():
            return
        jobs, self._unwanted = self._unwanted, []
        self._removing = True
        self._schedd.remove(jobs).send(functools.partial(self._removed, jobs))

    @property
    def busy(self) -> bool:
        """Whether jobs are being removed, or must be. Jobs whose removal failed do not count."""
        return self._removing or bool(self._unwanted and not self._pause.failures)

    def patience(self) -> float:
        """Return the seconds until there may be a request that no message announces; infinite without jobs."""
        return self._pause.left() if self._unwanted and not self._removing else math.inf

    def _removed(self, jobs: list[str], _: int | None, error: AccessPointError | None) -> None:
        self._removing = False
        if error is None:
            self._pause.succeeded()
        elif self._pause.failed(counts=not isinstance(error, AwayError)):
            logger.warning("%d jobs could not be removed; retrying: %s", len(jobs), error)
            self._unwanted = jobs + self._unwanted
        else:
            logger.warning("%d jobs could not be removed; they stay until the session ends: %s", len(jobs), error)

    def empty_the_queue(self) -> None:
        """Wait until the queue has no job of the session, and so the spool directory has no file of it.

        Remaining jobs are removed.

        Raises:
            AccessPointError: jobs of the session remain in the queue.

        """
        # Retrieved jobs leave as completed when the schedd next checks them (every second in a personal pool, every
        # minute elsewhere). Removed jobs leave immediately, but condor_history shows them as removed.
        at_once = self._unwanted or self._pause.failures
        wait_until_gone(
            self._access_point,
            self._constraint,
            10 * LEAVE_BY_THEMSELVES,
            remove_after=0.0 if at_once else LEAVE_BY_THEMSELVES,
        )
