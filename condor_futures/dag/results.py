"""The return value of ``DagExecutor.map``."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from time import monotonic
from typing import Any, Generic, TypeVar

from condor_futures.future import CondorFuture

__all__ = ["Results"]

T = TypeVar("T")


class Results(Iterator[T], Generic[T]):
    """An iterator over the results of a map, in order. As an argument of another call, the list of all results."""

    def __init__(self, futures: list[CondorFuture[T]], timeout: float | None) -> None:
        self.futures = futures
        """The futures of the calls, in order."""
        self._left = deque(futures)
        self._timeout = timeout
        self._deadline: float | None = None

    def __next__(self) -> T:
        if self._timeout is not None and self._deadline is None:
            self._deadline = monotonic() + self._timeout
        if not self._left:
            raise StopIteration
        left = None if self._deadline is None else self._deadline - monotonic()
        result = self._left[0].result(left)
        self._left.popleft()
        return result

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (self.futures,)
