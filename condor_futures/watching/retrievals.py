"""How jobs leave the queue: retrieved when they have ended, removed when nobody wants them, and in the end all."""

from __future__ import annotations

import functools
import itertools
import logging
import math
import time
from collections.abc import Callable
from typing import Any

from condor_futures.access_point.emptying import wait_until_gone
from condor_futures.access_point.requests import AccessPoint, AwayError
from condor_futures.access_point.schedd import Schedd
from condor_futures.calls.bundle import Bundle
from condor_futures.errors import AccessPointError
from condor_futures.state_machine import states

__all__ = ["Departures"]

logger = logging.getLogger(__name__)

#: While other jobs are under way, an ended one waits this many seconds for company on the way home: one retrieval of
#: many costs 1 ms a job, many retrievals of one 6 ms each, and the schedd a process each.
RETRIEVE_GATHER = 0.25
LARGEST_RETRIEVAL = 200
#: What fails is asked for again after so many seconds, each time twice as many, up to a minute; so often. Then outcomes
#: are given up, and jobs that cannot be removed are left to the end of the session. An access point that is away gives
#: up nothing: outcomes are asked for until it is back. What does not fit on the session's disk is asked for each by
#: itself, so that others do not wait for it.
ATTEMPTS, AGAIN = 5, 2.0
#: Seconds that jobs which were retrieved get to leave the queue by themselves (as completed) before they are removed.
LEAVE_BY_THEMSELVES = 5.0


class _Pause:
    """How long to leave the access point alone after failures."""

    def __init__(self) -> None:
        self.failures = 0
        self._counted = 0
        self._until = 0.0

    def failed(self, *, counts: bool = True) -> bool:
        """Take note of a failure; True if it is worth another attempt."""
        self.failures += 1
        self._counted += counts
        self._until = time.monotonic() + AGAIN * 2 ** min(self.failures, ATTEMPTS)
        return self._counted < ATTEMPTS

    def succeeded(self) -> None:
        self.failures = self._counted = 0
        self._until = 0.0

    def left(self) -> float:
        """Seconds until the next attempt."""
        return max(self._until - time.monotonic(), 0.0)


class Departures:
    """Retrieves and removes jobs of one session, many at a time. It belongs to the watcher's thread."""

    def __init__(
        self,
        access_point: AccessPoint,
        constraint: str,
        *,
        advance: Callable[[Bundle, states.Event], None],
    ) -> None:
        """Make it.

        Args:
            access_point: where the jobs are.
            constraint: selects the session's jobs.
            advance: takes the answer to a retrieval, as an event.

        """
        self._access_point = access_point
        self._schedd = Schedd(access_point)
        self._constraint = constraint
        self._advance = advance
        self._ended: dict[str, Bundle] = {}
        self._since = 0.0
        #: Those for whose outcomes there was no room here.
        self._no_room: dict[str, tuple[Bundle, _Pause]] = {}
        self._retrieving = False
        self._retrieve_pause = _Pause()
        self._said = ""
        self._unwanted: list[str] = []
        self._removing = False
        self._remove_pause = _Pause()

    def retrieve(self, bundle: Bundle) -> None:
        """Have the outcomes of *bundle*, whose job has ended, fetched from the spool directory."""
        if not self._ended:
            self._since = time.monotonic()
        self._ended[bundle.job.job_id or ""] = bundle

    def remove(self, job_id: str) -> None:
        """Have a job removed from the queue."""
        self._unwanted.append(job_id)

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
        self._proceed_to_retrieve(under_way)
        self._proceed_to_remove()

    @property
    def busy(self) -> bool:
        """There are jobs to be retrieved or removed; a removal that failed is no reason to wait."""
        to_remove = self._unwanted and not self._remove_pause.failures
        return bool(self._ended or self._no_room or self._retrieving or self._removing or to_remove)

    @property
    def stuck(self) -> bool:
        """Outcomes could not be fetched, and it is not known when they can be."""
        return self._retrieve_pause.failures > 0

    def patience(self) -> float:
        """Seconds until there may be something to ask for that no message announces; infinite if there is nothing."""
        waits = []
        if self._ended and not self._retrieving:
            waits.append(max(self._retrieve_pause.left(), RETRIEVE_GATHER / 10))
        if self._no_room and not self._retrieving:
            next_due = min(pause.left() for _, pause in self._no_room.values())
            waits.append(max(self._retrieve_pause.left(), next_due))
        if self._unwanted and not self._removing:
            waits.append(self._remove_pause.left())
        return min(waits, default=math.inf)

    def _proceed_to_retrieve(self, under_way: int) -> None:
        if self._retrieving or self._retrieve_pause.left():
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

    def _retrieved(self, batch: dict[str, Bundle], result: Any, error: AccessPointError | None) -> None:
        self._retrieving = False
        if error is None:
            self._retrieve_pause.succeeded()
            self._said = ""
            failed = result["failed"] | result["no_room"]
            put_off = [job_id for job_id in result["no_room"] if self._put_off(job_id, batch[job_id])]
            if put_off:
                why = result["no_room"][put_off[0]]
                logger.warning(
                    "the outcomes of %d jobs do not fit here, and are asked for again: %s", len(put_off), why
                )
                batch = {job_id: bundle for job_id, bundle in batch.items() if job_id not in put_off}
        elif self._retrieve_pause.failed(counts=not isinstance(error, AwayError)):
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
                self._advance(bundle, states.NotRetrieved(job_id, failed[job_id]))
            else:
                self._advance(bundle, states.Retrieved(job_id))

    def _put_off(self, job_id: str, bundle: Bundle) -> bool:
        """Ask for it again later; False if that has been done often enough, or nobody wants it any more."""
        _, pause = self._no_room.setdefault(job_id, (bundle, _Pause()))
        return bundle.job.state is states.State.COMPLETED and pause.failed()

    def _proceed_to_remove(self) -> None:
        if self._removing or not self._unwanted or self._remove_pause.left():
            return
        jobs, self._unwanted = self._unwanted, []
        self._removing = True
        self._schedd.remove(jobs).send(functools.partial(self._removed, jobs))

    def _removed(self, jobs: list[str], _: Any, error: AccessPointError | None) -> None:
        self._removing = False
        if error is None:
            self._remove_pause.succeeded()
        elif self._remove_pause.failed(counts=not isinstance(error, AwayError)):
            logger.warning("%d jobs could not be removed, which will be tried again: %s", len(jobs), error)
            self._unwanted = jobs + self._unwanted
        else:
            logger.warning("%d jobs could not be removed; they stay until the session ends: %s", len(jobs), error)

    # The end of the session.

    def empty_the_queue(self) -> None:
        """Wait until no job of the session is in the queue, and so no file of it in the spool directory; or see to it.

        Raises:
            AccessPointError: if that is not to be had.

        """
        # Retrieved jobs leave as completed when the schedd next looks at them (every second in a personal pool, every
        # minute elsewhere). Removed ones leave now, but condor_history shows them as removed.
        at_once = self._unwanted or self._remove_pause.failures
        wait_until_gone(
            self._access_point,
            self._constraint,
            10 * LEAVE_BY_THEMSELVES,
            remove_after=0.0 if at_once else LEAVE_BY_THEMSELVES,
        )
