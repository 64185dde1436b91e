"""Checks of the arguments that both executors take, with the standard library's messages where it has any."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable
from concurrent.futures import Future
from numbers import Real
from typing import Any

__all__ = [
    "check_after",
    "check_count",
    "check_flag",
    "check_optional_count",
    "check_progress",
    "check_seconds",
    "check_warm",
]


def check_after(after: object) -> tuple[Future[Any], ...]:
    """Return the futures in *after*, which is a future or an iterable of futures.

    Raises:
        TypeError: *after* is something else, or contains something else.

    >>> check_after([3])
    Traceback (most recent call last):
    TypeError: after must be a future or an iterable of futures, not int

    """
    if not isinstance(after, (Future, Iterable)):
        raise TypeError(f"after must be a future or an iterable of futures, not {type(after).__name__}")
    futures = (after,) if isinstance(after, Future) else tuple(after)
    for future in futures:
        if not isinstance(future, Future):
            raise TypeError(f"after must be a future or an iterable of futures, not {type(future).__name__}")
    return futures


def check_flag(name: str, value: object) -> None:
    """Raise TypeError if the *value* of the argument *name* is not a bool."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {value!r}")


def check_progress(progress: object) -> bool:
    """Return whether calls are to be shown: the argument *progress*, or the environment variable if that is None.

    Raises:
        TypeError: *progress* is neither a bool nor None.

    >>> check_progress(True), check_progress(False)
    (True, False)

    """
    if progress is None:
        return os.environ.get("CONDOR_FUTURES_PROGRESS", "0") not in ("", "0")
    if not isinstance(progress, bool):
        raise TypeError(f"progress must be True, False or None, not {progress!r}")
    return progress


def check_seconds(name: str, value: object) -> None:
    """Raise TypeError if the *value* of the argument *name* is neither a number nor None, which means no limit."""
    if value is not None and not isinstance(value, Real):
        raise TypeError(f"{name} must be a number of seconds or None, not {value!r}")


def check_warm(name: str, value: object, *, least: float) -> None:
    """Raise an exception unless the *value* of the argument *name* is a number of seconds of *least* or more.

    Raises:
        TypeError: *value* is not a number.
        ValueError: *value* is less than *least*, or infinite.

    """
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number of seconds, not {value!r}")
    if not least <= float(value) < float("inf"):
        raise ValueError(f"{name} must be {least:g} s or more, and finite, not {value!r}")


def check_count(name: str, value: object, *, least: int = 1, also: str = "") -> int:
    """Return the *value* of the argument *name* as an int; numpy's integers are accepted too.

    Args:
        name: the argument's name, for the message.
        value: the argument.
        least: the smallest valid number.
        also: what else the argument may be, for the message.

    Raises:
        TypeError: *value* is not an integer.
        ValueError: *value* is less than *least*.

    >>> check_count("max_workers", 0, also="None")
    Traceback (most recent call last):
    ValueError: max_workers must be greater than 0, not 0

    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        given = repr(value) if isinstance(value, str) else type(value).__name__
        raise TypeError(f"{name} must be an integer{f' or {also}' if also else ''}, not {given}")
    if number < least:
        wanted = f"at least {least}" if least != 1 else "None or > 0" if name == "buffersize" else "greater than 0"
        raise ValueError(f"{name} must be {wanted}, not {number}")
    return number


def check_optional_count(name: str, value: object) -> int | None:
    """Return the *value* of the argument *name* as an int, or None; see :func:`check_count`."""
    return None if value is None else check_count(name, value, also="None")
