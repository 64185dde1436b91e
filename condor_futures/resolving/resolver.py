"""The thread that resolves futures: it reads outcomes, unpickles them, and runs the done callbacks.

It is separate from the watcher, because unpickling and callbacks run the user's code, which may take any time.
"""

from __future__ import annotations

import functools
import logging
import os
import queue
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, cast

from condor_futures.calls.bundle import Bundle
from condor_futures.calls.calls_file import append_value, copy_outcome, copy_outcome_at, writing_calls
from condor_futures.calls.failed_calls import note_failed
from condor_futures.calls.outcomes_file import Outcome, outcome_at, read_outcomes
from condor_futures.calls.stored_calls import bundle_secret
from condor_futures.errors import BrokenCondorExecutor, JobCrashedError, OutcomeError, words
from condor_futures.files.private_files import open_patiently, open_regular
from condor_futures.future import CondorFuture, Written
from condor_futures.ownership import Owner
from condor_futures.resolving import failures
from condor_futures.resolving.counts import Counts
from condor_futures.resolving.kept_logs import keep_logs
from condor_futures.resolving.short_jobs import ShortJobs
from condor_futures.session.session import Session
from condor_futures.state_machine import states
from condor_futures.state_machine.states import State

__all__ = ["Resolver"]

logger = logging.getLogger(__name__)

#: How much of a job's standard error goes into an error, in characters.
STDERR_TAIL = 2000
#: After so many crashes of the initializer in a row, in warm jobs, the executor is broken.
MOST_CRASHES = 3


