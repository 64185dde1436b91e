"""The futures of a session, by the keys and names of their calls: ``executor.futures``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from condor_futures.future import CondorFuture

__all__ = ["SessionFutures"]


class SessionFutures(Mapping[str, CondorFuture[Any]]):
    """Futures by the keys of their calls. The name of a call stands for the key of the last call that has the name.

    Any thread may add futures, and read.

    >>> futures = SessionFutures([CondorFuture("c000000"), CondorFuture("c000001")])
    >>> futures["c000001"].name = "fit-1"
    >>> futures.add(futures["c000001"])
    >>> futures["fit-1"].key, "fit-2" in futures, list(futures)
    ('c000001', False, ['c000000', 'c000001'])

    """

    def __init__(self, futures: Iterable[CondorFuture[Any]] = ()) -> None:
        """Begin with these *futures*."""
        self._by_key: dict[str, CondorFuture[Any]] = {}
        self._by_name: dict[str, CondorFuture[Any]] = {}
        for future in futures:
            self.add(future)

    def add(self, future: CondorFuture[Any]) -> None:
        """Add a future, also by its name if it has one."""
        self._by_key[future.key] = future
        if future.name is not None:
            self._by_name[future.name] = future

    def __getitem__(self, key: str) -> CondorFuture[Any]:
        found = self._by_key.get(key)
        return found if found is not None else self._by_name[key]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._by_key))  # another thread may submit a call meanwhile

    def __len__(self) -> int:
        return len(self._by_key)

    def __repr__(self) -> str:
        return repr(self._by_key)
