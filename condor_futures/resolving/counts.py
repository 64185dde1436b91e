"""How many calls there are in which state: at every moment they add up to the number of calls."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable

from condor_futures.calls.bundle import Bundle
from condor_futures.ownership import Owner, changes, owned

__all__ = ["Counts"]


@owned(methods=False)
class Counts:
    """Knows each call from its submission on, as open or as ended.

    Any thread may tell it something. What it knows belongs to the holder of its lock; only the queue of what it has
    been told belongs to nobody, for a deque is safe in any thread.
    """

    def __init__(self) -> None:
        #: Reentrant, and what changes is noted first: a call may be cancelled by the garbage collector, or by a signal
        #: handler, in the thread that has it.
        self._lock = threading.RLock()
        self._notes: deque[Callable[[], None]] = deque()
        self._busy = False
        self._open: dict[Bundle, set[str]] = {}
        self._ended: Counter[str] = Counter()
        Owner("the holder of its lock", self._lock).takes(self)

    def opened(self, bundles: Iterable[Bundle]) -> None:
        """These calls are submitted."""
        calls = {bundle: set(bundle.futures) for bundle in bundles}
        self._note(lambda: self._open.update(calls))

    def failed_at_once(self) -> None:
        """A call failed before it could be submitted."""
        self._note(lambda: self._ended.update(failed=1))

    def ended(self, bundle: Bundle, call: str, how: str) -> None:
        """A call has ended: done, failed or cancelled; only the first time counts."""
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
        if self._lock.acquire(blocking=False):  # or whoever has it sees to it, counts() at the latest
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
        """Calls by the state of their job, or by how they ended."""
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
