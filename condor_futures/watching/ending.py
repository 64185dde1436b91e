"""The end of a session's watcher: when all work is done, when its client detaches, or after a failure."""

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
from condor_futures.watching.inbox import Inbox
from condor_futures.watching.under_way import UnderWay

__all__ = ["Ending"]

logger = logging.getLogger("condor_futures.watcher")  # the name that the documentation has


@owned()
class Ending:
    """Decides when a watcher ends, and ends it. It belongs to the watcher's thread.

    Attributes:
        lock: held while it is decided whether a call is accepted, so that the watcher sees all calls that were added
            before it broke.
        broken: the exception that broke the watcher, so that it accepts no more calls; None if it works.
        closing: whether the watcher ends when all work is done.

    """

    def __init__(
        self,
        session: Session,
        access_point: AccessPoint,
        resolver: Resolver,
        under_way: UnderWay,
        inbox: Inbox,
        afterwards: Callable[[], None],
    ) -> None:
        """Create it for a watcher that works.

        Args:
            session: the session that the watcher follows.
            access_point: closed at the end.
            resolver: fails the remaining calls, and is closed at the end.
            under_way: the bundles that have not ended.
            inbox: functions that the watcher has not called yet.
            afterwards: called last, when all jobs are gone.

        """
        self.lock = threading.RLock()  # reentrant, because only such a lock knows its holder: see ownership
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
        """End the watcher when all work is done."""
        self.closing = True

    def detach(self) -> None:
        """End the watcher, and leave the jobs as they are."""
        self._detaching = True
        self._under_way.effects.fleets.hand_all()

    @property
    def due(self) -> bool:
        """Whether the watcher must end now."""
        return (self.closing and self._under_way.over) or (self._detaching and self._under_way.quiet)

    def initializer_failed(self, error: BrokenCondorExecutor) -> None:
        """Fail all calls under way, and accept no more calls, like ProcessPoolExecutor."""
        if self.broken is None:
            self.broken = error
            for bundle in self._under_way.bundles():
                self._resolver.fail(bundle, error)
                self._under_way.unwant(bundle)
            self._under_way.effects.fleets.fail_waiting(lambda _: error)

    def break_off(self, error: BaseException, failure: CondorFuturesError) -> None:
        """Fail all calls with *failure*, and later calls with *error*."""
        with self.lock:
            self.broken = error
        if self._session.kept:
            self._detaching = True  # a client that attaches gets the outcomes of the jobs
            failure.args = (f"{failure}; attach({str(self._session.directory)!r}) resumes the session",)
        self._under_way.give_up(failure)
        # Functions that are still in the inbox find the watcher broken.
        with contextlib.suppress(queue.Empty):
            while True:
                self._inbox.get_nowait()()

    def clean_up(self) -> None:
        """Empty the queue, and so the spool directory, unless detaching. Then close all parts of the watcher."""
        try:
            if not self._detaching:
                self._under_way.effects.removals.empty_the_queue()
            left = failures.session_left(self._session.id)
            for bundle in self._under_way.bundles():
                self._resolver.fail(bundle, left)
            self._under_way.effects.fleets.fail_waiting(lambda _: left, keep_calls=True)
            leave = self._session.leave if self._detaching else self._session.finish
        except AccessPointError as error:
            leave = self._session.leave  # the directory stays, so that the jobs can be removed later
            self.warn_of_jobs(error)
        finally:
            self._under_way.effects.stacks.close()  # first: a callback in the resolver's thread may be waiting
            self._access_point.close()
            self._resolver.close()
            self._under_way.effects.log.close()
            self._under_way.effects.fleets.close()
            self._under_way.effects.streams.close()
            leave()
            self._afterwards()

    @reads
    def warn_of_jobs(self, why: object) -> None:
        """Warn that jobs may be left, and say how to remove them. Any thread may call this."""
        session = self._session
        logger.warning(
            "jobs of session %s may be left in the queue: %s; `condor-futures purge %s` removes them",
            session.id,
            why,
            session.directory if session.kept else session.id,
        )
