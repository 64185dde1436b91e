"""The thread that follows the jobs: it reads events, advances states, and carries out the effects.

One thread owns all parts, so no locks are needed: other threads post functions to its inbox. The thread never waits for
the schedd (the helper process does), and never unpickles (the :class:`Resolver`'s thread does). So neither a slow
access point nor a user's slow callback delays the handling of events.
"""

from __future__ import annotations

import functools
import logging
import queue
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from typing import Any, Literal

from condor_futures.access_point.requests import AccessPoint
from condor_futures.access_point.schedd import Schedd
from condor_futures.calls.bundle import Bundle
from condor_futures.calls.lines import Attempt
from condor_futures.calls.stored_calls import StoredCalls
from condor_futures.errors import AccessPointError, BrokenCondorExecutor, CondorFuturesError
from condor_futures.future import CondorFuture, Progress
from condor_futures.options.options import Options
from condor_futures.ownership import Owner
from condor_futures.resolving.counts import Counts
from condor_futures.resolving.resolver import Resolver
from condor_futures.session.event_log import EventLog
from condor_futures.session.session import Session
from condor_futures.state_machine import states
from condor_futures.watching.credential_renewals import CredentialRenewals
from condor_futures.watching.ending import Ending
from condor_futures.watching.inbox import Inbox
from condor_futures.watching.under_way import UnderWay

__all__ = ["Watcher", "last_error"]

logger = logging.getLogger("condor_futures.watcher")  # the name that the documentation has

#: Seconds after Ctrl-C until a warning says what the program is waiting for.
_SILENCE = 2.0
#: The same after the end of a program that has not shut down its executor.
_SILENCE_AT_EXIT = 10.0


def last_error() -> int:
    """Return the identity of the exception that the interpreter printed last."""
    return id(getattr(sys, "last_value", None))


