"""The return value of ``DagExecutor.map``."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import TimeoutError as WaitError  # until Python 3.10 another class than the built-in one
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, Generic, TypeVar

from condor_futures.executor.map_results import value_or_exception
from condor_futures.future import CondorFuture

__all__ = ["Results"]

T = TypeVar("T")


class Results(Iterator[T], Generic[T]):
    """An iterator over the results of a map. As an argument of another call, the list of all results, in order."""

    def __init__(
        self,
        futures: list[CondorFuture[T]],
        timeout: float | None,
        *,
        ordered: bool = True,
        return_exceptions: bool = False,
    ) -> None:
        self.futures = futures
        """The futures of the calls, in order."""
        self._left = deque(futures)
        self._ended: SimpleQueue[CondorFuture[T]] | None = None if ordered else SimpleQueue()
        self._follows = False
        self._return_exceptions = return_exceptions
        self._timeout = timeout
        self._deadline: float | None = None

    def __next__(self) -> T:
        if self._timeout is not None and self._deadline is None:
            self._deadline = monotonic() + self._timeout
        if not self._left:
            raise StopIteration
        left = None if self._deadline is None else self._deadline - monotonic()
        if self._ended is not None:
            future = self._take(self._ended, left)
            self._left.popleft()  # counts those that are to come
            return self._result(future, 0.0)
        result: T = self._result(self._left[0], left)
        self._left.popleft()
        return result

    def _take(self, ended: SimpleQueue[CondorFuture[T]], timeout: float | None) -> CondorFuture[T]:
        """Return a future that has ended and was not returned before."""
        if not self._follows:
            self._follows = True
            for future in self.futures:
                future.add_done_callback(ended.put)  # type: ignore[arg-type] # it is called with this future
        try:
            return ended.get(timeout=None if timeout is None else max(0.0, timeout))
        except Empty:
            raise WaitError from None

    def _result(self, future: CondorFuture[T], timeout: float | None) -> T:
        # With exceptions in the place of results, T stands for them too.
        value: T = value_or_exception(future, timeout) if self._return_exceptions else future.result(timeout)
        return value

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (self.futures,)
