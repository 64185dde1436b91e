"""Futures of a DAG, which do not wait for a DAG that nobody runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from condor_futures.future import CondorFuture

__all__ = ["DagFuture"]

T = TypeVar("T")


class DagFuture(CondorFuture[T]):
    """A future that does not wait for a DAG that nobody runs."""

    def __init__(
        self, key: str, cancelled: Callable[[CondorFuture[Any]], None], dag_is_started: Callable[[], None]
    ) -> None:
        """Make the future of the call *key*; *dag_is_started* raises RuntimeError if it is not."""
        super().__init__(key, cancelled)
        self._dag_is_started = dag_is_started
        self._waiters: list[Any] = _Waiters(self)

    def check_started(self) -> None:
        """Refuse to wait, if the DAG is not being run and the future is not done."""
        if not self.done():
            self._dag_is_started()

    def result(self, timeout: float | None = None) -> T:
        """As every future's; a RuntimeError where nobody would end the wait."""
        self.check_started()
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """As every future's; a RuntimeError where nobody would end the wait."""
        self.check_started()
        return super().exception(timeout)


class _Waiters(list[Any]):
    """Those who wait for a future by ``wait`` or ``as_completed``, which know no other way to ask it."""

    def __init__(self, future: DagFuture[Any]) -> None:
        super().__init__()
        self._future = future

    def append(self, waiter: Any) -> None:
        """Let it wait, if somebody is going to end the wait."""
        self._future.check_started()
        super().append(waiter)
