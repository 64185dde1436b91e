"""What the events of a session's jobs ask for, and who does it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from condor_futures.access_point.helper.words import NEVER_RAN, Submitted
from condor_futures.access_point.requests import AccessPoint
from condor_futures.access_point.schedd import Schedd
from condor_futures.calls.bundle import Bundle
from condor_futures.errors import AccessPointError
from condor_futures.ownership import owned
from condor_futures.resolving import failures
from condor_futures.resolving.resolver import Resolver
from condor_futures.session.event_log import EventLog
from condor_futures.session.session import Session
from condor_futures.state_machine import states
from condor_futures.state_machine.states import State
from condor_futures.state_machine.transitions import IllegalTransition
from condor_futures.watching.dependencies import Dependencies
from condor_futures.watching.live_jobs import LiveJobs
from condor_futures.watching.queue_looks import QueueLooks
from condor_futures.watching.releases import Releases
from condor_futures.watching.removals import Removals
from condor_futures.watching.retrievals import Retrievals
from condor_futures.watching.submissions import Submissions

__all__ = ["Effects"]

logger = logging.getLogger(__name__)

#: The log is looked at again after this share of the time since something last happened, so that waiting adds at most
#: that much to what one waits anyway; within these bounds, in seconds.
POLL_SHARE, POLL_SHORTEST, POLL_LONGEST = 0.02, 0.002, 0.25


@owned()
class Effects:
    """Reads the log of one session, and carries out what follows from events. It belongs to the watcher's thread.

    Attributes:
        jobs: those in the queue.
        log: the session's job event log.
        submissions: bundles that are to have jobs.
        retrievals: jobs that have ended, and whose outcomes are on their way.
        removals: jobs that nobody wants.
        releases: jobs that are to be released.
        queue_looks: what the schedd's queue says.

    """

    def __init__(
        self,
        session: Session,
        access_point: AccessPoint,
        event_log: EventLog,
        resolver: Resolver,
        dependencies: Dependencies,
        post: Callable[[Callable[[], None]], None],
        *,
        max_jobs: int,
        categories: Mapping[str, int],
        transfer: Literal["YES", "IF_NEEDED"],
    ) -> None:
        """Make it.

        Args:
            session: whose jobs.
            access_point: where they are.
            event_log: the session's.
            resolver: resolves futures.
            dependencies: bundles that have to wait before they can be submitted.
            post: has a function called in the watcher's thread.
            max_jobs: how many jobs may be in the queue at once.
            categories: how many of a category; it may change at any time.
            transfer: the default of ``should_transfer_files``.

        """
        self._schedd = Schedd(access_point)
        self._resolver = resolver
        self._post = post
        self._last_activity = time.monotonic()
        self.log = event_log
        self.jobs = LiveJobs(self)
        self.submissions = Submissions(
            access_point,
            session,
            self.jobs,
            max_jobs=max_jobs,
            categories=categories,
            transfer=transfer,
            dependencies=dependencies,
            schedd_said=self,
        )
        self.retrievals = Retrievals(access_point, self.jobs)
        self.removals = Removals(access_point, session.constraint)
        self.releases = Releases(access_point, self.jobs)
        self.queue_looks = QueueLooks(access_point, session.constraint, self.jobs, self.jobs)

    def proceed(self, *, hurry: bool) -> None:
        """Ask the access point for what is due; in a *hurry* submit without waiting for company."""
        self.submissions.proceed(hurry=hurry)
        self.retrievals.proceed(under_way=len(self.jobs) + (not self.submissions.empty))
        self.removals.proceed()
        self.releases.proceed()
        self.queue_looks.look()

    def patience(self) -> float:
        """Seconds until there may be something to do that no message announces."""
        waits = [self.retrievals.patience(), self.removals.patience(), self.submissions.patience()]
        if self.jobs:
            idle = time.monotonic() - self._last_activity
            waits.append(min(max(POLL_SHARE * idle, POLL_SHORTEST), POLL_LONGEST))
        return min(waits)

    @property
    def busy(self) -> bool:
        """Jobs are leaving the queue."""
        return self.retrievals.busy or self.removals.busy

    # For LiveJobs.

    def read_log(self) -> None:
        """Take in what is new in the log."""
        events = self.log.read()
        if events:
            self._last_activity = time.monotonic()
            self.queue_looks.log_speaks = True
        for event in events:
            self.jobs.handle(event)

    def unknown(self, event: states.Event) -> None:
        """Keep an event of a job that may be one of those that are being submitted."""
        if self.submissions.under_way:
            # The schedd writes the log before it answers, and only its answer says for certain which job is which
            # bundle's: a submission that had to be made again leaves events of two jobs with the same note.
            self.submissions.early.append(event)

    def illegal(self, bundle: Bundle, error: IllegalTransition) -> None:
        """Fail the calls of *bundle*, and remove its job."""
        self._resolver.fail(bundle, failures.bug(error))
        self.jobs.advance(bundle, states.Unwanted(error.event.job_id))

    def perform(self, bundle: Bundle, effect: states.Effect) -> None:
        """Do what an event of the job of *bundle* asks for."""
        match effect:
            case states.Retrieve():
                self.retrievals.retrieve(bundle)
            case states.Remove():
                if self.jobs.is_its_own(bundle):
                    self.removals.remove(bundle.job.job_id or "")
            case states.Release(memory_max):
                self.releases.release(bundle, memory_max)
            case states.Ask():
                self._resolver.ask(bundle, lambda event: self._post(lambda: self.jobs.advance(bundle, event)))
            case states.Resubmit():
                job_id = bundle.job.job_id or ""
                self.jobs.drop(job_id)
                # What remains of it if this fails goes at the end of the session.
                self._schedd.remove([job_id], NEVER_RAN).send(lambda *_: None)
                self.submissions.add([bundle])
            case states.Report() as report:
                self._resolver.report(bundle, report)
            case _:
                raise NotImplementedError(effect)

    def advanced(self, bundle: Bundle, before: states.Job) -> None:
        """Forget what its new state has made needless."""
        if bundle.job.state is not State.HELD:
            self.releases.forget(bundle.job.job_id or "")
        if bundle.job.state in (State.ENDED, State.DISCARDED):
            self.retrievals.forget(bundle)
        if before.state is State.PENDING and bundle.job.state is State.DISCARDED:
            self.submissions.withdraw()

    # For Submissions.

    def refused(self, batch: Sequence[Bundle], error: AccessPointError) -> None:
        """The access point does not take *batch*."""
        self._schedd_has_answered()
        for bundle in batch:
            self.jobs.advance(bundle, states.Refused("", str(error)))

    def submitted(self, batch: Sequence[Bundle], result: Submitted) -> None:
        """*batch* is in the queue, as *result* says."""
        self._schedd_has_answered()
        for warning in result["warnings"]:
            logger.warning("condor_submit: %s", warning)
        for number, bundle in enumerate(batch):
            job_id = f"{result['cluster']}.{result['first'] + number}"
            earlier = self.jobs.get(job_id)
            self.jobs.put(job_id, bundle)
            if earlier is not None:  # the schedd has lost its queue, and counts from 1 again
                self.jobs.advance(earlier, states.Gone(job_id))
                # One that had ended waits for outcomes that are not there any more.
                self.jobs.advance(earlier, states.NotRetrieved(job_id, "the access point has lost its queue"))
            self.jobs.advance(bundle, states.Submitted(job_id, bundle.key))
        early, self.submissions.early = self.submissions.early, []
        self.queue_looks.submitted(logged=any(event.job_id in self.jobs for event in early))
        for event in early:
            self.jobs.handle(event)

    def _schedd_has_answered(self) -> None:
        self.read_log()  # the schedd writes the SUBMIT events before it answers
        self._last_activity = time.monotonic()
