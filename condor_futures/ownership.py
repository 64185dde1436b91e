"""Who may change an object: each mutable object has one owner, a thread or the holder of a lock; the tests assert it.

The docstring of a class says whom its objects belong to. Any thread may read them at any time, and what it reads may be
out of date; only the owner changes them. Until an owner has begun, and after it has ended, its objects are free: that
is how one thread hands them over to another.

Checks are made only if ``CONDOR_FUTURES_CHECK_OWNERS=1`` is in the environment when the package is imported, as
``tests/conftest.py`` has it. Otherwise the decorators return what they are given, and cost nothing.
"""

from __future__ import annotations

import contextlib
import functools
import operator
import os
import threading
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any, Final, ParamSpec, TypeVar

__all__ = ["CHECKED", "Owner", "WrongThreadError", "changes", "owned", "reads"]

P = ParamSpec("P")
T = TypeVar("T")

CHECKED: Final = os.environ.get("CONDOR_FUTURES_CHECK_OWNERS") == "1"
"""Changes by a thread that does not own the object are refused."""

_OWNERS = "_owners"  # of an object: its owners, by the part of it that they own
_READS = "_reads"  # of a method that changes nothing

#: Whether this thread has a reentrant lock: as threading.Condition asks it.
_HAS_LOCK = operator.methodcaller("_is_owned")


class WrongThreadError(AssertionError):
    """A thread changed what belongs to another: a bug of ours, which only tests look for."""


class Owner:
    """Who may change the objects that it takes: the thread that is at work as it, or the holder of its lock.

    >>> owner = Owner("the watcher")
    >>> owner.is_current_thread()  # it is not at work, so anybody may change its objects
    True
    >>> with owner.at_work():
    ...     owner.is_current_thread()
    True

    """

    def __init__(self, name: str, lock: Any = None) -> None:
        """Make it.

        Args:
            name: as messages name it.
            lock: an RLock, whose holder is the owner; None for an owner that is a thread.

        """
        self._name = name
        self._lock = lock
        self._thread: threading.Thread | None = None

    def takes(self, *things: object, part: str = "") -> None:
        """Let *things* belong to it, or only a *part* of them; with the owned objects that they are made of."""
        for thing in things if CHECKED else ():
            owners = vars(thing).setdefault(_OWNERS, {})
            if owners.get(part) is not self:
                owners[part] = self
                if not part:
                    self.takes(*(value for value in vars(thing).values() if getattr(type(value), _OWNERS, False)))

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Until the block ends, this thread alone may change its objects."""
        self._thread = threading.current_thread()
        try:
            yield
        finally:
            self._thread = None

    def is_current_thread(self) -> bool:
        """Whether this thread may change its objects."""
        if self._lock is not None:
            return bool(_HAS_LOCK(self._lock))
        return self._thread in (None, threading.current_thread())

    def check(self, what: str) -> None:
        """Refuse a change by another thread.

        Raises:
            WrongThreadError: if this thread is not the owner.

        """
        if not self.is_current_thread():
            thread = threading.current_thread().name
            raise WrongThreadError(f"the thread {thread!r} must not change {what}: it belongs to {self._name}")


def owned(*, methods: bool = True, **parts: str) -> Callable[[type[T]], type[T]]:
    """Have a class checked: its attributes, and, as each public method may change something, its *methods*.

    Args:
        methods: without it, only those marked with :func:`changes`; with it, all but those marked with :func:`reads`.
        parts: by attribute, the part of the object that it belongs to, where parts of it have owners of their own. All
            other attributes never change then, once the object has an owner; of its methods only those count that are
            marked.

    """

    def decorate(decorated: type[T]) -> type[T]:
        if not CHECKED:
            return decorated
        set_attribute: Any = decorated.__setattr__

        def __setattr__(self: Any, name: str, value: Any) -> None:  # noqa: N807 - it is one
            what = f"{type(self).__name__}.{name}"
            owners = vars(self).get(_OWNERS)
            if owners and parts and name not in parts:
                raise WrongThreadError(f"{what} must not change: it belongs to nobody")
            _check(self, parts.get(name, ""), what)
            set_attribute(self, name, value)

        changed: Any = decorated
        changed.__setattr__ = __setattr__
        setattr(changed, _OWNERS, True)
        for name, method in list(vars(decorated).items()) if methods and not parts else ():
            if isinstance(method, FunctionType) and not name.startswith("_") and not hasattr(method, _READS):
                setattr(decorated, name, changes()(method))
        return decorated

    return decorate


def changes(part: str = "") -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Mark a method that changes a *part* of its object."""

    def decorate(method: Callable[P, T]) -> Callable[P, T]:
        if not CHECKED:
            return method

        @functools.wraps(method)
        def checked(*args: P.args, **kwargs: P.kwargs) -> T:
            _check(args[0], part, f"{type(args[0]).__name__} by {method.__name__}()")
            return method(*args, **kwargs)

        return checked

    return decorate


def reads(method: Callable[P, T]) -> Callable[P, T]:
    """Mark a method that changes nothing, so that any thread may call it."""
    if CHECKED:
        setattr(method, _READS, True)
    return method


def _check(thing: Any, part: str, what: str) -> None:
    owner = vars(thing).get(_OWNERS, {}).get(part)
    if owner is not None:
        owner.check(what)
