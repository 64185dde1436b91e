"""Bundles that wait for futures: arguments of their calls, and futures of the *after* option."""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from condor_futures.calls.bundle import Bundle
from condor_futures.ownership import owned, reads
from condor_futures.resolving.resolver import Resolver

__all__ = ["Dependencies"]


class Waiting(Protocol):
    """Is notified of bundles that waited."""

    def ready(self, bundle: Bundle) -> None:
        """*bundle* can be submitted."""

    def forget(self, bundle: Bundle, call: str) -> None:
        """The call *call* of *bundle* has failed."""


@dataclass(eq=False)
class _Barrier:
    """Futures that several bundles come after, and these bundles, which wait for the barrier as a whole."""

    futures: Sequence[Future[Any]]
    unfinished: int
    bundles: list[Bundle]
    failed: list[Future[Any]] = field(default_factory=list)


class _Countdown:
    """Counts what a bundle waits for. Any thread may count: the one that ends the last future goes on at once."""

    def __init__(self, count: int, over: Callable[[], None]) -> None:
        self._count = count
        self._lock = threading.Lock()
        self._over = over

    def one_less(self) -> None:
        with self._lock:
            self._count -= 1
            over = not self._count
        if over:
            self._over()


@owned()
class Dependencies:
    """Keeps bundles until their parents have ended, and has the parents' outcomes added to their calls.

    It belongs to the watcher's thread, to which other threads post.
    """

    def __init__(
        self,
        resolver: Resolver,
        post: Callable[[Callable[[], None]], None],
        waiting: Waiting,
    ) -> None:
        """Create it without bundles.

        Args:
            resolver: fails calls whose parents failed, and hands values down.
            post: has a function called in the watcher's thread.
            waiting: notified of the bundles.

        """
        self._resolver = resolver
        self._post = post
        self._waiting = waiting
        self._unfinished: dict[Bundle, _Countdown] = {}
        #: By the identity of ``Bundle.after``, which is one object for all calls of a derived executor.
        self._barriers: dict[int, _Barrier] = {}
        #: Waiting bundles by cluster: a counter, because it is looked up whenever bundles may be submitted.
        self._of_cluster: Counter[str | None] = Counter()

    @property
    def waiting(self) -> bool:
        """Whether any bundles wait."""
        return bool(self._unfinished)

    @reads
    def bundles(self) -> list[Bundle]:
        """Return the waiting bundles."""
        return list(self._unfinished)

    def awaits(self, cluster: str | None) -> bool:
        """Return whether any bundles of *cluster* wait."""
        return self._of_cluster[cluster] > 0

    def add(self, bundle: Bundle) -> None:
        """Wait for the parents of *bundle*, and for the futures that it comes after."""
        awaited = [([call], parent) for call, needed in bundle.parents.items() for parent in needed.values()]
        left = _Countdown(len(awaited) + bool(bundle.after), functools.partial(self._hand_down, bundle))
        self._unfinished[bundle] = left
        self._of_cluster[bundle.options.cluster] += 1
        for calls, parent in awaited:
            # The callback runs in the thread that ends the parent, or in this thread, immediately, if the parent has
            # ended. It has no reference to the parent: a future keeps its callbacks, so in such a cycle the parent's
            # value would stay until the next garbage collection.
            parent.add_done_callback(functools.partial(self._ended, bundle, calls, left))
        if bundle.after:
            self._add_after(bundle)

    def _add_after(self, bundle: Bundle) -> None:
        barrier = self._barriers.get(id(bundle.after))
        if barrier is not None:
            barrier.bundles.append(bundle)
            for parent in barrier.failed:
                self._fail(bundle, list(bundle.futures), parent)
            return
        barrier = self._barriers[id(bundle.after)] = _Barrier(bundle.after, len(bundle.after), [bundle])
        for parent in bundle.after:
            parent.add_done_callback(lambda parent: self._post(functools.partial(self._passed, barrier, parent)))

    def _passed(self, barrier: _Barrier, parent: Future[Any]) -> None:
        barrier.unfinished -= 1
        if parent.cancelled() or parent.exception() is not None:
            barrier.failed.append(parent)
            for bundle in barrier.bundles:
                self._fail(bundle, list(bundle.futures), parent)
        if not barrier.unfinished:
            self._barriers.pop(id(barrier.futures), None)
            bundles, barrier.bundles = barrier.bundles, []
            barrier.futures, barrier.failed = (), []  # their callbacks refer to the barrier
            for bundle in bundles:
                if bundle in self._unfinished:
                    self._unfinished[bundle].one_less()

    def discard(self, bundle: Bundle) -> None:
        """Forget *bundle*, which is not wanted any more."""
        self._pop(bundle)

    def clear(self) -> None:
        """Forget all bundles."""
        self._unfinished.clear()
        self._of_cluster.clear()
        self._barriers.clear()

    def _pop(self, bundle: Bundle) -> bool:
        """Remove *bundle*, and return whether it was still waiting."""
        if self._unfinished.pop(bundle, None) is None:
            return False
        self._of_cluster[bundle.options.cluster] -= 1
        return True

    def _ended(self, bundle: Bundle, calls: Sequence[str], left: _Countdown, parent: Future[Any]) -> None:
        """Called in the thread that ended *parent*."""
        if parent.cancelled() or parent.exception() is not None:
            self._post(functools.partial(self._fail, bundle, calls, parent))
        left.one_less()

    def _hand_down(self, bundle: Bundle) -> None:
        """Called in any thread: mostly the resolver's, which has ended the last parent and has the values at hand.

        The watcher's thread would only ask it to do this. In a chain of warm calls, that took two changes of threads
        for each call.
        """
        self._resolver.hand_down(bundle, lambda failed: self._post(lambda: self._handed_down(bundle, failed)))

    def _fail(self, bundle: Bundle, calls: Sequence[str], parent: Future[Any]) -> None:
        error = CancelledError() if parent.cancelled() else parent.exception()
        for call in calls if error is not None else ():
            if bundle in self._unfinished and call not in bundle.cancelled:
                self._resolver.fail_call(bundle, call, cast("BaseException", error))
                self._waiting.forget(bundle, call)

    def _handed_down(self, bundle: Bundle, failed: Mapping[str, BaseException]) -> None:
        for call, error in failed.items():
            if bundle in self._unfinished and call not in bundle.cancelled:
                self._resolver.fail(bundle, error, call)
                self._waiting.forget(bundle, call)
        if self._pop(bundle):  # False if none of its calls is wanted any more
            self._waiting.ready(bundle)
