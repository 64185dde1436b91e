"""The futures of a DAG. They refuse to wait while the DAG is not being run."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any, Literal, TypeVar

from condor_futures.future import CondorFuture

__all__ = ["DagFuture"]

T = TypeVar("T")


class DagFuture(CondorFuture[T]):
    """The future of a call in a DAG. It refuses to wait while the DAG is not being run."""

    def __init__(
        self, key: str, cancelled: Callable[[CondorFuture[Any]], None], dag_is_started: Callable[[], None]
    ) -> None:
        """Make the future of the call *key*; *dag_is_started* raises RuntimeError if the DAG is not being run."""
        super().__init__(key, cancelled)
        self._dag_is_started = dag_is_started
        self._own_waiters = _Waiters(self)

    def check_started(self) -> None:
        """Raise RuntimeError if the DAG is not being run and the future is not done: a wait would never end."""
        if not self.done():
            self._dag_is_started()

    def result(self, timeout: float | None = None) -> T:
        """Like ``Future.result``; see :meth:`check_started` for the RuntimeError."""
        self.check_started()
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Like ``Future.exception``; see :meth:`check_started` for the RuntimeError."""
        self.check_started()
        return super().exception(timeout)

    def tail(self, stream: Literal["stdout", "stderr"] = "stdout") -> Iterator[str]:
        """Like ``CondorFuture.tail``; see :meth:`check_started` for the RuntimeError."""
        self.check_started()
        return super().tail(stream)

    def __await__(self) -> Generator[Any, None, T]:
        """Like ``CondorFuture.__await__``; see :meth:`check_started` for the RuntimeError."""
        self.check_started()
        return super().__await__()


class _Waiters(list[Any]):
    """The waiters of ``wait`` and ``as_completed``, which call no method of the future before they wait."""

    def __init__(self, future: DagFuture[Any]) -> None:
        super().__init__()
        self._future = future

    def append(self, waiter: Any) -> None:
        """Add *waiter*, unless the wait would never end."""
        self._future.check_started()
        super().append(waiter)
