"""Warns once if jobs take longer to start than to make their calls. It belongs to the resolver's thread."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

from condor_futures.calls.outcomes_file import Outcome

__all__ = ["ShortJobs"]

logger = logging.getLogger(__name__)

#: After so many jobs, their average time is judged, and again after as many more.
JOBS: Final = 100
#: Seconds that the calls of a job should take at least: less than a job takes to start.
SECONDS: Final = 1.0


class ShortJobs:
    """How long the calls of jobs took that were no warm jobs."""

    def __init__(self) -> None:
        """Begin without jobs."""
        self._jobs, self._seconds, self._told = 0, 0.0, False

    def ended(self, outcomes: Iterable[Outcome]) -> None:
        """Count a job with these *outcomes*."""
        if self._told:
            return
        times = [(outcome.header.get("started"), outcome.header.get("ended")) for outcome in outcomes]
        known = [end - start for start, end in times if isinstance(start, float) and isinstance(end, float)]
        if not known:
            return
        self._jobs, self._seconds = self._jobs + 1, self._seconds + sum(known)
        if self._jobs % JOBS == 0 and self._seconds < SECONDS * self._jobs:
            self._told = True
            logger.warning(
                "%d jobs have made calls for %.2g s each on average, which is less than a job takes to start; "
                "map(..., chunksize=N) makes N calls in each job, CondorExecutor(warm=60) keeps jobs for further calls",
                self._jobs,
                self._seconds / self._jobs,
            )
