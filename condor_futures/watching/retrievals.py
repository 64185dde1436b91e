"""How the outcomes of spooled jobs that have ended come here: many at a time, as often as it takes."""

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

#: While other jobs are under way, an ended one waits this many seconds for company on the way home: one retrieval of
#: many costs 1 ms a job, many retrievals of one 6 ms each, and the schedd a process each.
RETRIEVE_GATHER = 0.25
LARGEST_RETRIEVAL = 200


@owned()
class Retrievals:
    """Retrieves the outcomes of jobs of one session. It belongs to the watcher's thread.

    What fails is asked for again after a pause, some times; then the outcomes are given up. An access point that is
    away gives up nothing: outcomes are asked for until it is back. What does not fit on the session's disk is asked for
    each by itself, so that others do not wait for it.
    """

    def __init__(self, access_point: AccessPoint, jobs: Advances) -> None:
        """Make it.

        Args:
            access_point: where the jobs are.
            jobs: takes the answer to a retrieval, as an event.

        """
        self._schedd = Schedd(access_point)
        self._jobs = jobs
        self._ended: dict[str, Bundle] = {}
        self._since = 0.0
        #: Those for whose outcomes there was no room here.
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
        """Nobody waits for its outcomes any more."""
        job_id = bundle.job.job_id or ""
        # A schedd that has lost its queue may have given the id to another one.
        if self._ended.get(job_id) is bundle:
            del self._ended[job_id]
        if job_id in self._no_room and self._no_room[job_id][0] is bundle:
            del self._no_room[job_id]

    def proceed(self, under_way: int) -> None:
        """Ask for what is due; *under_way* is the number of jobs that have not left yet, or are still to come."""
        if self._retrieving or self._pause.left():
            return
        again = {job_id: bundle for job_id, (bundle, pause) in self._no_room.items() if not pause.left()}
        if not self._ended and not again:
            return
        alone = len(self._ended) + len(self._no_room) == under_way
        gathered = time.monotonic() - self._since >= RETRIEVE_GATHER or len(self._ended) >= LARGEST_RETRIEVAL
        if not (again or alone or gathered):
            return
        # What did not fit comes last, so that it takes no room from others.
        batch = dict(itertools.islice({**self._ended, **again}.items(), LARGEST_RETRIEVAL))
        for job_id in batch:
            self._ended.pop(job_id, None)
        self._since = time.monotonic()
        self._retrieving = True
        self._schedd.retrieve(list(batch)).send(functools.partial(self._retrieved, batch))

    @property
    def busy(self) -> bool:
        """There are jobs to be retrieved."""
        return bool(self._ended or self._no_room or self._retrieving)

    @property
    def stuck(self) -> bool:
        """Outcomes could not be fetched, and it is not known when they can be."""
        return self._pause.failures > 0

    def patience(self) -> float:
        """Seconds until there may be something to ask for that no message announces; infinite if there is nothing."""
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
                logger.warning(
                    "the outcomes of %d jobs do not fit here, and are asked for again: %s", len(put_off), why
                )
                batch = {job_id: bundle for job_id, bundle in batch.items() if job_id not in put_off}
        elif self._pause.failed(counts=not isinstance(error, AwayError)):
            if str(error) != self._said:
                self._said = str(error)
                logger.warning("%d jobs could not be retrieved, which will be tried again: %s", len(batch), error)
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
        """Ask for it again later; False if that has been done often enough, or nobody wants it any more."""
        _, pause = self._no_room.setdefault(job_id, (bundle, Pause(AGAIN, ATTEMPTS)))
        return bundle.job.state is states.State.COMPLETED and pause.failed()
