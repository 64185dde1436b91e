"""The number of calls in each state; at any time these numbers add up to the number of calls."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable

from condor_futures.calls.bundle import Bundle
from condor_futures.ownership import Owner, changes, owned

__all__ = ["Counts"]


@owned(methods=False)
class Counts:
    """Tracks each call from its submission on, as open or ended.

    Any thread may record changes. The numbers belong to the holder of the lock. The queue of changes belongs to nobody,
    because a deque is safe in any thread.
    """

    def __init__(self) -> None:
        #: The lock is reentrant, and changes are queued first: the garbage collector or a signal handler may cancel a
        #: call in the thread that holds the lock.
        self._lock = threading.RLock()
        self._notes: deque[Callable[[], None]] = deque()
        self._busy = False
        self._open: dict[Bundle, set[str]] = {}
        self._ended: Counter[str] = Counter()
        Owner("the holder of its lock", self._lock).takes(self)

    def opened(self, bundles: Iterable[Bundle]) -> None:
        """Record that the calls of *bundles* were submitted."""
        calls = {bundle: set(bundle.futures) for bundle in bundles}
        self._note(lambda: self._open.update(calls))

    def failed_at_once(self) -> None:
        """Record a call that failed before it could be submitted."""
        self._note(lambda: self._ended.update(failed=1))

    def ended(self, bundle: Bundle, call: str, how: str) -> None:
        """Record that a call is done, failed or cancelled; only the first record of a call counts."""
        self._note(lambda: self._end(bundle, call, how))

    @changes()
    def _end(self, bundle: Bundle, call: str, how: str) -> None:
        calls = self._open.get(bundle, set())
        if call in calls:
            calls.remove(call)
            self._ended[how] += 1
        if not calls:
            self._open.pop(bundle, None)

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
                for bundle, calls in self._open.items():
                    counts[bundle.job.shown.value] += len(calls)
                return counts
            finally:
                self._busy = busy
