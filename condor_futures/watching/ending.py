"""How a session's watcher ends: when all is done, when its client leaves, or because something broke."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable

from condor_futures.access_point.requests import AccessPoint
from condor_futures.errors import AccessPointError, BrokenCondorExecutor, CondorFuturesError
from condor_futures.ownership import owned, reads
from condor_futures.resolving import failures
from condor_futures.resolving.resolver import Resolver
from condor_futures.session.session import Session
from condor_futures.watching.under_way import UnderWay

__all__ = ["Ending"]

logger = logging.getLogger("condor_futures.watcher")  # the name that the documentation has


@owned()
class Ending:
    """Knows whether a watcher is to end, and ends it. It belongs to the watcher's thread.

    Attributes:
        lock: held while it is decided whether a call is taken: what was added before it broke, the watcher sees.
        broken: what has broken it, so that it takes no calls any more.
        closing: it ends when all is done.

    """

    def __init__(
        self,
        session: Session,
        access_point: AccessPoint,
        resolver: Resolver,
        under_way: UnderWay,
        inbox: queue.SimpleQueue[Callable[[], None]],
        afterwards: Callable[[], None],
    ) -> None:
        """Make it.

        Args:
            session: what the watcher follows.
            access_point: closed at the end.
            resolver: closed at the end; fails the calls of which nothing comes any more.
            under_way: what is not over yet.
            inbox: what the watcher has not been told yet.
            afterwards: called last, when all jobs are gone.

        """
        self.lock = threading.Lock()
        self.broken: BaseException | None = None
        self.closing = False
        self._detaching = False
        self._session = session
        self._access_point = access_point
        self._resolver = resolver
        self._under_way = under_way
        self._inbox = inbox
        self._afterwards = afterwards

    def close(self) -> None:
        """End when all is done."""
        self.closing = True

    def detach(self) -> None:
        """Leave the jobs as they are, and end."""
        self._detaching = True

    @property
    def due(self) -> bool:
        """It is time."""
        return (self.closing and self._under_way.over) or (self._detaching and self._under_way.quiet)

    def initializer_failed(self, error: BrokenCondorExecutor) -> None:
        """Fail all that is under way, and take no more calls, as ProcessPoolExecutor does."""
        if self.broken is None:
            self.broken = error
            for bundle in self._under_way.bundles():
                self._resolver.fail(bundle, error)
                self._under_way.unwant(bundle)

    def break_off(self, error: BaseException, failure: CondorFuturesError) -> None:
        """Fail all calls, those that come later because of *error*."""
        with self.lock:
            self.broken = error
        if self._session.kept:
            self._detaching = True  # whoever attaches gets what the jobs do
            failure.args = (f"{failure}; attach({str(self._session.directory)!r}) takes up what is left",)
        self._under_way.give_up(failure)
        # What is on its way here finds the watcher broken.
        with contextlib.suppress(queue.Empty):
            while True:
                self._inbox.get_nowait()()

    def clean_up(self) -> None:
        """Leave nothing in the queue, which is to leave nothing in the spool directory; then end what helps."""
        try:
            if not self._detaching:
                self._under_way.effects.removals.empty_the_queue()
            left = failures.session_left(self._session.id)
            for bundle in self._under_way.bundles():
                self._resolver.fail(bundle, left)
            leave = self._session.leave if self._detaching else self._session.finish
        except AccessPointError as error:
            leave = self._session.leave  # its directory stays, to be rid of them later
            self.warn_of_jobs(error)
        finally:
            self._access_point.close()
            self._resolver.close()
            self._under_way.effects.log.close()
            leave()
            self._afterwards()

    @reads
    def warn_of_jobs(self, why: object) -> None:
        """Say that jobs may be left, and how to be rid of them; in any thread."""
        session = self._session
        logger.warning(
            "jobs of session %s may be left in the queue: %s; `condor-futures purge %s` removes them",
            session.id,
            why,
            session.directory if session.kept else session.id,
        )
