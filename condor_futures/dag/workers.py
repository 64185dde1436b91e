"""Threads that wait for what a DAG runs on this machine."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

__all__ = ["Workers"]

T = TypeVar("T")


class Workers:
    """Threads that do what they are given. All are started at once: a Python that ends (3.12) starts no more."""

    def __init__(self, count: int) -> None:
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._count = count
        for _ in range(count):
            threading.Thread(target=self._run, name="condor_futures local worker", daemon=True).start()

    def do(self, work: Callable[[], T]) -> Future[T]:
        """Do it when a thread is free."""
        future: Future[T] = Future()

        def do() -> None:
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - it is told to who asked for it
                future.set_exception(error)

        self._work.put(do)
        return future

    def close(self) -> None:
        """End them once all is done."""
        for _ in range(self._count):
            self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()
