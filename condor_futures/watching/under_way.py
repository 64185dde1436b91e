"""The bundles of a session that are under way, and the calls of theirs that nobody wants any more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from condor_futures.access_point.requests import AccessPoint
from condor_futures.calls.bundle import Bundle
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
    """All bundles of a session that are not over. It belongs to the watcher's thread.

    Attributes:
        dependencies: those that wait for other calls.
        effects: what becomes of the others.

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
    ) -> None:
        """Make it; the arguments are those of :class:`Effects`."""
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
        )

    @reads
    def bundles(self) -> list[Bundle]:
        """All of them."""
        effects = self.effects
        return [*self.dependencies.bundles(), *effects.submissions.bundles(), *effects.jobs.values()]

    @property
    def over(self) -> bool:
        """There are none, and no job is on its way out of the queue."""
        effects = self.effects
        return not (effects.jobs or self.dependencies.waiting or not effects.submissions.empty or effects.busy)

    @property
    def quiet(self) -> bool:
        """What was begun is done, as far as it can be now, and what can be in the queue is there."""
        effects = self.effects
        leaving = effects.busy and not effects.retrievals.stuck
        submissions = effects.submissions
        coming = (submissions.under_way and not submissions.stuck) or submissions.due()
        return not (coming or leaving)

    def add(self, bundles: Sequence[Bundle], *, complete: bool = False) -> None:
        """Have *bundles* submitted; *complete* says that nothing more comes that could share their cluster."""
        waiting: list[Bundle] = []  # found out first: who waits for what has ended already does not wait for long
        ready: list[Bundle] = []
        for bundle in bundles:
            (waiting if bundle.parents or bundle.after else ready).append(bundle)
        for bundle in waiting:
            self.dependencies.add(bundle)
        self.effects.submissions.add(ready, complete=complete)

    def resume(
        self,
        under_way: Mapping[Bundle, tuple[str, Sequence[states.Event]]],
        pending: Sequence[Bundle],
    ) -> None:
        """Go on with the bundles of a session that was left.

        Args:
            under_way: their jobs are in the queue, and these are the jobs' events so far.
            pending: to be submitted.

        """
        jobs = self.effects.jobs
        for bundle, (job_id, events) in under_way.items():
            jobs.put(job_id, bundle)
            # While the log is replayed, nothing is done about its holds, most of which are over; Attached, below,
            # decides about the one that the job may be in.
            bundle.job = replace(bundle.job, policy=HoldPolicy("wait"))
            jobs.advance(bundle, states.Submitted(job_id, bundle.key))
            for event in events:
                jobs.advance(bundle, event)
        self.add(pending, complete=True)
        if under_way:
            self.effects.queue_looks.submitted(logged=any(events for _, events in under_way.values()))
        for bundle, (job_id, _) in under_way.items():
            jobs.advance(bundle, states.Attached(job_id, bundle.options.on_hold.policy))

    # For Dependencies.

    def ready(self, bundle: Bundle) -> None:
        """Have it submitted: its parents have ended."""
        bundle.parents, bundle.after = {}, ()  # they may be collected
        self.effects.submissions.add([bundle])

    def forget(self, bundle: Bundle, call: str, *, keep_calls: bool = True) -> None:
        """Nobody waits for this call any more; when that is true of all of the bundle, its job is not wanted."""
        bundle.forget(call)
        if len(bundle.cancelled) == len(bundle.futures):  # (no futures: it was reported in the meantime)
            self.unwant(bundle, keep_calls=keep_calls)

    # What nobody wants.

    def cancel(self, bundle: Bundle, call: str) -> None:
        """Forget a call for good."""
        self.forget(bundle, call, keep_calls=False)

    def unwant(self, bundle: Bundle, *, keep_calls: bool = False) -> None:
        """Its job is not wanted; and unless its calls are kept, nobody who attaches to the session is to find it."""
        self.effects.jobs.advance(bundle, states.Unwanted(bundle.job.job_id or ""))
        self.dependencies.discard(bundle)
        # (while it is submitted, its file has to be there, or all the others fail too)
        if not keep_calls and bundle not in self.effects.submissions.under_way:
            bundle.cancel_calls()

    def withdraw_pending(self) -> list[CondorFuture[Any]]:
        """Want no job any more that does not run yet; gives the futures of their calls."""
        futures: list[CondorFuture[Any]] = []
        for bundle in self.bundles():
            if bundle.job.state in (State.PENDING, State.IDLE, State.HELD):
                futures += bundle.futures.values()
                self.unwant(bundle)
        return futures

    def remove_all(self, reason: str) -> None:
        """Fail all calls, and remove all jobs."""
        for bundle in self.bundles():
            self._resolver.fail(bundle, failures.removed(bundle, reason))
            self.unwant(bundle)

    def give_up(self, error: BaseException) -> None:
        """Fail all calls with *error*, and leave their jobs to themselves."""
        for bundle in self.bundles():
            self._resolver.fail(bundle, error)
        self.dependencies.clear()
        self.effects.submissions.clear()
        self.effects.jobs.clear()
