"""Calls that wait for warm jobs: in the files where they are stored, or given back by a job."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from condor_futures.calls.bundle import Bundle
from condor_futures.calls.stored_calls import StoredCalls
from condor_futures.future import CondorFuture

if TYPE_CHECKING:
    from condor_futures.watching.fleet import Fleet, WarmJob

__all__ = ["GivenCall", "Storage", "Waiting"]


@dataclass(eq=False)
class Storage:
    """A file of calls. It is all that is kept of a call that waits, with its future.

    Attributes:
        bundle: names the file, and has the options of the calls.
        calls: the file.
        fleet: the jobs that can make the calls.
        waiting: the futures of the calls that wait, by key.
        unfinished: how many calls have no outcome.
        failed: whether a call failed or was cancelled.

    """

    bundle: Bundle
    calls: StoredCalls
    fleet: Fleet
    waiting: dict[str, CondorFuture[Any]] = field(default_factory=dict)
    unfinished: int = 0
    failed: bool = False

    @property
    def together(self) -> int:
        """How many of the calls a job is given at once; 0 if it is to be found out."""
        return int(self.calls.head.get("together", 0))

    def add(self, futures: Mapping[str, CondorFuture[Any]]) -> None:
        """Add calls, which are in the file."""
        self.waiting.update(futures)
        self.unfinished += len(futures)

    def take(self, count: int) -> list[GivenCall]:
        """Remove the first calls that wait, *count* at most, and return them."""
        # A dict keeps the places of its first keys when they are popped, until it grows. islice() passes over them
        # quickly, and there are no more than a file has calls.
        keys = list(itertools.islice(self.waiting, count))
        return [GivenCall(key, self.waiting.pop(key), self) for key in keys]


class GivenCall:
    """A call that has been given to a job, and has no outcome yet.

    Attributes:
        key: the key of the call.
        future: its future.
        storage: where it is stored.
        job: the job that it was given to; None while it waits again.
        suspect: whether a job that made it wrote what no job writes.

    """

    __slots__ = ("future", "job", "key", "storage", "suspect")

    def __init__(self, key: str, future: CondorFuture[Any], storage: Storage) -> None:
        """Make it."""
        self.key = key
        self.future = future
        self.storage = storage
        self.job: WarmJob | None = None
        self.suspect = False


class Waiting:
    """The calls of one fleet that wait, in their order; any of them leaves in the same time, however many wait.

    >>> from types import SimpleNamespace
    >>> storage = Storage(None, None, None)
    >>> storage.add(dict.fromkeys("abcd"))
    >>> waiting = Waiting()
    >>> waiting.add(storage, 4)
    >>> first = waiting.take(2)
    >>> [call.key for call in first], len(waiting)
    (['a', 'b'], 2)
    >>> waiting.put_back(first[:1])
    >>> [call.key for call in waiting.take(9)]
    ['a', 'c', 'd']

    """

    def __init__(self) -> None:
        self._returned: dict[str, GivenCall] = {}
        self._storages: dict[Storage, None] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def storages(self) -> Iterator[Storage]:
        """Return the storages that have calls that wait, the first one first."""
        of_returned = (call.storage for call in self._returned.values())
        return iter(dict.fromkeys((*of_returned, *(one for one in self._storages if one.waiting))))

    @property
    def together(self) -> int:
        """How many of the first calls a job is given at once; 0 if it is to be found out."""
        for call in self._returned.values():
            return call.storage.together
        return next((storage.together for storage in self._storages if storage.waiting), 0)

    def futures(self) -> list[CondorFuture[Any]]:
        """Return the futures of the calls. Any thread may call this."""
        returned = [call.future for call in list(self._returned.values())]
        return returned + [future for storage in list(self._storages) for future in list(storage.waiting.values())]

    def add(self, storage: Storage, count: int) -> None:
        """Add the last *count* calls of *storage* at the end."""
        self._storages[storage] = None
        self._count += count

    def put_back(self, calls: Sequence[GivenCall]) -> None:
        """Add *calls* at the beginning."""
        self._returned = {**{call.key: call for call in calls}, **self._returned}
        self._count += len(calls)

    def take(self, count: int) -> list[GivenCall]:
        """Remove the first calls, *count* at most, and return them."""
        keys = list(itertools.islice(self._returned, count))
        taken = [self._returned.pop(key) for key in keys]
        while len(taken) < count and self._storages:
            storage = next(iter(self._storages))
            taken += storage.take(count - len(taken))
            if not storage.waiting:
                del self._storages[storage]
        self._count -= len(taken)
        return taken

    def remove(self, storage: Storage, key: str) -> GivenCall | None:
        """Remove one call of *storage* and return it; None if it does not wait."""
        call = self._returned.pop(key, None)
        if call is None:
            future = storage.waiting.pop(key, None)
            if future is None:
                return None
            call = GivenCall(key, future, storage)
        self._count -= 1
        return call

    def take_all(self, storage: Storage) -> list[GivenCall]:
        """Remove all calls of *storage*, and return them in the order of their keys in the file."""
        returned = [call for call in self._returned.values() if call.storage is storage]
        for call in returned:
            del self._returned[call.key]
        calls = returned + storage.take(len(storage.waiting))
        self._storages.pop(storage, None)
        self._count -= len(calls)
        return calls
