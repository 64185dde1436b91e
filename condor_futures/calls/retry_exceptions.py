"""``retry_exceptions``, the exceptions after which a call is retried: checked and pickled.

HTCondor retries the job: the runner exits with a special status, and ``max_retries`` makes the job run again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from condor_futures.calls.pickling import Pickled, pickle_object
from condor_futures.options.ship import Shipping

__all__ = ["Retries", "RetryOption"]

RetryOption = type[BaseException] | Iterable[type[BaseException]]


@dataclass(frozen=True, eq=False)
class Retries:
    """The pickled exception classes after which a call is retried; None if there are none."""

    exceptions: Pickled | None = None

    def changed(self, exceptions: object, commands: Mapping[str, str], ship: Shipping) -> Retries:
        """Return the exceptions with the user's option *exceptions* applied; None keeps the exceptions as they are.

        Raises:
            TypeError: *exceptions* is neither an exception class nor an iterable of exception classes.
            ValueError: there are exceptions, but *commands* has no max_retries.
            PayloadError: a class cannot be pickled.

        """
        if exceptions is None:
            changed = self
        else:
            classes: tuple[object, ...] = (exceptions,)
            if isinstance(exceptions, Iterable) and not isinstance(exceptions, str):
                classes = tuple(exceptions)
            for one in classes:
                if not (isinstance(one, type) and issubclass(one, BaseException)):
                    raise TypeError(f"retry_exceptions must be one or more exception classes; {one!r} is not one")
            changed = Retries(pickle_object(classes, "retry_exceptions", ship=ship) if classes else None)
        if changed.exceptions is not None and "max_retries" not in commands:
            raise ValueError("retry_exceptions also needs max_retries, the maximum number of retries")
        return changed
