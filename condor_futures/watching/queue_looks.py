"""The schedd's job queue: what it says of the jobs, and when it is asked.

It is the second source of events. While the job event log speaks, the queue is asked now and then whether the log has
kept something back. An access point that does not share our file system writes no log; then the queue is the only
source, and is asked more often, though never so often that the schedd would notice.
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


#: Seconds between two looks at the queue while the log speaks.
AUDIT_INTERVAL = 20.0
#: While it is silent: this share of the time since the jobs last changed (their median), so that half of them are told
#: of at most that much later than they took anyway; within these bounds, in seconds.
LOOK_SHARE, LOOK_SHORTEST, LOOK_LONGEST = 0.1, 1.0, 30.0
#: Seconds that a job may wait for input files which have been sent: the schedd makes a note of them a second later.
SPOOLING = 15.0
#: But never more than this share of the schedd's time, as far as the last look tells.
SCHEDD_SHARE = 0.1
#: And not for longer than so many seconds on account of one slow answer: the schedd may have stood still for once.
SLOWEST = 60.0


@owned()
class QueueLooks:
    """Asks the schedd about the jobs of one session, all in one query, and tells what the event log has not told.

    It belongs to the thread that follows the jobs.
    """

    def __init__(
        self,
        access_point: AccessPoint,
        constraint: str,
        jobs: Mapping[str, Bundle],
        follower: Handles,
    ) -> None:
        """Make it.

        Args:
            access_point: whose queue.
            constraint: selects the session's jobs.
            jobs: those under way, by job id; whoever follows them keeps it up to date.
            follower: takes the events, and makes sure that what the log does say counts first.

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
        self._suspected: set[str] = set()
        self._waits_since: dict[str, float] = {}

    def submitted(self, *, logged: bool) -> None:
        """Jobs are in the queue now; *logged*: the event log has spoken of them.

        It has if the schedd can write it, because it does that before it answers (25.14).
        """
        if self.log_speaks and not logged:
            logger.info("the access point does not write the event log; its queue is asked instead")
        self.log_speaks = logged
        self._due = min(self._due, time.monotonic() + self._interval([0.0]))

    def look(self) -> None:
        """Ask, if it is time.

        Raises:
            AccessPointError: if nobody can be asked any more, and nothing can come of the jobs therefore.

        """
        if not self._access_point.usable:
            self._check_that_jobs_end()
            return
        if self._asking or not self._jobs or time.monotonic() < self._due:
            return
        self._asking = True
        asked = list(self._jobs)  # what is submitted from now on need not be in the answer
        self._schedd.look(self._constraint, PROJECTION, asked).send(functools.partial(self._seen, asked))

    def _check_that_jobs_end(self) -> None:
        """They do without the access point if their outcomes come here by themselves, and the log says when.

        Whoever waits for others learns so as soon as the helper is given up: 35 s after its first death, and the time
        that those after it lived (AccessPoint.DEATHS).
        """
        spooled = any(bundle.job.spooled for bundle in self._jobs.values())
        if self._jobs and (spooled or not self.log_speaks):
            raise AccessPointError(f"{self._access_point.why_closed}; its jobs may still be in the queue")

    def _seen(self, asked: list[str], result: Looked | None, error: AccessPointError | None) -> None:
        self._asking = False
        if result is None:
            logger.warning("the schedd's queue could not be asked: %s", error)
            self._due = time.monotonic() + LOOK_LONGEST
            return
        self._took = result["seconds"]
        logger.debug("the queue has %d jobs, asked in %.3f s", len(result["ads"]), self._took)
        self._follower.read_log()
        jobs = {job_id: self._jobs[job_id].job for job_id in asked if job_id in self._jobs}
        events = queue_events(jobs, result["ads"])
        suspected, self._suspected = self._suspected, set(events)
        waiting = [job_id for job_id, told in events.items() if isinstance(told[-1], states.Unspooled)]
        self._waits_since = {job_id: self._waits_since.get(job_id, time.monotonic()) for job_id in waiting}
        speaking = self.log_speaks
        for job_id, told in events.items():
            # What the log has not said may be on its way there, and what is in neither queue nor history may be between
            # the two: that is believed only when it has been seen twice.
            if job_id not in suspected and (speaking or isinstance(told[-1], states.Gone)):
                continue
            if isinstance(told[-1], states.Unspooled):
                if time.monotonic() - self._waits_since[job_id] < SPOOLING:
                    continue
                logger.warning("the input files of the job %s never arrived; it is submitted again", job_id)
            elif speaking:
                logger.warning("the event log is silent about the job %s; the queue says %s", job_id, told[-1])
                self.log_speaks = False  # until it speaks again
            for event in told:
                self._follower.handle(event)
        self._due = time.monotonic() + self._interval(self._ages())

    def _ages(self) -> list[float]:
        """Seconds since each job was last seen to change."""
        now = time.monotonic()
        before, self._changed = self._changed, {}
        for job_id, bundle in self._jobs.items():
            state, since = before.get(job_id, (None, now))
            self._changed[job_id] = (bundle.job.state, since if state is bundle.job.state else now)
        return [now - since for _, since in self._changed.values()] or [0.0]

    def _interval(self, ages: list[float]) -> float:
        """Seconds until the next look."""
        if self.log_speaks:
            wait = AUDIT_INTERVAL
        else:
            wait = min(max(LOOK_SHARE * statistics.median(ages), LOOK_SHORTEST), LOOK_LONGEST)
        return max(wait, min(self._took / SCHEDD_SHARE, SLOWEST))
