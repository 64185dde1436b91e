"""Releases held jobs, many at a time. Retries jobs that the access point has not put on hold yet."""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Callable
from typing import Protocol

from condor_futures.access_point.backoff import Backoff, Pause
from condor_futures.access_point.helper.words import Released
from condor_futures.access_point.requests import AccessPoint, AwayError
from condor_futures.access_point.schedd import Schedd
from condor_futures.calls.bundle import Bundle
from condor_futures.errors import AccessPointError
from condor_futures.ownership import owned
from condor_futures.state_machine import states
from condor_futures.watching.live_jobs import Advances

__all__ = ["Releases"]

logger = logging.getLogger(__name__)

#: The event precedes the hold itself: jobs that cannot be released yet are retried after these pauses.
AGAIN = Backoff(0.1, 5.0)
#: After this many failed requests, the jobs cannot be released. An unreachable access point does not count.
ATTEMPTS = 3
LARGEST_RELEASE = 200

_Memory = tuple[int | None, int | None]  # see release()


class Held(Advances, Protocol):
    """The jobs, as releases use them."""

    def read_log(self) -> None: ...


@owned()
class Releases:
    """Releases jobs of one session. It belongs to the watcher's thread."""

    def __init__(
        self,
        access_point: AccessPoint,
        jobs: Held,
        raised: Callable[[Bundle, int], None] = lambda _bundle, _memory: None,
    ) -> None:
        """Create it without jobs.

        Args:
            access_point: the access point of the jobs.
            jobs: handles the answer to a release, as an event, and reads the log so that its events count first.
            raised: learns how much memory, in MiB, a released job requests now, if it was raised.

        """
        self._schedd = Schedd(access_point)
        self._jobs = jobs
        self._raised = raised
        self._waiting: dict[str, tuple[Bundle, _Memory]] = {}
        self._asking = False
        self._failures = 0
        self._pause = Pause(AGAIN)

    def release(self, bundle: Bundle, memory_max: int | None, memory: int | None = None) -> None:
        """Have the job of *bundle* released; unless *memory_max* is None, with more memory, up to so many MiB.

        *memory* is what it requests then at least, if *memory_max* is not less.
        """
        self._waiting[bundle.job.job_id or ""] = bundle, (memory_max, memory)
        self._pause.succeeded()

    def forget(self, job_id: str) -> None:
        """Forget a job that is not on hold any more."""
        self._waiting.pop(job_id, None)

    def proceed(self) -> None:
        """Send the request that is due, if any."""
        if self._asking or not self._waiting or self._pause.left():
            return
        memory = next(iter(self._waiting.values()))[1]
        alike = (job_id for job_id, (_, its) in self._waiting.items() if its == memory)
        asked = {job_id: self._waiting[job_id][0] for job_id in itertools.islice(alike, LARGEST_RELEASE)}
        holds = {job_id: bundle.job.holds for job_id, bundle in asked.items()}
        self._asking = True
        self._schedd.release(list(asked), *memory).send(functools.partial(self._released, asked, holds))

    def _released(
        self, asked: dict[str, Bundle], holds: dict[str, int], result: Released | None, error: AccessPointError | None
    ) -> None:
        self._asking = False
        self._pause.failed()  # also without an error: for jobs that are not on hold yet
        if result is None:
            logger.warning("%d jobs could not be released: %s", len(asked), error)
            self._failures += not isinstance(error, AwayError)
            if self._failures < ATTEMPTS:
                return
            result = {
                "released": [],
                "refused": dict.fromkeys(asked, f"it cannot be released: {error}"),
                "requests": {},
            }
        self._failures = 0
        self._jobs.read_log()  # a job may be on hold again by now
        # Jobs in neither list are not on hold yet, or not any more, which an event will report.
        for job_id, mebibytes in result["requests"].items():
            self._raised(asked[job_id], mebibytes)
        for job_id in result["released"]:
            self._jobs.advance(asked[job_id], states.Released(job_id, holds[job_id]))
        for job_id, reason in result["refused"].items():
            self._jobs.advance(asked[job_id], states.NotReleased(job_id, holds[job_id], reason))
