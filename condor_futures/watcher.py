"""The thread that follows the jobs: it reads events, advances states, and carries out the effects.

One thread owns all of it, so there is nothing to lock: whoever wants something of it posts a function to its inbox. It
never waits for the schedd (the helper process does) and never unpickles (the :class:`Resolver`'s thread does), so
neither a slow access point nor a user's slow callback keeps it from the events.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, Literal, cast

from condor_futures import states
from condor_futures.access_point import AccessPoint
from condor_futures.bundle import Bundle
from condor_futures.dependencies import Dependencies
from condor_futures.errors import AccessPointError, BrokenCondorExecutor, CondorFuturesError, JobRemovedError
from condor_futures.event_log import QUEUE_PROJECTION, EventLog, queue_events
from condor_futures.future import CondorFuture
from condor_futures.resolver import Resolver
from condor_futures.session import Session
from condor_futures.states import State
from condor_futures.submit_description import describe

__all__ = ["Watcher"]

logger = logging.getLogger(__name__)

#: Submissions are one cluster if none comes for QUIET seconds, or after GATHER seconds; a bundle takes 0.2 ms to write.
QUIET, GATHER = 0.005, 0.1
#: While other jobs are under way, an ended one waits this many seconds for company on the way home: one retrieval of
#: many costs 1 ms a job, many retrievals of one 6 ms each, and the schedd a process each.
RETRIEVE_GATHER = 0.25
LARGEST_CLUSTER = 1000
LARGEST_RETRIEVAL = 200
#: The log is looked at again after this share of the time since something last happened, so that waiting adds at most
#: that much to what one waits anyway; within these bounds, in seconds.
POLL_SHARE, POLL_SHORTEST, POLL_LONGEST = 0.02, 0.002, 0.25
#: Seconds between two comparisons of the jobs with the schedd's queue.
AUDIT_INTERVAL = 20.0
#: Seconds that jobs which were retrieved get to leave the queue by themselves (as completed) before they are removed.
LEAVE_BY_THEMSELVES = 5.0


class Watcher:
    """Follows the jobs of one session from their submission to their outcomes."""

    def __init__(
        self,
        session: Session,
        access_point: AccessPoint,
        *,
        max_jobs: int,
        transfer: Literal["YES", "IF_NEEDED"],
        afterwards: Callable[[], None],
    ) -> None:
        """Make it; :meth:`start` starts the thread.

        Args:
            session: whose jobs.
            access_point: connected.
            max_jobs: how many jobs may be in the queue at once.
            transfer: the default of ``should_transfer_files``.
            afterwards: called last, when all jobs are gone.

        """
        self.session = session
        self.broken: BaseException | None = None
        self._access_point = access_point
        self._max_jobs = max_jobs
        self._transfer = transfer
        self._afterwards = afterwards
        self._log = EventLog(session.event_log)
        self._resolver = Resolver(session, self._initializer_failed)
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="condor_futures watcher", daemon=True)
        self._closing = False
        self._loop_ended = threading.Event()  # from then on the inbox is not read any more
        self._batches = itertools.count()
        self._constraint = f'CondorFuturesSession == "{session.id}"'

        self._dependencies = Dependencies(self._resolver, self._inbox.put, self._add_ready, self._forget)
        self._pending: list[Bundle] = []
        self._first_arrival = self._last_arrival = 0.0
        self._submitting: Sequence[Bundle] = ()
        self._early: list[states.Event] = []
        self._live: dict[str, Bundle] = {}
        self._to_retrieve: dict[str, Bundle] = {}
        self._retrieve_since = 0.0
        self._retrieving = False
        self._to_remove: list[str] = []
        self._last_activity = time.monotonic()
        self._next_audit = self._last_activity + AUDIT_INTERVAL
        self._auditing = False

    # What other threads call.

    def start(self) -> None:
        """Start following."""
        self._resolver.start()
        self._thread.start()

    def add(self, bundles: Sequence[Bundle], *, complete: bool = False) -> None:
        """Have *bundles* submitted; *complete* says that nothing more comes that could share their cluster."""
        self._inbox.put(functools.partial(self._add, bundles, complete))

    def cancel(self, future: CondorFuture[Any]) -> None:
        """Forget one call; when all calls of its job are forgotten, remove the job."""
        self._inbox.put(functools.partial(self._cancel, future))

    def remove_all(self, reason: str) -> None:
        """Remove every job and fail every future that is not done."""
        self._inbox.put(functools.partial(self._remove_all, reason))

    def withdraw_pending(self) -> list[CondorFuture[Any]]:
        """Submit, or leave in the queue, no call that does not run yet; gives their futures, for the caller to cancel.

        Cancelling runs the user's callbacks, which is not for the threads here to do.
        """
        withdrawn: Future[list[CondorFuture[Any]]] = Future()
        self._inbox.put(lambda: withdrawn.set_result(self._withdraw_pending()))
        while not self._loop_ended.is_set():
            with contextlib.suppress(FutureTimeoutError):
                return withdrawn.result(0.1)
        return withdrawn.result() if withdrawn.done() else []

    def close(self) -> None:
        """Finish what there is, clean up, and end."""
        self._inbox.put(self._close)

    def join(self, timeout: float | None = None) -> bool:
        """Wait until it has ended; False if *timeout* seconds passed before that."""
        if self._thread is threading.current_thread() or self._resolver.is_current_thread():
            return False  # a done callback called shutdown(): waiting for itself would never end
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def counts(self) -> Counter[str]:
        """How many calls are pending, idle, running and completed at the moment, and how many have ended, and how."""
        counts = Counter(self._resolver.ended)
        for bundle in self._bundles():
            counts[bundle.job.state.value] += sum(not future.done() for future in list(bundle.futures.values()))
        return counts

    def _bundles(self) -> list[Bundle]:
        """All that are under way; list() makes the copies that other threads may walk through."""
        return [*self._dependencies.bundles(), *list(self._pending), *self._submitting, *list(self._live.values())]

    # The thread.

    def _run(self) -> None:
        try:
            while not (self._closing and self._finished()):
                self._receive()
                self._read_log()
                self._submit()
                self._retrieve()
                self._remove()
                self._audit()
        except BaseException as error:  # whatever it is, no future may be left pending
            logger.exception("the watcher of session %s failed; its calls fail with it", self.session.id)
            self.broken = error
            failure = CondorFuturesError(f"the watcher of the session failed: {type(error).__name__}: {error}")
            failure.__cause__ = error
            self._fail_everything(failure)
        finally:
            self._loop_ended.set()
            self._clean_up()

    def _receive(self) -> None:
        try:
            self._inbox.get(timeout=self._patience())()
            while True:
                self._inbox.get_nowait()()
        except queue.Empty:
            pass

    def _patience(self) -> float | None:
        """Seconds until there may be something to do that no message announces."""
        waits = []
        if self._live:
            idle = time.monotonic() - self._last_activity
            waits.append(min(max(POLL_SHARE * idle, POLL_SHORTEST), POLL_LONGEST))
        if self._pending and not self._submitting and len(self._live) < self._max_jobs:
            waits.append(QUIET)
        if self._to_retrieve and not self._retrieving:
            waits.append(RETRIEVE_GATHER / 10)
        return min(waits) if waits else None

    def _finished(self) -> bool:
        return not (self._bundles() or self._retrieving or self._to_remove)

    # Messages.

    def _add(self, bundles: Sequence[Bundle], complete: bool) -> None:
        if self.broken is not None:
            for bundle in bundles:
                self._resolver.fail(bundle, self.broken)
            return
        now = time.monotonic()
        if not self._pending:
            self._first_arrival = now
        self._last_arrival = now - QUIET if complete else now
        for bundle in bundles:
            if bundle.parents:
                self._dependencies.add(bundle)
            else:
                self._pending.append(bundle)

    def _add_ready(self, bundle: Bundle) -> None:
        bundle.parents = {}  # they may be collected
        now = time.monotonic()
        if not self._pending:
            self._first_arrival = now
        self._last_arrival = now
        self._pending.append(bundle)

    def _cancel(self, future: CondorFuture[Any]) -> None:
        bundle = cast("Bundle | None", future._bundle)
        if bundle is not None:
            self._resolver.ended["cancelled"] += 1
            self._forget(bundle, future.key)

    def _forget(self, bundle: Bundle, call: str) -> None:
        """Nobody waits for this call any more; when that is true of all of the bundle, its job is not wanted."""
        bundle.cancelled.add(call)
        if len(bundle.cancelled) == len(bundle.futures):  # (no futures: it was reported in the meantime)
            self._advance(bundle, states.Unwanted(bundle.job.job_id or ""))
            self._dependencies.discard(bundle)

    def _withdraw_pending(self) -> list[CondorFuture[Any]]:
        futures: list[CondorFuture[Any]] = []
        for bundle in self._bundles():
            if bundle.job.state in (State.PENDING, State.IDLE):
                futures += bundle.futures.values()
                self._advance(bundle, states.Unwanted(bundle.job.job_id or ""))
                self._dependencies.discard(bundle)
        return futures

    def _remove_all(self, reason: str) -> None:
        for bundle in self._bundles():
            job_id = bundle.job.job_id
            error = JobRemovedError(
                f"the job {job_id or 'of the call'} was removed: {reason}", job_id=job_id, reason=reason
            )
            self._resolver.fail(bundle, error)
            self._advance(bundle, states.Unwanted(job_id or ""))
        self._dependencies.clear()

    def _close(self) -> None:
        self._closing = True

    def _initializer_failed(self, error: BrokenCondorExecutor) -> None:
        """Tell all that is under way, as ProcessPoolExecutor does; called by the resolver."""

        def fail() -> None:
            if self.broken is None:
                self.broken = error
                for bundle in self._bundles():
                    self._resolver.fail(bundle, error)
                    self._advance(bundle, states.Unwanted(bundle.job.job_id or ""))
                self._dependencies.clear()

        self._inbox.put(fail)

    def _fail_everything(self, error: BaseException) -> None:
        for bundle in self._bundles():
            self._resolver.fail(bundle, error)
        self._dependencies.clear()
        self._pending.clear()
        self._live.clear()
        self._submitting = ()
        # What is on its way here finds the watcher broken.
        with contextlib.suppress(queue.Empty):
            while True:
                self._inbox.get_nowait()()

    # Events.

    def _read_log(self) -> None:
        events = self._log.read()
        if events:
            self._last_activity = time.monotonic()
        for event in events:
            self._handle(event)

    def _handle(self, event: states.Event) -> None:
        bundle = self._live.get(event.job_id)
        if bundle is not None:
            self._advance(bundle, event)
        elif self._submitting:
            # The schedd writes the log before it answers, and only its answer says for certain which job is which
            # bundle's: a submission that had to be made again leaves events of two jobs with the same note.
            self._early.append(event)

    def _advance(self, bundle: Bundle, event: states.Event) -> None:
        before = bundle.job
        try:
            bundle.job, effects = states.advance(before, event)
        except states.IllegalTransition as error:
            logger.exception("bundle %s", bundle.key)
            self._resolver.fail(bundle, CondorFuturesError(f"a bug in condor_futures: {error}"))
            bundle.job, effects = states.advance(before, states.Unwanted(event.job_id))
        for effect in effects:
            self._perform(bundle, effect)
        if bundle.job.state in (State.ENDED, State.DISCARDED) and bundle.job.job_id is not None:
            self._live.pop(bundle.job.job_id, None)
            self._to_retrieve.pop(bundle.job.job_id, None)

    def _perform(self, bundle: Bundle, effect: states.Effect) -> None:
        job_id = bundle.job.job_id or ""
        match effect:
            case states.MarkRunning():
                for future in bundle.futures.values():
                    future._mark_running()
            case states.Retrieve():
                if not self._to_retrieve:
                    self._retrieve_since = time.monotonic()
                self._to_retrieve[job_id] = bundle
            case states.Remove():
                self._to_remove.append(job_id)
            case states.Report() as report:
                self._resolver.report(bundle, report)
            case _:
                raise NotImplementedError(effect)

    # Submission.

    def _submit(self) -> None:
        room = self._max_jobs - len(self._live)
        if self._submitting or not self._pending or room <= 0:
            return
        self._pending = [bundle for bundle in self._pending if bundle.job.state is State.PENDING]
        now = time.monotonic()
        quiet = now - self._last_arrival >= QUIET or now - self._first_arrival >= GATHER or self._closing
        if not self._pending or not (quiet or len(self._pending) >= LARGEST_CLUSTER):
            return
        first = self._pending[0]
        alike = [b for b in self._pending if b.directory == first.directory and b.options.key == first.options.key]
        batch = alike[: min(room, LARGEST_CLUSTER)]
        chosen = set(map(id, batch))
        self._pending = [bundle for bundle in self._pending if id(bundle) not in chosen]
        self._submitting = batch  # first: what fails from here on fails these too
        name = f"{self.session.id}#{next(self._batches)}"
        own_files = "transfer_input_files" in first.options.commands
        description = describe(
            first.options.commands,
            session_id=self.session.id,
            runner=self.session.runner,
            directory=first.directory,
            event_log=self.session.event_log,
            # Without a transfer, nobody would bring the user's own files to where an unspooled job runs.
            should_transfer_files="YES" if own_files and not first.options.spool else self._transfer,
        )
        description["MY.CondorFuturesBatch"] = f'"{name}"'
        self._access_point.request(
            "submit",
            self._answered(self._submitted),
            description=description,
            items=[{"bundle": bundle.key} for bundle in batch],
            spool=first.options.spool,
            batch=f'CondorFuturesBatch == "{name}"',
        )

    def _answered(self, then: Callable[..., None]) -> Callable[..., None]:
        """Bring an answer of the access point, or of the resolver, into this thread."""
        return lambda result, error: self._inbox.put(functools.partial(then, result, error))

    def _submitted(self, result: Any, error: AccessPointError | None) -> None:
        batch, self._submitting = self._submitting, ()
        self._last_activity = time.monotonic()
        if error is not None:
            for bundle in batch:
                self._advance(bundle, states.Refused("", str(error)))
            return
        for warning in result["warnings"]:
            logger.warning("condor_submit: %s", warning)
        for number, bundle in enumerate(batch):
            job_id = f"{result['cluster']}.{result['first'] + number}"
            self._live[job_id] = bundle
            self._advance(bundle, states.Submitted(job_id, bundle.key))
        early, self._early = self._early, []
        for event in early:
            self._handle(event)

    # Retrieval.

    def _retrieve(self) -> None:
        if self._retrieving or not self._to_retrieve:
            return
        alone = len(self._to_retrieve) == len(self._live) and not self._pending
        waited = time.monotonic() - self._retrieve_since
        if not (alone or waited >= RETRIEVE_GATHER or len(self._to_retrieve) >= LARGEST_RETRIEVAL):
            return
        batch = dict(itertools.islice(self._to_retrieve.items(), LARGEST_RETRIEVAL))
        for job_id in batch:
            del self._to_retrieve[job_id]
        self._retrieve_since = time.monotonic()
        self._retrieving = True
        self._access_point.request(
            "retrieve", self._answered(functools.partial(self._retrieval, batch)), jobs=list(batch)
        )

    def _retrieval(self, batch: dict[str, Bundle], result: Any, error: AccessPointError | None) -> None:
        self._retrieving = False
        failed = dict.fromkeys(batch, str(error)) if error is not None else result["failed"]
        for job_id, bundle in batch.items():
            if job_id in failed:
                self._advance(bundle, states.NotRetrieved(job_id, failed[job_id]))
            else:
                self._advance(bundle, states.Retrieved(job_id))

    # Removal.

    def _remove(self) -> None:
        if not self._to_remove:
            return
        jobs, self._to_remove = self._to_remove, []

        def answer(_: Any, error: AccessPointError | None) -> None:
            if error is not None:
                logger.warning("%d jobs could not be removed: %s", len(jobs), error)

        self._access_point.request("act", answer, action="remove", jobs=jobs)

    # The audit: what the log did not say.

    def _audit(self) -> None:
        if self._auditing or not self._live or time.monotonic() < self._next_audit:
            return
        self._auditing = True
        self._access_point.request(
            "query", self._answered(self._audited), constraint=self._constraint, projection=QUEUE_PROJECTION
        )

    def _audited(self, ads: Any, error: AccessPointError | None) -> None:
        self._auditing = False
        self._next_audit = time.monotonic() + AUDIT_INTERVAL
        if error is not None:
            logger.warning("the schedd's queue could not be queried: %s", error)
            return
        self._read_log()  # so that what the log does say counts first
        suspected = queue_events({job_id: bundle.job for job_id, bundle in self._live.items()}, ads)
        for job_id, bundle in list(self._live.items()):
            event = suspected.get(job_id)
            bundle.missed = bundle.missed + 1 if event is not None else 0
            # An event may be on its way to the log: only what two audits in a row have seen is believed.
            if event is not None and bundle.missed > 1:
                logger.warning("the event log is silent about the job %s; its queue says %s", job_id, event)
                self._advance(bundle, event)

    # The end.

    def _clean_up(self) -> None:
        """Leave nothing in the queue, which is to leave nothing in the spool directory; then end what helps."""
        try:
            if self._access_point.usable:
                self._leave_the_queue()
        except AccessPointError as error:
            logger.warning("jobs of session %s may be left in the queue: %s", self.session.id, error)
        finally:
            self._access_point.close()
            self._resolver.close()
            self._log.close()
            self._afterwards()

    def _leave_the_queue(self) -> None:
        # Retrieved jobs leave as completed when the schedd next looks at them (every second in a personal pool, every
        # minute elsewhere). Removed ones leave now, but condor_history shows them as removed.
        began = time.monotonic()
        removed = False
        while self._ask("query", constraint=self._constraint, projection=["ClusterId"]):
            if not removed and time.monotonic() - began > LEAVE_BY_THEMSELVES:
                self._ask("act", action="remove", jobs=self._constraint)
                removed = True
            if time.monotonic() - began > 10 * LEAVE_BY_THEMSELVES:
                raise AccessPointError("the schedd does not let go of them")
            time.sleep(0.05)

    def _ask(self, operation: str, **arguments: Any) -> Any:
        """Request and wait; only when there is nothing else to do."""
        answered: Future[Any] = Future()
        self._access_point.request(
            operation,
            lambda result, error: answered.set_result(result) if error is None else answered.set_exception(error),
            **arguments,
        )
        try:
            return answered.result(60.0)
        except FutureTimeoutError:
            raise AccessPointError("the schedd does not answer") from None
