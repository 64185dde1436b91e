"""Which exceptions make a call be made again: ``retry_exceptions``, checked and pickled; and how often at most.

HTCondor does the retrying: the runner leaves with a status of its own, and ``max_retries`` has the job run again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from condor_futures.pickling import Pickled, pickle_object
from condor_futures.shipping import Shipping

__all__ = ["Retries", "RetryOption"]

_LEAST: Final = {"max_retries": 0, "allowed_execute_duration": 1, "allowed_job_duration": 1}
"""Submit commands that HTCondor takes for something else, or for nothing, where they are less, or no number (25.14)."""

RetryOption = type[BaseException] | Iterable[type[BaseException]]


@dataclass(frozen=True, eq=False)
class Retries:
    """The exceptions that a call is made again for, as they travel with it; None for none."""

    exceptions: Pickled | None = None

    def changed(self, exceptions: object, commands: Mapping[str, str], ship: Shipping) -> Retries:
        """With what the user gives as the option; None keeps what there is.

        Raises:
            TypeError: if it is neither a class of exceptions nor several of them.
            ValueError: if there are some, and *commands* have no max_retries; if a limit among the *commands* is none.
            PayloadError: if one cannot be pickled.

        """
        _check_limits(commands)
        if exceptions is None:
            changed = self
        else:
            classes: tuple[object, ...] = (exceptions,)
            if isinstance(exceptions, Iterable) and not isinstance(exceptions, str):
                classes = tuple(exceptions)
            for one in classes:
                if not (isinstance(one, type) and issubclass(one, BaseException)):
                    raise TypeError(f"retry_exceptions is a class of exceptions, or several; {one!r} is none")
            changed = Retries(pickle_object(classes, "retry_exceptions", ship=ship) if classes else None)
        if changed.exceptions is not None and "max_retries" not in commands:
            raise ValueError("retry_exceptions says which exceptions are retried, max_retries how often: give both")
        return changed


def _check_limits(commands: Mapping[str, str]) -> None:
    """Refuse numbers that are no limits; an expression is the access point's to judge.

    >>> _check_limits({"max_retries": "-1"})
    Traceback (most recent call last):
    ValueError: max_retries is a whole number, at least 0, not -1

    """
    for name, least in _LEAST.items():
        text = commands.get(name, "")
        try:
            number = float(text)
        except ValueError:
            number = math.nan if text.lower() in ("true", "false") else float(least)
        if not (number >= least and number.is_integer()):
            raise ValueError(f"{name} is a whole number, at least {least}, not {text}")
