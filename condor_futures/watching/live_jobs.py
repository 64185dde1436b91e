"""Maps jobs to bundles, and events to next states: for jobs that the client submits, and for DAGMan's."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterator, Mapping
from typing import Protocol

from condor_futures.calls.bundle import Bundle
from condor_futures.ownership import owned
from condor_futures.state_machine import states
from condor_futures.state_machine.states import State
from condor_futures.state_machine.transitions import IllegalTransition, advance

__all__ = ["Advances", "Carrier", "Handles", "LiveJobs"]

logger = logging.getLogger(__name__)


class Advances(Protocol):
    """Handles events of a bundle's job. The access point's answers to requests are such events."""

    def advance(self, bundle: Bundle, event: states.Event) -> None:
        """Handle *event*."""


class Handles(Protocol):
    """Handles events of any jobs, and reads those in the log."""

    def read_log(self) -> None:
        """Handle the new events in the log, so that they count before the next event."""

    def handle(self, event: states.Event) -> None:
        """Handle *event*."""


class Carrier(Protocol):
    """Carries out the effects of the state table: the watcher's :class:`Effects`, and the follower of a DAG."""

    def read_log(self) -> None:
        """Handle the new events in the log, so that they count before the next event."""

    def perform(self, bundle: Bundle, effect: states.Effect) -> None:
        """Carry out *effect*, which is never MarkRunning: this one has been carried out."""

    def advanced(self, bundle: Bundle, before: states.Job) -> None:
        """Learn that the job of *bundle* has a new state, after all effects were carried out."""

    def illegal(self, bundle: Bundle, error: IllegalTransition) -> None:
        """Handle an illegal event, which had no effects."""

    def unknown(self, event: states.Event) -> None:
        """Handle an event of an unknown job."""


@owned()
class LiveJobs(Mapping[str, Bundle]):
    """The bundles whose jobs are in the queue, by job id. It belongs to the thread that follows the jobs."""

    def __init__(self, carrier: Carrier) -> None:
        """Create it without jobs. *carrier* carries out the effects of events."""
        self._carrier = carrier
        self._bundles: dict[str, Bundle] = {}
        self._idle_since: dict[Bundle, float] = {}  # the longest first

    def __getitem__(self, job_id: str) -> Bundle:
        return self._bundles[job_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._bundles)

    def __len__(self) -> int:
        return len(self._bundles)

    def put(self, job_id: str, bundle: Bundle) -> None:
        """Assign the job to *bundle*, even if it belonged to another bundle."""
        earlier = self._bundles.get(job_id)
        if earlier is not None and earlier is not bundle:
            self._idle_since.pop(earlier, None)
        self._bundles[job_id] = bundle

    def drop(self, job_id: str) -> None:
        """Forget the job, if it is known."""
        bundle = self._bundles.pop(job_id, None)
        if bundle is not None:
            self._idle_since.pop(bundle, None)

    def clear(self) -> None:
        """Forget all jobs."""
        self._bundles.clear()
        self._idle_since.clear()

    def idle_for(self, seconds: float) -> Iterator[Bundle]:
        """Return the bundles whose jobs have waited in the queue for more than *seconds* without a slot.

        The time counts from the moment when this client learned that the job is idle. The longest wait comes first.
        """
        latest = time.monotonic() - seconds
        return itertools.takewhile(lambda bundle: self._idle_since[bundle] < latest, self._idle_since)

    def is_its_own(self, bundle: Bundle) -> bool:
        """Return whether the id of the bundle's job has not been reused for another bundle."""
        return self._bundles.get(bundle.job.job_id or "", bundle) is bundle

    def read_log(self) -> None:
        """Handle the new events in the log, so that they count before the next event."""
        self._carrier.read_log()

    def handle(self, event: states.Event) -> None:
        """Handle an event of any job, from the log or from the queue."""
        bundle = self._bundles.get(event.job_id)
        if bundle is not None:
            self.advance(bundle, event)
        else:
            self._carrier.unknown(event)

    def advance(self, bundle: Bundle, event: states.Event) -> None:
        """Advance the job of *bundle* to its state after *event*, and carry out the effects."""
        before = bundle.job
        try:
            bundle.job, effects = advance(before, event)
        except IllegalTransition as error:
            logger.exception("bundle %s: %s", bundle.key, error.line())
            self._carrier.illegal(bundle, error)
            return
        if bundle.job.state is not State.IDLE:
            self._idle_since.pop(bundle, None)
        elif self.get(bundle.job.job_id or "") is bundle:
            self._idle_since.setdefault(bundle, time.monotonic())
        for effect in effects:
            if isinstance(effect, states.MarkRunning):
                for future in list(bundle.futures.values()):
                    future.mark_running()
            else:
                self._carrier.perform(bundle, effect)
        if bundle.job.state in (State.ENDED, State.DISCARDED) and self.is_its_own(bundle):
            self.drop(bundle.job.job_id or "")
        self._carrier.advanced(bundle, before)
