"""The future of one call."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from concurrent.futures._base import CANCELLED, CANCELLED_AND_NOTIFIED, FINISHED, PENDING, RUNNING
from typing import Any, NamedTuple, Protocol, TypeVar

from condor_futures.state_machine.states import Job, State

__all__ = ["CondorFuture", "Progress"]

T = TypeVar("T")

#: The logger that concurrent.futures itself uses for exceptions of callbacks.
logger = logging.getLogger("concurrent.futures")


class _Bundle(Protocol):
    """The part of a bundle that the future of one of its calls uses."""

    job: Job

    def text(self, stream: str, call: str | None = None) -> str: ...


class Progress(NamedTuple):
    """What a call says of itself, see :attr:`CondorFuture.progress`.

    Attributes:
        fraction: how much of the work is done, from 0 to 1.
        text: what the call is doing.

    """

    fraction: float
    text: str

    @classmethod
    def of(cls, fraction: object, text: object) -> Progress | None:
        r"""Return what a call says of itself; None if it makes no sense. Executors use this.

        Example:
            >>> from condor_futures.future import Progress
            >>> Progress.of(0.25, "step\n1"), Progress.of(2, "step 2")
            (Progress(fraction=0.25, text='step 1'), None)

        """
        if not (isinstance(fraction, (int, float)) and 0 <= fraction <= 1 and isinstance(text, str)):
            return None
        # It goes to terminals, where other characters may do anything.
        return cls(float(fraction), "".join(c if c.isprintable() else " " for c in text[:200]))


class CondorFuture(Future[T]):
    """A :class:`concurrent.futures.Future` with information about its job.

    :meth:`condor_futures.CondorExecutor.submit` and ``map`` create these futures. Like any other future, they work with
    ``wait``, ``as_completed`` and ``asyncio.wrap_future``.

    Example:
        >>> from condor_futures import as_completed
        >>> futures = {executor.submit(pow, 2, n): n for n in (8, 10)}
        >>> powers = {futures[future]: future.result() for future in as_completed(futures)}
        >>> powers[8], powers[10]
        (256, 1024)

    """

    def __init__(self, key: str, cancelled: Callable[[CondorFuture[Any]], None] = lambda _: None) -> None:
        """Make the future of the call *key*; its cancellation calls *cancelled*."""
        super().__init__()
        self.key = key
        """The key of the call. Keys are numbered in the order of submission."""
        self._canceller = cancelled
        self.bundle: _Bundle | None = None
        self._progress: Progress | None = None

    def __repr__(self) -> str:
        """Return the standard library's text; once the call has a bundle, also its key, its state and its job's id."""
        if self.bundle is None:
            return super().__repr__()
        job = f", job {self.job_id}" if self.job_id is not None else ""
        return f"{super().__repr__()[:-1]}, call {self.key} {self.state}{job}>"

    def cancel(self) -> bool:
        """Cancel the call, even if it is running; its job is then removed from the queue.

        If the call shares its job with other calls, the job continues for those, and the result of this call is
        ignored. A warm job kills the process of the call and stays.

        Returns:
            False if the call has already ended, else True.

        Example:
            >>> future = executor.submit(time.sleep, 3600)
            >>> future.cancel(), future.state
            (True, 'cancelled')

        """
        with self._condition:
            if self._state == FINISHED:
                return False
            if self._state in (CANCELLED, CANCELLED_AND_NOTIFIED):
                return True
            self._state = CANCELLED
            self._condition.notify_all()
        try:
            self._invoke_callbacks()
        finally:  # even if a callback raised KeyboardInterrupt; else wait() and the executor would never be notified
            # This notifies wait() and as_completed(). In other executors a worker does it when it reaches the call.
            self.set_running_or_notify_cancel()
            self._canceller(self)
        return True

    @property
    def job_id(self) -> str | None:
        """The id of the job, as ``cluster.proc``; None before the job is in the queue.

        Example:
            >>> future.result()
            1024
            >>> future.job_id
            '12.0'

        """
        return self.bundle.job.job_id if self.bundle else None

    @property
    def state(self) -> str:
        """The state of the call or its job.

        One of ``pending`` (not in the queue yet), ``idle``, ``running``, ``held`` (if ``on_hold`` does not fail the
        call), ``completed`` (the job has ended and its outcome is being retrieved), ``done``, ``failed`` and
        ``cancelled``.

        Example:
            >>> future.result()
            1024
            >>> future.state
            'done'

        """
        if self.done():  # first, because a done future does not change; until then another thread might cancel it
            return "cancelled" if self.cancelled() else "done" if self.exception() is None else "failed"
        return str((self.bundle.job.shown if self.bundle else State.PENDING).value)

    @property
    def host(self) -> str | None:
        """The execution point of the call, by its name in the job event log; None before the call has run.

        Example:
            >>> future.result()
            1024
            >>> future.host
            'ep17'

        """
        return (self.bundle.job.host or None) if self.bundle else None

    @property
    def progress(self) -> Progress | None:
        """What the call last said of itself by :func:`condor_futures.report`; None if it said nothing.

        Only calls of warm jobs can say something before they end.

        Example:
            >>> future.result()
            1024
            >>> future.progress is None
            True

        """
        return self._progress

    def set_progress(self, fraction: object, text: object) -> None:
        """Take what the call says of itself, unless it makes no sense; for executors.

        Example:
            >>> from condor_futures import CondorFuture
            >>> future = CondorFuture("c000000")
            >>> future.set_progress(0.25, "step 1")
            >>> future.progress
            Progress(fraction=0.25, text='step 1')

        """
        self._progress = Progress.of(fraction, text) or self._progress

    def stdout(self) -> str:
        r"""Return the standard output of the call; empty until its job has ended, unless the job is warm.

        Example:
            >>> future = executor.submit(print, "converged")
            >>> future.result()
            >>> future.stdout()
            'converged\n'

        """
        return self.bundle.text("stdout", self.key) if self.bundle else ""

    def stderr(self) -> str:
        r"""Return the standard error of the call; empty until its job has ended, unless the job is warm.

        Example:
            >>> from condor_futures import shell
            >>> future = executor.submit(shell("echo far from the data >&2"))
            >>> future.result().returncode
            0
            >>> future.stderr()
            'far from the data\n'

        """
        return self.bundle.text("stderr", self.key) if self.bundle else ""

    def _invoke_callbacks(self) -> None:
        # The standard library catches only Exception here: sys.exit() in a callback would end the thread that resolves
        # all futures.
        for callback in self._done_callbacks:  # type: ignore[attr-defined]
            try:
                callback(self)
            except (Exception, SystemExit):
                logger.exception("exception calling callback for %r", self)

    def disconnect(self) -> None:
        """From now on, cancelling the future removes no job; for executors.

        Example:
            >>> from condor_futures import CondorFuture
            >>> future = CondorFuture("c000000", lambda future: print("cancelled"))
            >>> future.disconnect()
            >>> future.cancel()  # nothing is printed
            True

        """
        self._canceller = lambda _: None

    def is_cancelled_by(self, canceller: Callable[[CondorFuture[Any]], None]) -> bool:
        """Return whether cancelling the future calls *canceller*; for executors.

        Example:
            >>> from condor_futures import CondorFuture
            >>> future = CondorFuture("c000000", print)
            >>> future.is_cancelled_by(print)
            True

        """
        return self._canceller == canceller

    def mark_running(self) -> None:
        """Mark the call as running, unless the future is no longer pending; for executors.

        Example:
            >>> from condor_futures import CondorFuture
            >>> future = CondorFuture("c000000")
            >>> future.mark_running()
            >>> future.running()
            True

        """
        with self._condition:
            if self._state == PENDING:
                self._state = RUNNING

    def resolve(self, value: Any, error: BaseException | None) -> None:
        """Set the result, or the exception if there is an *error*; for executors.

        Unlike ``set_result()``, this accepts a future that has been cancelled or has ended, and does not change it.

        Example:
            >>> from condor_futures import CondorFuture
            >>> future = CondorFuture("c000000")
            >>> future.resolve(1024, None)
            >>> future.result()
            1024

        """
        try:
            if error is None:
                self.set_result(value)
            else:
                self.set_exception(error)
        except InvalidStateError:
            pass  # it was cancelled in the meantime
