"""How jobs leave the queue that nobody wants, many at a time; and in the end all of a session."""

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

#: Seconds that jobs which were retrieved get to leave the queue by themselves (as completed) before they are removed.
LEAVE_BY_THEMSELVES = 5.0


@owned()
class Removals:
    """Removes jobs of one session. It belongs to the watcher's thread.

    A removal that fails is made again after a pause, some times; then the jobs are left to the end of the session. An
    access point that is away gives up nothing.
    """

    def __init__(self, access_point: AccessPoint, constraint: str) -> None:
        """Make it.

        Args:
            access_point: where the jobs are.
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
        """Ask for what is due."""
        if self._removing or not self._unwanted or self._pause.left():
            return
        jobs, self._unwanted = self._unwanted, []
        self._removing = True
        self._schedd.remove(jobs).send(functools.partial(self._removed, jobs))

    @property
    def busy(self) -> bool:
        """There are jobs to be removed; a removal that failed is no reason to wait."""
        return self._removing or bool(self._unwanted and not self._pause.failures)

    def patience(self) -> float:
        """Seconds until there may be something to ask for that no message announces; infinite if there is nothing."""
        return self._pause.left() if self._unwanted and not self._removing else math.inf

    def _removed(self, jobs: list[str], _: int | None, error: AccessPointError | None) -> None:
        self._removing = False
        if error is None:
            self._pause.succeeded()
        elif self._pause.failed(counts=not isinstance(error, AwayError)):
            logger.warning("%d jobs could not be removed, which will be tried again: %s", len(jobs), error)
            self._unwanted = jobs + self._unwanted
        else:
            logger.warning("%d jobs could not be removed; they stay until the session ends: %s", len(jobs), error)

    def empty_the_queue(self) -> None:
        """Wait until no job of the session is in the queue, and so no file of it in the spool directory; or see to it.

        Raises:
            AccessPointError: if that is not to be had.

        """
        # Retrieved jobs leave as completed when the schedd next looks at them (every second in a personal pool, every
        # minute elsewhere). Removed ones leave now, but condor_history shows them as removed.
        at_once = self._unwanted or self._pause.failures
        wait_until_gone(
            self._access_point,
            self._constraint,
            10 * LEAVE_BY_THEMSELVES,
            remove_after=0.0 if at_once else LEAVE_BY_THEMSELVES,
        )
