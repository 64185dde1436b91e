"""The iterators that ``map`` and ``starmap`` return."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as WaitError  # until Python 3.10 another class than the built-in one
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, Generic, TypeVar

from condor_futures.future import CondorFuture

__all__ = ["argument_tuples", "is_of_map", "results", "value_or_exception"]

T = TypeVar("T")


def argument_tuples(iterable: Iterable[Iterable[Any]]) -> Iterator[tuple[Any, ...]]:
    """Return an iterator of the positional arguments of each call of ``starmap``.

    Raises:
        TypeError: *iterable* cannot be iterated over. The iterator raises it for an item that cannot be.

    >>> list(argument_tuples([(2, 10), [3, 2]]))
    [(2, 10), (3, 2)]
    >>> list(argument_tuples([(2, 10), 3]))
    Traceback (most recent call last):
    TypeError: starmap() needs tuples of arguments, but item 1 is of type int; call map() if fn takes one argument

    """
    return itertools.starmap(_argument_tuple, enumerate(iterable))


def _argument_tuple(number: int, item: Iterable[Any]) -> tuple[Any, ...]:
    try:
        arguments = iter(item)
    except TypeError:
        raise TypeError(
            f"starmap() needs tuples of arguments, but item {number} is of type {type(item).__name__}; call map() if "
            "fn takes one argument"
        ) from None
    return tuple(arguments)


def results(
    chunks: Iterator[list[CondorFuture[T]]],
    buffersize: int | None,
    deadline: float | None,
    *,
    ordered: bool = True,
    return_exceptions: bool = False,
) -> Iterator[T | BaseException]:
    """Return an iterator of the results of *chunks*. Taking a chunk submits it; *buffersize* chunks are taken now.

    Args:
        chunks: the futures of calls, chunk by chunk.
        buffersize: this many chunks are submitted ahead of the chunk whose results are taken; None for all. Without
            order, this many chunks have results that have not been taken.
        deadline: when waiting for a result raises TimeoutError, as a time of the monotonic clock; None for never.
        ordered: yield the results in the order of the calls, and not as the calls end.
        return_exceptions: yield the exceptions of calls that fail, and do not raise them.

    """
    ahead = deque(itertools.islice(chunks, buffersize))
    if ordered:
        return _results(ahead, chunks, deadline, return_exceptions)
    return _as_they_end(ahead, chunks, deadline, return_exceptions)


def is_of_map(iterator: object) -> bool:
    """Return whether :func:`results` returned *iterator*. Iterating over it would wait for its first result."""
    return getattr(iterator, "gi_code", None) in (_results.__code__, _as_they_end.__code__)


def _results(
    ahead: deque[list[CondorFuture[T]]],
    chunks: Iterator[list[CondorFuture[T]]],
    deadline: float | None,
    return_exceptions: bool,
) -> Iterator[T | BaseException]:
    """Yield the results in order. Submit another chunk for each chunk begun. Cancel the rest when closed."""
    chunk: list[CondorFuture[T]] = []
    try:
        while ahead:
            chunk = ahead.popleft()
            chunk.reverse()
            # As in Python 3.14: submit before waiting for a result, so that the buffer is full during the wait.
            ahead.extend(itertools.islice(chunks, 1))
            while chunk:
                # The yielded result is bound to no name here, so that only the consumer keeps it alive.
                yield _result(chunk.pop(), None if deadline is None else deadline - monotonic(), return_exceptions)
    finally:
        for future in itertools.chain(chunk, *ahead):
            future.cancel()


def _as_they_end(
    ahead: deque[list[CondorFuture[T]]],
    chunks: Iterator[list[CondorFuture[T]]],
    deadline: float | None,
    return_exceptions: bool,
) -> Iterator[T | BaseException]:
    """Yield the results as the calls end. Submit another chunk when the last result of one is taken.

    Cancel the rest when closed.
    """
    under_way: _UnderWay[T] = _UnderWay()
    try:
        while True:
            while ahead:
                under_way.add(ahead.popleft())
            if not under_way:
                return
            yield _result(under_way.take(deadline, chunks, ahead), 0.0, return_exceptions)
    finally:
        for chunk in ahead:
            under_way.add(chunk)
        under_way.cancel()


class _UnderWay(Generic[T]):
    """The calls whose results have not been taken. It belongs to the thread that takes them."""

    def __init__(self) -> None:
        self._ended: SimpleQueue[CondorFuture[T]] = SimpleQueue()
        self._chunk_of: dict[CondorFuture[T], int] = {}
        self._left: dict[int, int] = {}  # by chunk
        self._numbers = itertools.count()

    def __bool__(self) -> bool:
        return bool(self._chunk_of)

    def add(self, chunk: list[CondorFuture[T]]) -> None:
        number = next(self._numbers)
        self._left[number] = len(chunk)
        for future in chunk:
            self._chunk_of[future] = number
            future.add_done_callback(self._ended.put)  # type: ignore[arg-type] # it is called with this future

    def take(
        self,
        deadline: float | None,
        chunks: Iterator[list[CondorFuture[T]]],
        ahead: deque[list[CondorFuture[T]]],
    ) -> CondorFuture[T]:
        """Return a future that is done. If it is the last of its chunk, first move the next of *chunks* to *ahead*."""
        try:
            future = self._ended.get(timeout=None if deadline is None else max(0.0, deadline - monotonic()))
        except Empty:
            raise WaitError from None
        number = self._chunk_of.pop(future)
        self._left[number] -= 1
        if not self._left[number]:
            del self._left[number]
            ahead.extend(itertools.islice(chunks, 1))
        return future

    def cancel(self) -> None:
        for future in self._chunk_of:
            future.cancel()
        # The queue and the futures refer to each other.
        while not self._ended.empty():
            self._ended.get()


def _result(future: CondorFuture[T], timeout: float | None, return_exceptions: bool) -> Any:
    """Return the result of *future*. Cancel the future if it has no result within *timeout* seconds."""
    try:
        if return_exceptions:
            return value_or_exception(future, timeout)
        return future.result(timeout)
    finally:
        future.cancel()  # has no effect on a future with a result
        del future  # otherwise the traceback of an exception would keep the future, and so itself, alive


def value_or_exception(future: CondorFuture[T], timeout: float | None) -> Any:
    """Return the value of *future*, or its exception. Wait for at most *timeout* seconds."""
    try:
        error = future.exception(timeout)
    except CancelledError:
        return CancelledError()
    return future.result() if error is None else error
