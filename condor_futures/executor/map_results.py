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
    """The results of *chunks*, each of which is submitted when it is taken: at once *buffersize* of them, or all.

    Args:
        chunks: the futures of calls, chunk by chunk.
        buffersize: so many chunks are submitted ahead of the one whose results are taken; None for all.
        deadline: when waiting for a result raises TimeoutError, as the monotonic clock has it; None for never.

    """
    return _results(deque(itertools.islice(chunks, buffersize)), chunks, deadline)


def is_of_map(iterator: object) -> bool:
    """Whether *iterator* is one that :func:`results` has returned; to look into it would wait for its first result."""
    return getattr(iterator, "gi_code", None) is _results.__code__


def _results(
    ahead: deque[list[CondorFuture[T]]], chunks: Iterator[list[CondorFuture[T]]], deadline: float | None
) -> Iterator[T]:
    """Yield the results in order; submit another chunk for each that is begun; cancel the rest when it is closed."""
    chunk: list[CondorFuture[T]] = []
    try:
        while ahead:
            chunk = ahead.popleft()
            chunk.reverse()
            # As in Python 3.14: submitted before a result is waited for, so that the buffer is full meanwhile.
            ahead.extend(itertools.islice(chunks, 1))
            while chunk:
                # No name is bound to what is yielded: a result belongs to whoever takes it.
                yield _result(chunk.pop(), None if deadline is None else deadline - monotonic())
    finally:
        for future in itertools.chain(chunk, *ahead):
            future.cancel()


def _result(future: CondorFuture[T], timeout: float | None) -> T:
    """The result of *future*, which is cancelled if it is not there within *timeout* seconds."""
    try:
        return future.result(timeout)
    finally:
        future.cancel()  # if it was not there in time
        del future  # an exception's traceback would otherwise keep the future, and so itself, alive
