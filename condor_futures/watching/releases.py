"""How held jobs are released: many at a time, and as often as it takes the access point to have them on hold."""

from __future__ import annotations

import functools
import itertools
import logging
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

#: The event comes before the job is on hold: what cannot be released yet is tried again after these pauses.
AGAIN = Backoff(0.1, 5.0)
#: A release that the access point refuses is asked for so often before the job is given up. (One that is away refuses
#: nothing.)
ATTEMPTS = 3
LARGEST_RELEASE = 200


class Held(Advances, Protocol):
    """What releases ask of the jobs."""

    def read_log(self) -> None: ...


@owned()
class Releases:
    """Releases jobs of one session. It belongs to the watcher's thread."""

    def __init__(
        self,
        access_point: AccessPoint,
        jobs: Held,
    ) -> None:
        """Make it.

        Args:
            access_point: where the jobs are.
            jobs: takes the answer to a release, as an event, and makes sure that what the log says counts first.

        """
        self._schedd = Schedd(access_point)
        self._jobs = jobs
        self._waiting: dict[str, tuple[Bundle, int | None]] = {}
        self._asking = False
        self._failures = 0
        self._pause = Pause(AGAIN)

    def release(self, bundle: Bundle, memory_max: int | None) -> None:
        """Have the job of *bundle* released, with more memory if *memory_max* (MiB) says how much at most."""
        self._waiting[bundle.job.job_id or ""] = bundle, memory_max
        self._pause.succeeded()

    def forget(self, job_id: str) -> None:
        """It is not on hold any more."""
        self._waiting.pop(job_id, None)

    def proceed(self) -> None:
        """Ask for what is due."""
        if self._asking or not self._waiting or self._pause.left():
            return
        limit = next(iter(self._waiting.values()))[1]
        alike = (job_id for job_id, (_, memory_max) in self._waiting.items() if memory_max == limit)
        asked = {job_id: self._waiting[job_id][0] for job_id in itertools.islice(alike, LARGEST_RELEASE)}
        holds = {job_id: bundle.job.holds for job_id, bundle in asked.items()}
        self._asking = True
        self._schedd.release(list(asked), limit).send(functools.partial(self._released, asked, holds))

    def _released(
        self, asked: dict[str, Bundle], holds: dict[str, int], result: Released | None, error: AccessPointError | None
    ) -> None:
        self._asking = False
        self._pause.failed()  # (if all is well, for those that are not on hold yet)
        if result is None:
            logger.warning("%d jobs could not be released: %s", len(asked), error)
            self._failures += not isinstance(error, AwayError)
            if self._failures < ATTEMPTS:
                return
            result = {"released": [], "refused": dict.fromkeys(asked, f"it cannot be released: {error}")}
        self._failures = 0
        self._jobs.read_log()  # a job may be on hold again by now
        # Those that are in neither are not on hold yet, or not any more, which an event will tell.
        for job_id in result["released"]:
            self._jobs.advance(asked[job_id], states.Released(job_id, holds[job_id]))
        for job_id, reason in result["refused"].items():
            self._jobs.advance(asked[job_id], states.NotReleased(job_id, holds[job_id], reason))
