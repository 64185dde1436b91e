"""The thread that follows the jobs: it reads events, advances states, and carries out the effects.

One thread owns all of it, so there is nothing to lock: whoever wants something of it posts a function to its inbox. It
never waits for the schedd (the helper process does) and never unpickles (the :class:`Resolver`'s thread does), so
neither a slow access point nor a user's slow callback keeps it from the events.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import replace
from typing import Any, Literal, cast

from condor_futures.access_point.helper.words import NEVER_RAN
from condor_futures.access_point.requests import AccessPoint
from condor_futures.access_point.schedd import Schedd
from condor_futures.calls.bundle import Bundle
from condor_futures.errors import AccessPointError, BrokenCondorExecutor, CondorFuturesError, JobRemovedError
from condor_futures.future import CondorFuture
from condor_futures.resolving.counts import Tally
from condor_futures.resolving.resolver import Resolver
from condor_futures.session.event_log import EventLog
from condor_futures.session.session import Session
from condor_futures.state_machine import states
from condor_futures.state_machine.states import HoldPolicy, State
from condor_futures.state_machine.transitions import IllegalTransition, advance
from condor_futures.watching.credential_renewals import Renewals
from condor_futures.watching.dependencies import Dependencies
from condor_futures.watching.queue_looks import JobQueue
from condor_futures.watching.releases import Releases
from condor_futures.watching.retrievals import Departures
from condor_futures.watching.submissions import Submissions

__all__ = ["Watcher", "last_error"]

logger = logging.getLogger("condor_futures.watcher")  # the name that the documentation has

#: The log is looked at again after this share of the time since something last happened, so that waiting adds at most
#: that much to what one waits anyway; within these bounds, in seconds.
POLL_SHARE, POLL_SHORTEST, POLL_LONGEST = 0.02, 0.002, 0.25
#: Seconds after Ctrl-C until it is said what is waited for.
_SILENCE = 2.0


def last_error() -> int:
    """Which exception the interpreter printed last."""
    return id(getattr(sys, "last_value", None))


class Watcher:
    """Follows the jobs of one session from their submission to their outcomes."""

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
        #: Held while it is decided whether a call is taken: what was added before it broke, it sees.
        self.lock = threading.Lock()
        self.broken: BaseException | None = None
        #: What the interpreter had printed last when the last call was submitted: an interruption of something else.
        self.last_error = last_error()
        self._access_point = access_point
        self._schedd = Schedd(access_point)
        self._afterwards = afterwards
        self._log = event_log
        self.tally = Tally()
        self._resolver = Resolver(session, self.tally, self._initializer_failed)
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        access_point.deliver = self._inbox.put  # all that asks it here belongs to this thread
        self._thread = threading.Thread(target=self._run, name="condor_futures watcher", daemon=True)
        self._closing = False
        self._detaching = False
        self._resumed: set[str] = set()
        self._loop_ended = threading.Event()  # from then on the inbox is not read any more
        self._ended = threading.Event()

        self._dependencies = Dependencies(self._resolver, self._inbox.put, self._add_ready, self._forget)
        self._live: dict[str, Bundle] = {}
        self._last_activity = time.monotonic()
        self._submissions = Submissions(
            access_point,
            session,
            self._live,
            max_jobs=max_jobs,
            categories=categories,
            transfer=transfer,
            incomplete=lambda options: self._dependencies.awaits(options.cluster),
            answer=self._submitted,
        )
        self._departures = Departures(access_point, session.constraint, advance=self._advance)
        self._renewals = Renewals(access_point, renewal)
        self._releases = Releases(access_point, read_log=self._read_log, advance=self._advance)
        self._queue = JobQueue(
            access_point,
            session.constraint,
            self._live,
            read_log=self._read_log,
            tell=self._handle,
        )

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
        self._resumed = {bundle.key for bundle in (*ended, *under_way, *pending)}
        for bundle, cause in ended.items():
            self._resolver.report(bundle, states.Report(cause))
        for bundle, (job_id, events) in under_way.items():
            self._live[job_id] = bundle
            # While the log is replayed, nothing is done about its holds, most of which are over; Attached, below,
            # decides about the one that the job may be in.
            bundle.job = replace(bundle.job, policy=HoldPolicy("wait"))
            self._advance(bundle, states.Submitted(job_id, bundle.key))
            for event in events:
                self._advance(bundle, event)
        self._add(pending, complete=True)
        if under_way:
            self._queue.submitted(logged=any(events for _, events in under_way.values()))
        for bundle, (job_id, _) in under_way.items():
            self._advance(bundle, states.Attached(job_id, bundle.options.on_hold.policy))

    def detach(self) -> None:
        """Leave the jobs as they are, and end."""
        self._inbox.put(self._detach)

    def cancel(self, future: CondorFuture[Any]) -> None:
        """Forget one call; when all calls of its job are forgotten, remove the job."""
        bundle = cast("Bundle | None", future.bundle)
        if bundle is not None:
            self.tally.ended(bundle, future.key, "cancelled")
            self._inbox.put(functools.partial(self._cancel, bundle, future.key))

    def cores(self, timeout: float) -> int:
        """How many cores the pool has; waits for the access point's answer.

        Raises:
            AccessPointError: if it does not answer within *timeout* seconds.

        """
        return self._schedd.cores().wait(timeout)

    def remove_all(self, reason: str) -> None:
        """Remove every job and fail every future that is not done."""
        self._inbox.put(functools.partial(self._remove_all, reason))

    def cancel_pending(self) -> None:
        """Submit, or leave in the queue, no call that does not run yet, and cancel these calls.

        That is done in the caller's thread, because cancelling runs the user's callbacks.
        """
        withdrawn: Future[list[CondorFuture[Any]]] = Future()
        self._inbox.put(lambda: withdrawn.set_result(self._withdraw_pending()))
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
        self._inbox.put(self._close)

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
        self._warn_of_jobs("another Ctrl-C came before they were removed")
        return True

    def _warn_of_jobs(self, why: object) -> None:
        session = self.session
        logger.warning(
            "jobs of session %s may be left in the queue: %s; `condor-futures purge %s` removes them",
            session.id,
            why,
            session.directory if session.kept else session.id,
        )

    def _bundles(self) -> list[Bundle]:
        """All that are under way."""
        return [*self._dependencies.bundles(), *self._submissions.bundles(), *self._live.values()]

    # The thread.

    def _run(self) -> None:
        try:
            while not (self._closing and self._finished()) and not (self._detaching and self._quiet()):
                self._receive()
                self._read_log()
                self._submissions.proceed(hurry=self._closing)
                self._departures.proceed(under_way=len(self._live) + (not self._submissions.empty))
                self._releases.proceed()
                self._queue.look()
                self._renewals.proceed()
        except AccessPointError as error:  # the helper is given up, and some calls cannot end without it
            logger.error("the session %s ends: %s", self.session.id, error)  # noqa: TRY400 - there is no more to tell
            self._break(error, error)
        except BaseException as error:  # whatever it is, no future may be left pending
            logger.exception("the watcher of session %s failed; its calls fail with it", self.session.id)
            failure = CondorFuturesError(f"the watcher of the session failed: {type(error).__name__}: {error}")
            failure.__cause__ = error
            self._break(error, failure)
        finally:
            self._loop_ended.set()
            try:
                self._clean_up()
            finally:
                self._ended.set()

    def _receive(self) -> None:
        try:
            self._inbox.get(timeout=self._patience())()
            while True:
                self._inbox.get_nowait()()
        except queue.Empty:
            pass

    def _patience(self) -> float | None:
        """Seconds until there may be something to do that no message announces."""
        waits = [self._departures.patience(), self._submissions.patience(), self._renewals.patience()]
        if self._live:
            idle = time.monotonic() - self._last_activity
            waits.append(min(max(POLL_SHARE * idle, POLL_SHORTEST), POLL_LONGEST))
        return None if min(waits) == math.inf else min(waits)

    def _finished(self) -> bool:
        under_way = self._live or self._dependencies.waiting or not self._submissions.empty
        return not (under_way or self._departures.busy)

    # Messages.

    def _add(self, bundles: Sequence[Bundle], complete: bool) -> None:
        if self.broken is not None:
            for bundle in bundles:
                self._resolver.fail(bundle, self.broken)
            return
        waiting: list[Bundle] = []  # found out first: who waits for what has ended already does not wait for long
        ready: list[Bundle] = []
        for bundle in bundles:
            (waiting if bundle.parents or bundle.after else ready).append(bundle)
        for bundle in waiting:
            self._dependencies.add(bundle)
        self._submissions.add(ready, complete=complete)

    def _add_ready(self, bundle: Bundle) -> None:
        bundle.parents, bundle.after = {}, ()  # they may be collected
        self._submissions.add([bundle])

    def _cancel(self, bundle: Bundle, call: str) -> None:
        self._forget(bundle, call, keep_calls=False)

    def _forget(self, bundle: Bundle, call: str, *, keep_calls: bool = True) -> None:
        """Nobody waits for this call any more; when that is true of all of the bundle, its job is not wanted."""
        bundle.cancelled.add(call)
        if len(bundle.cancelled) == len(bundle.futures):  # (no futures: it was reported in the meantime)
            self._unwant(bundle, keep_calls=keep_calls)

    def _unwant(self, bundle: Bundle, *, keep_calls: bool = False) -> None:
        """Its job is not wanted; and unless its calls are kept, nobody who attaches to the session is to find it."""
        self._advance(bundle, states.Unwanted(bundle.job.job_id or ""))
        self._dependencies.discard(bundle)
        # (while it is submitted, its file has to be there, or all the others fail too)
        if not keep_calls and bundle not in self._submissions.under_way:
            bundle.cancel_calls()

    def _withdraw_pending(self) -> list[CondorFuture[Any]]:
        futures: list[CondorFuture[Any]] = []
        for bundle in self._bundles():
            if bundle.job.state in (State.PENDING, State.IDLE, State.HELD):
                futures += bundle.futures.values()
                self._unwant(bundle)
        return futures

    def _remove_all(self, reason: str) -> None:
        for bundle in self._bundles():
            job_id = bundle.job.job_id
            error = JobRemovedError(
                f"the job {job_id or 'of the call'} was removed: {reason}", job_id=job_id, reason=reason
            )
            self._resolver.fail(bundle, error)
            self._unwant(bundle)

    def _close(self) -> None:
        self._closing = True

    def _detach(self) -> None:
        self._detaching = True

    def _quiet(self) -> bool:
        """What was begun is done, as far as it can be now, and what can be in the queue is there."""
        leaving = self._departures.busy and not self._departures.stuck
        coming = (self._submissions.under_way and not self._submissions.stuck) or self._submissions.due()
        return not (coming or leaving)

    def _initializer_failed(self, bundle: Bundle, error: BrokenCondorExecutor) -> None:
        """Tell all that is under way, as ProcessPoolExecutor does; called by the resolver."""
        if bundle.key in self._resumed:
            return  # it was an earlier client's: this one may have none, or one that is mended

        def fail() -> None:
            if self.broken is None:
                self.broken = error
                for other in self._bundles():
                    self._resolver.fail(other, error)
                    self._unwant(other)

        self._inbox.put(fail)

    def _break(self, error: BaseException, failure: CondorFuturesError) -> None:
        """Fail all calls, those that come later because of *error*."""
        with self.lock:
            self.broken = error
        if self.session.kept:
            self._detaching = True  # whoever attaches gets what the jobs do
            failure.args = (f"{failure}; attach({str(self.session.directory)!r}) takes up what is left",)
        self._fail_everything(failure)

    def _fail_everything(self, error: BaseException) -> None:
        for bundle in self._bundles():
            self._resolver.fail(bundle, error)
        self._dependencies.clear()
        self._submissions.clear()
        self._live.clear()
        # What is on its way here finds the watcher broken.
        with contextlib.suppress(queue.Empty):
            while True:
                self._inbox.get_nowait()()

    # Events.

    def _read_log(self) -> None:
        events = self._log.read()
        if events:
            self._last_activity = time.monotonic()
            self._queue.log_speaks = True
        for event in events:
            self._handle(event)

    def _handle(self, event: states.Event) -> None:
        bundle = self._live.get(event.job_id)
        if bundle is not None:
            self._advance(bundle, event)
        elif self._submissions.under_way:
            # The schedd writes the log before it answers, and only its answer says for certain which job is which
            # bundle's: a submission that had to be made again leaves events of two jobs with the same note.
            self._submissions.early.append(event)

    def _advance(self, bundle: Bundle, event: states.Event) -> None:
        before = bundle.job
        try:
            bundle.job, effects = advance(before, event)
        except IllegalTransition as error:
            logger.exception("bundle %s: %s", bundle.key, error.line())
            self._resolver.fail(bundle, CondorFuturesError(f"a bug in condor_futures: {error}"))
            bundle.job, effects = advance(before, states.Unwanted(event.job_id))
        if bundle.job.state is not State.HELD or bundle.job.holds > before.holds:
            self._releases.forget(bundle.job.job_id or "")
        for effect in effects:
            self._perform(bundle, effect)
        if bundle.job.state in (State.ENDED, State.DISCARDED):
            if self._is_its_own(bundle):
                self._live.pop(bundle.job.job_id or "", None)
            self._departures.forget(bundle)
        if before.state is State.PENDING and bundle.job.state is State.DISCARDED:
            self._submissions.withdraw()

    def _is_its_own(self, bundle: Bundle) -> bool:
        """Whether the id of its job has not been given to another one since."""
        return self._live.get(bundle.job.job_id or "", bundle) is bundle

    def _perform(self, bundle: Bundle, effect: states.Effect) -> None:
        match effect:
            case states.MarkRunning():
                for future in bundle.futures.values():
                    future.mark_running()
            case states.Retrieve():
                self._departures.retrieve(bundle)
            case states.Remove():
                if self._is_its_own(bundle):
                    self._departures.remove(bundle.job.job_id or "")
            case states.Release(memory_max):
                self._releases.release(bundle, memory_max)
            case states.Ask():
                self._resolver.ask(bundle, lambda event: self._inbox.put(lambda: self._advance(bundle, event)))
            case states.Resubmit():
                job_id = bundle.job.job_id or ""
                del self._live[job_id]
                # What remains of it if this fails goes at the end of the session.
                self._schedd.remove([job_id], NEVER_RAN).send(lambda *_: None)
                self._submissions.add([bundle])
            case states.Report() as report:
                self._resolver.report(bundle, report)
            case _:
                raise NotImplementedError(effect)

    # Submission.

    def _submitted(self, batch: Sequence[Bundle], result: Any, error: AccessPointError | None) -> None:
        self._read_log()  # the schedd writes the SUBMIT events before it answers
        self._last_activity = time.monotonic()
        if error is not None:
            for bundle in batch:
                self._advance(bundle, states.Refused("", str(error)))
            return
        for warning in result["warnings"]:
            logger.warning("condor_submit: %s", warning)
        for number, bundle in enumerate(batch):
            job_id = f"{result['cluster']}.{result['first'] + number}"
            earlier = self._live.get(job_id)
            self._live[job_id] = bundle
            if earlier is not None:  # the schedd has lost its queue, and counts from 1 again
                self._advance(earlier, states.Gone(job_id))
                # One that had ended waits for outcomes that are not there any more.
                self._advance(earlier, states.NotRetrieved(job_id, "the access point has lost its queue"))
            self._advance(bundle, states.Submitted(job_id, bundle.key))
        early, self._submissions.early = self._submissions.early, []
        self._queue.submitted(logged=any(event.job_id in self._live for event in early))
        for event in early:
            self._handle(event)

    # The end.

    def _clean_up(self) -> None:
        """Leave nothing in the queue, which is to leave nothing in the spool directory; then end what helps."""
        try:
            if not self._detaching:
                self._departures.empty_the_queue()
            left = CondorFuturesError(
                f"the executor left the session {self.session.id}; attach() gives this call again"
            )
            for bundle in self._bundles():
                self._resolver.fail(bundle, left)
            leave = self.session.leave if self._detaching else self.session.finish
        except AccessPointError as error:
            leave = self.session.leave  # its directory stays, to be rid of them later
            self._warn_of_jobs(error)
        finally:
            self._access_point.close()
            self._resolver.close()
            self._log.close()
            leave()
            self._afterwards()
