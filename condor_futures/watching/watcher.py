"""The thread that follows the jobs: it reads events, advances states, and carries out the effects.

One thread owns all of it, so there is nothing to lock: whoever wants something of it posts a function to its inbox. It
never waits for the schedd (the helper process does) and never unpickles (the :class:`Resolver`'s thread does), so
neither a slow access point nor a user's slow callback keeps it from the events.
"""

from __future__ import annotations

import functools
import logging
import math
import queue
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from typing import Any, Literal, cast

from condor_futures.access_point.requests import AccessPoint
from condor_futures.access_point.schedd import Schedd
from condor_futures.calls.bundle import Bundle
from condor_futures.errors import AccessPointError, BrokenCondorExecutor, CondorFuturesError
from condor_futures.future import CondorFuture
from condor_futures.ownership import Owner
from condor_futures.resolving.counts import Counts
from condor_futures.resolving.resolver import Resolver
from condor_futures.session.event_log import EventLog
from condor_futures.session.session import Session
from condor_futures.state_machine import states
from condor_futures.watching.credential_renewals import CredentialRenewals
from condor_futures.watching.ending import Ending
from condor_futures.watching.under_way import UnderWay

__all__ = ["Watcher", "last_error"]

logger = logging.getLogger("condor_futures.watcher")  # the name that the documentation has

#: Seconds after Ctrl-C until it is said what is waited for.
_SILENCE = 2.0


def last_error() -> int:
    """Which exception the interpreter printed last."""
    return id(getattr(sys, "last_value", None))


