"""The limits on the number of jobs of each category in the queue."""

from __future__ import annotations

import threading
from collections import UserDict
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from condor_futures.options.arguments import check_count
from condor_futures.ownership import Owner, changes, owned

__all__ = ["Categories"]


@owned(sealed="limits")
class Categories(UserDict[str, int]):
    """The maximum number of jobs of each category in the queue at once; a dict that checks its items.

    The limits belong to the holder of their lock, which every method that changes them takes. Any thread may call these
    methods. The watcher and the runs of a DAG only read the limits.

    >>> categories = Categories(merge=2)
    >>> categories |= {"merge": 0}
    Traceback (most recent call last):
    ValueError: the limit of the category 'merge' must be greater than 0, not 0

    """

    def __init__(self, limits: Mapping[str, int] = MappingProxyType({}), /, **more: int) -> None:
        """Set the first limits."""
        #: The error message that says why limits can no longer be changed; empty while they can.
        self.sealed = ""
        self._lock = threading.RLock()
        super().__init__(limits, **more)
        Owner("the holder of the lock of the limits", self._lock).takes(self, part="limits")

    def seal(self, why: str) -> None:
        """Refuse all further changes with the error message *why*."""
        with self._lock:
            self.sealed = why

    def __setitem__(self, category: object, limit: object) -> None:
        """Set the limit of a category.

        Raises:
            TypeError: *category* is not a str, or *limit* is not an int.
            ValueError: *limit* is less than 1.
            RuntimeError: limits can no longer be changed, for example those of a DAG that has been run.

        """
        with self._lock:
            self._check_open()
            if not isinstance(category, str):
                raise TypeError(f"a category must be a str, not {type(category).__name__}")
            super().__setitem__(category, check_count(f"the limit of the category {category!r}", limit))

    def __delitem__(self, category: str) -> None:
        """Remove the limit of a category."""
        with self._lock:
            self._check_open()
            super().__delitem__(category)

    def copy(self) -> Categories:
        """Return a copy with the same limits."""
        # UserDict.copy() removes the items from this object for a moment, in which the watcher may read them.
        return Categories(self.data)

    @changes("limits")
    def _check_open(self) -> None:
        if self.sealed:
            raise RuntimeError(self.sealed)

    def __ior__(self, others: Any) -> Categories:  # type: ignore[misc,override]  # noqa: PYI034
        """Set several limits."""
        self.update(others)  # checks the items, as UserDict.__ior__() does not
        return self
