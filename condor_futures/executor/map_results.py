"""The iterator that ``map`` returns."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from time import monotonic
from typing import TypeVar

from condor_futures.future import CondorFuture

__all__ = ["is_of_map", "results"]

T = TypeVar("T")


def results(chunks: Iterator[list[CondorFuture[T]]], buffersize: int | None, deadline: float | None) -> Iterator[T]:
    """Return an iterator of the results of *chunks*. Taking a chunk submits it; *buffersize* chunks are taken now.

    Args:
        chunks: the futures of calls, chunk by chunk.
        buffersize: this many chunks are submitted ahead of the chunk whose results are taken; None for all.
        deadline: when waiting for a result raises TimeoutError, as a time of the monotonic clock; None for never.

    """
    return _results(deque(itertools.islice(chunks, buffersize)), chunks, deadline)


def is_of_map(iterator: object) -> bool:
    """Return whether :func:`results` returned *iterator*. Iterating over it would wait for its first result."""
    return getattr(iterator, "gi_code", None) is _results.__code__


def _results(
    ahead: deque[list[CondorFuture[T]]], chunks: Iterator[list[CondorFuture[T]]], deadline: float | None
) -> Iterator[T]:
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
                yield _result(chunk.pop(), None if deadline is None else deadline - monotonic())
    finally:
        for future in itertools.chain(chunk, *ahead):
            future.cancel()


def _result(future: CondorFuture[T], timeout: float | None) -> T:
    """Return the result of *future*. Cancel the future if it has no result within *timeout* seconds."""
    try:
        return future.result(timeout)
    finally:
        future.cancel()  # has no effect on a future with a result
        del future  # otherwise the traceback of an exception would keep the future, and so itself, alive