class Watcher:
    """Follows the jobs of one session from their submission to their outcomes.

    Any thread may call its methods, :meth:`resume` and :meth:`start` apart. Its parts belong to its thread, and so does
    what is known of the job of each bundle from the moment on at which it is added; what comes of the calls of these
    bundles belongs to the resolver's thread.
    """

    def __init__(
        self,
        session: Session,
        access_point: AccessPoint,
        event_log: EventLog,
        *,
        max_jobs: int,
        categories: Mapping[str, int],
        transfer: Literal["YES", "IF_NEEDED"],
        afterwards: Callable[[], None],
        renewal: tuple[Mapping[str, Any], float] | None = None,
    ) -> None:
        """Make it; :meth:`start` starts the thread.

        Args:
            session: whose jobs.
            access_point: connected.
            event_log: the session's; the watcher closes it.
            max_jobs: how many jobs may be in the queue at once.
            categories: how many of a category; it may change at any time.
            transfer: the default of ``should_transfer_files``.
            afterwards: called last, when all jobs are gone.
            renewal: the jobs' credentials, as the helper is asked for them, and the seconds until they are to be
                stored again; None if there are none.

        """
        self.session = session
        #: What the interpreter had printed last when the last call was submitted: an interruption of something else.
        self.last_error = last_error()
        self.tally = Counts()
        self.access_point = access_point
        self._schedd = Schedd(access_point)
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        access_point.deliver = self._inbox.put  # all that asks it here belongs to this thread
        self._resumed: frozenset[str] = frozenset()
        self._loop_ended = threading.Event()  # from then on the inbox is not read any more
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="condor_futures watcher", daemon=True)
        self._resolver = Resolver(session, self.tally, self._initializer_failed)
        self._under_way = UnderWay(
            session,
            access_point,
            event_log,
            self._resolver,
            self._inbox.put,
            max_jobs=max_jobs,
            categories=categories,
            transfer=transfer,
        )
        self._credential_renewals = CredentialRenewals(access_point, renewal)
        self._ending = Ending(session, access_point, self._resolver, self._under_way, self._inbox, afterwards)
        self._owner = Owner("the watcher's thread")
        self._owner.takes(self._ending, self._credential_renewals)

    @property
    def lock(self) -> threading.Lock:
        """Held while it is decided whether a call is taken."""
        return self._ending.lock

    @property
    def broken(self) -> BaseException | None:
        """What has broken it, so that it takes no calls any more."""
        return self._ending.broken

    # What other threads call.

    def start(self) -> None:
        """Start following."""
        self._resolver.start()
        try:
            self._thread.start()
        except BaseException:
            self._resolver.close()
            raise

    def add(self, bundles: Sequence[Bundle], *, complete: bool = False) -> None:
        """Have *bundles* submitted; *complete* says that nothing more comes that could share their cluster."""
        self.tally.opened(bundles)
        self._take(bundles)
        self.last_error = last_error()
        self._inbox.put(functools.partial(self._add, bundles, complete))

    def resume(
        self,
        ended: Mapping[Bundle, states.Event],
        under_way: Mapping[Bundle, tuple[str, Sequence[states.Event]]],
        pending: Sequence[Bundle],
    ) -> None:
        """Go on with the bundles of a session that was left; before :meth:`start`.

        Args:
            ended: nothing more can come of them; what their calls without an outcome fail of.
            under_way: their jobs are in the queue, and these are the jobs' events so far.
            pending: to be submitted.

        """
        self.tally.opened([*ended, *under_way, *pending])
        self._take([*ended, *under_way, *pending])
        self._resumed = frozenset(bundle.key for bundle in (*ended, *under_way, *pending))
        for bundle, cause in ended.items():
            self._resolver.report(bundle, states.Report(cause))
        self._under_way.resume(under_way, pending)

    def _take(self, bundles: Sequence[Bundle]) -> None:
        """From here on, *bundles* are no business of the thread that made them."""
        self._owner.takes(*bundles, part="follower")
        self._resolver.owner.takes(*bundles, part="resolver")

    def detach(self) -> None:
        """Leave the jobs as they are, and end."""
        self._inbox.put(self._ending.detach)

    def cancel(self, future: CondorFuture[Any]) -> None:
        """Forget one call; when all calls of its job are forgotten, remove the job."""
        bundle = cast("Bundle | None", future.bundle)
        if bundle is not None:
            self.tally.ended(bundle, future.key, "cancelled")
            self._inbox.put(functools.partial(self._under_way.cancel, bundle, future.key))

    def cores(self, timeout: float) -> int:
        """How many cores the pool has; waits for the access point's answer.

        Raises:
            AccessPointError: if it does not answer within *timeout* seconds.

        """
        return self._schedd.cores().wait(timeout)

    def remove_all(self, reason: str) -> None:
        """Remove every job and fail every future that is not done."""
        self._inbox.put(functools.partial(self._under_way.remove_all, reason))

    def cancel_pending(self) -> None:
        """Submit, or leave in the queue, no call that does not run yet, and cancel these calls.

        That is done in the caller's thread, because cancelling runs the user's callbacks.
        """
        withdrawn: Future[list[CondorFuture[Any]]] = Future()
        self._inbox.put(lambda: withdrawn.set_result(self._under_way.withdraw_pending()))
        try:
            while not (withdrawn.done() or self._loop_ended.is_set()) and self._thread.is_alive():
                wait([withdrawn], 0.1)
            for future in withdrawn.result() if withdrawn.done() else ():
                future.cancel()
        except BaseException:
            # Ctrl-C: nothing will come of these calls, so somebody has to end their futures all the same.
            withdrawn.add_done_callback(lambda _: self._resolver.cancel(withdrawn.result()))
            raise

    def close(self) -> None:
        """Finish what there is, clean up, and end."""
        self._inbox.put(self._ending.close)

    def join(self, timeout: float | None = None) -> bool:
        """Wait until it has ended; False if *timeout* seconds passed before that."""
        if self._thread is threading.current_thread() or self._resolver.is_current_thread():
            return False  # a done callback called shutdown(): waiting for itself would never end
        # Not Thread.join(): after one that Ctrl-C has interrupted, Python 3.11 takes the thread to have ended, and a
        # program would leave its jobs behind. (In a forked child the thread is not alive.)
        if self._thread.is_alive() and not self._ended.wait(timeout):
            return False
        self._thread.join()
        return True

    def take_back(self) -> None:
        """Ctrl-C: remove all jobs, fail what is not done, and end."""
        self.remove_all("the client was interrupted")
        self.close()

    def join_aloud(self) -> None:
        """Wait until it has ended; says what for if that takes long."""
        if not self.join(_SILENCE):
            logger.warning("the session %s was interrupted; waiting for its jobs to be removed", self.session.id)
            self.join()

    def abandon(self) -> bool:
        """Nobody waits for its end any more; True if there was something to wait for."""
        if self.join(0.0):
            return False
        self.session.stay()
        self._ending.warn_of_jobs("another Ctrl-C came before they were removed")
        return True

    # The thread.

    def _run(self) -> None:
        with self._owner.at_work():
            self._follow()

    def _follow(self) -> None:
        try:
            while not self._ending.due:
                self._receive()
                self._under_way.effects.read_log()
                self._under_way.effects.proceed(hurry=self._ending.closing)
                self._credential_renewals.proceed()
        except AccessPointError as error:  # the helper is given up, and some calls cannot end without it
            logger.error("the session %s ends: %s", self.session.id, error)  # noqa: TRY400 - there is no more to tell
            self._ending.break_off(error, error)
        except BaseException as error:  # whatever it is, no future may be left pending
            logger.exception("the watcher of session %s failed; its calls fail with it", self.session.id)
            failure = CondorFuturesError(f"the watcher of the session failed: {type(error).__name__}: {error}")
            failure.__cause__ = error
            self._ending.break_off(error, failure)
        finally:
            self._loop_ended.set()
            try:
                self._ending.clean_up()
            finally:
                self._ended.set()

    def _receive(self) -> None:
        patience = min(self._under_way.effects.patience(), self._credential_renewals.patience())
        try:
            self._inbox.get(timeout=None if patience == math.inf else patience)()
            while True:
                self._inbox.get_nowait()()
        except queue.Empty:
            pass

    def _add(self, bundles: Sequence[Bundle], complete: bool) -> None:
        if self.broken is None:
            self._under_way.add(bundles, complete=complete)
        else:
            for bundle in bundles:
                self._resolver.fail(bundle, self.broken)

    def _initializer_failed(self, bundle: Bundle, error: BrokenCondorExecutor) -> None:
        """Tell all that is under way; called by the resolver."""
        if bundle.key not in self._resumed:  # it was an earlier client's: this one may have none, or a fixed one
            self._inbox.put(functools.partial(self._ending.initializer_failed, error))
