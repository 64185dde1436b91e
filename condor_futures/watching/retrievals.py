"""Retrieves the outcomes of spooled jobs that have ended, many at a time, with retries."""

from __future__ import annotations

import functools
import itertools
import logging
import math
import time

from condor_futures.access_point.backoff import AGAIN, ATTEMPTS, Pause
from condor_futures.access_point.helper.words import Retrieved
from condor_futures.access_point.requests import AccessPoint, AwayError
from condor_futures.access_point.schedd import Schedd
from condor_futures.calls.bundle import Bundle
from condor_futures.errors import AccessPointError
from condor_futures.ownership import owned
from condor_futures.state_machine import states
from condor_futures.watching.live_jobs import Advances

__all__ = ["Retrievals"]

logger = logging.getLogger(__name__)

#: While other jobs are under way, an ended job waits this many seconds for others, to be retrieved with them. One
#: retrieval of many jobs takes 1 ms per job. Retrievals of single jobs take 6 ms and one process of the schedd each.
RETRIEVE_GATHER = 0.25
LARGEST_RETRIEVAL = 200


@owned()
class Retrievals:
    """Retrieves the outcomes of jobs of one session. It belongs to the watcher's thread.

    A failed retrieval is retried a few times after pauses. Then the outcomes are given up. Failures because the access
    point is unreachable do not count: retrievals are retried until it is reachable again. Outcomes that do not fit on
    the session's disk are retried for each job by itself, so that other jobs do not wait for them.
    """

    def __init__(self, access_point: AccessPoint, jobs: Advances) -> None:
        """Create it without jobs.

        Args:
            access_point: the access point of the jobs.
            jobs: handles the answer to a retrieval, as an event.

        """
        self._schedd = Schedd(access_point)
        self._jobs = jobs
        self._ended: dict[str, Bundle] = {}
        self._since = 0.0
        #: Jobs whose outcomes did not fit on the disk.
        self._no_room: dict[str, tuple[Bundle, Pause]] = {}
        self._retrieving = False
        self._pause = Pause(AGAIN, ATTEMPTS)
        self._said = ""

    def retrieve(self, bundle: Bundle) -> None:
        """Have the outcomes of *bundle*, whose job has ended, fetched from the spool directory."""
        if not self._ended:
            self._since = time.monotonic()
        self._ended[bundle.job.job_id or ""] = bundle

    def forget(self, bundle: Bundle) -> None:
        """Forget *bundle*, whose outcomes are not wanted any more."""
        job_id = bundle.job.job_id or ""
        # A schedd that has lost its queue may have reused the id for another bundle's job.
        if self._ended.get(job_id) is bundle:
            del self._ended[job_id]
        if job_id in self._no_room and self._no_room[job_id][0] is bundle:
            del self._no_room[job_id]

    def proceed(self, under_way: int) -> None:
        """Send the request that is due, if any. *under_way* is the number of jobs in the queue or to be submitted."""
        if self._retrieving or self._pause.left():
            return
        again = {job_id: bundle for job_id, (bundle, pause) in self._no_room.items() if not pause.left()}
        if not self._ended and not again:
            return
        alone = len(self._ended) + len(self._no_room) == under_way
        gathered = time.monotonic() - self._since >= RETRIEVE_GATHER or len(self._ended) >= LARGEST_RETRIEVAL
        if not (again or alone or gathered):
            return
        # Outcomes that did not fit come last, so that others get the space first.
        batch = dict(itertools.islice({**self._ended, **again}.items(), LARGEST_RETRIEVAL))
        for job_id in batch:
            self._ended.pop(job_id, None)
        self._since = time.monotonic()
        self._retrieving = True
        self._schedd.retrieve(list(batch)).send(functools.partial(self._retrieved, batch))

    @property
    def busy(self) -> bool:
        """Whether jobs are being retrieved, or must be."""
        return bool(self._ended or self._no_room or self._retrieving)

    @property
    def stuck(self) -> bool:
        """Whether the last retrieval failed, so that it is unknown when outcomes can be retrieved."""
        return self._pause.failures > 0

    def patience(self) -> float:
        """Return the seconds until there may be a request that no message announces; infinite without jobs."""
        waits = []
        if self._ended and not self._retrieving:
            waits.append(max(self._pause.left(), RETRIEVE_GATHER / 10))
        if self._no_room and not self._retrieving:
            next_due = min(pause.left() for _, pause in self._no_room.values())
            waits.append(max(self._pause.left(), next_due))
        return min(waits, default=math.inf)

    def _retrieved(self, batch: dict[str, Bundle], result: Retrieved | None, error: AccessPointError | None) -> None:
        self._retrieving = False
        if result is not None:
            self._pause.succeeded()
            self._said = ""
            failed = result["failed"] | result["no_room"]
            put_off = [job_id for job_id in result["no_room"] if self._put_off(job_id, batch[job_id])]
            if put_off:
                why = result["no_room"][put_off[0]]
                logger.warning("the outcomes of %d jobs do not fit on the disk; retrying: %s", len(put_off), why)
                batch = {job_id: bundle for job_id, bundle in batch.items() if job_id not in put_off}
        elif self._pause.failed(counts=not isinstance(error, AwayError)):
            if str(error) != self._said:
                self._said = str(error)
                logger.warning("%d jobs could not be retrieved; retrying: %s", len(batch), error)
            wanted = {job_id: bundle for job_id, bundle in batch.items() if bundle.job.state is states.State.COMPLETED}
            first = {job_id: bundle for job_id, bundle in wanted.items() if job_id not in self._no_room}
            self._ended = {**first, **self._ended}
            return
        else:
            failed = dict.fromkeys(batch, str(error))
        for job_id, bundle in batch.items():
            self.forget(bundle)
            if job_id in failed:
                self._jobs.advance(bundle, states.NotRetrieved(job_id, failed[job_id]))
            else:
                self._jobs.advance(bundle, states.Retrieved(job_id))

    def _put_off(self, job_id: str, bundle: Bundle) -> bool:
        """Retry a job later. Return False after the last attempt, or if its outcomes are not wanted any more."""
        _, pause = self._no_room.setdefault(job_id, (bundle, Pause(AGAIN, ATTEMPTS)))
        return bundle.job.state is states.State.COMPLETED and pause.failed()
