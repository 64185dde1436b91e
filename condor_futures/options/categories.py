"""How many jobs of a category may be in the queue at once."""

from __future__ import annotations

from collections import UserDict
from typing import Any

from condor_futures.options.arguments import check_count

__all__ = ["Categories"]


class Categories(UserDict[str, int]):
    """The largest number of jobs of each category that may be in the queue at once; a dict that checks what it gets.

    >>> categories = Categories(merge=2)
    >>> categories |= {"merge": 0}
    Traceback (most recent call last):
    ValueError: the limit of the category 'merge' must be greater than 0, not 0

    """

    #: Why limits cannot be changed any more.
    sealed = ""

    def __setitem__(self, category: object, limit: object) -> None:
        """Set the limit of a category.

        Raises:
            TypeError: if *category* is no str, or *limit* no int.
            ValueError: if *limit* is below 1.
            RuntimeError: if limits cannot be changed any more, as those of a DAG that has been run.

        """
        self._check_open()
        if not isinstance(category, str):
            raise TypeError(f"a category is a str, not {type(category).__name__}")
        super().__setitem__(category, check_count(f"the limit of the category {category!r}", limit))

    def __delitem__(self, category: str) -> None:
        """Have no limit any more."""
        self._check_open()
        super().__delitem__(category)

    def copy(self) -> Categories:
        """Others with the same limits."""
        # UserDict's own copy() would take them out of these for a moment, in which the watcher may look.
        return Categories(self.data)

    def _check_open(self) -> None:
        if self.sealed:
            raise RuntimeError(self.sealed)

    def __ior__(self, others: Any) -> Categories:  # type: ignore[misc,override]  # noqa: PYI034
        """Set several limits."""
        self.update(others)  # which checks them, as UserDict's own does not
        return self
