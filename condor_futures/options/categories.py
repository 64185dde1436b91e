"""The limits on the number of jobs of each category in the queue."""

from __future__ import annotations

from collections import UserDict
from typing import Any

from condor_futures.options.arguments import check_count

__all__ = ["Categories"]


class Categories(UserDict[str, int]):
    """The maximum number of jobs of each category in the queue at once; a dict that checks its items.

    >>> categories = Categories(merge=2)
    >>> categories |= {"merge": 0}
    Traceback (most recent call last):
    ValueError: the limit of the category 'merge' must be greater than 0, not 0

    """

    #: The error message that says why limits can no longer be changed; empty while they can.
    sealed = ""

    def __setitem__(self, category: object, limit: object) -> None:
        """Set the limit of a category.

        Raises:
            TypeError: *category* is not a str, or *limit* is not an int.
            ValueError: *limit* is less than 1.
            RuntimeError: limits can no longer be changed, for example those of a DAG that has been run.

        """
        self._check_open()
        if not isinstance(category, str):
            raise TypeError(f"a category must be a str, not {type(category).__name__}")
        super().__setitem__(category, check_count(f"the limit of the category {category!r}", limit))

    def __delitem__(self, category: str) -> None:
        """Remove the limit of a category."""
        self._check_open()
        super().__delitem__(category)

    def copy(self) -> Categories:
        """Return a copy with the same limits."""
        # UserDict.copy() removes the items from this object for a moment, in which the watcher may read them.
        return Categories(self.data)

    def _check_open(self) -> None:
        if self.sealed:
            raise RuntimeError(self.sealed)

    def __ior__(self, others: Any) -> Categories:  # type: ignore[misc,override]  # noqa: PYI034
        """Set several limits."""
        self.update(others)  # checks the items, as UserDict.__ior__() does not
        return self
