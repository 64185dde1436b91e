"""The future of one call."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from concurrent.futures._base import CANCELLED, CANCELLED_AND_NOTIFIED, FINISHED, PENDING, RUNNING
from typing import Any, Protocol, TypeVar

from condor_futures.state_machine.states import Job, State

__all__ = ["CondorFuture"]

T = TypeVar("T")

#: Where concurrent.futures itself tells of callbacks that raise.
logger = logging.getLogger("concurrent.futures")


class _Bundle(Protocol):
    """What a future asks of the bundle that its call is in."""

    job: Job

    def text(self, stream: str, call: str | None = None) -> str: ...


class CondorFuture(Future[T]):
    """A :class:`concurrent.futures.Future` that knows its job.

    Made by :meth:`condor_futures.CondorExecutor.submit` and ``map``; it works with ``wait``, ``as_completed`` and
    ``asyncio.wrap_future`` as any other.

    Example:
        >>> from condor_futures import as_completed
        >>> futures = {executor.submit(pow, 2, n): n for n in (8, 10)}
        >>> powers = {futures[future]: future.result() for future in as_completed(futures)}
        >>> powers[8], powers[10]
        (256, 1024)

    """

    def __init__(self, key: str, cancelled: Callable[[CondorFuture[Any]], None] = lambda _: None) -> None:
        """Make the future of the call *key*; *cancelled* is told when it is cancelled."""
        super().__init__()
        self.key = key
        """The call's key: calls are counted in the order of their submission."""
        self._canceller = cancelled
        self.bundle: _Bundle | None = None

    def __repr__(self) -> str:
        """As the standard library has it, with what is known of the call and its job, once it is to have one."""
        if self.bundle is None:
            return super().__repr__()
        job = f", job {self.job_id}" if self.job_id is not None else ""
        return f"{super().__repr__()[:-1]}, call {self.key} {self.state}{job}>"

    def cancel(self) -> bool:
        """Cancel the call, also when it is running: its job is then removed from the queue.

        A call that shares its job with others is forgotten, and the job goes on for the others.

        Returns:
            False only if the call has ended already.

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
        finally:  # also if a callback raised KeyboardInterrupt: the others would never learn of it
            # wait() and as_completed() learn of it only now; elsewhere a worker would do this when it meets the call.
            self.set_running_or_notify_cancel()
            self._canceller(self)
        return True

    @property
    def job_id(self) -> str | None:
        """The job, as ``cluster.proc``; None while it is not in the queue yet.

        Example:
            >>> future.result()
            1024
            >>> future.job_id
            '12.0'

        """
        return self.bundle.job.job_id if self.bundle else None

    @property
    def state(self) -> str:
        """``pending`` (not in the queue yet), ``idle``, ``running``, ``held`` (where ``on_hold`` does not fail it),
        ``completed`` (the job ended, its outcome is on its way), ``done``, ``failed`` or ``cancelled``.

        Example:
            >>> future.result()
            1024
            >>> future.state
            'done'

        """
        if self.done():  # asked first: from then on nothing changes, while another thread might cancel until then
            return "cancelled" if self.cancelled() else "done" if self.exception() is None else "failed"
        return str((self.bundle.job.shown if self.bundle else State.PENDING).value)

    @property
    def host(self) -> str | None:
        """Where the call runs or ran, as HTCondor's event log names the execution point; None if it has not run.

        Example:
            >>> future.result()
            1024
            >>> future.host
            'ep17'

        """
        return (self.bundle.job.host or None) if self.bundle else None

    def stdout(self) -> str:
        r"""What the call wrote to standard output; empty until its job has ended.

        Example:
            >>> future = executor.submit(print, "converged")
            >>> future.result()
            >>> future.stdout()
            'converged\n'

        """
        return self.bundle.text("stdout", self.key) if self.bundle else ""

    def stderr(self) -> str:
        r"""What the call wrote to standard error; empty until its job has ended.

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
        # The standard library's lets what is not an Exception through: sys.exit() in a callback would end the thread
        # that resolves all futures.
        for callback in self._done_callbacks:  # type: ignore[attr-defined]
            try:
                callback(self)
            except (Exception, SystemExit):
                logger.exception("exception calling callback for %r", self)

    def disconnect(self) -> None:
        """Have cancelling the future remove no job from now on; for executors.

        Example:
            >>> from condor_futures import CondorFuture
            >>> future = CondorFuture("c000000", lambda future: print("cancelled"))
            >>> future.disconnect()
            >>> future.cancel()  # nothing is printed
            True

        """
        self._canceller = lambda _: None

    def is_cancelled_by(self, canceller: Callable[[CondorFuture[Any]], None]) -> bool:
        """Whether *canceller* is called when the future is cancelled; for executors.

        Example:
            >>> from condor_futures import CondorFuture
            >>> future = CondorFuture("c000000", print)
            >>> future.is_cancelled_by(print)
            True

        """
        return self._canceller == canceller

    def mark_running(self) -> None:
        """Have the future say that its call runs; for executors.

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

        Unlike ``set_result()``, it accepts a future that has been cancelled, or has ended, and leaves it as it is.

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
