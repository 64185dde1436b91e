"""Carries out the effects of the events of a session's jobs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from condor_futures.access_point.helper.words import NEVER_RAN, Looked, Submitted
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
from condor_futures.state_machine.hold_codes import JobStatus
from condor_futures.state_machine.states import State
from condor_futures.state_machine.transitions import IllegalTransition
from condor_futures.watching.automatic_requests import AutomaticRequests
from condor_futures.watching.dependencies import Dependencies
from condor_futures.watching.fleets import Fleets
from condor_futures.watching.live_jobs import LiveJobs
from condor_futures.watching.queue_looks import QueueLooks
from condor_futures.watching.releases import Releases
from condor_futures.watching.removals import Removals
from condor_futures.watching.retrievals import Retrievals
from condor_futures.watching.stacks import Stacks
from condor_futures.watching.streams import Streams
from condor_futures.watching.submissions import Submissions

__all__ = ["Effects"]

logger = logging.getLogger(__name__)

#: The log is polled again after this share of the time since the last activity, so polling prolongs a wait by at most
#: this share. The bounds are in seconds.
POLL_SHARE, POLL_SHORTEST, POLL_LONGEST = 0.02, 0.002, 0.25


@owned()
class Effects:
    """Reads the log of one session, and carries out the effects of events. It belongs to the watcher's thread.

    Attributes:
        jobs: the jobs in the queue.
        log: the session's job event log.
        submissions: bundles to submit.
        retrievals: jobs that have ended, and whose outcomes must be retrieved.
        removals: jobs to remove.
        releases: jobs to release.
        requests: what jobs request, if that is learned.
        streams: what jobs that are not warm write as their calls end.
        queue_looks: queries of the schedd's queue.
        stacks: who waits for the stacks of calls.

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
        next_bundle: Callable[[], int],
        warm: bool,
    ) -> None:
        """Create it without jobs.

        Args:
            session: the session of the jobs.
            access_point: the access point of the jobs.
            event_log: the session's job event log.
            resolver: resolves futures.
            dependencies: bundles that must wait before they can be submitted.
            post: has a function called in the watcher's thread.
            max_jobs: the maximum number of jobs in the queue.
            categories: the maximum number by category; may change at any time.
            transfer: the default of ``should_transfer_files``.
            next_bundle: gives out the numbers of bundles.
            warm: whether jobs can be warm, as far as is known.

        """
        self._schedd = Schedd(access_point)
        self._constraint = session.constraint
        self._resolver = resolver
        self._post = post
        self._last_activity = time.monotonic()
        self.log = event_log
        self.jobs = LiveJobs(self)
        self.requests = AutomaticRequests(session, access_point, self.jobs)
        self.submissions = Submissions(
            access_point,
            session,
            self.jobs,
            max_jobs=max_jobs,
            categories=categories,
            transfer=transfer,
            dependencies=dependencies,
            schedd_said=self,
            learned=self.requests,
        )
        self.stacks = Stacks(post, self._ask_stack)
        self.fleets = Fleets(
            session,
            self.jobs,
            self.submissions,
            resolver,
            post,
            next_bundle,
            lambda told: self._schedd.cores().send(lambda cores, _: told(cores)),
            max_jobs,
            warm,
            transfer == "IF_NEEDED",
            stacks=self.stacks,
        )
        self.streams = Streams(session, resolver, self.stacks)
        self.retrievals = Retrievals(access_point, self.jobs)
        self.removals = Removals(access_point, session.constraint)
        self.releases = Releases(access_point, self.jobs, self.requests.raised)
        self.queue_looks = QueueLooks(access_point, session.constraint, self.jobs, self.jobs)

    def proceed(self, *, hurry: bool) -> None:
        """Send the requests that are due. In a *hurry* submit without waiting for more bundles."""
        self.fleets.proceed(closing=hurry)
        self.submissions.proceed(hurry=hurry)
        self.retrievals.proceed(under_way=len(self.jobs) + (not self.submissions.empty))
        self.removals.proceed()
        self.releases.proceed()
        self.requests.proceed()
        self.queue_looks.look()

    def patience(self) -> float:
        """Return the seconds until there may be work that no message announces."""
        waits = [
            self.fleets.patience(),
            self.streams.patience(),
            self.retrievals.patience(),
            self.removals.patience(),
            self.submissions.patience(),
        ]
        if self.jobs:
            idle = time.monotonic() - self._last_activity
            waits.append(min(max(POLL_SHARE * idle, POLL_SHORTEST), POLL_LONGEST))
        return min(waits)

    @property
    def busy(self) -> bool:
        """Whether jobs are leaving the queue."""
        return self.retrievals.busy or self.removals.busy

    # For LiveJobs.

    def read_log(self) -> None:
        """Handle the new events in the log."""
        events = self.log.read()
        if events:
            self._last_activity = time.monotonic()
            self.queue_looks.log_speaks = True
        for event in events:
            self.jobs.handle(event)

    def unknown(self, event: states.Event) -> None:
        """Keep an event of an unknown job while a submission is under way: the job may belong to it."""
        if self.submissions.under_way:
            # The schedd writes the log before it answers. Only its answer tells for certain which job belongs to which
            # bundle: a repeated submission leaves events of two jobs with the same note.
            self.submissions.early.append(event)

    def illegal(self, bundle: Bundle, error: IllegalTransition) -> None:
        """Fail the calls of *bundle*, and remove its job."""
        self._resolver.fail(bundle, failures.bug(error))
        self.fleets.forget(bundle)
        if not isinstance(error.event, states.Unwanted):
            self.jobs.advance(bundle, states.Unwanted(error.event.job_id))

    def perform(self, bundle: Bundle, effect: states.Effect) -> None:
        """Carry out an effect of an event of the job of *bundle*."""
        match effect:
            case states.Retrieve():
                self.retrievals.retrieve(bundle)
            case states.Remove():
                if self.jobs.is_its_own(bundle):
                    self.removals.remove(bundle.job.job_id or "")
            case states.Release(memory_max):
                self.releases.release(bundle, memory_max, self.requests.memory(bundle))
            case states.Ask():
                self._resolver.ask(bundle, lambda event: self._post(lambda: self.jobs.advance(bundle, event)))
            case states.Resubmit():
                job_id = bundle.job.job_id or ""
                self.jobs.drop(job_id)
                # If this fails, the job is removed at the end of the session.
                self._schedd.remove([job_id], NEVER_RAN).send(lambda *_: None)
                self.submissions.add([bundle])
            case states.Report(cause) if bundle.line is not None:
                self.fleets.ended(bundle, cause)
            case states.Report() as report:
                self.streams.ended(bundle)
                self.requests.ended(bundle, report.cause)
                self._resolver.report(bundle, report)
            case _:
                raise NotImplementedError(effect)

    def advanced(self, bundle: Bundle, before: states.Job) -> None:
        """Forget requests that the new state of the job makes unnecessary."""
        if bundle.job.state is not State.HELD:
            self.releases.forget(bundle.job.job_id or "")
        if bundle.job.state is State.RUNNING:
            self.streams.add(bundle)
        if bundle.job.state in (State.ENDED, State.DISCARDED):
            self.streams.forget(bundle)
            self.retrievals.forget(bundle)
        if bundle.line is not None and before.state is State.RUNNING and bundle.job.state in (State.IDLE, State.HELD):
            self.fleets.interrupted(bundle)
            # A job that is being removed or held loses its slot first; the event that says so comes later.
            job_id = bundle.job.job_id or ""
            request = self._schedd.look(self._constraint, ["ClusterId", "ProcId", "JobStatus"], [job_id])
            request.send(lambda looked, _: self._told_status(bundle, looked))
        if before.state is State.PENDING and bundle.job.state is State.DISCARDED:
            self.submissions.withdraw()

    def _told_status(self, bundle: Bundle, looked: Looked | None) -> None:
        """Have other jobs make the calls of a warm job that lost its slot, unless it runs again."""
        statuses = {ad.get("JobStatus") for ad in looked["ads"]} if looked is not None else set()
        if statuses in ({JobStatus.IDLE}, {JobStatus.RUNNING}):
            self.fleets.told_status(bundle, runs=statuses == {JobStatus.RUNNING})

    def _ask_stack(self, bundle: Bundle, call: str) -> bool:
        return (self.fleets if bundle.line is not None else self.streams).ask_stack(bundle, call)

    # For Submissions.

    def refused(self, batch: Sequence[Bundle], error: AccessPointError) -> None:
        """Handle the access point's refusal of *batch*."""
        self._schedd_has_answered()
        for bundle in batch:
            self.jobs.advance(bundle, states.Refused("", str(error)))

    def submitted(self, batch: Sequence[Bundle], result: Submitted) -> None:
        """Handle the *result* of a submission: *batch* is in the queue."""
        self._schedd_has_answered()
        for warning in result["warnings"]:
            logger.warning("condor_submit: %s", warning)
        for number, bundle in enumerate(batch):
            job_id = f"{result['cluster']}.{result['first'] + number}"
            earlier = self.jobs.get(job_id)
            self.jobs.put(job_id, bundle)
            if earlier is not None:  # the schedd has lost its queue, and counts from 1 again
                self.jobs.advance(earlier, states.Gone(job_id))
                # If the earlier job had ended, it waits for outcomes that do not exist any more.
                self.jobs.advance(earlier, states.NotRetrieved(job_id, "the access point has lost its queue"))
            self.jobs.advance(bundle, states.Submitted(job_id, bundle.key))
        early, self.submissions.early = self.submissions.early, []
        if batch:
            self.requests.submitted(batch[0].options)
        self.queue_looks.submitted(logged=any(event.job_id in self.jobs for event in early))
        for event in early:
            self.jobs.handle(event)

    def _schedd_has_answered(self) -> None:
        self.read_log()  # the schedd writes the SUBMIT events before it answers
        self._last_activity = time.monotonic()
