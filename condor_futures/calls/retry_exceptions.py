"""Which exceptions make a call be made again: ``retry_exceptions``, checked and pickled.

HTCondor does the retrying: the runner leaves with a status of its own, and ``max_retries`` has the job run again.
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
    """The exceptions that a call is made again for, as they travel with it; None for none."""

    exceptions: Pickled | None = None

    def changed(self, exceptions: object, commands: Mapping[str, str], ship: Shipping) -> Retries:
        """With what the user gives as the option; None keeps what there is.

        Raises:
            TypeError: if it is neither a class of exceptions nor several of them.
            ValueError: if there are some, and *commands* have no max_retries.
            PayloadError: if one cannot be pickled.

        """
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
