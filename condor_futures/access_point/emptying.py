"""Waiting until jobs have left the queue."""

from __future__ import annotations

import itertools
import math
import time

from condor_futures.access_point.backoff import Backoff
from condor_futures.access_point.job_info import _TIMEOUT
from condor_futures.access_point.requests import AccessPoint
from condor_futures.access_point.schedd import Schedd
from condor_futures.errors import AccessPointError

__all__ = ["wait_until_gone"]


_LOOK = Backoff(0.05, 1.0, 1.5)
_AGAIN = 5.0  # s until a removal is asked for again


def wait_until_gone(
    access_point: AccessPoint, constraint: str, timeout: float, *, remove_after: float = math.inf
) -> int:
    """Wait until no job that *constraint* selects is in the queue; gives how many there were.

    Args:
        access_point: connected.
        constraint: a ClassAd expression.
        timeout: seconds.
        remove_after: seconds after which those that are there still are removed, again and again.

    Raises:
        AccessPointError: if it does not answer, or there is one still in the end.

    """
    jobs = set[tuple[int, int]]()
    began, looks, remove_at = time.monotonic(), itertools.count(), remove_after
    schedd = Schedd(access_point)
    while ads := schedd.query(constraint, ["ClusterId", "ProcId"]).wait(_TIMEOUT):
        jobs.update((ad["ClusterId"], ad["ProcId"]) for ad in ads)
        waited = time.monotonic() - began
        if waited > timeout:
            raise AccessPointError(
                f"{access_point.location} does not let go of {len(ads)} jobs; "
                f"condor_rm -constraint '{constraint}' removes them"
            )
        if waited >= remove_at:
            schedd.remove(constraint).wait(_TIMEOUT)
            remove_at = waited + _AGAIN
        time.sleep(_LOOK.pause(next(looks)))
    return len(jobs)
