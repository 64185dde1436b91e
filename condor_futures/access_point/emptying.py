"""A wait until jobs have left the queue."""

from __future__ import annotations

import itertools
import math
import time

from condor_futures.access_point.backoff import Backoff, Pause
from condor_futures.access_point.job_info import _TIMEOUT
from condor_futures.access_point.requests import AccessPoint
from condor_futures.access_point.schedd import Schedd
from condor_futures.errors import AccessPointError

__all__ = ["wait_until_gone"]

#: The pauses between two queries.
_LOOK = Backoff(0.05, 1.0, 1.5)
#: The pauses between two removals.
_REMOVE = Backoff(5.0, 5.0)


def wait_until_gone(
    access_point: AccessPoint, constraint: str, timeout: float, *, remove_after: float = math.inf
) -> int:
    """Wait until no job that *constraint* selects is in the queue; return the number of jobs that were.

    Args:
        access_point: a connected access point.
        constraint: a ClassAd expression.
        timeout: the longest wait in seconds.
        remove_after: the seconds after which jobs that are still in the queue are removed, every 5 s.

    Raises:
        AccessPointError: if the access point does not answer, or jobs are still in the queue after *timeout*.

    """
    jobs = set[tuple[int, int]]()
    began, looks, removals = time.monotonic(), itertools.count(), Pause(_REMOVE)
    schedd = Schedd(access_point)
    while ads := schedd.query(constraint, ["ClusterId", "ProcId"]).wait(_TIMEOUT):
        jobs.update((ad["ClusterId"], ad["ProcId"]) for ad in ads)
        waited = time.monotonic() - began
        if waited > timeout:
            raise AccessPointError(
                f"{len(ads)} jobs are still in the queue of {access_point.location}; "
                f"condor_rm -constraint '{constraint}' removes them"
            )
        if waited >= remove_after and not removals.left():
            removals.failed()  # the pause starts now, and the jobs may leave during it
            schedd.remove(constraint).wait(_TIMEOUT)
        time.sleep(_LOOK.pause(next(looks)))
    return len(jobs)
