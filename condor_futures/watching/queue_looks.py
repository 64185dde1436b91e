"""Queries the schedd's job queue for the session's jobs.

The queue is the second source of events. While the job event log is written, occasional queries check it for missing
events. An access point without access to the client's file system writes no log. The queue is then the only source, and
is queried more often, but never so often that the queries burden the schedd.
"""

from __future__ import annotations

import functools
import logging
import statistics
import time
from collections.abc import Mapping

from condor_futures.access_point.helper.words import Looked
from condor_futures.access_point.requests import AccessPoint
from condor_futures.access_point.schedd import Schedd
from condor_futures.calls.bundle import Bundle
from condor_futures.errors import AccessPointError
from condor_futures.ownership import owned
from condor_futures.state_machine import states
from condor_futures.state_machine.queue_events import PROJECTION, queue_events
from condor_futures.state_machine.states import State
from condor_futures.watching.live_jobs import Handles

__all__ = ["QueueLooks"]

logger = logging.getLogger(__name__)


#: Seconds between two queries while the log is written.
AUDIT_INTERVAL = 20.0
#: Otherwise, the interval is this share of the time since the jobs last changed (the median). So half of the jobs are
#: reported late by at most this share of the time that they took. The bounds are in seconds.
LOOK_SHARE, LOOK_SHORTEST, LOOK_LONGEST = 0.1, 1.0, 30.0
#: Seconds that a job may wait for input files that were sent: the schedd records their arrival a second later.
SPOOLING = 15.0
#: Queries take at most this share of the schedd's time, as measured by the last query.
SCHEDD_SHARE = 0.1
#: The maximum interval in seconds after a slow query: the schedd may have been blocked only once.
SLOWEST = 60.0


@owned()
class QueueLooks:
    """Queries the schedd for all jobs of one session at once, and passes on events that the event log lacks.

    It belongs to the thread that follows the jobs.
    """

    def __init__(
        self,
        access_point: AccessPoint,
        constraint: str,
        jobs: Mapping[str, Bundle],
        follower: Handles,
    ) -> None:
        """Plan the first query.

        Args:
            access_point: the access point with the queue.
            constraint: selects the session's jobs.
            jobs: the jobs under way, by job id, kept up to date by the follower.
            follower: handles the events, and reads the log so that its events count first.

        """
        self.log_speaks = True
        self._access_point = access_point
        self._schedd = Schedd(access_point)
        self._constraint = constraint
        self._jobs = jobs
        self._follower = follower
        self._asking = False
        self._took = 0.0
        self._due = time.monotonic() + AUDIT_INTERVAL
        self._changed: dict[str, tuple[State, float]] = {}
        self._suspected: dict[str, type[states.Event]] = {}
        self._waits_since: dict[str, float] = {}

    def submitted(self, *, logged: bool) -> None:
        """Learn that jobs are in the queue now. *logged* says that the event log has events of them.

        If the schedd can write the log, it does so before it answers (25.14).
        """
        if self.log_speaks and not logged:
            logger.info("the access point does not write the event log; querying its queue instead")
        self.log_speaks = logged
        self._due = min(self._due, time.monotonic() + self._interval([0.0]))

    def look(self) -> None:
        """Send a query if one is due.

        Raises:
            AccessPointError: the access point cannot be queried any more, so the jobs cannot end.

        """
        if not self._access_point.usable:
            self._check_that_jobs_end()
            return
        if self._asking or not self._jobs or time.monotonic() < self._due:
            return
        self._asking = True
        asked = list(self._jobs)  # the answer may lack jobs that are submitted from now on
        self._schedd.look(self._constraint, PROJECTION, asked).send(functools.partial(self._seen, asked))

    def _check_that_jobs_end(self) -> None:
        """Raise AccessPointError if jobs cannot end without the access point.

        They can if their outcomes are not spooled, and the log reports their end. Otherwise the error is raised as soon
        as the helper is given up: 35 s after its first exit, plus the time that later helpers ran (AccessPoint.DEATHS).
        """
        spooled = any(bundle.job.spooled for bundle in self._jobs.values())
        if self._jobs and (spooled or not self.log_speaks):
            raise AccessPointError(f"{self._access_point.why_closed}; its jobs may still be in the queue")

    def _seen(self, asked: list[str], result: Looked | None, error: AccessPointError | None) -> None:
        self._asking = False
        if result is None:
            logger.warning("the schedd's queue could not be queried: %s", error)
            self._due = time.monotonic() + LOOK_LONGEST
            return
        self._took = result["seconds"]
        logger.debug("the queue has %d jobs; the query took %.3f s", len(result["ads"]), self._took)
        self._follower.read_log()
        jobs = {job_id: self._jobs[job_id].job for job_id in asked if job_id in self._jobs}
        events = queue_events(jobs, result["ads"])
        suspected, self._suspected = self._suspected, {job_id: type(told[-1]) for job_id, told in events.items()}
        waiting = [job_id for job_id, told in events.items() if isinstance(told[-1], states.Unspooled)]
        self._waits_since = {job_id: self._waits_since.get(job_id, time.monotonic()) for job_id in waiting}
        speaking = self.log_speaks
        for job_id, told in events.items():
            # An event that is missing in the log may be written soon, and a job that is in neither queue nor history
            # may be between the two. Both count only when they have been seen twice.
            twice = suspected.get(job_id) is type(told[-1])
            if not twice and (speaking or isinstance(told[-1], states.Gone)):
                continue
            if isinstance(told[-1], states.Unspooled):
                if time.monotonic() - self._waits_since[job_id] < SPOOLING:
                    continue
                logger.warning("the input files of the job %s never arrived; submitting it again", job_id)
            elif speaking:
                logger.warning("the event log lacks an event of the job %s; the queue reports %s", job_id, told[-1])
                self.log_speaks = False  # until the log has new events
            for event in told:
                self._follower.handle(event)
        self._due = time.monotonic() + self._interval(self._ages())

    def _ages(self) -> list[float]:
        """Return the seconds since each job was last seen to change."""
        now = time.monotonic()
        before, self._changed = self._changed, {}
        for job_id, bundle in self._jobs.items():
            state, since = before.get(job_id, (None, now))
            self._changed[job_id] = (bundle.job.state, since if state is bundle.job.state else now)
        return [now - since for _, since in self._changed.values()] or [0.0]

    def _interval(self, ages: list[float]) -> float:
        """Return the seconds until the next query."""
        if self.log_speaks:
            wait = AUDIT_INTERVAL
        else:
            wait = min(max(LOOK_SHARE * statistics.median(ages), LOOK_SHORTEST), LOOK_LONGEST)
        return max(wait, min(self._took / SCHEDD_SHARE, SLOWEST))
