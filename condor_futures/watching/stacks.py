"""Who waits for the stack of a call that runs now: see :mod:`condor_futures.execution_point.stacks`."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as WaitError  # until Python 3.10 another class than the built-in one
from typing import TYPE_CHECKING, Final

from condor_futures.calls.bundle import Bundle
from condor_futures.ownership import owned, reads

if TYPE_CHECKING:
    from condor_futures.execution_point.frames import Header

__all__ = ["Stacks"]

#: Characters of a stack, which the job made up as it liked.
LARGEST: Final = 1 << 16
#: Seconds until a caller notices that the watcher has ended.
_PAUSE: Final = 0.2
#: Why a job has no stack of a call, by its word.
_REFUSED: Final = {"waits": "it has not begun yet", "ended": "it has just ended"}
_HANDLER: Final = (
    "because the call replaced the handler of the signal, closed the file of the stack, or became a program"
)


@owned()
class Stacks:
    """Who waits for which stack. It belongs to the watcher's thread; any thread may wait.

    Stacks that nobody has asked for are ignored. So the jobs, which write what they like, cannot fill the memory.
    """

    def __init__(self, post: Callable[[Callable[[], None]], None], ask: Callable[[Bundle, str], bool]) -> None:
        """Create it without callers.

        Args:
            post: has a function called in the watcher's thread.
            ask: asks the job of a bundle for the stack of a call, and returns whether the job has the call.

        """
        self._post = post
        self._send = ask
        self._waiting: dict[str, list[Future[str]]] = {}
        self._closed = False

    @reads
    def stack(self, bundle: Bundle, call: str, timeout: float) -> str:
        """Return the stack of *call*, which the job of *bundle* makes now.

        Raises:
            InvalidStateError: the job does not make the call now, or no longer.
            RuntimeError: the job cannot write the stack.
            TimeoutError: the job did not answer within *timeout* seconds.

        """
        reply: Future[str] = Future()
        until = time.monotonic() + timeout
        self._post(lambda: self._ask(bundle, call, reply))
        while (left := until - time.monotonic()) > 0:
            try:
                return reply.result(min(left, _PAUSE))
            except WaitError:
                if self._closed and not reply.done():
                    raise _not_running(call, "its executor has ended") from None
        self._post(lambda: self._forget(call, reply))
        raise WaitError(
            f"the job {bundle.job.job_id} did not tell the stack of the call {call} within {timeout:g} s: its process "
            "may be stopped or wait for a disk, or the access point is slow"
        )

    def _ask(self, bundle: Bundle, call: str, reply: Future[str]) -> None:
        waiting = self._waiting.get(call)
        if waiting is not None:
            waiting.append(reply)  # the job has been asked
        elif self._send(bundle, call):
            self._waiting[call] = [reply]
        else:
            reply.set_exception(_not_running(call, "it has ended, or its job lost its slot"))

    def _forget(self, call: str, reply: Future[str]) -> None:
        waiting = self._waiting.get(call, [])
        if reply in waiting:
            waiting.remove(reply)
            if not waiting:
                del self._waiting[call]

    def answer(self, call: str, header: Header) -> None:
        """Hand the stack of *call*, from a frame that its job wrote, to those who wait for it."""
        text, refused = header.get("text"), header.get("refused")
        for reply in self._waiting.pop(call, ()):
            if isinstance(text, str):
                reply.set_result(text[-LARGEST:])
            elif isinstance(refused, str) and refused in _REFUSED:
                reply.set_exception(_not_running(call, _REFUSED[refused]))
            else:
                reply.set_exception(RuntimeError(f"the job of the call {call} cannot tell its stack, {_HANDLER}"))

    def drop(self, call: str) -> None:
        """Nobody need wait for the stack of *call* any more: it has ended, or its job does not make it any more."""
        for reply in self._waiting.pop(call, ()):
            reply.set_exception(_not_running(call, "it has ended, or its job lost its slot"))

    def close(self) -> None:
        """Let nobody wait any more."""
        self._closed = True
        for call in list(self._waiting):
            self.drop(call)


def _not_running(call: str, why: str) -> InvalidStateError:
    return InvalidStateError(f"the call {call} has no stack, because {why}")
