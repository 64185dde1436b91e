"""The threads that wait for the jobs and scripts of a DAG on this machine."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

__all__ = ["Workers"]

T = TypeVar("T")


class Workers:
    """A pool of threads. All threads start at once, because Python (3.12) starts no threads while it exits."""

    def __init__(self, count: int) -> None:
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._count = count
        for _ in range(count):
            threading.Thread(target=self._run, name="condor_futures local worker", daemon=True).start()

    def do(self, work: Callable[[], T]) -> Future[T]:
        """Call *work* when a thread is free; return a future for its result."""
        future: Future[T] = Future()

        def do() -> None:
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - the caller gets it from the future
                future.set_exception(error)

        self._work.put(do)
        return future

    def close(self) -> None:
        """End the threads when all work is done."""
        for _ in range(self._count):
            self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()
