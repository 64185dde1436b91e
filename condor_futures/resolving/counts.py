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
        self._open: dict[str, Bundle] = {}  # by the key of the call
        self._ended: Counter[str] = Counter()
        Owner("the holder of its lock", self._lock).takes(self)

    def opened(self, bundles: Iterable[Bundle]) -> None:
        """Record that the calls of *bundles* were submitted."""
        calls = {call: bundle for bundle in bundles for call in bundle.futures}
        self._note(lambda: self._open.update(calls))

    def moved(self, calls: Iterable[str], bundle: Bundle) -> None:
        """Record that the job of *bundle* makes *calls*; a call that has ended stays as it is."""
        self._note(lambda: self._open.update({call: bundle for call in calls if call in self._open}))

    def failed_at_once(self) -> None:
        """Record a call that failed before it could be submitted."""
        self._note(lambda: self._ended.update(failed=1))

    def ended(self, call: str, how: str) -> None:
        """Record that a call is done, failed or cancelled; only the first record of a call counts."""
        self._note(lambda: self._end(call, how))

    @changes()
    def _end(self, call: str, how: str) -> None:
        if self._open.pop(call, None) is not None:
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
                counts.update(bundle.job.shown.value for bundle in self._open.values())
                return counts
            finally:
                self._busy = busy
