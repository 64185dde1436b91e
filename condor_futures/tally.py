"""How many calls there are in which state: at every moment they add up to the number of calls."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

from condor_futures.bundle import Bundle

__all__ = ["Tally"]


class Tally:
    """Knows each call from its submission on, as open or as ended; for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[Bundle, set[str]] = {}
        self._ended: Counter[str] = Counter()

    def opened(self, bundles: Iterable[Bundle]) -> None:
        """These calls are submitted."""
        with self._lock:
            self._open.update((bundle, set(bundle.futures)) for bundle in bundles)

    def failed_at_once(self) -> None:
        """A call failed before it could be submitted."""
        with self._lock:
            self._ended["failed"] += 1

    def ended(self, bundle: Bundle, call: str, how: str) -> None:
        """A call has ended: done, failed or cancelled; only the first time counts."""
        with self._lock:
            calls = self._open.get(bundle, set())
            if call in calls:
                calls.remove(call)
                self._ended[how] += 1
            if not calls:
                self._open.pop(bundle, None)

    def counts(self) -> Counter[str]:
        """Calls by the state of their job, or by how they ended."""
        with self._lock:
            counts = Counter(self._ended)
            for bundle, calls in self._open.items():
                counts[bundle.job.shown.value] += len(calls)
            return counts
