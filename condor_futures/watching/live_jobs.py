"""Which job is which bundle's, and how an event becomes its next state: for jobs that we submit, and for DAGMan's."""

from __future__ import annotations

import logging
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
    """Takes an event of a bundle's job; the answers to what was asked of the access point are such events."""

    def advance(self, bundle: Bundle, event: states.Event) -> None:
        """Take in *event*."""


class Handles(Protocol):
    """Takes events of any jobs, and those that the log has."""

    def read_log(self) -> None:
        """Have what the log says count before whatever comes next."""

    def handle(self, event: states.Event) -> None:
        """Take in *event*."""


class Carrier(Protocol):
    """Carries out what the state table asks for: the watcher's :class:`Effects`, and the follower of a DAG."""

    def read_log(self) -> None:
        """Have what the log says count before whatever comes next."""

    def perform(self, bundle: Bundle, effect: states.Effect) -> None:
        """Carry out *effect*; never MarkRunning, which is done already."""

    def advanced(self, bundle: Bundle, before: states.Job) -> None:
        """Its job took a step, and all effects have been carried out."""

    def illegal(self, bundle: Bundle, error: IllegalTransition) -> None:
        """An event had no meaning; nothing was done about it."""

    def unknown(self, event: states.Event) -> None:
        """An event is of a job that nobody knows."""


@owned()
class LiveJobs(Mapping[str, Bundle]):
    """The bundles whose jobs are in the queue, by job id. It belongs to the thread that follows the jobs."""

    def __init__(self, carrier: Carrier) -> None:
        """Make it; *carrier* does what follows from the events."""
        self._carrier = carrier
        self._bundles: dict[str, Bundle] = {}

    def __getitem__(self, job_id: str) -> Bundle:
        return self._bundles[job_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._bundles)

    def __len__(self) -> int:
        return len(self._bundles)

    def put(self, job_id: str, bundle: Bundle) -> None:
        """Let *bundle* have the job, whosever it was."""
        self._bundles[job_id] = bundle

    def drop(self, job_id: str) -> None:
        """Know nothing of this job any more."""
        self._bundles.pop(job_id, None)

    def clear(self) -> None:
        """Know nothing of any job any more."""
        self._bundles.clear()

    def is_its_own(self, bundle: Bundle) -> bool:
        """Whether the id of its job has not been given to another one since."""
        return self._bundles.get(bundle.job.job_id or "", bundle) is bundle

    def read_log(self) -> None:
        """Have what the log says count before whatever comes next."""
        self._carrier.read_log()

    def handle(self, event: states.Event) -> None:
        """Take in an event of any job, from the log or from the queue."""
        bundle = self._bundles.get(event.job_id)
        if bundle is not None:
            self.advance(bundle, event)
        else:
            self._carrier.unknown(event)

    def advance(self, bundle: Bundle, event: states.Event) -> None:
        """Take the job of *bundle* to the state that *event* leads to, and do what there is to do about it."""
        before = bundle.job
        try:
            bundle.job, effects = advance(before, event)
        except IllegalTransition as error:
            logger.exception("bundle %s: %s", bundle.key, error.line())
            self._carrier.illegal(bundle, error)
            return
        for effect in effects:
            if isinstance(effect, states.MarkRunning):
                for future in bundle.futures.values():
                    future.mark_running()
            else:
                self._carrier.perform(bundle, effect)
        if bundle.job.state in (State.ENDED, State.DISCARDED) and self.is_its_own(bundle):
            self.drop(bundle.job.job_id or "")
        self._carrier.advanced(bundle, before)
