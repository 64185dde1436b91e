"""The iterator that ``map`` returns."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from time import monotonic
from typing import TypeVar

from condor_futures.future import CondorFuture

__all__ = ["result_of", "results"]

T = TypeVar("T")


def results(
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
                yield result_of(chunk.pop(), None if deadline is None else deadline - monotonic())
    finally:
        for future in itertools.chain(chunk, *ahead):
            future.cancel()


def result_of(future: CondorFuture[T], timeout: float | None) -> T:
    """The result of *future*, which is cancelled if it is not there within *timeout* seconds."""
    try:
        return future.result(timeout)
    finally:
        future.cancel()  # if it was not there in time
        del future  # an exception's traceback would otherwise keep the future, and so itself, alive
