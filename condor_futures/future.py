"""The future of one call. It is long because its docstrings are the reference."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import time
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from concurrent.futures._base import CANCELLED, CANCELLED_AND_NOTIFIED, FINISHED, PENDING, RUNNING
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeVar

from condor_futures.files.growing_text import GrowingText
from condor_futures.representation import as_html, as_table, in_short
from condor_futures.state_machine.states import Job, State

__all__ = ["CondorFuture", "Progress", "Usage"]

T = TypeVar("T")

#: The logger that concurrent.futures itself uses for exceptions of callbacks.
logger = logging.getLogger("concurrent.futures")


_DONE = frozenset({CANCELLED, CANCELLED_AND_NOTIFIED, FINISHED})

#: Seconds between two looks at the output of a call that is followed: this share of the time since there was some.
_TAIL_SHARE: Final = 0.1
_TAIL_SHORTEST: Final = 0.02
_TAIL_LONGEST: Final = 0.25

#: Held while a future without a condition gets one, or changes its state. The lock is reentrant, because the garbage
#: collector or a signal handler may cancel a future in the thread that holds it.
_no_condition = threading.RLock()


def _ignore(_: CondorFuture[Any]) -> None:
    """Nobody is told of the cancellation."""


class Written(NamedTuple):
    """Where a warm job wrote the outcome and the output of a call.

    Attributes:
        path: the file that has the outcome; the files with the output differ in their suffixes.
        start: where the outcome begins.
        bundle: the key of the job's bundle if that is open, otherwise nothing.
        ranges: by stream, the part of the output that the call wrote.

    """

    path: Path
    start: int
    bundle: str
    ranges: Mapping[str, Sequence[int | None]]


class Stacks(Protocol):
    """Asks a job that has a line for the stack of the call that it makes."""

    def stack(self, bundle: Any, call: str, timeout: float) -> str:
        """Return the stack of *call*, as :meth:`CondorFuture.stack` does."""
        ...


class _Bundle(Protocol):
    """The part of a bundle that the future of one of its calls uses."""

    job: Job

    @property
    def stacks(self) -> Stacks | None: ...

    def text(self, stream: str, call: str | None = None, written: Written | None = None) -> str: ...

    def output(
        self, stream: str, call: str | None, written: Written | None, *, ended: bool
    ) -> tuple[Path, int, int | None] | None: ...

    def usage(self, call: str, written: Written | None = None) -> Usage: ...


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
        r"""Return what a call says of itself; None if it makes no sense. For executors.

        Example:
            >>> Progress.of(0.25, "step\n1"), Progress.of(2, "step 2")
            (Progress(fraction=0.25, text='step 1'), None)

        """
        if isinstance(fraction, (int, float)) and 0 <= fraction <= 1 and isinstance(text, str):  # shown by terminals
            return cls(float(fraction), "".join(c if c.isprintable() else " " for c in text[:200]))
        return None


@dataclass(frozen=True)
class Usage:
    """The time and the resources that a call and its job used, see :attr:`CondorFuture.usage`.

    A field is None if the value is not known. The process that makes the call measures the first three values, so they
    are None if the process was killed. The values of the job come from its event log, so they are None if the access
    point cannot write the log. If the job makes several calls, as a warm job does, the values of the job cover all its
    calls.

    Attributes:
        wall: the run time of the call, in seconds. Includes the time to unpickle its arguments and pickle its value.
        cpu: the CPU time of the call, in seconds: of all threads of its process, and of the processes that the call
            started and waited for.
        memory: the largest memory of the call's process while it made the call, in bytes (resident set size, including
            the Python interpreter and the modules that earlier calls imported). Does not include other processes that
            the call started. None if the job does not run on Linux, or if a container forbids the process to reset the
            kernel's record of the peak, and an earlier call of the process may have needed more.
        waited: the time from the submission of the call until it started, in seconds. The clocks of two machines
            determine this time, so it is as exact as these clocks agree.
        job_queued: the time from the submission of the job until it first began to run, in seconds. Includes the
            transfer of the input files.
        job_memory: the largest memory of all processes of the job, in bytes. HTCondor measures it at intervals, so the
            value for a job of a few seconds is too low.
        job_disk: the largest disk usage of the job, in bytes; None until the job has ended.
        job_received: the size of the files that were transferred to the job, in bytes, over all its attempts; None
            until the job has ended. Does not include the calls that a warm job gets while it runs.
        job_sent: the size of the files that were transferred from the job, in bytes, over all its attempts; None until
            the job has ended. Does not include the values that a warm job returns while it runs.

    Example:
        >>> Usage(wall=2.5, cpu=2.0).memory is None
        True

    """

    wall: float | None = None
    cpu: float | None = None
    memory: int | None = None
    waited: float | None = None
    job_queued: float | None = None
    job_memory: int | None = None
    job_disk: int | None = None
    job_received: int | None = None
    job_sent: int | None = None


#: The frame of the runner that calls the function of a call. Those below it are the runner's too.
_RUNNER = re.compile(r'condor_futures[/_]execution_point/child\.py", line \d+ in call$')


def _of_the_call(stack: str) -> str:
    r"""Return a stack without the frames that make the call, and with only the characters that can be printed.

    >>> runner = '  File "condor_futures/execution_point/child.py", line 7 in call\n  File "<string>", line 1 in main\n'
    >>> call = 'Thread 0x1:\n  File "x.py", line 1 in run\n\nThread 0x2:\n  File "y.py", line 2 in f\n'
    >>> print(_of_the_call(call + runner))
    Thread 0x1:
      File "x.py", line 1 in run
    <BLANKLINE>
    Thread 0x2:
      File "y.py", line 2 in f
    >>> print(_of_the_call('Thread 0x2:\n' + runner))
    Thread 0x2:
      <the function is not written in Python>

    """
    lines: list[str] = []
    ours = False
    for line in stack.split("\n"):
        if _RUNNER.search(line):
            ours = True
            if lines and not lines[-1].startswith(" "):
                lines.append("  <the function is not written in Python>")
        ours = ours and line != ""
        if not ours:
            lines.append("".join(char if char.isprintable() else "?" for char in line))
    return "\n".join(lines).strip("\n")


class CondorFuture(Future[T]):
    """A :class:`concurrent.futures.Future` with information about its job.

    :meth:`condor_futures.CondorExecutor.submit` and ``map`` create these futures. Like any other future, they work with
    ``wait``, ``as_completed`` and ``asyncio.wrap_future``. In a coroutine, ``await future`` returns the result, and the
    event loop is not blocked meanwhile. Cancelling the task that waits cancels the call.

    Example:
        >>> from condor_futures import as_completed
        >>> futures = {executor.submit(pow, 2, n): n for n in (8, 10)}
        >>> powers = {futures[future]: future.result() for future in as_completed(futures)}
        >>> powers[8], powers[10]
        (256, 1024)
        >>> import asyncio
        >>> async def larger():
        ...     return max(await asyncio.gather(*futures))
        >>> asyncio.run(larger())
        1024

    """

    # A sweep has a million futures that nobody waits for yet, and the standard library's own parts take 1.5 kB each:
    # here, the condition and the lists are made when they are used for the first time.
    __slots__ = (
        "_canceller",
        "_exception",
        "_own_callbacks",
        "_own_condition",
        "_own_waiters",
        "_progress",
        "_result",
        "_state",
        "bundle",
        "counted",
        "key",
        "written",
    )

    # No slot: futures of calls without a name do not pay for it.
    name: str | None = None
    """The name of the call, which ``with_options(name=...)`` makes from its arguments; None if the call has none."""

    def __init__(self, key: str, cancelled: Callable[[CondorFuture[Any]], None] = _ignore) -> None:
        """Make the future of the call *key*; its cancellation calls *cancelled*."""
        # Not Future.__init__(), which would make the condition and the lists.
        self._state = PENDING
        self._result: T | None = None
        self._exception: BaseException | None = None
        self._own_condition: threading.Condition | None = None
        self._own_waiters: list[Any] | None = None
        self._own_callbacks: list[Callable[[Future[T]], object]] | None = None
        self.key = key
        """The key of the call. Keys are numbered in the order of submission."""
        self._canceller = cancelled
        self.bundle: _Bundle | None = None
        self.counted: object = None
        self.written: Written | None = None
        self._progress: Progress | None = None

    @property
    def _condition(self) -> threading.Condition:  # type: ignore[override]
        condition = self._own_condition
        if condition is None:
            with _no_condition:
                condition = self._own_condition = self._own_condition or threading.Condition()
        return condition

    @property
    def _waiters(self) -> list[Any]:  # type: ignore[override]
        if self._own_waiters is None:
            self._own_waiters = []
        return self._own_waiters

    @property
    def _done_callbacks(self) -> list[Callable[[Future[T]], object]]:
        if self._own_callbacks is None:
            self._own_callbacks = []
        return self._own_callbacks

    def _change(self, before: Collection[str], after: str, result: T | None = None) -> bool:
        """Change the state of a future that has no condition yet, and so neither waiters nor callbacks.

        Returns:
            False if it has one, or if its state is not one of those *before*.

        """
        with _no_condition:
            if self._own_condition is not None or self._state not in before:
                return False
            self._result, self._state = result, after
            return True

    def done(self) -> bool:
        """Return whether the call has ended or was cancelled.

        Example:
            >>> future.result(), future.done()
            (1024, True)

        """
        return self._state in _DONE  # a state is read at once, so no lock is needed

    def __await__(self) -> Generator[Any, None, T]:
        """Wait for the result in a coroutine. The call is cancelled if the task that waits is cancelled."""
        import asyncio  # it takes a while, and few programs use it

        return asyncio.wrap_future(self).__await__()

    def __repr__(self) -> str:
        """Return the standard library's text; once the call has a bundle, also its key, its state and its job's id.

        The name of the call comes after its key.
        """
        if self.bundle is None and self.name is None:
            return super().__repr__()
        job = f", job {self.job_id}" if self.job_id is not None else ""
        name = f" {self.name!r}" if self.name is not None else ""
        return f"{super().__repr__()[:-1]}, call {self.key}{name} {self.state}{job}>"

    def _facts(self) -> dict[str, str]:
        state = self.state
        facts = {"call": self.key, "name": self.name or "", "state": state}
        facts |= {"job": self.job_id or "", "host": self.host or ""}
        if state == "done":
            facts["value"] = in_short(self._result)
        elif state == "failed":
            error = self._exception
            facts["error"] = f"{type(error).__name__}: {in_short(str(error)) if error is not None else ''}"
        elif self._progress is not None:
            facts["reported"] = f"{self._progress.fraction:.0%} {self._progress.text}"
        return {name: text for name, text in facts.items() if text}

    def _repr_html_(self) -> str:
        """Return a table for notebooks."""
        return as_html(type(self).__name__, self._facts())

    def __rich__(self) -> object:
        """Return a table for rich's consoles."""
        return as_table(type(self).__name__, self._facts())

    def cancel(self) -> bool:
        """Cancel the call, even if it is running.

        A warm job kills the process of the call and stays. Any other job is removed from the queue. If the call shares
        such a job with other calls, the job continues for those: a job that streams kills the process of this call,
        and of another job, the result of this call is ignored.

        Returns:
            False if the call has already ended, else True.

        Example:
            >>> future = executor.submit(time.sleep, 3600)
            >>> future.cancel(), future.state
            (True, 'cancelled')

        """
        if self._change((PENDING, RUNNING), CANCELLED_AND_NOTIFIED):
            self._canceller(self)
            return True
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
        """The id of the job, as ``cluster.proc``; None before the job is in the queue, or before it is given the call.

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
        ``cancelled``. A call is ``pending`` until it is given to a warm job.

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

        Only calls of jobs that are warm, or that stream, can say something.

        Example:
            >>> future.result()
            1024
            >>> future.progress is None
            True

        """
        return self._progress

    @property
    def usage(self) -> Usage | None:
        """The time and the resources that the call and its job used; None before the call has ended or been cancelled.

        The values are read from the files of the session when you ask for them, and are available for as long as the
        session's directory exists. For a warm job, the values of the job are those up to now.

        Example:
            >>> future.result()
            1024
            >>> usage = future.usage
            >>> 0 < usage.cpu < 60, 2**20 < usage.memory < 2**30
            (True, True)

        """
        return self.bundle.usage(self.key, self.written) if self.bundle is not None and self.done() else None

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
        r"""Return the standard output of the call.

        It is empty until the job has ended, unless the job is warm or streams.

        Example:
            >>> future = executor.submit(print, "converged")
            >>> future.result()
            >>> future.stdout()
            'converged\n'

        """
        return self.bundle.text("stdout", self.key, self.written) if self.bundle else ""

    def stderr(self) -> str:
        r"""Return the standard error of the call.

        It is empty until the job has ended, unless the job is warm or streams.

        Example:
            >>> from condor_futures import shell
            >>> future = executor.submit(shell("echo far from the data >&2"))
            >>> future.result().returncode
            0
            >>> future.stderr()
            'far from the data\n'

        """
        return self.bundle.text("stderr", self.key, self.written) if self.bundle else ""

    def tail(self, stream: Literal["stdout", "stderr"] = "stdout") -> Iterator[str]:
        r"""Follow the output of the call: iterate over its text as the call writes it, until the call has ended.

        The iterator begins with the text that the call has already written. It waits if the call is not running yet,
        and ends when the call has ended or is cancelled. If you interrupt or leave the loop, the call continues.

        The text comes while the call runs if the job is warm or streams. For other jobs, the iterator yields all of the
        text when the job has ended. The function has to flush its output, for example with ``print(..., flush=True)``.

        Args:
            stream: ``"stdout"`` or ``"stderr"``.

        Returns:
            An iterator over pieces of the text, none of them empty. A piece can be any part of a line, or many lines.
            Bytes that are not UTF-8 are replaced. If HTCondor runs the call again, for example after an eviction, the
            text of the new run follows, from its beginning.

        Raises:
            ValueError: *stream* is neither ``"stdout"`` nor ``"stderr"``.

        Example:
            >>> def converge():
            ...     for step in range(3):
            ...         print("step", step, flush=True)
            ...         time.sleep(0.1)
            >>> future = executor.submit(converge)
            >>> for text in future.tail():
            ...     print(text, end="")
            step 0
            step 1
            step 2

        """
        if stream not in ("stdout", "stderr"):
            raise ValueError(f"stream must be 'stdout' or 'stderr', not {stream!r}")
        return self._follow(stream)

    def _follow(self, stream: str) -> Iterator[str]:
        text = GrowingText()
        last = time.monotonic()
        while True:
            ended = self.done()  # before the reading: what is written after it may be of another call
            bundle = self.bundle
            output = bundle.output(stream, self.key, self.written, ended=ended) if bundle is not None else None
            if output is not None:
                for piece in text.read(*output):
                    yield piece
                    last = time.monotonic()
            if ended:
                if rest := text.end():
                    yield rest
                return
            # Not by the future's condition: Ctrl-C in there may leave its lock to this thread.
            time.sleep(min(max(_TAIL_SHARE * (time.monotonic() - last), _TAIL_SHORTEST), _TAIL_LONGEST))

    def stack(self, timeout: float = 10.0) -> str:
        r"""Return the Python stack of the call as it is now, of all threads of its process.

        The call goes on meanwhile. This also works while the call is in a long function of a C library, and needs no
        debugger and no privileges on the execution point. The job must have a line to this program: it must be a warm
        job, or one that streams (see :attr:`CondorExecutor.why_not_warm`). Any thread may ask, also in a callback.

        Args:
            timeout: seconds to wait for the answer of the job. Usually it takes some milliseconds in a warm job, and up
                to 1.5 seconds in other jobs.

        Returns:
            The text that the standard library's :mod:`faulthandler` writes, without the frames that make the call. Of a
            text larger than 64 KiB, the end.

        Raises:
            InvalidStateError: the call is not running now.
            RuntimeError: the job cannot be asked: it has no line, or the call has replaced the handler of the signal.
            TimeoutError: the job did not answer in time.

        Example:
            >>> from condor_futures import report
            >>> def converge():
            ...     report(0.0, "begins")
            ...     time.sleep(3600)
            >>> executor = CondorExecutor(access_point="personal")
            >>> future = executor.submit(converge)
            >>> while future.progress is None:
            ...     time.sleep(0.1)
            >>> "in converge" in future.stack()
            True
            >>> future.cancel()
            True
            >>> executor.shutdown()

        """
        bundle = self.bundle
        if self.done():
            raise InvalidStateError(f"the call {self.key} has no stack, because it is {self.state}")
        if bundle is None or (bundle.stacks is None and bundle.job.shown is not State.RUNNING):
            raise InvalidStateError(f"the call {self.key} has no stack yet, because it is {self.state}")
        if bundle.stacks is None:
            raise RuntimeError(
                f"the job {self.job_id} of the call {self.key} cannot be asked for a stack, because it is neither warm "
                "nor streams; executor.why_not_warm says why"
            )
        return _of_the_call(bundle.stacks.stack(bundle, self.key, timeout))

    def _invoke_callbacks(self) -> None:
        # The standard library catches only Exception here: sys.exit() in a callback would end the thread that resolves
        # all futures.
        for callback in self._done_callbacks:
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
        self._canceller = _ignore

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
        if not self._change((PENDING,), RUNNING):
            with self._condition:
                if self._state == PENDING:
                    self._state = RUNNING

    def let_go(self) -> None:
        """Release the future's lock if this thread kept it, as it was interrupted in ``result()``; for executors.

        Example:
            >>> CondorFuture("c000000").let_go()

        """
        # An interruption may skip the end of the functions, written in Python, by which result() takes it.
        with contextlib.suppress(RuntimeError):
            while True:
                self._condition.release()

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
        if error is None and self._change((PENDING, RUNNING), FINISHED, value):
            return
        try:
            if error is None:
                self.set_result(value)
            else:
                self.set_exception(error)
        except InvalidStateError:
            pass  # it was cancelled in the meantime