class Resolver:
    """Resolves the futures of bundles, in the order of the requests.

    Any thread may make a request. The outcomes of a bundle's calls belong to the resolver's thread from the moment at
    which :attr:`owner` takes the bundle.
    """

    def __init__(
        self, session: Session, tally: Counts, initializer_failed: Callable[[Bundle, BrokenCondorExecutor], None]
    ) -> None:
        """Prepare the thread, which :meth:`start` starts; an initializer that raises calls *initializer_failed*."""
        self._session = session
        self._initializer_failed = initializer_failed
        self._crashes = 0
        self._short_jobs = ShortJobs()
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._tally = tally
        self.owner = Owner("the resolver's thread")
        self._thread = threading.Thread(target=self._run, name="condor_futures resolver", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def report(self, bundle: Bundle, report: states.Report) -> None:
        """Resolve the futures of *bundle* from its outcomes; a call without an outcome fails with ``report.cause``."""
        self._surely(bundle, lambda: self._report(bundle, report.cause))

    def fail(self, bundle: Bundle, error: BaseException, call: str | None = None) -> None:
        """Fail all futures of *bundle*, or the future of one *call*, whatever the outcomes are."""
        self._work.put(lambda: self._fail_rest(bundle, error) if call is None else self._fail_one(bundle, call, error))

    # Calls of warm jobs.

    def takes(self, bundle: Bundle) -> None:
        """Own the results of the calls of *bundle* from now on."""
        self.owner.takes(bundle, part="resolver")

    def give(self, bundle: Bundle, futures: Mapping[str, CondorFuture[Any]]) -> None:
        """Let the job of the open *bundle* make the calls of *futures*."""
        self._tally.moved(futures.values(), bundle)
        self._work.put(lambda: bundle.give(futures))

    def take_back(self, bundle: Bundle, futures: Mapping[str, CondorFuture[Any]], to: Bundle) -> None:
        """Let the calls of *futures*, which the job of the open *bundle* does not make, wait in the bundle *to*."""
        self._tally.moved(futures.values(), to)
        self.forget(bundle, futures)

    def forget(self, bundle: Bundle, calls: Iterable[str]) -> None:
        """Forget *calls*, which the job of the open *bundle* does not make."""

        def forget() -> None:
            for call in calls:
                bundle.take(call)

        self._work.put(forget)

    def fail_waiting(self, futures: Iterable[CondorFuture[Any]], error: BaseException) -> None:
        """Fail calls that wait for a warm job."""

        def fail() -> None:
            for future in futures:
                self._resolve(future, None, error)

        self._work.put(fail)

    def deliver(self, bundle: Bundle, path: Path, calls: Sequence[tuple[str, int]]) -> None:
        """Resolve *calls* of *bundle* from their outcomes; each begins at that place of the file *path*."""

        def deliver() -> None:
            try:
                self._deliver(bundle, path, calls)
            except BaseException as error:  # any error must resolve the futures, or their waiters would hang
                logger.exception("outcomes of the bundle %s could not be read", bundle.key)
                for call, _ in calls:
                    self._fail_one(bundle, call, error)

        self._work.put(deliver)

    def deliver_known(self, bundle: Bundle) -> None:
        """Resolve the calls of *bundle* that have an outcome from an earlier client's time."""

        def deliver() -> None:
            for call, (path, start, job) in bundle.places.items():
                secret = bundle_secret(self._session.secret, job)
                future = bundle.take(call)
                if future is None:
                    continue
                value: Any = None
                error: BaseException | None
                try:
                    with open_patiently(functools.partial(open_regular, path)) as file:
                        outcome = outcome_at(file, start, call, session=self._session.id, secret=secret)
                except (OutcomeError, OSError) as refused:
                    error = refused
                else:
                    future.written = Written(path, start, job, outcome.stream_ranges)
                    value, error = failures.value_or_error(outcome, bundle.job.job_id)
                self._resolve(future, value, error)

        self._surely(bundle, deliver)

    def deliver_rest(self, bundle: Bundle, answer: Callable[[Sequence[str]], None]) -> None:
        """Resolve the calls of the open *bundle* whose outcomes its job brought back as a file.

        *answer* is called with the keys of the calls that this file has.
        """

        def deliver() -> None:
            path, secret = bundle.path("outcomes"), bundle_secret(self._session.secret, bundle.key)
            outcomes: Mapping[str, Outcome] = {}
            try:
                outcomes, trouble = read_outcomes(path, session=self._session.id, secret=secret)
                if trouble is not None:
                    logger.warning(
                        "the outcomes that the job %s brought back are refused: %s", bundle.job.job_id, trouble
                    )
                for outcome in outcomes.values():
                    self._resolve_from(bundle, outcome, path, outcome.start)
            finally:
                answer(list(outcomes))

        self._surely(bundle, deliver)

    def fail_with(self, bundle: Bundle, call: str, cause: states.Event) -> None:
        """Fail one call of the open *bundle* with what ended its job; also for clients that attach later."""

        def fail() -> None:
            tail = bundle.text("stderr", tail=STDERR_TAIL)
            error = failures.missing(bundle, cause, None, tail)
            try:
                note_failed(self._session, call, error)
            except OSError as trouble:
                logger.warning("a client that attaches will have the call %s made again: %s", call, trouble)
            self._fail_one(bundle, call, error)

        self._surely(bundle, fail)

    def finished(self, bundle: Bundle, *, keep: bool) -> None:
        """All calls of *bundle* have ended; unless *keep*, or the session is kept, its file is not needed any more."""

        def finish() -> None:
            bundle.futures = {}
            if not (keep or self._session.kept):
                bundle.discard_calls()

        self._work.put(finish)

    def _deliver(self, bundle: Bundle, path: Path, calls: Sequence[tuple[str, int]]) -> None:
        secret = bundle_secret(self._session.secret, bundle.key_of_secret)
        with open_patiently(lambda: open_regular(path)) as file:
            for call, start in calls:
                try:
                    outcome = outcome_at(file, start, call, session=self._session.id, secret=secret)
                except OutcomeError as error:
                    self._fail_one(bundle, call, error)
                    bundle.take(call)
                else:
                    self._resolve_from(bundle, outcome, path, start)

    def _resolve_from(self, bundle: Bundle, outcome: Outcome, path: Path, start: int) -> None:
        written = Written(path, start, bundle.key_of_secret, outcome.stream_ranges)
        bundle.found(outcome.call, written)
        future = bundle.take(outcome.call)
        if future is None:
            return  # it was cancelled, or has an outcome
        future.written = written
        crashed = outcome.result == "crashed"
        tail = bundle.text("stderr", outcome.call, future.written, tail=STDERR_TAIL) if crashed else ""
        value, error = failures.value_or_error(outcome, bundle.job.job_id, tail)
        if outcome.result == "initializer" and isinstance(error, BrokenCondorExecutor):
            self._initializer_failed(bundle, error)
        self._count_crashes(bundle, error, initializer=outcome.header.get("stage") == "initializer")
        self._resolve(future, value, error)

    def _count_crashes(self, bundle: Bundle, error: BaseException | None, *, initializer: bool) -> None:
        """Break the executor if the initializer always crashes: each further call would cost the start of a process."""
        crashed = initializer and isinstance(error, JobCrashedError)
        self._crashes = self._crashes + 1 if crashed else 0
        if crashed and self._crashes >= MOST_CRASHES:
            self._initializer_failed(bundle, failures.initializer_crashes(error, self._crashes))

    def fail_call(self, bundle: Bundle, call: str, cause: BaseException) -> None:
        """Fail one call, because a call that it depends on ended with *cause*."""
        self._surely(bundle, lambda: self._fail_call(bundle, call, cause))

    def _fail_call(self, bundle: Bundle, call: str, cause: BaseException) -> None:
        self._fail_one(bundle, call, failures.dependency_failed(cause))

    def _fail_one(self, bundle: Bundle, call: str, error: BaseException) -> None:
        future = bundle.futures.get(call)
        if future is not None:
            self._resolve(future, None, error)

    def cancel(self, futures: Iterable[CondorFuture[Any]]) -> None:
        """Cancel *futures*, because the thread that should have cancelled them was interrupted."""

        def cancel() -> None:
            for future in futures:
                future.cancel()

        self._work.put(cancel)

    def ask(self, bundle: Bundle, answer: Callable[[states.Event], None]) -> None:
        """Call the user's ``on_hold`` function for the current hold of the job of *bundle*."""
        asked = bundle.job

        def ask() -> None:
            job = bundle.job
            if job.state is not State.HELD or job.holds != asked.holds:
                return  # the job has been released or removed in the meantime
            try:
                event: states.Event = states.Decided(job.job_id or "", job.holds, bundle.options.on_hold.decide(job))
            except BaseException as error:  # noqa: BLE001 - it is the user's function
                reason = f"on_hold raised {type(error).__name__}: {words(error)}"
                event = states.NotReleased(job.job_id or "", job.holds, reason, error)
            answer(event)

        self._work.put(ask)

    def hand_down(self, bundle: Bundle, answer: Callable[[Mapping[str, BaseException]], None]) -> None:
        """Append the outcomes of its parents to the calls of *bundle*, in this thread because they may be large.

        *answer* is called with the errors, by call, of values that could not be appended. If this thread has just ended
        the last of the parents, this happens at once.
        """

        def hand_down() -> None:
            failed: dict[str, BaseException] = {}
            for key, parent in {k: p for needed in bundle.parents.values() for k, p in needed.items()}.items():
                try:
                    self._append(bundle, key, parent)
                except BaseException as error:  # noqa: BLE001 - the child must fail with any error
                    failed.update((call, error) for call, needed in bundle.parents.items() if key in needed)
            answer(failed)

        if self.is_current_thread():
            hand_down()
        else:
            self._work.put(hand_down)

    def _append(self, bundle: Bundle, key: str, parent: Future[Any]) -> None:
        """Append the value of *parent* to the calls of *bundle*; if this fails, leave the file unchanged."""
        if parent.cancelled() or parent.exception() is not None:
            return  # the calls that depend on it have failed
        session, path = self._session, bundle.path("calls")
        of = cast("Bundle | None", parent.bundle) if isinstance(parent, CondorFuture) else None
        with writing_calls(session.directory):
            end = path.stat().st_size
            try:
                with open_patiently(lambda: path.open("ab")) as file:
                    written = parent.written if isinstance(parent, CondorFuture) else None
                    if of is not None and written is not None and of.directory.is_relative_to(session.directory):
                        secret, source = session.secret, bundle_secret(session.secret, written.bundle)
                        copy_outcome_at(
                            file, key, written.path, written.start, session=session.id, source=source, secret=secret
                        )
                    elif of is not None and of.directory.is_relative_to(session.directory):
                        copy_outcome(file, key, of.path("outcomes"))
                    else:
                        value, ship = parent.result(), bundle.options.ship
                        append_value(file, key, value, session=session.id, secret=session.secret, ship=ship)
            except BaseException:
                # After the file was closed, which writes the rest of its buffer. An incomplete frame would hide the
                # following ones.
                os.truncate(path, end)
                raise

    def close(self) -> None:
        """Complete the requested work, and end the thread."""
        self._work.put(None)
        if not self.is_current_thread():
            self._thread.join()

    def is_current_thread(self) -> bool:
        """Return whether the caller runs in this thread, as a done callback does."""
        return threading.current_thread() is self._thread

    def _run(self) -> None:
        with self.owner.at_work():
            while (work := self._work.get()) is not None:
                try:
                    work()
                except BaseException:
                    logger.exception("a future could not be resolved")
                del work

    def _surely(self, bundle: Bundle, work: Callable[[], None]) -> None:
        """Call *work* to resolve the futures of *bundle*; if it raises, the other futures fail with that exception."""

        def surely() -> None:
            try:
                work()
            except BaseException as error:  # any error must resolve the futures, or their waiters would hang
                logger.exception("the outcomes of the bundle %s could not be read", bundle.key)
                self._fail_rest(bundle, error)

        self._work.put(surely)

    def _fail_rest(self, bundle: Bundle, error: BaseException) -> None:
        for future in bundle.futures.values():
            self._resolve(future, None, error)
        bundle.futures = {}

    def _report(self, bundle: Bundle, cause: states.Event) -> None:
        session = self._session
        keep_logs(bundle, session.event_log)
        outcomes, trouble = read_outcomes(bundle.path("outcomes"), session=session.id, secret=session.secret)
        self._short_jobs.ended(outcomes.values())
        strangers = outcomes.keys() - set(bundle.calls)
        if strangers and trouble is None:
            trouble = f"it has the outcome of the call {min(strangers)}, which does not belong to the job"
        tail = ""
        if len(outcomes) < len(bundle.futures) or any(o.result == "crashed" for o in outcomes.values()):
            tail = bundle.text("stderr", tail=STDERR_TAIL)
        complete = outcomes.keys() >= bundle.futures.keys()
        lost = failures.output_lost(bundle, cause)
        for key, future in bundle.futures.items():
            value: Any = None
            error: BaseException | None
            outcome = outcomes.pop(key, None)
            outcome_result = outcome.result if outcome is not None else ""
            if outcome is None:
                error = failures.missing(bundle, cause, trouble, tail)
            else:
                bundle.wrote({key: outcome.stream_ranges})
                value, error = failures.value_or_error(outcome, bundle.job.job_id, tail)
                if error is None and lost is not None:
                    value, error = None, lost
            del outcome
            if outcome_result == "initializer" and isinstance(error, BrokenCondorExecutor):
                self._initializer_failed(bundle, error)
            self._resolve(future, value, error)
            del value, error
        # The futures refer to their bundle: with a reference back, they would keep each other, and all values, alive.
        bundle.futures = {}
        if complete and not session.kept:
            # A kept session also keeps its files of calls, for inspection. Any session keeps the file of
            # a bundle that has a call without an outcome.
            bundle.discard_calls()

    def _resolve(self, future: CondorFuture[Any], value: Any, error: BaseException | None) -> None:
        # Count the call before resolving its future, so that counts() is right for a thread that waited for it.
        if not future.done():
            how = "failed" if error is not None else "done"
            self._tally.ended(future, how)
        try:
            if error is not None:
                failures.advise(error)
            future.resolve(value, error)
        except BaseException:  # from a callback, such as asyncio.CancelledError: it must not affect other futures
            logger.exception("exception calling callback for %r", future)
