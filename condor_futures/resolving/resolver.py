"""The thread that resolves futures: it reads outcomes, unpickles them, and runs the done callbacks.

Apart from the watcher, because unpickling and callbacks are the user's code and take as long as they like.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import Any, cast

from condor_futures.calls.bundle import Bundle
from condor_futures.calls.calls_file import append_value, copy_outcome, writing_calls
from condor_futures.calls.outcomes_file import read_outcomes
from condor_futures.errors import (
    BrokenCondorExecutor,
    words,
)
from condor_futures.files.private_files import open_patiently
from condor_futures.future import CondorFuture
from condor_futures.ownership import Owner
from condor_futures.resolving import failures
from condor_futures.resolving.counts import Counts
from condor_futures.resolving.kept_logs import keep_logs
from condor_futures.session.session import Session
from condor_futures.state_machine import states
from condor_futures.state_machine.states import State

__all__ = ["Resolver"]

logger = logging.getLogger(__name__)

#: How much of a job's standard error goes into an error, in characters.
STDERR_TAIL = 2000


class Resolver:
    """Resolves the futures of bundles in the order in which it is told to.

    Any thread may tell it. What comes of the calls of a bundle belongs to its thread from the moment on at which
    :attr:`owner` takes it.
    """

    def __init__(
        self, session: Session, tally: Counts, initializer_failed: Callable[[Bundle, BrokenCondorExecutor], None]
    ) -> None:
        """Make it; :meth:`start` starts the thread. *initializer_failed* is told when an initializer raised."""
        self._session = session
        self._initializer_failed = initializer_failed
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._tally = tally
        self.owner = Owner("the resolver's thread")
        self._thread = threading.Thread(target=self._run, name="condor_futures resolver", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def report(self, bundle: Bundle, report: states.Report) -> None:
        """Resolve the futures of *bundle* from its outcomes; those that have none fail because of ``report.cause``."""
        self._surely(bundle, lambda: self._report(bundle, report.cause))

    def fail(self, bundle: Bundle, error: BaseException, call: str | None = None) -> None:
        """Fail the futures of *bundle*, or that of one *call*, whatever its outcomes are."""
        self._work.put(lambda: self._fail_rest(bundle, error) if call is None else self._fail_one(bundle, call, error))

    def fail_call(self, bundle: Bundle, call: str, cause: BaseException) -> None:
        """Fail one call, because a call that it depends on ended with *cause*."""
        self._surely(bundle, lambda: self._fail_call(bundle, call, cause))

    def _fail_call(self, bundle: Bundle, call: str, cause: BaseException) -> None:
        self._fail_one(bundle, call, failures.dependency_failed(cause))

    def _fail_one(self, bundle: Bundle, call: str, error: BaseException) -> None:
        future = bundle.futures.get(call)
        if future is not None:
            self._resolve(bundle, future, None, error)

    def cancel(self, futures: Iterable[CondorFuture[Any]]) -> None:
        """Cancel *futures*, where whoever should have done that was interrupted."""

        def cancel() -> None:
            for future in futures:
                future.cancel()

        self._work.put(cancel)

    def ask(self, bundle: Bundle, answer: Callable[[states.Event], None]) -> None:
        """Ask the user's function what becomes of the hold that the job of *bundle* is in."""
        asked = bundle.job

        def ask() -> None:
            job = bundle.job
            if job.state is not State.HELD or job.holds != asked.holds:
                return  # it has been released, or removed, in the meantime
            try:
                event: states.Event = states.Decided(job.job_id or "", job.holds, bundle.options.on_hold.decide(job))
            except BaseException as error:  # noqa: BLE001 - it is the user's function
                reason = f"on_hold raised {type(error).__name__}: {words(error)}"
                event = states.NotReleased(job.job_id or "", job.holds, reason, error)
            answer(event)

        self._work.put(ask)

    def hand_down(self, bundle: Bundle, answer: Callable[[Mapping[str, BaseException]], None]) -> None:
        """Append the outcomes of its parents to the calls of *bundle*: here, because they may be large.

        *answer* gets, by call, why a value that it takes cannot be had.
        """

        def hand_down() -> None:
            failed: dict[str, BaseException] = {}
            for key, parent in {k: p for needed in bundle.parents.values() for k, p in needed.items()}.items():
                try:
                    self._append(bundle, key, parent)
                except BaseException as error:  # noqa: BLE001 - the child must hear of it, whatever it is
                    failed.update((call, error) for call, needed in bundle.parents.items() if key in needed)
            answer(failed)

        self._work.put(hand_down)

    def _append(self, bundle: Bundle, key: str, parent: Future[Any]) -> None:
        """Append the value of *parent* to the calls of *bundle*, or nothing."""
        if parent.cancelled() or parent.exception() is not None:
            return  # the calls that wanted it have failed
        session, path = self._session, bundle.path("calls")
        of = cast("Bundle | None", parent.bundle) if isinstance(parent, CondorFuture) else None
        with writing_calls(session.directory):
            end = path.stat().st_size
            try:
                with open_patiently(lambda: path.open("ab")) as file:
                    if of is not None and of.directory.is_relative_to(session.directory):
                        copy_outcome(file, key, of.path("outcomes"))
                    else:
                        value, ship = parent.result(), bundle.options.ship
                        append_value(file, key, value, session=session.id, secret=session.secret, ship=ship)
            except BaseException:
                # After it was closed, which writes what could not be written before. What is torn would hide the next.
                os.truncate(path, end)
                raise

    def close(self) -> None:
        """Do what is left to do, and end."""
        self._work.put(None)
        if not self.is_current_thread():
            self._thread.join()

    def is_current_thread(self) -> bool:
        """A done callback is running, in this thread, and asks."""
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
        """Have *work* resolve the futures of *bundle*; those that it cannot resolve fail with what it raises."""

        def surely() -> None:
            try:
                work()
            except BaseException as error:  # nothing hangs, whatever it is
                logger.exception("the outcomes of the bundle %s could not be read", bundle.key)
                self._fail_rest(bundle, error)

        self._work.put(surely)

    def _fail_rest(self, bundle: Bundle, error: BaseException) -> None:
        for future in bundle.futures.values():
            self._resolve(bundle, future, None, error)
        bundle.futures = {}

    def _report(self, bundle: Bundle, cause: states.Event) -> None:
        session = self._session
        keep_logs(bundle, session.event_log)
        outcomes, trouble = read_outcomes(bundle.path("outcomes"), session=session.id, secret=session.secret)
        strangers = outcomes.keys() - bundle.futures.keys()
        if strangers and trouble is None:
            trouble = f"it has the outcome of the call {min(strangers)}, which is not one of the job's"
        tail = ""
        if len(outcomes) < len(bundle.futures) or any(o.result == "crashed" for o in outcomes.values()):
            tail = bundle.text("stderr", tail=STDERR_TAIL)
        complete = outcomes.keys() >= bundle.futures.keys()
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
            del outcome
            if outcome_result == "initializer" and isinstance(error, BrokenCondorExecutor):
                self._initializer_failed(bundle, error)
            self._resolve(bundle, future, value, error)
            del value, error
        # The futures know their bundle: together they would keep each other, and the values, alive.
        bundle.futures = {}
        if complete and not session.kept:
            # A session that is kept keeps what was sent too, to be looked at; any keeps what an error may be asked of.
            bundle.discard_calls()

    def _resolve(self, bundle: Bundle, future: CondorFuture[Any], value: Any, error: BaseException | None) -> None:
        # Counted before it is told, so that whoever waited for it finds it counted.
        if not future.done():
            how = "failed" if error is not None else "done"
            self._tally.ended(bundle, future.key, how)
        try:
            if error is not None:
                failures.advise(error)
            future.resolve(value, error)
        except BaseException:  # a callback's, such as asyncio.CancelledError: none of the other futures' business
            logger.exception("exception calling callback for %r", future)
