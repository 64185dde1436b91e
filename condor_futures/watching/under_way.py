"""The bundles of a session that are under way, and those of their calls that are not wanted any more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, cast

from condor_futures.access_point.requests import AccessPoint
from condor_futures.calls.bundle import Bundle
from condor_futures.calls.lines import Attempt
from condor_futures.future import CondorFuture
from condor_futures.ownership import owned, reads
from condor_futures.resolving import failures
from condor_futures.resolving.resolver import Resolver
from condor_futures.session.event_log import EventLog
from condor_futures.session.session import Session
from condor_futures.state_machine import states
from condor_futures.state_machine.states import HoldPolicy, State
from condor_futures.watching.dependencies import Dependencies
from condor_futures.watching.effects import Effects

__all__ = ["UnderWay"]


@owned()
class UnderWay:
    """All bundles of a session that have not ended. It belongs to the watcher's thread.

    Attributes:
        dependencies: the bundles that wait for other calls.
        effects: the other bundles, and the effects of their events.

    """

    def __init__(
        self,
        session: Session,
        access_point: AccessPoint,
        event_log: EventLog,
        resolver: Resolver,
        post: Callable[[Callable[[], None]], None],
        *,
        max_jobs: int,
        categories: Mapping[str, int],
        transfer: Literal["YES", "IF_NEEDED"],
        next_bundle: Callable[[], int],
        warm: bool,
    ) -> None:
        """Create it without bundles. The arguments are those of :class:`Effects`."""
        self._resolver = resolver
        self.dependencies = Dependencies(resolver, post, self)
        self.effects = Effects(
            session,
            access_point,
            event_log,
            resolver,
            self.dependencies,
            post,
            max_jobs=max_jobs,
            categories=categories,
            transfer=transfer,
            next_bundle=next_bundle,
            warm=warm,
        )

    @reads
    def bundles(self) -> list[Bundle]:
        """Return all bundles."""
        effects = self.effects
        return [
            *self.dependencies.bundles(),
            *effects.fleets.bundles(),
            *effects.submissions.bundles(),
            *effects.jobs.values(),
        ]

    @reads
    def futures(self) -> list[CondorFuture[Any]]:
        """Return the futures of all calls that have not ended.

        Raises:
            RuntimeError: another thread has called this, and the bundles have just changed.

        """
        of_bundles = [future for bundle in self.bundles() for future in list(bundle.futures.values())]
        return of_bundles + self.effects.fleets.futures()

    @property
    def over(self) -> bool:
        """Whether there are no bundles, and no job is leaving the queue."""
        effects = self.effects
        waiting = self.dependencies.waiting or not effects.fleets.empty or not effects.submissions.empty
        return not (effects.jobs or waiting or effects.busy)

    @property
    def quiet(self) -> bool:
        """Whether all started work is done, as far as possible now, and all bundles that can be queued are queued."""
        effects = self.effects
        leaving = effects.busy and not effects.retrievals.stuck
        submissions = effects.submissions
        coming = (submissions.under_way and not submissions.stuck) or submissions.due()
        return not (coming or leaving)

    def add(self, bundles: Sequence[Bundle], *, complete: bool = False) -> None:
        """Have *bundles* submitted. *complete* says that no more bundles for the same cluster will come."""
        waiting: list[Bundle] = []  # added first, because their futures may have ended already
        ready: list[Bundle] = []
        for bundle in bundles:
            (waiting if bundle.parents or bundle.after else ready).append(bundle)
        for bundle in waiting:
            self.dependencies.add(bundle)
        self._make(ready, complete=complete)

    def resume(
        self,
        under_way: Mapping[Bundle, tuple[str, Sequence[states.Event]]],
        pending: Sequence[Bundle],
        lines: Mapping[Bundle, Attempt | None],
    ) -> None:
        """Resume the bundles of a session that this client attached to.

        Args:
            under_way: bundles whose jobs are in the queue, with the job's id and its events so far.
            pending: bundles to submit.
            lines: of the open bundles under way, the last attempts of their jobs.

        """
        jobs = self.effects.jobs
        self.add(pending, complete=True)
        for bundle, last in lines.items():
            self.effects.fleets.adopt(bundle, last)
        for bundle, (job_id, events) in under_way.items():
            jobs.put(job_id, bundle)
            # During the replay of the log, its holds have no effect, because most of them are over. Attached, below,
            # decides about the current hold, if the job is on hold.
            bundle.job = replace(bundle.job, policy=HoldPolicy("wait"))
            jobs.advance(bundle, states.Submitted(job_id, bundle.key))
            for event in events:
                jobs.advance(bundle, event)
        if under_way:
            self.effects.queue_looks.submitted(logged=any(events for _, events in under_way.values()))
        for bundle, (job_id, _) in under_way.items():
            jobs.advance(bundle, states.Attached(job_id, bundle.options.hold_policy))

    def _make(self, bundles: Sequence[Bundle], *, complete: bool = False) -> None:
        """Have the calls of *bundles* made by warm jobs, or by a job for each bundle."""
        closed: list[Bundle] = []
        for bundle in bundles:
            if self.effects.fleets.takes(bundle):
                self.effects.fleets.add(bundle)
            else:
                closed.append(bundle)
        if closed:
            self.effects.submissions.add(closed, complete=complete)

    # For Dependencies.

    def ready(self, bundle: Bundle) -> None:
        """Have *bundle* submitted, because its parents have ended."""
        bundle.parents, bundle.after = {}, ()  # so that they can be garbage collected
        self._make([bundle])

    def forget(self, bundle: Bundle, call: str, *, keep_calls: bool = True) -> None:
        """Forget a call that is not wanted any more. If no call of the bundle is wanted, neither is its job."""
        bundle.forget(call)
        self.effects.streams.cancel(bundle, call)
        # Without futures, the bundle was reported in the meantime. A job that has made some calls ends by itself.
        if bundle.futures and len(bundle.cancelled) == len(bundle.calls):
            self.unwant(bundle, keep_calls=keep_calls)

    # Unwanted calls and jobs.

    def cancel(self, future: CondorFuture[Any]) -> None:
        """Forget a call permanently."""
        bundle = cast("Bundle", future.bundle)
        if not self.effects.fleets.cancel(bundle, future.key):
            self.forget(bundle, future.key, keep_calls=False)

    def unwant(self, bundle: Bundle, *, keep_calls: bool = False) -> None:
        """Drop the job of *bundle*. Unless *keep_calls*, also hide the bundle from clients that attach later."""
        self.effects.jobs.advance(bundle, states.Unwanted(bundle.job.job_id or ""))
        self.dependencies.discard(bundle)
        self.effects.fleets.forget(bundle)
        # During the submission the file must exist, or else the whole submission fails.
        if not keep_calls and bundle not in self.effects.submissions.under_way:
            bundle.cancel_calls()

    def withdraw_pending(self) -> list[CondorFuture[Any]]:
        """Drop all jobs that do not run yet, and return the futures of their calls."""
        futures = self.effects.fleets.withdraw()
        ended = set(self.effects.fleets.bundles())
        for bundle in self.bundles():
            if bundle not in ended and bundle.job.state in (State.PENDING, State.IDLE, State.HELD):
                futures += bundle.futures.values()
                self.unwant(bundle)
        return futures

    def remove_all(self, reason: str) -> None:
        """Fail all calls, and remove all jobs."""
        for bundle in self.bundles():
            self._resolver.fail(bundle, failures.removed(bundle, reason))
            self.unwant(bundle)
        self.effects.fleets.fail_waiting(lambda bundle: failures.removed(bundle, reason))

    def give_up(self, error: BaseException) -> None:
        """Fail all calls with *error*, and forget their jobs."""
        for bundle in self.bundles():
            self._resolver.fail(bundle, error)
        self.dependencies.clear()
        self.effects.fleets.fail_waiting(lambda _: error, keep_calls=True)
        self.effects.submissions.clear()
        self.effects.jobs.clear()
