"""The number of calls in each state; at any time these numbers add up to the number of calls."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Collection
from typing import Any, cast

from condor_futures.calls.bundle import Bundle
from condor_futures.future import CondorFuture
from condor_futures.ownership import Owner, changes, owned

__all__ = ["Counts"]


@owned(methods=False)
class Counts:
    """Tracks each call from its submission on, as open or ended.

    Any thread may record changes. The numbers belong to the holder of the lock. The queue of changes belongs to nobody,
    because a deque is safe in any thread. The attribute ``counted`` of a future is the bundle that the call counts for,
    and belongs to the holder of the lock, too: a table of all calls would take more memory than the calls.
    """

    def __init__(self) -> None:
        #: The lock is reentrant, and changes are queued first: the garbage collector or a signal handler may cancel a
        #: call in the thread that holds the lock.
        self._lock = threading.RLock()
        self._notes: deque[Callable[[], None]] = deque()
        self._busy = False
        self._open: Counter[Bundle] = Counter()
        self._ended: Counter[str] = Counter()
        Owner("the holder of its lock", self._lock).takes(self)

    def opened(self, futures: Collection[CondorFuture[Any]], bundle: Bundle) -> None:
        """Record that calls of *bundle* were submitted."""
        self._note(lambda: self._begin(futures, bundle))

    def moved(self, futures: Collection[CondorFuture[Any]], bundle: Bundle) -> None:
        """Record that the job of *bundle* makes these calls; a call that has ended stays as it is."""
        self._note(lambda: self._begin([future for future in futures if self._leaves(future)], bundle))

    def failed_at_once(self) -> None:
        """Record a call that failed before it could be submitted."""
        self._note(lambda: self._ended.update(failed=1))

    def ended(self, future: CondorFuture[Any], how: str) -> None:
        """Record that a call is done, failed or cancelled; only the first record of a call counts."""
        self._note(lambda: self._end(future, how))

    @changes()
    def _begin(self, futures: Collection[CondorFuture[Any]], bundle: Bundle) -> None:
        for future in futures:
            future.counted = bundle
        if futures:
            self._open[bundle] += len(futures)

    @changes()
    def _leaves(self, future: CondorFuture[Any]) -> bool:
        """Return whether a call has not ended; if so, it counts for its bundle no longer."""
        bundle = cast("Bundle | None", future.counted)
        if bundle is None:
            return False
        future.counted = None
        self._open[bundle] -= 1
        if not self._open[bundle]:
            del self._open[bundle]
        return True

    @changes()
    def _end(self, future: CondorFuture[Any], how: str) -> None:
        if self._leaves(future):
            self._ended[how] += 1

    def _note(self, note: Callable[[], None]) -> None:
        self._notes.append(note)
        if self._lock.acquire(blocking=False):  # else the holder of the lock, or the next counts(), applies the change
            try:
                self._settle()
            finally:
                self._lock.release()

    def _settle(self) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            while self._notes:
                self._notes.popleft()()
        finally:
            self._busy = False

    def counts(self) -> Counter[str]:
        """Return the number of calls by the state of their job, or by their end."""
        with self._lock:
            self._settle()
            busy, self._busy = self._busy, True
            try:
                counts = Counter(self._ended)
                for bundle, count in self._open.items():
                    counts[bundle.job.shown.value] += count
                return counts
            finally:
                self._busy = busy