class Watcher:
    """Follows the jobs of one session from their submission to their outcomes.

    Any thread may call its methods, except :meth:`resume` and :meth:`start`. Its parts belong to its thread. From the
    moment a bundle is added, the state of its job also belongs to this thread, and the results of its calls belong to
    the resolver's thread.
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
        next_bundle: Callable[[], int],
        warm: bool = False,
        renewal: tuple[Mapping[str, Any], float] | None = None,
    ) -> None:
        """Create it; :meth:`start` starts the thread.

        Args:
            session: the session of the jobs.
            access_point: the access point, connected.
            event_log: the session's job event log; the watcher closes it.
            max_jobs: the maximum number of jobs in the queue.
            categories: the maximum number by category; may change at any time.
            transfer: the default of ``should_transfer_files``.
            afterwards: called last, when all jobs are gone.
            next_bundle: gives out the numbers of bundles.
            warm: whether jobs can be warm, as far as is known.
            renewal: the jobs' credentials, as passed to the helper, and the seconds until they must be stored again;
                None if there are none.

        """
        self.session = session
        #: The last error when the last call was submitted. If it is an interruption, it concerned something else.
        self.last_error = last_error()
        self.tally = Counts()
        self.access_point = access_point
        self._schedd = Schedd(access_point)
        self._inbox = Inbox()
        access_point.deliver = self._inbox.put  # all parts that send requests belong to this thread
        self._resumed: frozenset[str] = frozenset()
        self._loop_ended = threading.Event()  # once set, the inbox is not read any more
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
            next_bundle=next_bundle,
            warm=warm,
        )
        if (descriptor := self._under_way.effects.fleets.descriptor) is not None:
            self._inbox.watch(descriptor)
        self._credential_renewals = CredentialRenewals(access_point, renewal)
        self._ending = Ending(session, access_point, self._resolver, self._under_way, self._inbox, afterwards)
        self._owner = Owner("the watcher's thread")
        self._owner.takes(self._ending, self._credential_renewals)

    @property
    def lock(self) -> threading.RLock:
        """Held while it is decided whether a call is accepted."""
        return self._ending.lock

    @property
    def broken(self) -> BaseException | None:
        """The exception that broke the watcher, so that it accepts no more calls; None if it works."""
        return self._ending.broken

    # Called by other threads.

    def start(self) -> None:
        """Start the thread."""
        self._resolver.start()
        try:
            self._thread.start()
        except BaseException:
            self._resolver.close()
            raise

    def add(self, bundles: Sequence[Bundle], *, complete: bool = False) -> None:
        """Have *bundles* submitted. *complete* says that no more bundles for the same cluster will come."""
        for bundle in bundles:
            self.tally.opened(bundle.futures.values(), bundle)
        self.takes(*bundles)
        self.last_error = last_error()
        self._inbox.put(functools.partial(self._add, bundles, complete))

    def store(self, stored: StoredCalls, bundle: Bundle, futures: Mapping[str, CondorFuture[Any]]) -> None:
        """Have calls made by warm jobs; they are *stored* in the file of *bundle*."""
        self.tally.opened(futures.values(), bundle)
        self.last_error = last_error()
        self._inbox.put(functools.partial(self._store, stored, bundle, futures))

    def resume(
        self,
        ended: Mapping[Bundle, states.Event],
        under_way: Mapping[Bundle, tuple[str, Sequence[states.Event]]],
        pending: Sequence[Bundle],
        lines: Mapping[Bundle, Attempt | None],
    ) -> None:
        """Resume the bundles of a session that this client attached to. Call this before :meth:`start`.

        Args:
            ended: bundles whose jobs have ended, with the event because of which calls without an outcome fail.
            under_way: bundles whose jobs are in the queue, with the job's id and its events so far.
            pending: bundles to submit.
            lines: of the open bundles under way, the last attempts of their jobs.

        """
        for bundle in (*ended, *under_way, *pending):
            self.tally.opened(bundle.futures.values(), bundle)
        self.takes(*ended, *under_way, *pending)
        self._resumed = frozenset(bundle.key for bundle in (*ended, *under_way, *pending))
        for bundle in (*ended, *under_way, *pending):
            if bundle.places:
                self._resolver.deliver_known(bundle)
        for bundle, cause in ended.items():
            self._under_way.effects.requests.ended(bundle, cause)
            self._resolver.report(bundle, states.Report(cause))
        self._under_way.resume(under_way, pending, lines)

    def takes(self, *bundles: Bundle) -> None:
        """Take over *bundles* from the thread that made them."""
        self._owner.takes(*bundles, part="follower")
        self._resolver.owner.takes(*bundles, part="resolver")

    def detach(self) -> None:
        """End, and leave the jobs as they are."""
        self._inbox.put(self._ending.detach)

    def cancel(self, future: CondorFuture[Any]) -> None:
        """Forget one call; when all calls of its job are forgotten, remove the job."""
        if future.bundle is not None:
            self.tally.ended(future, "cancelled")
            self._inbox.put(functools.partial(self._under_way.cancel, future))

    def cores(self, timeout: float) -> int:
        """Return the number of cores in the pool. Waits for the access point's answer.

        Raises:
            AccessPointError: the access point does not respond within *timeout* seconds.

        """
        return self._schedd.cores().wait(timeout)

    def why_not_warm(self, options: Options) -> str | None:
        """Return why calls with these *options* are not made by warm jobs; None if they are, as far as is known."""
        return self._under_way.effects.fleets.why_not(options)

    def counts(self) -> Counter[str]:
        """Return the number of calls in each state."""
        return self.tally.counts()

    def streams(self, options: Options) -> bool:
        """Return whether jobs with these *options* that are not warm stream their outcomes, as far as is known."""
        return self._under_way.effects.fleets.streams(options)

    def reports(self) -> dict[str, Progress]:
        """Return the last reports of the calls that run now, by call key."""
        effects = self._under_way.effects
        return {**effects.fleets.reports(), **effects.streams.reports()}

    def remove_all(self, reason: str) -> None:
        """Remove every job and fail every future that is not done."""
        self._inbox.put(functools.partial(self._under_way.remove_all, reason))

    def cancel_pending(self) -> None:
        """Withdraw and cancel all calls that do not run yet.

        The caller's thread cancels them, because cancelling runs the user's callbacks.
        """
        withdrawn: Future[list[CondorFuture[Any]]] = Future()
        self._inbox.put(lambda: withdrawn.set_result(self._under_way.withdraw_pending()))
        try:
            while not (withdrawn.done() or self._loop_ended.is_set()) and self._thread.is_alive():
                wait([withdrawn], 0.1)
            for future in withdrawn.result() if withdrawn.done() else ():
                future.cancel()
        except BaseException:
            # Ctrl-C: these calls have been withdrawn, so the resolver must cancel their futures.
            withdrawn.add_done_callback(lambda _: self._resolver.cancel(withdrawn.result()))
            raise

    def close(self) -> None:
        """End and clean up when all submitted calls have ended."""
        self._inbox.put(self._ending.close)

    def join(self, timeout: float | None = None) -> bool:
        """Wait until the watcher has ended. Return False if *timeout* seconds passed before its end."""
        if self._thread is threading.current_thread() or self._resolver.is_current_thread():
            return False  # a done callback called shutdown(): the thread would wait for itself forever
        # Not Thread.join(): after Ctrl-C has interrupted it, Python 3.11 considers the thread ended, and the program
        # would leave its jobs behind. (In a forked child the thread is not alive.)
        if self._thread.is_alive() and not self._ended.wait(timeout):
            return False
        self._thread.join()
        return True

    def take_back(self) -> None:
        """Remove all jobs after Ctrl-C, fail all futures that are not done, and end.

        The interrupted thread calls this, and may hold locks of futures.
        """
        for future in self._open_futures():
            future.let_go()
        self.remove_all("the client was interrupted")
        self.close()

    def _open_futures(self) -> list[CondorFuture[Any]]:
        while True:
            try:
                return self._under_way.futures()
            except RuntimeError:  # the watcher's thread has just changed a table
                continue

    def join_aloud(self) -> None:
        """Wait until the watcher has ended, with a warning if this takes long."""
        if not self.join(_SILENCE):
            logger.warning("the session %s was interrupted; waiting for its jobs to be removed", self.session.id)
            self.join()

    def join_at_exit(self) -> None:
        """Wait until the watcher has ended, as the program does at its end, with a warning if this takes long."""
        if not self.join(_SILENCE_AT_EXIT):
            counts = self.tally.counts()
            left = [f"{counts[state.value]} {state.value}" for state in states.State if counts[state.value]]
            if left:
                logger.warning(
                    "the program is at its end, and waits for calls of the session %s (%s); Ctrl-C removes their jobs",
                    self.session.id,
                    ", ".join(left),
                )
            self.join()

    def abandon(self) -> bool:
        """Stop waiting for the end. Return False if the watcher has already ended."""
        if self.join(0.0):
            return False
        self.session.stay()
        self._ending.warn_of_jobs("Ctrl-C was pressed again before they were removed")
        return True

    # The thread.

    def _run(self) -> None:
        with self._owner.at_work():
            self._follow()

    def _follow(self) -> None:
        try:
            while not self._ending.due:
                self._receive()
                self._under_way.effects.fleets.read()
                self._under_way.effects.streams.read()
                self._under_way.effects.read_log()
                self._under_way.effects.proceed(hurry=self._ending.closing)
                self._credential_renewals.proceed()
        except AccessPointError as error:  # the helper is given up, and some calls cannot end without it
            logger.error("the session %s ends: %s", self.session.id, error)  # noqa: TRY400 - a traceback does not help
            self._ending.break_off(error, error)
        except BaseException as error:  # no exception may leave a future pending
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
        self._inbox.wait(patience)
        try:
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

    def _store(self, stored: StoredCalls, bundle: Bundle, futures: Mapping[str, CondorFuture[Any]]) -> None:
        if self.broken is None:
            self._under_way.effects.fleets.store(stored, bundle, futures)
        else:
            self._resolver.fail_waiting(futures.values(), self.broken)

    def _initializer_failed(self, bundle: Bundle, error: BrokenCondorExecutor) -> None:
        """Fail all calls under way. The resolver calls this."""
        if bundle.key not in self._resumed:  # an earlier client's initializer: this client may have none or a fixed one
            self._inbox.put(functools.partial(self._ending.initializer_failed, error))
